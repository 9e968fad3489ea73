"""Attempts: one open for each task, one holder for each; every public method, on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from support.ledger import (
    ARCHIVE,
    collecting,
    created,
    held,
    made,
    me,
    new_task,
    opened,
    running,
    write_taken,
)

from cci.daemon.ledger import Attempt, LeaseLost, Ledger, NewJob, Stage, TaskEntry
from cci.errors import IllegalTransition
from cci.status import Status

UNTIL = datetime.now(UTC) + timedelta(hours=1)


def whole(ledger: Ledger, task: TaskEntry) -> object:
    """Return all that the ledger holds of a task, for seeing that nothing was written."""
    return ledger.task(task.id), ledger.attempts(task.id), ledger.history(task.id)


# -- opening and taking -------------------------------------------------------------------------------


def test_an_attempt_begins_with_staging(ledger: Ledger, task: TaskEntry) -> None:
    """A new attempt has the next number in its directory, a nonce of its own, and its order."""
    order = {"command": ["a", "b"], "fingerprints": {"x/Y": "1"}}
    attempt = opened(ledger, task, inputs=order, keep_old=True, directory="/srv/cci/{number}")
    entry = ledger.task(task.id)
    assert (1, Stage.STAGING, "/srv/cci/{number}/1", order, True, "", None) == (
        attempt.number,
        attempt.state,
        attempt.directory,
        attempt.inputs,
        attempt.keep_old,
        attempt.job_id,
        attempt.closed,
    )
    assert ([attempt], True, 1) == (ledger.attempts(task.id), entry.attempt_open, entry.attempts)


def test_a_second_open_attempt_is_none(ledger: Ledger, task: TaskEntry) -> None:
    """While an attempt is open there is no other, whoever asks."""
    opened(ledger, task)
    assert ledger.open_attempt(task.id, cluster="local", directory="/", inputs={}) is None


def test_attempts_are_numbered(ledger: Ledger, task: TaskEntry) -> None:
    """Each attempt after a closed one has the next number, and another nonce."""
    for _ in range(3):
        holder = me()
        attempt = running(ledger, task, holder)
        ledger.close_attempt(attempt.id, holder, Status.JOB_ERROR, "x", None)
        ledger.move(task.id, Status.PRE_COMPLETE, "")
    attempts = ledger.attempts(task.id)
    assert ([1, 2, 3], 3) == ([one.number for one in attempts], len({one.nonce for one in attempts}))


def test_numbers_go_on_after_those_on_the_disk(ledger: Ledger, task: TaskEntry) -> None:
    """Where an earlier ledger left attempts 1 to 4, this one begins with 5."""
    attempt = opened(ledger, task, after=4)
    assert (5, "/srv/cci/5") == (attempt.number, attempt.directory)


def test_open_attempts_by_stage(ledger: Ledger) -> None:
    """All open attempts of an archive are listed, or those in the stages asked for, oldest first."""
    holder = me()
    staging = opened(ledger, made(ledger, 1))
    submitted = running(ledger, made(ledger, 2), holder)
    home = collecting(ledger, made(ledger, 3), holder)
    done = collecting(ledger, made(ledger, 4), holder)
    ledger.close_attempt(done.id, holder, Status.COMPLETE, "", None)
    assert [[staging.id, submitted.id, home.id], [submitted.id], [staging.id, home.id], [], []] == [
        [attempt.id for attempt in found]
        for found in (
            ledger.open_attempts(ARCHIVE),
            ledger.open_attempts(ARCHIVE, Stage.SUBMITTED),
            ledger.open_attempts(ARCHIVE, Stage.STAGING, Stage.COLLECTING),
            ledger.open_attempts(ARCHIVE, Stage.CLOSED),
            ledger.open_attempts("https://other"),
        )
    ]


def test_an_attempt_is_in_one_hand(ledger: Ledger, task: TaskEntry) -> None:
    """Who takes an attempt has it until it is let go; taking it again is no theft from oneself."""
    attempt, one, other = opened(ledger, task), me(), me()
    first = ledger.take(attempt.id, one)
    refused = ledger.take(attempt.id, other)
    again = ledger.take(attempt.id, one)
    ledger.release(attempt.id, other)
    still = ledger.take(attempt.id, other)
    ledger.release(attempt.id, one)
    assert [attempt, None, attempt, None, attempt] == [
        first,
        refused,
        again,
        still,
        ledger.take(attempt.id, other),
    ]


def test_nothing_to_take(ledger: Ledger, task: TaskEntry) -> None:
    """An attempt that is closed, or was never there, cannot be taken."""
    holder = me()
    attempt = running(ledger, task, holder)
    ledger.close_attempt(attempt.id, holder, Status.JOB_ERROR, "x", None)
    assert (None, None) == (ledger.take(attempt.id, holder), ledger.take(attempt.id + 99, holder))


# -- going on -----------------------------------------------------------------------------------------


def test_advancing(ledger: Ledger, task: TaskEntry) -> None:
    """The holder changes what it names, and nothing else."""
    holder = me()
    before = held(ledger, task, holder)
    changes = {
        "state": "submitting",
        "tries": 2,
        "retry_at": UNTIL,
        "job_message": "m",
        "outputs": {"a": [1]},
    }
    after = ledger.advance(before.id, holder, **changes)
    assert {**vars(before), **changes} == vars(after)
    assert [after] == ledger.attempts(task.id)


def test_a_submitted_job(ledger: Ledger, task: TaskEntry) -> None:
    """Job id, JOB_RUNNING, the inputs it runs on and the write to the archive are one."""
    holder = me()
    attempt = opened(ledger, task, inputs={"fingerprints": {"x/Y": "1"}})
    ledger.take(attempt.id, holder)
    ledger.advance(attempt.id, holder, tries=3, retry_at=UNTIL)
    ledger.submitted_all(holder, {attempt.id: NewJob(job_id="42", fields={"jobid": "42"})})
    (attempt,) = ledger.attempts(task.id)
    entry, write = ledger.task(task.id), write_taken(ledger, task.id, me())
    assert write is not None
    assert (Stage.SUBMITTED, "42", 0, None, True) == (
        attempt.state,
        attempt.job_id,
        attempt.tries,
        attempt.retry_at,
        attempt.submitted is not None,
    )
    assert (Status.JOB_RUNNING, {"x/Y": "1"}, {"procstatus": "JOB_RUNNING", "note": "", "jobid": "42"}) == (
        entry.status,
        entry.fingerprints,
        write.fields,
    )


def test_results_to_bring_home(ledger: Ledger, task: TaskEntry) -> None:
    """An ended job's outputs and JOB_COMPLETE are one."""
    holder = me()
    attempt = running(ledger, task, holder)
    attempt = ledger.collecting(
        attempt.id, holder, {"jobnode": "n7"}, outputs={"files": {}}, use={"wall_s": 1.5}, job_state="ended"
    )
    assert (Stage.COLLECTING, {"files": {}}, {"wall_s": 1.5}, "ended", Status.JOB_COMPLETE) == (
        attempt.state,
        attempt.outputs,
        attempt.use,
        attempt.job_state,
        ledger.task(task.id).status,
    )


def test_a_closed_attempt(ledger: Ledger, task: TaskEntry) -> None:
    """The end of an attempt and the task's status are one; the attempt stays on record."""
    holder = me()
    attempt = collecting(ledger, task, holder)
    entry = ledger.close_attempt(
        attempt.id, holder, Status.COMPLETE, "", {"validation/status": "Needs QA"}, cause="c"
    )
    (closed,) = ledger.attempts(task.id)
    assert (Status.COMPLETE, False, 1, entry) == (
        entry.status,
        entry.attempt_open,
        entry.attempts,
        ledger.task(task.id),
    )
    assert (Stage.CLOSED, "c", True) == (closed.state, closed.cause, closed.closed is not None)


def test_an_attempt_taken_back(ledger: Ledger, task: TaskEntry) -> None:
    """An attempt that never reached a cluster leaves no record; its task waits for what was missing."""
    holder = me()
    attempt = held(ledger, task, holder)
    ledger.withdraw(attempt.id, holder, "scan 3 is empty", mark="m", until=UNTIL, fields={})
    entry = ledger.task(task.id)
    assert ([], Status.PRE_RUNNING, "scan 3 is empty", "scan 3 is empty", "m", UNTIL, 0, False) == (
        ledger.attempts(task.id),
        entry.status,
        entry.reason,
        entry.blocked,
        entry.blocked_mark,
        entry.retry_at,
        entry.attempts,
        entry.attempt_open,
    )


def test_a_task_begun_anew(ledger: Ledger, task: TaskEntry) -> None:
    """A wish to run again ends the open attempt and opens the task, as one."""
    holder = me()
    attempt = running(ledger, task, holder)
    entry = ledger.reopen(
        task.id, Status.PRE_COMPLETE, "Rerun was wished", {"a": "b"}, ended=(attempt.id, holder)
    )
    (closed,) = ledger.attempts(task.id)
    assert (Status.PRE_COMPLETE, "Rerun was wished", False, "abandoned") == (
        entry.status,
        entry.reason,
        entry.attempt_open,
        closed.cause,
    )


def test_a_deleted_assessor_is_forgotten(ledger: Ledger) -> None:
    """Where the assessor was deleted, its id and what the archive had acknowledged are forgotten."""
    adopted = made(ledger, 1, status=Status.COMPLETE, acknowledged=Status.COMPLETE, assessor_id="A1")
    kept = ledger.reopen(adopted.id, Status.PRE_COMPLETE, "wish", {})
    forgotten = ledger.reopen(adopted.id, Status.PRE_COMPLETE, "gone", {}, forget=True)
    assert (("A1", Status.COMPLETE), ("", None)) == (
        (kept.assessor_id, kept.acknowledged),
        (forgotten.assessor_id, forgotten.acknowledged),
    )


# -- several at once ----------------------------------------------------------------------------------


def test_several_are_announced_at_once(ledger: Ledger) -> None:
    """Changes of several attempts are one transaction; what another has taken over stays as it is."""
    holder = me()
    first, second = (held(ledger, made(ledger, number), holder) for number in (1, 2))
    foreign = held(ledger, made(ledger, 3), me())
    changes = {one.id: {"state": str(Stage.SUBMITTING), "tries": one.id} for one in (second, foreign, first)}
    changed = ledger.advance_all(holder, changes)

    assert {first.id: (Stage.SUBMITTING, first.id), second.id: (Stage.SUBMITTING, second.id)} == {
        number: (one.state, one.tries) for number, one in changed.items()
    }
    assert [foreign] == ledger.attempts(foreign.task_id)


def test_several_jobs_are_noted_at_once(ledger: Ledger) -> None:
    """Each attempt has its job, its task runs and is told to the archive; then anybody may take it."""
    holder = me()
    first, second = (held(ledger, made(ledger, number), holder) for number in (1, 2))
    foreign = held(ledger, made(ledger, 3), me())
    jobs = {one.id: NewJob(job_id=f"4{one.id}", fields={"jobid": "x"}) for one in (first, second, foreign)}
    ledger.write(second.task_id, {"jobid": "older", "memused": "1"}, reason="a write that is pending")

    assert {first.id, second.id} == ledger.submitted_all(holder, jobs)
    for one in (first, second):
        taken, entry = ledger.take(one.id, me()), ledger.task(one.task_id)
        assert taken is not None
        assert (Stage.SUBMITTED, f"4{one.id}") == (taken.state, taken.job_id)
        assert (Status.JOB_RUNNING, True) == (entry.status, entry.writes_pending)
        assert Status.JOB_RUNNING == ledger.history(one.task_id)[-1].after
    assert [foreign] == ledger.attempts(foreign.task_id)
    told = {"procstatus": "JOB_RUNNING", "note": "", "jobid": "x"}
    assert [told, {**told, "memused": "1"}] == [ledger.pending_fields(one.task_id) for one in (first, second)]


def test_one_that_cannot_run_stops_all_of_them(ledger: Ledger) -> None:
    """Where one job is for a task that has ended nothing is written, so that each can be tried by itself."""
    holder = me()
    ended = created(ledger, new_task(9, status=Status.COMPLETE), None)
    assert ended is not None
    attempts = [held(ledger, made(ledger, 1), holder), held(ledger, ended, holder)]
    with pytest.raises(IllegalTransition):
        ledger.submitted_all(holder, {one.id: NewJob(job_id="4", fields={}) for one in attempts})

    assert attempts == [ledger.attempts(one.task_id)[0] for one in attempts]


# -- what is refused ----------------------------------------------------------------------------------

Change = Callable[[Ledger, Attempt, str], object]
CHANGES: dict[str, Change] = {
    "advance": lambda ledger, attempt, holder: ledger.advance(attempt.id, holder, tries=9),
    "collecting": lambda ledger, attempt, holder: ledger.collecting(attempt.id, holder, {"a": "b"}),
    "close": lambda ledger, attempt, holder: ledger.close_attempt(
        attempt.id, holder, Status.JOB_ERROR, "x", {"a": "b"}
    ),
    "withdraw": lambda ledger, attempt, holder: ledger.withdraw(
        attempt.id, holder, "x", mark="", until=UNTIL, fields={"a": "b"}
    ),
    "reopen": lambda ledger, attempt, holder: ledger.reopen(
        attempt.task_id, Status.PRE_RUNNING, "x", {"a": "b"}, ended=(attempt.id, holder)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_lost_the_lease_changes_nothing(ledger: Ledger, task: TaskEntry, change: str) -> None:
    """A process whose attempt was taken over is told so, and nothing that it wanted is written."""
    attempt = running(ledger, task, me())
    before = whole(ledger, task)
    with pytest.raises(LeaseLost):
        CHANGES[change](ledger, attempt, me())
    assert before == whole(ledger, task)


@pytest.mark.parametrize("change", CHANGES)
def test_a_closed_attempt_is_closed(ledger: Ledger, task: TaskEntry, change: str) -> None:
    """Nobody changes an attempt after its end, not even who had it."""
    holder = me()
    attempt = running(ledger, task, holder)
    ledger.close_attempt(attempt.id, holder, Status.JOB_ERROR, "x", None)
    before = whole(ledger, task)
    with pytest.raises(LeaseLost):
        CHANGES[change](ledger, attempt, holder)
    assert before == whole(ledger, task)


def test_groups_leave_a_closed_attempt(ledger: Ledger, task: TaskEntry) -> None:
    """Neither a job nor a change of several at once is written to an attempt that has ended."""
    holder = me()
    attempt = running(ledger, task, holder)
    ledger.close_attempt(attempt.id, holder, Status.JOB_ERROR, "x", None)
    before = whole(ledger, task)
    noted = ledger.submitted_all(holder, {attempt.id: NewJob(job_id="9", fields={"a": "b"})})
    changed = ledger.advance_all(holder, {attempt.id: {"tries": 9}})
    assert (set(), {}, before) == (noted, changed, whole(ledger, task))


ILLEGAL: dict[str, Change] = {
    "collecting what never ran": CHANGES["collecting"],
    "complete without collection": lambda ledger, attempt, holder: ledger.close_attempt(
        attempt.id, holder, Status.COMPLETE, "", {}
    ),
}


@pytest.mark.parametrize("row", ILLEGAL)
def test_an_illegal_end_is_refused_whole(ledger: Ledger, task: TaskEntry, row: str) -> None:
    """A status that may not follow is refused, and the attempt stays as it was too."""
    holder = me()
    attempt = held(ledger, task, holder)
    before = whole(ledger, task)
    with pytest.raises(IllegalTransition):
        ILLEGAL[row](ledger, attempt, holder)
    assert before == whole(ledger, task)


def test_a_job_for_a_task_that_is_complete(ledger: Ledger) -> None:
    """A job is never noted for a task that has ended."""
    ended = created(ledger, new_task(status=Status.COMPLETE), None)
    assert ended is not None
    holder = me()
    attempt = held(ledger, ended, holder)
    before = whole(ledger, ended)
    with pytest.raises(IllegalTransition):
        ledger.submitted_all(holder, {attempt.id: NewJob(job_id="42", fields={})})
    assert before == whole(ledger, ended)
