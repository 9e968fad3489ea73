"""Processes of this machine, told apart although numbers are used again. Linux: proc(5), pidfd_open(2)."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

#: Fields of /proc/PID/stat, counted from the state (the third) on.
PARENT, SESSION, START_TIME = 1, 3, 19


def process_fields(pid: int | str) -> list[str]:
    """Return the fields of /proc/PID/stat from the third (the state) on; proc(5). Empty if it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return []


def _where() -> str:
    """Return where a pid means the same: this boot, and the namespace that a container has; no spaces."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def mark_of(pid: int) -> str:
    """Describe a living process so that no later one, nor one after a reboot, can be taken for it."""
    fields = process_fields(pid)
    return f"{pid} {fields[START_TIME]} {_where()}" if fields and fields[0] not in "ZX" else ""


def is_elsewhere(mark: str) -> bool:
    """Whether a mark is of another container on this boot: such a process cannot be seen from here."""
    boot, _, namespace = (mark.split() or [""])[-1].partition("/")
    here, _, ours = _where().partition("/")
    return boot == here and namespace != ours


def signal_marked(mark: str, number: int) -> bool:
    """Send a signal to exactly the process with this mark; False if it is gone."""
    if not mark:
        return False
    pid = int(mark.partition(" ")[0])
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # The descriptor was opened first: what it names cannot change after the comparison.
        if mark_of(pid) != mark:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def processes_where(field: int, value: int) -> list[int]:
    """Return the pids whose field of /proc/PID/stat, counted as in `process_fields`, has this value."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if process_fields(pid)[field : field + 1] == [str(value)]]


def is_stopped(mark: str) -> bool:
    """Whether exactly the process with this mark is stopped (SIGSTOP)."""
    pid = mark.partition(" ")[0] or "0"
    return process_fields(pid)[:1] == ["T"] and mark_of(int(pid)) == mark


def signal_session(mark: str, number: int) -> bool:
    """Send a signal to every process of the session that the process with this mark leads.

    Returns False if that process is gone. Who appears meanwhile gets it too: a process may start another
    between two looks.
    """
    leader, told = int(mark.partition(" ")[0] or "0"), set[int]()
    while mark and mark_of(leader) == mark:
        if not _signal_new(leader, number, told):
            return True
    return False


def _signal_new(leader: int, number: int, told: set[int]) -> bool:
    """Send a signal to the members of a session that are not *told* yet; return whether there were any."""
    new = set(processes_where(SESSION, leader)) - told
    told |= new
    for pid in new:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(new)


def kill_session(mark: str) -> None:
    """Kill what is left of the session that the process with this mark, now dead, was the leader of.

    Its number stays taken as long as the session has a member; should the number belong to somebody else,
    or be from before a restart, nobody is killed.
    """
    leader, start_time, where = mark.split() if mark else ("0", "", "")
    there = process_fields(leader)
    if where != _where() or (there and there[START_TIME] != start_time):
        return
    told = set[int]()
    while _signal_new(int(leader), signal.SIGKILL, told):
        pass  # who was being started while we looked is seen at the next look


def oom_kills() -> int:
    """Count the kills for want of memory in our control group so far (cgroups(7), version 2); or 0."""
    try:
        group = next(
            line[3:]
            for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
            if line.startswith("0::")
        )
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text(encoding="ascii")
    except (OSError, StopIteration):
        return 0
    return sum(int(line.split()[1]) for line in events.splitlines() if line.startswith("oom_kill "))
