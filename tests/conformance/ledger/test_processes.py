"""Several processes on one ledger: races have one winner, and what the dead held is free at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from support.ledger import (
    ARCHIVE,
    Other,
    Work,
    collecting,
    create,
    die_in_the_middle,
    enter_lease,
    made,
    me,
    open_attempt,
    opened,
    other_process,
    race,
    running,
    take,
    take_and_close,
    take_write,
)

from cci.daemon import holder as holders
from cci.daemon.ledger import Ledger, TaskEntry, open_ledger
from cci.status import Status

ROUNDS = range(10)

# -- races --------------------------------------------------------------------------------------------


def test_two_that_create_one_task(url: str, ledger: Ledger) -> None:
    """One of two processes makes the task, with one line of history and one write."""
    won = race(url, create, ROUNDS)
    histories = {len(ledger.history(entry.id)) for entry in ledger.tasks(ARCHIVE)}
    assert ([1] * len(ROUNDS), len(ROUNDS), len(ROUNDS), {1}) == (
        won,
        len(ledger.tasks(ARCHIVE)),
        ledger.pending_writes(ARCHIVE),
        histories,
    )


def test_two_that_open_one_attempt(url: str, ledger: Ledger) -> None:
    """One of two processes opens the attempt: a task is never submitted twice."""
    tasks = [made(ledger, number).id for number in ROUNDS]
    won = race(url, open_attempt, tasks)
    assert ([1] * len(tasks), {1}) == (won, {len(ledger.attempts(task)) for task in tasks})


def test_two_that_take_one_attempt(url: str, ledger: Ledger) -> None:
    """One of two processes has an attempt in hand."""
    attempts = [opened(ledger, made(ledger, number)).id for number in ROUNDS]
    assert [1] * len(attempts) == race(url, take, attempts)


def test_two_that_take_one_write(url: str, ledger: Ledger) -> None:
    """One of two processes sends a write."""
    tasks = [made(ledger, number).id for number in ROUNDS]
    for task in tasks:
        ledger.write(task, {"a": "b"}, reason="x")
    assert [1] * len(tasks) == race(url, take_write, tasks)


def test_two_that_want_one_lease(url: str) -> None:
    """One of two processes has a named right."""
    assert [1] * len(ROUNDS) == race(url, enter_lease, ROUNDS)


# -- the dead and the living --------------------------------------------------------------------------


@pytest.fixture
def written(ledger: Ledger, task: TaskEntry) -> TaskEntry:
    """A task with an open attempt and a write, both in nobody's hand."""
    opened(ledger, task)
    ledger.write(task.id, {"a": "b"}, reason="x")
    return task


HOLDS: dict[str, Work] = {"attempt": take, "write": take_write, "lease": enter_lease}


@pytest.fixture(params=HOLDS)
def hold(request: pytest.FixtureRequest) -> Work:
    """Each kind of thing that a process can hold."""
    return HOLDS[request.param]


Ending = Callable[[Other], None]


@pytest.mark.parametrize("end", [Other.kill, Other.kill_unseen], ids=["buried", "zombie"])
def test_what_a_killed_process_held_is_free_at_once(
    url: str, ledger: Ledger, written: TaskEntry, hold: Work, end: Ending
) -> None:
    """After kill -9 the next process goes on at once, also while nobody has waited for the dead one."""
    with other_process(url, hold, written.id) as other:
        end(other)
        assert (True, True) == (other.answer, bool(hold(ledger, written.id)))


def test_what_a_living_process_holds_is_its_own(
    url: str, ledger: Ledger, written: TaskEntry, hold: Work
) -> None:
    """While its holder lives and the lease lasts, nobody else gets it."""
    with other_process(url, hold, written.id) as other:
        assert (True, False) == (other.answer, bool(hold(ledger, written.id)))


PAST = datetime.now(UTC) - timedelta(seconds=1)


def let_leases_end(ledger: Ledger) -> None:
    """Set every lease's end into the past, as waiting would."""
    with ledger._engine.begin() as connection:
        for statement in (
            "UPDATE attempt SET held_until = :past WHERE held_until IS NOT NULL",
            "UPDATE outbox SET held_until = :past WHERE held_until IS NOT NULL",
            "UPDATE lease SET until = :past",
        ):
            connection.execute(text(statement), {"past": _moment(ledger, PAST)})


def _moment(ledger: Ledger, at: datetime) -> object:
    return at.replace(tzinfo=None).isoformat(" ") if ledger._engine.dialect.name == "sqlite" else at


def test_a_lease_that_ended_is_free(url: str, ledger: Ledger, written: TaskEntry, hold: Work) -> None:
    """A process that lives and does not renew, as one that hangs, loses what it held."""
    with other_process(url, hold, written.id):
        let_leases_end(ledger)
        assert hold(ledger, written.id)


def test_a_renewed_lease_lasts(url: str, ledger: Ledger, written: TaskEntry, hold: Work) -> None:
    """A process that renews its leases keeps all of them, and renews no other's."""
    hold(ledger, written.id)
    let_leases_end(ledger)
    ledger.renew(holders.at_work())
    with other_process(url, hold, written.id) as other:
        kept = other.answer
    let_leases_end(ledger)
    ledger.renew({"elsewhere|boot|1|1|token"})
    with other_process(url, hold, written.id) as other:
        assert (False, True) == (kept, other.answer)


ELSEWHERE = "elsewhere|other-boot|1|1|token"


def test_a_holder_on_another_host_is_believed(ledger: Ledger, task: TaskEntry) -> None:
    """Nobody here can see whether it lives, so it keeps its attempt until the lease ends."""
    attempt = opened(ledger, task)
    ledger.take(attempt.id, ELSEWHERE)
    before = ledger.take(attempt.id, me())
    let_leases_end(ledger)
    after = ledger.take(attempt.id, me())
    assert (None, True) == (before, after is not None)


def test_a_lease_ends_with_its_block(ledger: Ledger) -> None:
    """Inside the block the right is taken, after it free, also after an error."""
    with ledger.lease("sweep P") as outer, ledger.lease("sweep P") as inner, ledger.lease("sweep Q") as other:
        seen = (outer, inner, other)
    with pytest.raises(ValueError, match="x"), ledger.lease("sweep P"):
        raise ValueError("x")
    with ledger.lease("sweep P") as again:
        assert ((True, False, True), True) == (seen, again)


def test_who_overslept_does_not_end_the_lease_of_another(ledger: Ledger) -> None:
    """Leaving the block leaves alone what somebody else has taken over meanwhile."""
    with ledger.lease("sweep P"):
        let_leases_end(ledger)
        thief = ledger.lease("sweep P")
        taken_over = thief.__enter__()
    with ledger.lease("sweep P") as free:
        assert (True, False) == (taken_over, free)


# -- crashes ------------------------------------------------------------------------------------------


def _state(url: str, task_id: int) -> object:
    ledger = open_ledger(url)
    entry, attempts, history = ledger.task(task_id), ledger.attempts(task_id), ledger.history(task_id)
    ledger.close()
    return entry, attempts, history


@pytest.mark.parametrize("after", [1, 3, 5, 7, 99])
def test_a_writer_killed_in_the_middle_leaves_nothing_half(
    url: str, ledger: Ledger, task: TaskEntry, after: int
) -> None:
    """Killed at any statement, or right before the commit, a change of four tables is not there at all."""
    holder = me()
    attempt = collecting(ledger, task, holder)
    ledger.release(attempt.id, holder)
    before = _state(url, task.id)
    assert (-9, before) == (
        die_in_the_middle(url, take_and_close, attempt.id, after=after),
        _state(url, task.id),
    )


def test_after_a_crash_the_next_process_ends_the_work(url: str, ledger: Ledger, task: TaskEntry) -> None:
    """What a killed process had in hand, another takes and ends."""
    attempt = running(ledger, task, holder := me())
    ledger.collecting(attempt.id, holder, {})
    ledger.release(attempt.id, holder)
    die_in_the_middle(url, take_and_close, attempt.id, after=99)
    take_and_close(ledger, attempt.id)
    assert (Status.COMPLETE, False) == (ledger.task(task.id).status, ledger.task(task.id).attempt_open)
