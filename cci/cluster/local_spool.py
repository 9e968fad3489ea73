"""The local cluster's jobs on disk, and the locks that the kernel keeps for them. It starts nothing.

It is shared by the cluster object and by the waiter of each job, and on the standard library alone because
there is one waiter process for each job. The layout, below a directory of one machine's local disk::

    door                 lock: held while a job is submitted or looked for by its name
    line                 lock: held while a job moves on from here, or a wish is written down
    last                 number of the last job
    names/<name>.job     link to the id of the job with this name
    new/<id>/            being submitted; never runs unless it is moved to the queue
    queue/<id>/          waits for its turn, or is held
    running/<id>/        has its cores and memory
    ended/<id>/          over; removed after thirty days

A job's folder moves from state to state, so that a state is always one name in one directory. It holds::

    spec.json            what was submitted
    alive                locked as long as the waiter or the job itself lives; the kernel unlocks it
    entry                locked as long as the job is being submitted, well or badly
    waiter, leader       marks of the waiter and of the job's first process (pid, start time, boot, namespace)
    held, killed         wishes
    end.json             how it ended, from the kernel's books
    waiter.log           what the waiter complained of

Cores and memory in use are the sum over the folders in ``running`` whose ``alive`` is locked: a job that is
dead holds nothing, however it died, and there is no list of them that could be wrong.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cci.cluster.local_process import signal_marked

NEW, QUEUE, RUNNING, ENDED = "new", "queue", "running", "ended"
_JOB_ID = re.compile(r"\d+-[0-9a-f]{6}")


# -- small things -----------------------------------------------------------------------------


def utc_now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file that is whole from the moment it is seen, also after a power cut."""
    write_text(path, json.dumps(value, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file that is whole from the moment it is seen, also after a power cut."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def sync(directory: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take a lock if it is free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# -- one job ----------------------------------------------------------------------------------


class Folder:
    """One job's folder, where it was when it was looked up."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def job_id(self) -> str:
        """The job's id: a number that grows and six random digits, so that none is ever used again."""
        return self.path.name

    @property
    def number(self) -> int:
        """The place in the order of submission."""
        return int(self.job_id.partition("-")[0])

    @property
    def state(self) -> str:
        """``queue``, ``running`` or ``ended``."""
        return self.path.parent.name

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the folder; empty if it is not there."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return dict(content)

    def has(self, name: str) -> bool:
        """Tell whether a file is there, such as the wishes ``held`` and ``killed``."""
        return (self.path / name).exists()

    def alive(self) -> bool:
        """Tell whether the waiter or the job lives. A folder that has just moved on was alive."""
        try:
            descriptor = os.open(self.path / "alive", os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            return not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def mark(self, who: str) -> str:
        """Return the mark of the ``waiter`` or the ``leader``; empty if there is none."""
        try:
            return (self.path / who).read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def signal(self, who: str, number: int) -> bool:
        """Send a signal to the ``waiter`` or the ``leader``; False if that process is gone."""
        return signal_marked(self.mark(who), number)


# -- all jobs ---------------------------------------------------------------------------------


class Spool:
    """All jobs of one machine. Methods that change anything are called with the ``line`` locked."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the directories."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.root.stat().st_uid == os.geteuid():
            self.root.chmod(0o700)
        for name in ("names", NEW, QUEUE, RUNNING, ENDED):
            (self.root / name).mkdir(exist_ok=True)

    @contextmanager
    def locked(self, lock: str, patience_s: float = float("inf")) -> Iterator[None]:
        """Hold the ``door`` or the ``line``.

        Raises
        ------
        TimeoutError
            Somebody else has kept the lock for longer than *patience_s*.
        """
        give_up = time.monotonic() + patience_s
        with (self.root / lock).open("ab") as stream:
            while not try_lock(stream.fileno()):
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{self.root / lock} has been locked for {patience_s:g} s")
                time.sleep(0.005)
            yield

    def folders(self, state: str) -> list[Folder]:
        """Return the jobs in one state, in the order of their submission."""
        found = [Folder(path) for path in (self.root / state).iterdir() if _JOB_ID.fullmatch(path.name)]
        return sorted(found, key=lambda folder: folder.number)

    def every(self) -> Iterator[Folder]:
        """Yield all jobs that have left a folder."""
        for state in (NEW, QUEUE, RUNNING, ENDED):
            yield from self.folders(state)

    def find(self, job_id: str) -> Folder | None:
        """Return a job's folder; None if there is no such job (any more).

        States are looked at in the order in which a job passes through them, so that none slips by.
        """
        if not _JOB_ID.fullmatch(job_id):
            return None
        places = (self.root / state / job_id for state in (QUEUE, RUNNING, ENDED))
        return next((Folder(place) for place in places if place.exists()), None)

    def move(self, folder: Folder, state: str) -> Folder:
        """Move a job on to another state."""
        place = self.root / state / folder.job_id
        folder.path.rename(place)
        sync(place.parent)
        return Folder(place)

    # -- the line

    def line(self) -> Iterator[Folder]:
        """Yield the jobs that want to start, first come first; those whose waiter is dead are buried."""
        for folder in self.folders(QUEUE):
            if not folder.alive():
                self.bury(folder)
            elif not folder.has("held"):
                yield folder

    def in_use(self) -> tuple[int, int]:
        """Return cores and MB of memory that running jobs have; the dead among them are buried."""
        cores = memory_mb = 0
        for folder in self.folders(RUNNING):
            if not folder.alive():
                self.bury(folder)
                continue
            spec = folder.read("spec.json")
            cores, memory_mb = cores + spec["cores"], memory_mb + spec["memory_mb"]
        return cores, memory_mb

    def may_start(self, folder: Folder) -> bool:
        """Tell whether it is this job's turn. Nobody overtakes, or a big job might wait for ever."""
        first = next(self.line(), None)
        if first is None or first.job_id != folder.job_id:
            return False
        spec, (cores, memory_mb) = folder.read("spec.json"), self.in_use()
        return bool(
            cores + spec["cores"] <= spec["slots"]
            and memory_mb + spec["memory_mb"] <= spec["total_memory_mb"]
        )

    def nudge(self) -> None:
        """Tell the first in the line that something has changed."""
        for folder in self.line():
            folder.signal("waiter", signal.SIGUSR1)
            return

    # -- the end

    def end(self, folder: Folder, record: Mapping[str, Any]) -> None:
        """Write down how a job ended, and let the next one come."""
        write_json(folder.path / "end.json", record)
        self.move(folder, ENDED)
        self.nudge()

    def bury(self, folder: Folder) -> None:
        """Write down that a job is dead and, unless its waiter came to write that, nobody saw how."""
        began = "while it ran" if folder.state == RUNNING else "before it started"
        complaint = _last_line(folder.path / "waiter.log")
        why = f"it said: {complaint}" if complaint else "killed, or the machine was restarted"
        message = f"the process that watched the job died {began} ({why})"
        cause = "killed-by-user" if folder.has("killed") else "node-failure"
        if not folder.has("end.json"):
            write_json(folder.path / "end.json", {"cause": cause, "message": message, "ended": utc_now()})
        self.move(folder, ENDED)


def _last_line(path: Path) -> str:
    """Return the last words of a log, at most 200 characters; '' if there are none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
