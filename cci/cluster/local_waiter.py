"""The process that waits for one local job's turn, runs it, and writes down how it ended.

It knows nothing of what a job's end means.

It is on the standard library alone and started without the site packages: one of them lives for each job.
No parent, no pipe and no terminal ties it to the program that submitted the job.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from resource import struct_rusage
from typing import Any

from cci.cluster.local_process import PARENT, SESSION, mark_of, oom_kills, processes_where
from cci.cluster.local_spool import ENDED, NEW, QUEUE, RUNNING, Folder, Spool, utc_now

#: What a kill sends; the last four also come when the machine shuts down or somebody uses kill(1).
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
SIGNALS = (*ENDING_SIGNALS, signal.SIGUSR1, signal.SIGCHLD)
#: How often to look whether it is our turn although nobody said so (who should have may have been killed).
RECHECK_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def patiently(step: Callable[[], Folder | None]) -> Folder | None:
    """Do something to the spool, again and again while its disk is full. A spool that is gone ends it."""
    while True:
        try:
            return step()
        except FileNotFoundError:
            raise
        except OSError:  # nor is there room to complain
            time.sleep(RECHECK_S)


def advance(spool: Spool, job_id: str) -> Folder | None:
    """Start to run if it is our turn; return where the job is now, None if it was killed."""
    with spool.locked("line"):
        folder = spool.find(job_id)
        if folder is None or folder.has("killed"):
            return None
        if folder.state == QUEUE and spool.may_start(folder):
            folder = spool.move(folder, RUNNING)
            spool.nudge()  # there may be room for the next one too
        return folder


def conclude(spool: Spool, job_id: str, record: dict[str, Any]) -> None:
    """Write down how the job ended."""
    with spool.locked("line"):
        folder = spool.find(job_id)
        if folder is not None and folder.state != ENDED:
            spool.end(folder, record)


def wait_for_turn(spool: Spool, job_id: str) -> Folder | None:
    """Wait until the job may start and mark it as running; None if it was killed."""
    while True:
        folder = patiently(lambda: advance(spool, job_id))
        if folder is None or folder.state == RUNNING:
            return folder
        came = signal.sigtimedwait(SIGNALS, RECHECK_S)
        if came is not None and came.si_signo in ENDING_SIGNALS:
            return None


def command_of(script: Path) -> list[str]:
    """Return how to execute a script, as the kernel would, but from a directory without execution too."""
    with script.open("rb") as stream:
        first = stream.readline(1024).decode(errors="surrogateescape")
    interpreter = shlex.split(first[2:]) if first.startswith("#!") else []
    return [*(interpreter or ["/bin/sh"]), str(script)]


def start(spec: dict[str, Any], job_id: str) -> int:
    """Start the job's script as the leader of a new session; return its pid."""
    os.chdir(spec["directory"])
    command = command_of(Path(spec["script"]))
    log = (os.POSIX_SPAWN_OPEN, 1, spec["output_log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.posix_spawn(
        command[0],
        command,
        {**spec["environment"], "CCI_JOB_ID": job_id},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            log,
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them
    )


def reap(leader: int, allowance: Allowance) -> tuple[int, struct_rusage] | None:
    """Collect what has ended; return wait status and use of resources if the leader is among it.

    We are told too when the leader is stopped, and when it goes on: the kernel sends SIGCHLD for each.
    """
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == leader and os.WIFSTOPPED(status):
            allowance.stop()
        elif pid == leader and os.WIFCONTINUED(status):
            allowance.go_on()
        elif pid == leader:
            return status, usage


class Allowance:
    """The time that a job may still take, in seconds. It stands still while the job is stopped."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._since: float | None = time.monotonic()

    def stop(self) -> None:
        """Count no more."""
        self._left, self._since = self.left(), None

    def go_on(self) -> None:
        """Count again."""
        self._left, self._since = self.left(), time.monotonic()

    def left(self) -> float:
        """Return how much is left; never less than nothing."""
        ran = time.monotonic() - self._since if self._since is not None else 0.0
        return max(0.0, self._left - ran)

    def stands_still(self) -> bool:
        """Whether the job is stopped."""
        return self._since is None


def watch(leader: int, walltime_s: float, grace_s: float) -> tuple[int, struct_rusage, str]:
    """Wait for the job's end; return wait status, use of resources, and why it was told to end.

    The job's runner ends it at its wall time and then writes the exit record; we come in later by
    *grace_s*, for scripts without a runner.
    """
    told, allowance = "", Allowance(walltime_s + grace_s)
    while (ended := reap(leader, allowance)) is None:
        still = allowance.stands_still()
        came = signal.sigtimedwait(SIGNALS, RECHECK_S if still else allowance.left())
        if came is not None and (told or came.si_signo not in ENDING_SIGNALS):
            continue
        if came is None and (still or allowance.left() > 0):
            continue
        if told:
            kill_all()
        else:
            told = "walltime" if came is None else "killed"
            os.killpg(leader, signal.SIGTERM)
            wake_session(leader)
        allowance = Allowance(grace_s)
    return *ended, told


def wake_session(leader: int) -> None:
    """Let a job that is stopped go on, for it could not end."""
    for pid in processes_where(SESSION, leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def kill_all() -> None:
    """Kill every child; what they leave becomes our child in turn (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    for pid in processes_where(PARENT, os.getpid()):
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own


def kill_rest() -> None:
    """Kill what the job left running, to the last process."""
    while True:
        kill_all()
        try:
            os.wait4(-1, 0)
        except ChildProcessError:
            return


def write_mark(folder: Folder, who: str, pid: int) -> None:
    """Tell others how to reach a process. On a full disk that remains unsaid."""
    with suppress(OSError):
        (folder.path / who).write_text(mark_of(pid), encoding="ascii")


def run(folder: Folder) -> dict[str, Any]:
    """Run the job and return the record of its end."""
    spec, kills_before = folder.read("spec.json"), oom_kills()
    record: dict[str, Any] = {"node": os.uname().nodename, "started": utc_now()}
    try:
        leader = start(spec, folder.job_id)
    except (OSError, ValueError) as error:
        message = f"the script {spec['script']} could not be started: {error}"
        return {**record, "ended": utc_now(), "cause": "could-not-start", "message": message}
    write_mark(folder, "leader", leader)
    status, usage, told = watch(leader, spec["walltime_s"], spec["grace_s"])
    kill_rest()
    told = killed_by(folder) if told == "killed" else told
    return {
        **record,
        "ended": utc_now(),
        "exit_status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "cause": cause_of(told, status, oom_kills() - kills_before),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": usage.ru_maxrss / 1024,  # Linux counts in KiB
    }


def cause_of(told: str, status: int, kills: int) -> str:
    """Name the cause of an end; out of memory only if the kernel counted such a kill and SIGKILL came."""
    by_sigkill = os.waitstatus_to_exitcode(status) in {-signal.SIGKILL, 128 + signal.SIGKILL}
    return "out-of-memory" if by_sigkill and kills > 0 and not told else told


def killed_by(folder: Folder | None) -> str:
    """Name who ended a job: who may write into the spool is its user; a bare signal may come from anybody."""
    return "killed-by-user" if folder is not None and folder.has("killed") else "killed"


def never_ran(spool: Spool, job_id: str) -> dict[str, Any]:
    """Return the record of a job that was ended while it waited."""
    cause = killed_by(spool.find(job_id))
    return {"cause": cause, "ended": utc_now()}


def wait_and_run(spool: Spool, job_id: str) -> None:
    """Bring one job from the queue to its end."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    turn = wait_for_turn(spool, job_id)
    record = run(turn) if turn else never_ran(spool, job_id)
    patiently(lambda: conclude(spool, job_id, record))


def wait_for_entry(spool: Spool, job_id: str) -> Folder | None:
    """Wait until the job has been submitted; None if its submitter died over it."""
    with suppress(FileNotFoundError), (spool.root / NEW / job_id / "entry").open("rb") as entry:
        fcntl.flock(entry, fcntl.LOCK_SH)
    return spool.find(job_id)


def main(root: str, job_id: str) -> None:
    """Be the waiter of one job."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    spool = Spool(Path(root))
    folder = wait_for_entry(spool, job_id)
    if folder is not None:
        write_mark(folder, "waiter", os.getpid())
        wait_and_run(spool, job_id)
