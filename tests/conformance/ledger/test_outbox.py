"""Writes that wait for the archive: laid over each other, sent by one, and never lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.ledger import ARCHIVE, made, me, write_taken

from cci.daemon.ledger import Ledger, TaskEntry, Write
from cci.status import Status

LATER = datetime.now(UTC) + timedelta(hours=1)
BEFORE = datetime.now(UTC) - timedelta(hours=1)


def taken(ledger: Ledger, task: TaskEntry) -> Write:
    """Take a task's write, which must be there."""
    write = write_taken(ledger, task.id, me())
    assert write is not None
    return write


@pytest.fixture
def written(ledger: Ledger, task: TaskEntry) -> TaskEntry:
    """A task with one write."""
    ledger.write(task.id, {"procstatus": "PRE_COMPLETE", "note": ""}, reason="first")
    return task


def test_writes_are_laid_over_each_other(ledger: Ledger, written: TaskEntry) -> None:
    """Of many writes one request remains: each field as it was said last."""
    ledger.write(written.id, {"note": "two", "jobid": "42"}, reason="second")
    ledger.write(written.id, {"jobid": "43"}, reason="third")
    write = taken(ledger, written)
    assert (1, 3, {"procstatus": "PRE_COMPLETE", "note": "two", "jobid": "43"}) == (
        ledger.pending_writes(ARCHIVE),
        write.revision,
        write.fields,
    )


def test_an_accepted_write_is_gone(ledger: Ledger, written: TaskEntry) -> None:
    """Once the archive has accepted it, nothing is pending, and status and id are known."""
    ledger.acknowledge_all([(taken(ledger, written), "A1")])
    entry = ledger.task(written.id)
    assert (False, Status.PRE_COMPLETE, "A1", None) == (
        entry.writes_pending,
        entry.acknowledged,
        entry.assessor_id,
        write_taken(ledger, written.id, me()),
    )


def test_a_write_without_a_status_acknowledges_none(ledger: Ledger, written: TaskEntry) -> None:
    """Fields beside the status leave what the archive acknowledged as it was."""
    ledger.acknowledge_all([(taken(ledger, written), "A1")])
    ledger.write(written.id, {"validation/status": "Do Not Run"}, reason="hold")
    ledger.acknowledge_all([(taken(ledger, written), "A1")])
    assert Status.PRE_COMPLETE is ledger.task(written.id).acknowledged


def test_what_comes_meanwhile_stays(ledger: Ledger, written: TaskEntry) -> None:
    """A write that is laid on top while another is sent is not lost with its acknowledgement."""
    sent = taken(ledger, written)
    ledger.move(written.id, Status.PRE_RUNNING, "no NIFTI", {})
    ledger.acknowledge_all([(sent, "A1")])
    entry, rest = ledger.task(written.id), taken(ledger, written)
    assert (Status.PRE_COMPLETE, True, {"procstatus": "PRE_RUNNING", "note": "no NIFTI"}) == (
        entry.acknowledged,
        entry.writes_pending,
        rest.fields,
    )


def test_a_write_is_in_one_hand(ledger: Ledger, written: TaskEntry) -> None:
    """While one sends a write nobody else does; after its end others may."""
    write = taken(ledger, written)
    meanwhile = write_taken(ledger, written.id, me())
    ledger.write_failed(write, "away", BEFORE)
    assert (None, True) == (meanwhile, write_taken(ledger, written.id, me()) is not None)


def test_a_failed_write_is_kept(ledger: Ledger, written: TaskEntry) -> None:
    """What the archive did not take waits for its time, and its failures are counted."""
    ledger.write_failed(taken(ledger, written), "away", LATER)
    waits = ledger.due_writes(ARCHIVE)
    ledger.write_failed(taken(ledger, written), "still away", BEFORE)
    write = taken(ledger, written)
    assert ([], [written.id], 2, "still away", 1) == (
        waits,
        ledger.due_writes(ARCHIVE),
        write.tries,
        write.error,
        write.revision,
    )


def test_a_newer_write_begins_to_count_anew(ledger: Ledger, written: TaskEntry) -> None:
    """What is left after an acknowledgement may be sent at once."""
    ledger.write_failed(taken(ledger, written), "away", LATER)
    sent = taken(ledger, written)
    ledger.write(written.id, {"note": "new"}, reason="more")
    ledger.acknowledge_all([(sent, "A1")])
    rest = taken(ledger, written)
    assert ([written.id], 0, "") == (ledger.due_writes(ARCHIVE), rest.tries, rest.error)


def test_writes_of_each_archive(ledger: Ledger, written: TaskEntry) -> None:
    """Only an archive's own writes are due or pending."""
    assert ([written.id], 1, [], 0) == (
        ledger.due_writes(ARCHIVE),
        ledger.pending_writes(ARCHIVE),
        ledger.due_writes("https://other"),
        ledger.pending_writes("https://other"),
    )


def test_writes_are_due_in_the_order_of_their_tasks(ledger: Ledger) -> None:
    """Older tasks come first."""
    tasks = [made(ledger, number) for number in (1, 2, 3)]
    for task in reversed(tasks):
        ledger.write(task.id, {"a": "b"}, reason="x")
    assert [task.id for task in tasks] == ledger.due_writes(ARCHIVE)


def test_a_dropped_write(ledger: Ledger, written: TaskEntry) -> None:
    """A write that has become pointless is forgotten; so is its late acknowledgement, but not the id."""
    write = taken(ledger, written)
    ledger.drop_write(written.id)
    ledger.drop_write(written.id)
    ledger.acknowledge_all([(write, "A1")])
    entry = ledger.task(written.id)
    assert (False, None, "A1") == (entry.writes_pending, entry.acknowledged, entry.assessor_id)


def test_a_late_acknowledgement_takes_no_newer_write_with_it(ledger: Ledger, written: TaskEntry) -> None:
    """Who was taken for dead while it sent a write may not tick off what others have written since."""
    asleep = taken(ledger, written)
    ledger.drop_write(written.id)
    ledger.move(written.id, Status.PRE_RUNNING, "no NIFTI", {})
    ledger.acknowledge_all([(asleep, "A1")])
    entry = ledger.task(written.id)
    assert (True, None, {"procstatus": "PRE_RUNNING", "note": "no NIFTI"}) == (
        entry.writes_pending,
        entry.acknowledged,
        taken(ledger, written).fields,
    )


def test_a_late_failure_puts_nobody_off(ledger: Ledger, written: TaskEntry) -> None:
    """Who was taken for dead may not put off, or let go, a write that somebody else has in hand."""
    asleep = taken(ledger, written)
    ledger.drop_write(written.id)
    ledger.write(written.id, {"a": "b"}, reason="new")
    taken(ledger, written)
    ledger.write_failed(asleep, "away", LATER)
    assert (None, [written.id]) == (write_taken(ledger, written.id, me()), ledger.due_writes(ARCHIVE))


def test_an_unknown_id_keeps_the_known_one(ledger: Ledger, written: TaskEntry) -> None:
    """An acknowledgement without an id does not forget the one that is known."""
    ledger.acknowledge_all([(taken(ledger, written), "A1")])
    ledger.write(written.id, {"a": "b"}, reason="x")
    ledger.acknowledge_all([(taken(ledger, written), "")])
    assert "A1" == ledger.task(written.id).assessor_id


# -- several at once ----------------------------------------------------------------------------------


def test_several_writes_are_taken_and_accepted_as_one(ledger: Ledger) -> None:
    """Of the writes asked for those that are free are taken; the accepted ones are gone, each with its id."""
    tasks = [made(ledger, number) for number in (1, 2, 3)]
    for task in tasks:
        ledger.write(task.id, {"procstatus": "PRE_COMPLETE"}, reason="x")
    taken(ledger, tasks[1])
    writes = ledger.take_writes([task.id for task in reversed(tasks)], me())
    assert [tasks[0].id, tasks[2].id] == [write.task.id for write in writes]
    ledger.acknowledge_all([(write, f"A{write.task.id}") for write in writes])
    assert [(f"A{tasks[0].id}", False), ("", True), (f"A{tasks[2].id}", False)] == [
        (entry.assessor_id, entry.writes_pending) for entry in ledger.tasks(ARCHIVE)
    ]


def test_a_write_that_was_not_tried_is_free_at_once(ledger: Ledger, written: TaskEntry) -> None:
    """What is given back has no failure to its name, and anybody may take it."""
    write = taken(ledger, written)
    ledger.let_go([write])
    assert (0, "", [written.id]) == (
        taken(ledger, written).tries,
        write.error,
        ledger.due_writes(ARCHIVE),
    )


def test_who_lost_a_write_gives_nothing_back(ledger: Ledger, written: TaskEntry) -> None:
    """A write in another's hand stays there."""
    write = taken(ledger, written)
    ledger.let_go([replace(write, holder="somebody else")])
    assert write_taken(ledger, written.id, me()) is None
