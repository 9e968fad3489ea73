#!/usr/bin/env bash
# A real Slurm of one node in this machine, for tests: munged, slurmctld and slurmd without an init system.
#
#   slurm.sh start  DIR   install what is missing (as root, on Debian), configure, start, wait for a first job
#   slurm.sh stop   DIR   end the three by their process ids; jobs that still run are ended with them
#   slurm.sh status DIR   say what runs; exit 0 if all three do
#   slurm.sh stop-controller | start-controller | restart-controller DIR   slurmctld alone; slurmd and jobs go on
#   slurm.sh reconfigure DIR   write slurm.conf again and let it count
#   slurm.sh wait-for-node DIR   until jobs can run
#   slurm.sh env    DIR   print what a client needs in its environment, as NAME=VALUE lines
#
# All that it keeps is in DIR (absolute, without blanks), so that several may run at once, each on ports of its
# own: SLURM_PORT (16817) and the next one, on the loopback. SLURM_SLOTS (8) and SLURM_MEMORY_MB (8192) say how
# much the node has to hand out, whatever the machine has. MIN_JOB_AGE (300): for how many seconds the
# controller remembers a job that is over. JOBCOMP (filetxt): none for a cluster that keeps no books. OVER_MEMORY=kill
# lets Slurm end jobs over their memory; CGROUPS=v1 lets the kernel, in control groups, at the next start; only one
# such may run in a machine. BOOKS=slurmdbd at the start keeps accounts in slurmdbd, over a MariaDB of its own.
set -euo pipefail

command=${1:?start, stop, status, env, reconfigure, stop-controller, start-controller or restart-controller}
dir=${2:?DIR, an absolute path}
port=${SLURM_PORT:-16817}
export SLURM_CONF=$dir/slurm.conf

say() { echo "slurm.sh: $*" >&2; }

install_packages() {
  local program lacking='' dbd=''
  [ -z "${BOOKS:-}" ] || dbd="slurmdbd mariadbd"
  for program in munged slurmctld slurmd sbatch $dbd; do
    command -v "$program" >/dev/null || lacking=$program
  done
  [ -z "$lacking" ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Slurm is not installed; only root on Debian can do that here"
    exit 3
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # never slurm-wlm-torque: it takes Grid Engine's commands away
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge \
    ${dbd:+slurmdbd mariadb-server-core} >&2
}

# The process id of a daemon ($1) if it runs, from the file that it keeps.
running() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && echo "$pid"
}

wait_until() { # $1: for how many tenths of a second; the rest: for what
  local left=$1
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then
      say "in vain: $*"
      return 1
    fi
    sleep 0.1
  done
}

end() { # $1: the daemon
  local pid
  pid=$(running "$1") || return 0
  kill "$pid"
  wait_until 300 not running "$1" || kill -9 "$pid"
}
not() { ! "$@"; }

configure() {
  mkdir -p "$dir/state" "$dir/spool" "$dir/munge" "$dir/log"
  chmod 755 "$dir"
  chmod 711 "$dir/munge"
  if [ ! -e "$dir/munge.key" ]; then
    (umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
  fi
  # a process tree is enough, where cgroups cannot be had
  local track=linuxproc task=none
  if [ -n "${CGROUPS:-}" ]; then
    track=cgroup task=cgroup
    printf '%s\n' "CgroupPlugin=cgroup/$CGROUPS" ConstrainRAMSpace=yes ConstrainSwapSpace=yes AllowedSwapSpace=0 \
      >"$dir/cgroup.conf"
  fi
  cat >"$SLURM_CONF.new" <<CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge/socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/$track
TaskPlugin=task/$task
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
# a job that fits into no partition is refused, and does not wait for ever
EnforcePartLimits=ALL
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# the node has what is written here, whatever the machine has
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
${OVER_MEMORY:+JobAcctGatherParams=OverMemoryKill}
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
MinJobAge=${MIN_JOB_AGE:-300}
# room for benchmarks too: jobs that are over count for as long as MinJobAge
MaxJobCount=${MAX_JOB_COUNT:-20000}
# the books of a site without slurmdbd: a text file of jobs that are over, which sacct -c reads
JobCompType=jobcomp/${JOBCOMP:-filetxt}
JobCompLoc=$dir/jobcomp.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs=${SLURM_SLOTS:-8} RealMemory=${SLURM_MEMORY_MB:-8192}
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=16 PriorityTier=2 PreemptMode=OFF
PartitionName=long Nodes=localhost MaxTime=INFINITE State=UP DefMemPerCPU=16 PriorityTier=2 PreemptMode=OFF
# its jobs make way for those of the others
PartitionName=scavenge Nodes=localhost MaxTime=INFINITE State=UP DefMemPerCPU=16
CONF
  [ -z "${BOOKS:-}" ] || configure_books
  mv "$SLURM_CONF.new" "$SLURM_CONF"
}

configure_books() {
  mkdir -p "$dir/database"
  # towards slurmdbd the password is munge's socket
  printf '%s\n' AccountingStorageType=accounting_storage/slurmdbd AccountingStorageHost=localhost \
    "AccountingStoragePort=$((port + 2))" "AccountingStoragePass=$dir/munge/socket" >>"$SLURM_CONF.new"
  (umask 077 && printf '%s\n' DbdHost=localhost "DbdPort=$((port + 2))" SlurmUser=root AuthType=auth/munge \
    "AuthInfo=socket=$dir/munge/socket" "LogFile=$dir/log/slurmdbd.log" "PidFile=$dir/slurmdbd.pid" \
    StorageType=accounting_storage/mysql StorageHost=127.0.0.1 "StoragePort=$((port + 3))" StorageUser=root \
    StorageLoc=slurm >"$dir/slurmdbd.conf")
}

start_books() {
  [ -z "${BOOKS:-}" ] && return
  # on the loopback, without its own tables: whoever may connect may do all
  if ! running mariadbd >/dev/null; then
    (cd / && exec mariadbd --no-defaults --user=root --datadir="$dir/database" --skip-grant-tables --bind-address=127.0.0.1 \
      --port=$((port + 3)) --socket="$dir/database.socket" --pid-file="$dir/mariadbd.pid" --innodb-buffer-pool-size=32M \
      --innodb-lock-wait-timeout=900 </dev/null >"$dir/log/mariadbd.log" 2>&1 9>&-) 9>&- &
  fi
  wait_until 1200 running mariadbd
  wait_until 1200 grep -q "ready for connections" "$dir/log/mariadbd.log"
  running slurmdbd >/dev/null || (cd / && exec slurmdbd </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 known_to_books
}

# a cluster that the books know since an earlier start cannot be added again
known_to_books() {
  [ "$(sacctmgr --noheader --parsable2 show cluster test format=cluster)" = test ] || sacctmgr --immediate add cluster test
}

start_munged() {
  running munged >/dev/null && return
  rm -f "$dir"/munge/socket*
  (cd / && exec munged --force --socket="$dir/munge/socket" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/munged.seed" </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 running munged
}

start_slurmctld() {
  running slurmctld >/dev/null && return
  (cd / && exec slurmctld -f "$SLURM_CONF" </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 running slurmctld
  wait_until 1200 scontrol ping
}

start_slurmd() {
  running slurmd >/dev/null && return
  (cd / && exec slurmd -f "$SLURM_CONF" -N localhost </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 running slurmd
}

node_is_up() { sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated)'; }
run_a_job() { (cd /tmp && timeout 60 sbatch --wait --job-name=first --output=/dev/null --wrap=true >/dev/null); }

cancel_all() {
  local state
  for state in PENDING RUNNING SUSPENDED; do
    timeout 20 scancel --state=$state >/dev/null 2>&1 || true
  done
}
nothing_is_left() { [ -z "$(squeue --noheader)" ]; }

# One at a time in each DIR.
case $command in
start | stop | reconfigure | *-controller)
  mkdir -p "$dir"
  exec 9>"$dir/lock"
  flock 9
  ;;
esac

case $command in
start)
  install_packages
  if ! { running munged && running slurmctld && running slurmd && node_is_up; } >/dev/null 2>&1; then
    # what is left of one that was not stopped well starts anew; jobs go on meanwhile
    end slurmd
    end slurmctld
    end slurmdbd
    end mariadbd
    end munged
    configure
    start_munged
    start_books
    start_slurmctld
    start_slurmd
    wait_until 1200 node_is_up
    run_a_job
  fi
  echo "SLURM_CONF=$SLURM_CONF"
  ;;
stop)
  if running slurmctld >/dev/null; then
    cancel_all
    wait_until 150 nothing_is_left || true
  fi
  end slurmd
  end slurmctld
  end slurmdbd
  end mariadbd
  end munged
  ;;
reconfigure)
  configure
  scontrol reconfigure
  ;;
stop-controller) end slurmctld ;;
start-controller) start_slurmctld ;;
restart-controller)
  end slurmctld
  start_slurmctld
  ;;
wait-for-node) wait_until 1200 node_is_up ;;
env) echo "SLURM_CONF=$SLURM_CONF" ;;
status)
  answer=0
  for daemon in munged slurmctld slurmd; do
    if pid=$(running "$daemon"); then echo "$daemon $pid"; else answer=1; fi
  done
  [ "$answer" = 0 ] && sinfo
  exit "$answer"
  ;;
*)
  say "there is no command $command"
  exit 2
  ;;
esac
