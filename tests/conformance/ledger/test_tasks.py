"""Tasks and their history: every public method, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from support.ledger import ARCHIVE, created, held, made, me, new_task, opened, write_taken

from cci.daemon.ledger import Birth, Ledger, NewTask, Stage, TaskEntry
from cci.errors import IllegalTransition
from cci.status import Status
from cci.task import TaskKey

OTHER = "https://other.example.org"


def key(number: int = 1, **values: str) -> TaskKey:
    """Return the identity of the task of this number, changed as given."""
    parts = {"archive": ARCHIVE, "accession_id": f"E{number}", "scan_id": "", "proctype": "Dti_v1"}
    return TaskKey(**{**parts, **values})


def labels(entries: list[TaskEntry]) -> list[str]:
    """Return the sessions of tasks, which tell them apart."""
    return [entry.session for entry in entries]


def steps(ledger: Ledger, entry: TaskEntry) -> list[tuple[str, str, str, str]]:
    """Return a task's history without its times."""
    return [(one.before, one.after, one.reason, one.who) for one in ledger.history(entry.id)]


# -- creating -----------------------------------------------------------------------------------------


def test_a_new_task(ledger: Ledger) -> None:
    """A task is what it was made of, has no attempts, and its history begins."""
    before = datetime.now(UTC)
    new = new_task(scan := 3, reason="waits", status=Status.PRE_RUNNING, fingerprints={"a/B": "1"})
    entry = created(ledger, new, {"procstatus": "PRE_RUNNING"})
    assert entry is not None
    assert vars(new) == {name: getattr(entry, name) for name in vars(new)}
    assert (0, False, True, "", 0, None) == (
        entry.attempts,
        entry.attempt_open,
        entry.writes_pending,
        entry.blocked,
        entry.tries,
        entry.retry_at,
    )
    assert before <= entry.created == entry.updated <= datetime.now(UTC)
    assert ([("", "PRE_RUNNING", "waits", "test")], f"E{scan}") == (steps(ledger, entry), entry.session)


def test_a_created_task_reads_back(ledger: Ledger) -> None:
    """What create returns is what every look at the task returns later."""
    entry = created(ledger, new_task(), {"date": "2024-05-06"})
    assert entry is not None
    assert [entry, entry, [entry], [entry]] == [
        ledger.task(entry.id),
        ledger.find(entry.key),
        ledger.tasks(ARCHIVE),
        ledger.named(ARCHIVE, entry.label),
    ]


def test_a_task_is_created_once(ledger: Ledger, task: TaskEntry) -> None:
    """Who comes second with the same identity gets nothing, and leaves the first as it was."""
    again = created(ledger, new_task(label="renamed", reason="other"), {"date": "x"})
    assert (None, task) == (again, ledger.task(task.id))


@pytest.mark.parametrize(
    "other",
    [
        key(archive=OTHER),
        key(2),
        key(scan_id="3"),
        key(proctype="Dti_v2"),
    ],
    ids=["archive", "session", "scan", "version"],
)
def test_each_part_of_the_identity_makes_another_task(
    ledger: Ledger, task: TaskEntry, other: TaskKey
) -> None:
    """Tasks that differ in one part of their identity are two."""
    entry = created(ledger, new_task(key=other, label="P-x-S-x-E1-x-Dti_v1-0a1b2c3d"), None)
    assert (True, task, entry) == (entry is not None, ledger.find(task.key), ledger.find(other))


def test_two_tasks_of_a_project_share_no_label(ledger: Ledger, task: TaskEntry) -> None:
    """A label names a folder and an assessor: a second task of it is not entered, but in another project."""
    second, elsewhere = new_task(2, label=task.label), new_task(3, label=task.label, project="Q")
    assert [None, "E3"] == [
        entry and entry.session for entry in (created(ledger, new, None) for new in (second, elsewhere))
    ]


def test_a_task_follows_into_another_project(ledger: Ledger, task: TaskEntry) -> None:
    """It keeps its status and gets the project and label of where it is; its history says so, once."""
    there = new_task(project="Q", label="Q-x-S-x-E1-x-Dti_v1")
    moved, again = ledger.relocate(there), ledger.relocate(there)
    assert moved is not None
    assert (task.id, "Q", there.label, task.status, None, ["", "moved here from project P"]) == (
        moved.id,
        moved.project,
        moved.label,
        moved.status,
        again,
        [change.reason for change in ledger.history(task.id)],
    )


def test_a_task_follows_to_no_label_of_another(ledger: Ledger, task: TaskEntry) -> None:
    """Where its label is taken, or no such task is known, nothing moves."""
    there = made(ledger, 2, project="Q")
    unmoved = [ledger.relocate(new_task(project="Q", label=there.label)), ledger.relocate(new_task(7))]
    assert ([None, None], task) == (unmoved, ledger.task(task.id))


def test_an_adopted_task(ledger: Ledger) -> None:
    """A task may be entered as the archive has it: with status, id and what was acknowledged."""
    new = new_task(
        status=Status.COMPLETE,
        acknowledged=Status.COMPLETE,
        assessor_id="A1",
        fingerprints={"dwi/NIFTI": "3:1"},
    )
    entry = created(ledger, new, None)
    assert entry is not None
    assert (Status.COMPLETE, Status.COMPLETE, "A1", False) == (
        entry.status,
        entry.acknowledged,
        entry.assessor_id,
        entry.writes_pending,
    )


def test_many_at_once(ledger: Ledger) -> None:
    """Many tasks are entered as one; who is there already is passed over, and the others are made."""
    made(ledger, 2)
    births = [Birth(task=new_task(number), fields={"date": "x"}) for number in (1, 2, 3)]
    entered = ledger.create_all(births)
    assert (["E1", None, "E3"], ["E1", "E2", "E3"], 2) == (
        [entry and entry.session for entry in entered],
        labels(ledger.tasks(ARCHIVE)),
        ledger.pending_writes(ARCHIVE),
    )


def test_a_task_with_its_open_attempt(ledger: Ledger) -> None:
    """A task that another ledger had running is entered together with its attempt, as that stood."""
    attempt = {
        "number": 3,
        "nonce": "abc",
        "directory": "/srv/cci/3",
        "cluster": "local",
        "job_id": "42",
        "state": Stage.SUBMITTED,
        "outputs": {"begun": True},
    }
    (entry,) = ledger.create_all([Birth(task=new_task(status=Status.JOB_RUNNING), attempt=attempt)])
    assert entry is not None
    (found,) = ledger.attempts(entry.id)
    assert (entry, 1, True) == (ledger.task(entry.id), entry.attempts, entry.attempt_open)
    assert attempt == {name: getattr(found, name) for name in attempt}


HOSTILE = "Müller 脑 'x'; DROP TABLE task; -- \" %s \\ \n\t 😀"


def test_any_text_is_kept(ledger: Ledger) -> None:
    """Quotes, line breaks and any script come back as they went in."""
    new = NewTask(
        **{**vars(new_task()), "subject": HOSTILE, "reason": HOSTILE, "fingerprints": {HOSTILE: HOSTILE}}
    )
    entry = created(ledger, new, {"note": HOSTILE})
    assert entry is not None
    write = write_taken(ledger, entry.id, me())
    assert write is not None
    assert [HOSTILE] * 3 + [{HOSTILE: HOSTILE}] == [
        entry.subject,
        ledger.history(entry.id)[0].reason,
        write.fields["note"],
        ledger.task(entry.id).fingerprints,
    ]


# -- finding ------------------------------------------------------------------------------------------


def test_tasks_are_listed_by_archive_and_project(ledger: Ledger) -> None:
    """A listing has one archive's tasks, or one project's of it, ordered by label."""
    made(ledger, 2)
    made(ledger, 1)
    made(ledger, 3, project="Q")
    made(ledger, 4, key=key(4, archive=OTHER))
    assert [["E1", "E2", "E3"], ["E1", "E2"], ["E3"], ["E4"], []] == [
        labels(ledger.tasks(ARCHIVE)),
        labels(ledger.tasks(ARCHIVE, "P")),
        labels(ledger.tasks(ARCHIVE, "Q")),
        labels(ledger.tasks(OTHER)),
        labels(ledger.tasks(ARCHIVE, "none")),
    ]


def test_what_is_listed_is_what_is_looked_at(ledger: Ledger) -> None:
    """In a listing too each task has its own attempts and writes."""
    idle, busy = made(ledger, 1), made(ledger, 2)
    opened(ledger, busy)
    ledger.write(busy.id, {"x": "y"}, reason="why")
    assert [(0, False, False), (1, True, True)] == [
        (entry.attempts, entry.attempt_open, entry.writes_pending) for entry in ledger.tasks(ARCHIVE)
    ]
    assert [ledger.task(idle.id), ledger.task(busy.id)] == ledger.tasks(ARCHIVE)


def test_nobody(ledger: Ledger, task: TaskEntry) -> None:
    """An identity or name that no task has finds none."""
    assert (None, []) == (ledger.find(key(9)), ledger.named(ARCHIVE, f"{task.label}x"))


def test_a_name_or_its_beginning(ledger: Ledger) -> None:
    """A whole label finds its task alone; a beginning finds all that begin so; signs mean themselves."""
    for number, label in enumerate(("P-x-S_1-x-Dti_v1", "P-x-S_1-x-Dti_v10", "P-x-SA1-x-Dti_v1"), 1):
        made(ledger, number, label=label)
    assert [["E1"], ["E1", "E2"], ["E3", "E1", "E2"], [], []] == [
        labels(ledger.named(ARCHIVE, "P-x-S_1-x-Dti_v1")),
        labels(ledger.named(ARCHIVE, "P-x-S_1")),
        labels(ledger.named(ARCHIVE, "P-x-S")),
        labels(ledger.named(ARCHIVE, "P-x-S%")),
        labels(ledger.named(OTHER, "P")),
    ]


# -- moving -------------------------------------------------------------------------------------------


def test_a_move_is_written_with_history_and_archive_write(ledger: Ledger, task: TaskEntry) -> None:
    """Status, reason, history and the write to the archive are one."""
    entry = ledger.move(task.id, Status.PRE_RUNNING, "no NIFTI", {"validation/status": "x"}, who="ann")
    write = write_taken(ledger, task.id, me())
    assert write is not None
    assert (Status.PRE_RUNNING, "no NIFTI", True, entry) == (
        entry.status,
        entry.reason,
        entry.writes_pending,
        ledger.task(task.id),
    )
    assert ("PRE_COMPLETE", "PRE_RUNNING", "no NIFTI", "ann") == steps(ledger, task)[-1]
    assert {"procstatus": "PRE_RUNNING", "note": "no NIFTI", "validation/status": "x"} == write.fields


def test_a_move_may_be_the_ledgers_own(ledger: Ledger, task: TaskEntry) -> None:
    """Without fields nothing is written to the archive."""
    assert not ledger.move(task.id, Status.PRE_RUNNING, "x").writes_pending


def test_a_move_that_changes_nothing_leaves_no_trace(ledger: Ledger, task: TaskEntry) -> None:
    """Staying with the same reason adds no line to the history; another reason does."""
    ledger.move(task.id, task.status, task.reason, {})
    unchanged = len(ledger.history(task.id))
    ledger.move(task.id, task.status, "held", {})
    assert (1, 2) == (unchanged, len(ledger.history(task.id)))


def test_a_move_lifts_what_staging_found(ledger: Ledger, task: TaskEntry) -> None:
    """What staging found missing is forgotten once the task need not wait for it."""
    holder = me()
    attempt = held(ledger, task, holder)
    until = datetime.now(UTC) + timedelta(hours=1)
    ledger.withdraw(attempt.id, holder, "empty", mark="m", until=until, fields={})
    waits = ledger.move(task.id, Status.PRE_RUNNING, "still", {})
    ready = ledger.move(task.id, Status.PRE_COMPLETE, "", {})
    assert ("empty", "m", "", "") == (waits.blocked, waits.blocked_mark, ready.blocked, ready.blocked_mark)


def test_an_illegal_move_is_refused_and_nothing_is_written(ledger: Ledger, task: TaskEntry) -> None:
    """What the table of statuses does not have leaves status, history and outbox as they were."""
    with pytest.raises(IllegalTransition):
        ledger.move(task.id, Status.COMPLETE, "cheating", {"x": "y"})
    assert (task, 1) == (ledger.task(task.id), len(ledger.history(task.id)))


def test_a_write_without_a_move(ledger: Ledger, task: TaskEntry) -> None:
    """Fields can be sent with the status as it is, and the history says why."""
    ledger.write(task.id, {"validation/status": "Do Not Run"}, reason="a hold was wished", who="ann")
    write = write_taken(ledger, task.id, me())
    assert write is not None
    assert (
        {"validation/status": "Do Not Run"},
        ("PRE_COMPLETE", "PRE_COMPLETE", "a hold was wished", "ann"),
    ) == (
        write.fields,
        steps(ledger, task)[-1],
    )


def test_the_history_is_in_order_and_aware(ledger: Ledger, task: TaskEntry) -> None:
    """Changes are listed oldest first, with times in UTC."""
    for reason in ("one", "two", "three"):
        ledger.move(task.id, Status.PRE_RUNNING, reason)
    history = ledger.history(task.id)
    assert (["", "one", "two", "three"], True, {timedelta(0)}) == (
        [change.reason for change in history],
        [change.at for change in history] == sorted(change.at for change in history),
        {change.at.utcoffset() for change in history},
    )


# -- times --------------------------------------------------------------------------------------------


def test_a_time_of_any_zone_is_the_same_moment(ledger: Ledger, task: TaskEntry) -> None:
    """Times are kept to the microsecond, whatever zone they were told in."""
    holder = me()
    east = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=timezone(timedelta(hours=9)))
    attempt = ledger.advance(held(ledger, task, holder).id, holder, retry_at=east)
    assert (east, east) == (attempt.retry_at, ledger.attempts(task.id)[0].retry_at)


def test_counts_of_a_project(ledger: Ledger) -> None:
    """What a sweep counted is kept for each project of each archive, until the next count."""
    ledger.save_counts(ARCHIVE, "P", {"sessions": 3})
    ledger.save_counts(ARCHIVE, "Q", {"sessions": 5})
    ledger.save_counts(ARCHIVE, "P", {"sessions": 4, "scans": 9})
    assert [{"sessions": 4, "scans": 9}, {"sessions": 5}, None] == [
        ledger.last_counts(ARCHIVE, "P"),
        ledger.last_counts(ARCHIVE, "Q"),
        ledger.last_counts(OTHER, "P"),
    ]


def test_several_tasks_by_their_numbers(ledger: Ledger) -> None:
    """Those that there are come back, in the order of their numbers."""
    first, second, third = (made(ledger, number) for number in (1, 2, 3))
    assert [first, third] == ledger.with_ids([third.id, first.id, 4_000_000])
    assert ([], [second]) == (ledger.with_ids([]), ledger.with_ids([second.id]))
