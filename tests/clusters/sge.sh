#!/usr/bin/env bash
# A real Grid Engine of one node in this machine, for tests: qmaster and execd without an init system.
#
#   sge.sh start  [DIR]   install what is missing (as root, on Debian), configure, start, wait for a first job
#   sge.sh stop   [DIR]   end execd and qmaster by their process ids; jobs and books stay
#   sge.sh status [DIR]   say what runs; exit 0 if both do
#   sge.sh stop-qmaster | start-qmaster [DIR]   end the qmaster alone, and start it again; execd and jobs go on
#   sge.sh restart-execd [DIR]     end execd alone and start it again; it then tells of all jobs that ended;
#                          returns when a new job has run, if one can
#   sge.sh env    [DIR]   print what a client needs in its environment, as NAME=VALUE lines
#
# DIR is SGE_ROOT, by default that of Debian's package, /var/lib/gridengine; another is no place for
# Debian's programs. SGE_SLOTS (8) and SGE_MEMORY (4G) say how much the node has to hand out.
set -euo pipefail

command=${1:?start, stop, status, env, stop-qmaster, start-qmaster or restart-execd}
export SGE_ROOT=${2:-/var/lib/gridengine} SGE_CELL=default
common=$SGE_ROOT/$SGE_CELL/common
qmaster_spool=/var/spool/gridengine/qmaster
execd_spool=/var/spool/gridengine/execd
slots=${SGE_SLOTS:-8}
memory=${SGE_MEMORY:-4G}
host=localhost # the one name of the node, whatever the machine is called: it is there without a network

say() { echo "sge.sh: $*" >&2; }

install_packages() {
  command -v sge_qmaster >/dev/null && command -v sge_execd >/dev/null && command -v qsub >/dev/null &&
    [ -e /usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0 ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Grid Engine is not installed; only root on Debian can do that here"
    exit 3
  fi
  # the package asks for the address of this machine's own name, and cannot be installed without one
  getent hosts "$(hostname)" >/dev/null || echo "127.0.0.1 $(hostname)" >>/etc/hosts
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # netbase: the ports are looked up by name in /etc/services
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends netbase \
    gridengine-master gridengine-exec gridengine-client gridengine-drmaa1.0 >/dev/null
}

# The process id of a daemon ($1: its program) if it runs, from the file it keeps ($2).
running() {
  local pid
  pid=$(cat "$2" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && echo "$pid"
}
qmaster_pid() { running sge_qmaster "$qmaster_spool/qmaster.pid"; }
execd_pid() { # its folder is called as the machine calls itself, which need not be our name for it
  local file
  for file in "$execd_spool"/*/execd.pid; do
    running sge_execd "$file" && return
  done
  return 1
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

end() { # $1: the function that tells a process id
  local pid
  pid=$("$1") || return 0
  kill "$pid"
  if ! wait_until 300 not "$1"; then
    kill -9 "$pid"
    wait_until 100 not "$1"
  fi
}
not() { ! "$@"; }

answers() { qconf -sh; }

name_the_host() {
  # without the alias, qmaster and clients would know this machine by its own name, which may lead elsewhere
  local names
  names="$host $(hostname)"
  mkdir -p "$common"
  if [ "$(cat "$common/host_aliases" 2>/dev/null)" != "$names" ] || [ "$(cat "$common/act_qmaster")" != "$host" ]; then
    end execd_pid # one that the package's installation has started, under another name
    end qmaster_pid
    echo "$names" >"$common/host_aliases"
    echo "$host" >"$common/act_qmaster"
    chown sgeadmin:sgeadmin "$common"/*
  fi
}

start_qmaster() {
  qmaster_pid >/dev/null && return
  mkdir -p /var/run/gridengine && chown sgeadmin:sgeadmin /var/run/gridengine
  (cd / && exec sge_qmaster </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 qmaster_pid
  wait_until 1200 answers
}

start_execd() {
  execd_pid >/dev/null && return
  (cd / && exec sge_execd </dev/null >/dev/null 2>&1 9>&-)
  wait_until 1200 execd_pid
}

# Add an object from a file or, where it is there already, change it.
put() { # $1: e for a host, q for a queue …; $2: file
  qconf "-A$1" "$2" >/dev/null 2>&1 || qconf "-M$1" "$2" >/dev/null 2>&1
}

configure() {
  local folder
  folder=$(mktemp -d)
  qconf -as "$host" >/dev/null 2>&1 || true # submit host; "already exists" is fine
  qconf -ah "$host" >/dev/null 2>&1 || true
  # Memory is handed out like slots, and not enforced. h_vmem stays a limit that only jobs have that ask
  # for it: as a consumable it would be 0, and fatal, for those that do not.
  qconf -sc | sed -E 's/^(mem_free +\S+ +\S+ +\S+ +\S+ +)\S+/\1YES/' >"$folder/complexes"
  qconf -Mc "$folder/complexes" >/dev/null 2>&1 || true # "has not been changed" is fine
  printf '%s\n' "hostname $host" "load_scaling NONE" "complex_values slots=$slots,mem_free=$memory" \
    "user_lists NONE" "xuser_lists NONE" "projects NONE" "xprojects NONE" "usage_scaling NONE" \
    "report_variables NONE" >"$folder/host"
  put e "$folder/host"
  printf '%s\n' "group_name @allhosts" "hostlist $host" >"$folder/group"
  put hgrp "$folder/group"
  printf '%s\n' "pe_name smp" "slots 999" "user_lists NONE" "xuser_lists NONE" "start_proc_args NONE" \
    "stop_proc_args NONE" "allocation_rule \$pe_slots" "control_slaves TRUE" "job_is_first_task TRUE" \
    "urgency_slots min" "accounting_summary TRUE" "qsort_args NONE" >"$folder/smp"
  put p "$folder/smp"
  sed 's/^pe_name .*/pe_name mpi/; s/^allocation_rule .*/allocation_rule $fill_up/' "$folder/smp" >"$folder/mpi"
  put p "$folder/mpi"
  queue all.q >"$folder/queue"
  put q "$folder/queue"
  queue long.q >"$folder/queue"
  put q "$folder/queue"
  # root may submit; the books are written at once
  qconf -sconf | sed -e "s|accounting_flush_time=\S*||" -e '/^#/d' -e 's/^min_uid .*/min_uid 0/' -e 's/^min_gid .*/min_gid 0/' \
    -e 's|flush_time=00:00:[0-9]*|flush_time=00:00:01 accounting_flush_time=00:00:00|' -e 's/^load_report_time .*/load_report_time 00:00:05/' \
    >"$folder/global"
  (cd "$folder" && qconf -Mconf global >/dev/null 2>&1)
  qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \
    -e 's/^flush_submit_sec .*/flush_submit_sec 1/' -e 's/^flush_finish_sec .*/flush_finish_sec 1/' \
    -e 's/^load_formula .*/load_formula -slots/' -e 's/^job_load_adjustments .*/job_load_adjustments NONE/' \
    >"$folder/scheduler"
  qconf -Msconf "$folder/scheduler" >/dev/null 2>&1
  rm -r "$folder"
}

queue() { # $1: name; no load threshold, as tests make a small machine busy
  printf '%s\n' "qname $1" "hostlist @allhosts" "seq_no 0" "load_thresholds NONE" "suspend_thresholds NONE" \
    "nsuspend 1" "suspend_interval 00:05:00" "priority 0" "min_cpu_interval 00:05:00" "processors UNDEFINED" \
    "qtype BATCH INTERACTIVE" "ckpt_list NONE" "pe_list smp mpi make" "rerun FALSE" "slots $slots" "tmpdir /tmp" \
    "shell /bin/sh" "prolog NONE" "epilog NONE" "shell_start_mode unix_behavior" "starter_method NONE" \
    "suspend_method NONE" "resume_method NONE" "terminate_method NONE" "notify 00:00:60" "owner_list NONE" \
    "user_lists NONE" "xuser_lists NONE" "subordinate_list NONE" "complex_values NONE" "projects NONE" \
    "xprojects NONE" "calendar NONE" "initial_state default" "s_rt INFINITY" "h_rt INFINITY" "s_cpu INFINITY" \
    "h_cpu INFINITY" "s_fsize INFINITY" "h_fsize INFINITY" "s_data INFINITY" "h_data INFINITY" \
    "s_stack INFINITY" "h_stack INFINITY" "s_core INFINITY" "h_core INFINITY" "s_rss INFINITY" "h_rss INFINITY" \
    "s_vmem INFINITY" "h_vmem INFINITY"
}

run_a_job() { (cd /tmp && timeout "$1" qsub -terse -sync y -b y -j y -o /dev/null -N first /bin/true >/dev/null); }

print_env() {
  echo "SGE_ROOT=$SGE_ROOT"
  echo "SGE_CELL=$SGE_CELL"
  echo "DRMAA_LIBRARY_PATH=/usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0"
  # Debian's library brings jemalloc along, which needs more static TLS than glibc sets aside
  echo "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=8192"
}

# One at a time: the test processes of one run all want to start it.
if [ "$command" != env ] && [ "$command" != status ] && [ "$(id -u)" = 0 ]; then
  exec 9>/run/lock/cci-grid-engine.lock
  flock 9
fi

case $command in
start)
  install_packages
  if ! { qmaster_pid && execd_pid && answers; } >/dev/null 2>&1; then
    name_the_host
    start_qmaster
    configure
    start_execd
    wait_until 600 run_a_job 60
  fi
  print_env
  ;;
stop)
  end execd_pid
  end qmaster_pid
  ;;
stop-qmaster) end qmaster_pid ;;
start-qmaster) start_qmaster ;;
restart-execd)
  end execd_pid
  start_execd
  # a job that is handed to an execd which does not listen yet is handed over again only minutes later
  # (and none can run where those that end do not give their slots back)
  wait_until 3 run_a_job 10 || true
  ;;
env) print_env ;;
status)
  answer=0
  pid=$(qmaster_pid) && echo "qmaster $pid" || answer=1
  pid=$(execd_pid) && echo "execd $pid" || answer=1
  [ "$answer" = 0 ] && qhost -q
  exit "$answer"
  ;;
*)
  say "there is no command $command"
  exit 2
  ;;
esac
