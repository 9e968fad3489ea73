"""Tasks and attempts in a ledger, and processes that share one and end badly. Every process is a real one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import event

from cci.daemon import holder as holders
from cci.daemon.ledger import Attempt, Birth, Ledger, NewJob, NewTask, TaskEntry, Write, open_ledger
from cci.status import Status
from cci.task import TaskKey

ARCHIVE = "https://xnat.example.org"
#: Longer than anything here takes, however busy the machine is.
PATIENCE_S = 300.0
#: Forked from a server that has imported what takes long; a fork of the test would share its connections.
_PROCESSES = multiprocessing.get_context("forkserver")
# by names that are installed: the server does not look in the folders that pytest knows, and says nothing
_PROCESSES.set_forkserver_preload(["cci.daemon.ledger", "psycopg"])


def new_task(number: int = 1, **values: Any) -> NewTask:
    """Return a new task on session number *number*."""
    defaults: dict[str, Any] = {
        "key": TaskKey(archive=ARCHIVE, accession_id=f"E{number}", scan_id="", proctype="Dti_v1"),
        "label": f"P-x-S-x-E{number}-x-Dti_v1",
        "level": "session",
        "processor": "dti",
        "project": "P",
        "subject": "S",
        "subject_id": "S1",
        "session": f"E{number}",
        "status": Status.PRE_COMPLETE,
        "fingerprints": {},
    }
    return NewTask(**{**defaults, **values})


def created(ledger: Ledger, new: NewTask, fields: Mapping[str, str] | None) -> TaskEntry | None:
    """Add one task, with this first write; None if it is there."""
    return ledger.create_all([Birth(task=new, fields=fields)])[0]


def write_taken(ledger: Ledger, task_id: int, holder: str) -> Write | None:
    """Take one task's pending write; None if there is none that can be taken."""
    return next(iter(ledger.take_writes([task_id], holder)), None)


def made(ledger: Ledger, number: int = 1, **values: Any) -> TaskEntry:
    """Create a task without a write to the archive."""
    entry = created(ledger, new_task(number, **values), None)
    assert entry is not None
    return entry


def opened(ledger: Ledger, entry: TaskEntry, **values: Any) -> Attempt:
    """Open an attempt at a task."""
    defaults: dict[str, Any] = {"cluster": "local", "directory": "/srv/cci", "inputs": {}}
    attempt = ledger.open_attempt(entry.id, **{**defaults, **values})
    assert attempt is not None
    return attempt


def me() -> str:
    """Return a holder of this process that nobody else is."""
    return str(holders.new_holder())


def held(ledger: Ledger, entry: TaskEntry, holder: str) -> Attempt:
    """Open an attempt and take it."""
    taken = ledger.take(opened(ledger, entry).id, holder)
    assert taken is not None
    return taken


def running(ledger: Ledger, entry: TaskEntry, holder: str) -> Attempt:
    """Bring an attempt as far as a submitted job, and take it again."""
    attempt = held(ledger, entry, holder)
    ledger.submitted_all(holder, {attempt.id: NewJob(job_id="42", fields={"jobid": "42"})})
    taken = ledger.take(attempt.id, holder)
    assert taken is not None
    return taken


def collecting(ledger: Ledger, entry: TaskEntry, holder: str) -> Attempt:
    """Bring an attempt as far as its results."""
    return ledger.collecting(running(ledger, entry, holder).id, holder, {})


# -- processes ----------------------------------------------------------------------------------------

Work = Callable[[Ledger, int], object]


def _runner(url: str, work: Work, rounds: Sequence[int], barrier: Any, answers: Connection) -> None:
    try:
        answers.send(_rounds_won(url, work, rounds, barrier))
    except BaseException:
        barrier.abort()  # the others need not wait for it
        raise


def _rounds_won(url: str, work: Work, rounds: Sequence[int], barrier: Any) -> list[bool]:
    barrier.wait(PATIENCE_S)
    ledger = open_ledger(url)
    won = []
    for one in rounds:
        barrier.wait(PATIENCE_S)
        won.append(bool(work(ledger, one)))
    # what a process that has gone held is free, and the other may not have come so far yet
    barrier.wait(PATIENCE_S)
    ledger.close()
    return won


def race(url: str, work: Work, rounds: Sequence[int], *, runners: int = 2) -> list[int]:
    """Let processes do the same work at the same moment, round by round; return how many won each.

    Parameters
    ----------
    work
        A function of a module, called with the process's own ledger and the round; true if it won.
    """
    barrier = _PROCESSES.Barrier(runners)
    pipes = [_PROCESSES.Pipe(duplex=False) for _ in range(runners)]
    processes = [
        _PROCESSES.Process(target=_runner, args=(url, work, rounds, barrier, sender)) for _, sender in pipes
    ]
    for process in processes:
        process.start()
    won = [_answer(receiver, sender) for receiver, sender in pipes]
    for process in processes:
        process.join(PATIENCE_S)
    assert [0] * runners == [process.exitcode for process in processes]
    return [sum(results) for results in zip(*won, strict=True)]


def _answer(receiver: Connection, sender: Connection) -> Any:
    """Return what the process at the other end says; an error at once if it ends without a word."""
    sender.close()
    with receiver:
        assert receiver.poll(PATIENCE_S), "the other process does not answer"
        return receiver.recv()


@dataclass(frozen=True)
class Other:
    """Another process with the ledger open, which has done its work and lives on; *answer* is its result."""

    process: Any
    answer: Any

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.join(PATIENCE_S)

    def kill_unseen(self) -> None:
        """End it as a crash would, and leave it unburied: a zombie, as under a parent that does not wait."""
        os.kill(self.process.pid, signal.SIGKILL)
        while holders.start_time(self.process.pid) is not None:
            pass


def _living(url: str, work: Work, number: int, answers: Connection) -> None:
    ledger = open_ledger(url)
    answers.send(work(ledger, number))
    signal.pause()


@contextmanager
def other_process(url: str, work: Work, number: int) -> Iterator[Other]:
    """Run a process that does *work* on the ledger and then lives on until the block ends."""
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_living, args=(url, work, number, sender))
    process.start()
    try:
        yield Other(process, _answer(receiver, sender))
    finally:
        process.kill()
        process.join(PATIENCE_S)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(url: str, work: Work, number: int, after: int) -> None:
    ledger = open_ledger(url)
    left = after

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _die()

    event.listen(ledger._engine, "after_cursor_execute", count)
    event.listen(ledger._engine, "commit", _die)
    work(ledger, number)


def die_in_the_middle(url: str, work: Work, number: int, *, after: int) -> int:
    """Kill a process amid *work*: after so many statements, at the latest before it commits."""
    process = _PROCESSES.Process(target=_dying, args=(url, work, number, after))
    process.start()
    process.join(PATIENCE_S)
    return int(process.exitcode or 0)


# -- what the processes do ----------------------------------------------------------------------------


def nothing(ledger: Ledger, number: int) -> bool:
    """Do nothing: the ledger is open."""
    return bool(ledger.instance) and number >= 0


def create(ledger: Ledger, number: int) -> bool:
    """Create the task of this number."""
    return created(ledger, new_task(number), {"date": "2024-05-06"}) is not None


def open_attempt(ledger: Ledger, task_id: int) -> bool:
    """Open an attempt at a task."""
    return ledger.open_attempt(task_id, cluster="local", directory="/srv/cci", inputs={}) is not None


def take(ledger: Ledger, attempt_id: int) -> bool:
    """Take an attempt in hand."""
    return ledger.take(attempt_id, me()) is not None


def take_write(ledger: Ledger, task_id: int) -> bool:
    """Take a task's pending write in hand."""
    return write_taken(ledger, task_id, me()) is not None


def enter_lease(ledger: Ledger, number: int) -> bool:
    """Begin to hold a named right, and do not end it."""
    _KEPT.append(ledger.lease(f"sweep {number}"))
    return _KEPT[-1].__enter__()


#: A right ends when nothing refers to it any more.
_KEPT: list[AbstractContextManager[bool]] = []


def take_and_close(ledger: Ledger, attempt_id: int) -> bool:
    """Close an attempt that is in hand of nobody living."""
    holder = me()
    ledger.take(attempt_id, holder)
    fields = {"validation/status": "Needs QA"}
    ledger.close_attempt(attempt_id, holder, Status.COMPLETE, "", fields, use={"wall_s": 1})
    return True
