"""Decisions on an earlier look: each kind is carried out only while the task is as it was then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from support.ledger import made, me, opened, write_taken

from cci.daemon.ledger import Ledger, LedgerUnavailable, Stale, TaskEntry
from cci.status import Status

Step = Callable[[Ledger, TaskEntry], object]

DECISIONS: dict[str, Step] = {
    "move": lambda ledger, task: ledger.move(task.id, Status.PRE_COMPLETE, "", {}, planned=task.revision),
    "restore": lambda ledger, task: ledger.restore(task.id, reason="x", planned=task.revision),
    "attempt": lambda ledger, task: ledger.open_attempt(
        task.id, cluster="local", directory="/w/{number}", inputs={}, planned=task.revision
    ),
    "reopen": lambda ledger, task: ledger.reopen(
        task.id, Status.PRE_COMPLETE, "x", {}, planned=task.revision
    ),
}


def _acknowledge(ledger: Ledger, task: TaskEntry) -> None:
    write = write_taken(ledger, task.id, me())
    assert write is not None
    ledger.acknowledge_all([(write, "A1")])


CHANGES: dict[str, Step] = {
    "moved": lambda ledger, task: ledger.move(task.id, Status.PRE_COMPLETE, "held", {}),
    "written": lambda ledger, task: ledger.write(task.id, {"a": "b"}, reason="x"),
    "acknowledged": _acknowledge,
    "begun": opened,
    "dropped": lambda ledger, task: ledger.drop_write(task.id),
}


@pytest.fixture
def seen(ledger: Ledger) -> TaskEntry:
    """Return a task with a pending write, as a plan saw it."""
    task = made(ledger, status=Status.PRE_COMPLETE)
    ledger.write(task.id, {"note": "x"}, reason="x")
    return ledger.task(task.id)


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_decision_on_an_earlier_look(ledger: Ledger, seen: TaskEntry, decision: Step, change: Step) -> None:
    """It is refused, and nothing is written."""
    change(ledger, seen)
    before = (ledger.task(seen.id), ledger.history(seen.id), ledger.attempts(seen.id))
    with pytest.raises(Stale):
        decision(ledger, seen)
    assert before == (ledger.task(seen.id), ledger.history(seen.id), ledger.attempts(seen.id))


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
def test_a_decision_on_the_present(ledger: Ledger, seen: TaskEntry, decision: Step) -> None:
    """It is carried out, and makes what was planned beside it stale."""
    decision(ledger, seen)
    assert seen.revision < ledger.task(seen.id).revision


def test_a_restored_status_is_the_present_one(ledger: Ledger, seen: TaskEntry) -> None:
    """The archive is told the status and the reason of the task's row."""
    ledger.restore(seen.id, reason="the archive says nothing", planned=seen.revision)
    assert {"procstatus": str(seen.status), "note": seen.reason}.items() <= ledger.pending_fields(
        seen.id
    ).items()


def test_an_attempt_is_in_no_hand_after_an_error(
    ledger: Ledger, seen: TaskEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that cannot be written when the work ends holds nothing up: the process takes it again."""
    attempt = opened(ledger, seen)
    with monkeypatch.context() as patch, ledger.in_hand(attempt.id) as (taken, _):
        patch.setattr(ledger, "release", _unavailable)
        busy = ledger.take(attempt.id, me())
    again = ledger.take(attempt.id, me())
    assert (True, None, True) == (taken is not None, busy, again is not None)


def test_only_holders_at_work_are_renewed(ledger: Ledger, seen: TaskEntry) -> None:
    """A lease whose holder is at work no more ends by itself, for other processes too."""
    attempt = opened(ledger, seen)
    holder = me()
    ledger.take(attempt.id, holder)
    ledger.advance(attempt.id, holder, held_until=datetime.now(UTC))
    ledger.renew(frozenset())
    late = ledger.take(attempt.id, "elsewhere|boot|1|1|token")
    assert late is not None


def _unavailable(*_: object) -> None:
    raise LedgerUnavailable("the disk is full")
