"""The plan of a sweep, from frozen values alone: which tasks there are, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.entries import an_entry
from support.plans import ONE, OURS, TWO, Blind, Dti, Growth, Raising, Template, configured, made, moves, only
from support.snapshots import a_project, a_scan, a_session, a_subject, an_assessor, project_of, with_assessors

from cci.daemon.ledger import TaskEntry
from cci.daemon.plan import Narrowing, Plan, counts, shrunk
from cci.task import Move

# -- which tasks there are ----------------------------------------------------------------------------


def test_each_target_of_each_processor_is_a_task() -> None:
    """A new project gets one action for each processor and target."""
    expected = {
        "P-x-subject1-x-session1-x-Dti_v1": "create",
        "P-x-subject1-x-session2-x-Dti_v1": "create",
        "P-x-subject1-x-Growth_v1": "create",
        "P-x-Template_v1": "create",
    }
    assert expected == moves(made(TWO, Dti(), Growth(), Template()))


def test_an_empty_project_needs_nothing() -> None:
    """Where there is nothing, there is nothing to do."""
    assert Plan() == made(a_project(), Dti(), Growth(), Template())


def test_a_known_task_keeps_its_label() -> None:
    """A session that was renamed has the task that it had, under the label that it had."""
    entry = an_entry(label="P-x-old-x-name-x-Dti_v1")
    renamed = project_of(a_session(a_scan(), label="renamed"))
    action = only(made(renamed, Dti(), entries=[entry]))
    assert (entry, "P-x-old-x-name-x-Dti_v1", Move.START) == (
        action.entry,
        action.label,
        action.decision.move,
    )


def test_tasks_of_higher_priority_come_first() -> None:
    """Actions are ordered by priority; of equal ones by the order of the settings."""
    first, second, third = Dti(), Dti(name="B"), Dti(priority=5)
    found = made(
        ONE, configured(first), replace(configured(second), name="b"), replace(configured(third), name="c")
    )
    assert ["c", "dti", "b"] == [action.configured.name for action in found.actions]


def test_a_site_that_lacks_something_makes_tasks_wait() -> None:
    """What a processor misses on this site is the reason of all its tasks, and of no other's."""
    planned = made(ONE, configured(Dti(), site_reason="no licence"), Growth())
    assert {"dti": "no licence", "growth": ""} == {
        action.configured.name: action.decision.reason for action in planned.actions
    }


# -- what goes wrong stays where it is ----------------------------------------------------------------


def test_a_processor_that_raises_loses_that_target_only() -> None:
    """Its other targets, and all other processors, are planned as ever; the failure names both."""
    planned = made(TWO, Raising(), Growth())
    failures = [(one.processor, one.target, repr(one.error)) for one in planned.failures]
    assert {
        "P-x-subject1-x-session1-x-Raising_v1": "create",
        "P-x-subject1-x-Growth_v1": "create",
    } == moves(planned)
    assert [("raising", "P/session2", "ZeroDivisionError('no volumes')")] == failures


def test_a_processor_without_targets_stops_itself() -> None:
    """One that raises while it lists its targets has none, not even those before; the others go on."""
    planned = made(TWO, Blind(), Growth())
    assert ({"P-x-subject1-x-Growth_v1": "create"}, [("blind", "P")]) == (
        moves(planned),
        [(one.processor, one.target) for one in planned.failures],
    )


def test_a_damaged_mark_is_no_failure() -> None:
    """An assessor whose inputs no one can read is another system's, and stops no processor."""
    session = with_assessors(a_session(a_scan()), an_assessor("Dti_v1", inputs="[" * 100_000))
    planned = made(project_of(session), Dti())
    assert ((), {"P-x-S-x-E-x-Dti_v1": "skip"}) == (planned.failures, moves(planned))


# -- narrowing ----------------------------------------------------------------------------------------

FIRST, SECOND = "P-x-subject1-x-session1-x-Dti_v1", "P-x-subject1-x-session2-x-Dti_v1"
WHOLE = "P-x-subject1-x-Growth_v1"
NARROW: dict[str, tuple[Narrowing, list[str]]] = {
    "all": (Narrowing(), [FIRST, SECOND, WHOLE]),
    "a session by label": (Narrowing(session="session2"), [SECOND]),
    "a session by accession id": (Narrowing(session="E1"), [FIRST]),
    "a subject by label": (Narrowing(subject="subject1"), [FIRST, SECOND, WHOLE]),
    "a subject by accession id": (Narrowing(subject="S1", processor="growth"), [WHOLE]),
    "a processor by name": (Narrowing(processor="growth"), [WHOLE]),
    "a processor by proctype": (Narrowing(processor="Growth_v1"), [WHOLE]),
    "a session of another subject": (Narrowing(subject="S2", session="session1"), []),
    "half a name": (Narrowing(session="session"), []),
}


@pytest.mark.parametrize("row", NARROW)
def test_a_sweep_may_look_at_a_part(row: str) -> None:
    """Subject and session are named by label or accession id, a processor by name or proctype."""
    narrowing, labels = NARROW[row]
    assert labels == list(moves(made(TWO, Dti(), Growth(), narrowing=narrowing)))


def test_a_part_never_tells_what_is_gone() -> None:
    """A sweep that looks at one session concludes nothing from what it did not look at."""
    gone = an_entry(accession_id="E9")
    assert ((gone,), ()) == (
        made(TWO, Dti(), entries=[gone]).vanished,
        made(TWO, Dti(), entries=[gone], narrowing=Narrowing(session="E1")).vanished,
    )


# -- what is gone -------------------------------------------------------------------------------------

GONE: dict[str, tuple[TaskEntry, bool]] = {
    "a session that is there": (an_entry(accession_id="E1"), False),
    "a session that is gone": (an_entry(accession_id="E9"), True),
    "a scan that is there": (an_entry(accession_id="E1", scan_id="3"), False),
    "a scan that is gone": (an_entry(accession_id="E1", scan_id="4"), True),
    "a scan of a session that is gone": (an_entry(accession_id="E9", scan_id="3"), True),
    "a subject that is there": (an_entry(accession_id="S1", level="subject"), False),
    "a subject that is gone": (an_entry(accession_id="S9", level="subject"), True),
    "the project": (an_entry(accession_id="P", level="project"), False),
}


@pytest.mark.parametrize("row", GONE)
def test_tasks_whose_target_is_gone(row: str) -> None:
    """A task vanishes with its session, scan or subject, whether its processor is configured or not."""
    entry, gone = GONE[row]
    assert (entry,) * gone == made(ONE, entries=[entry]).vanished


# -- the shrink brake ---------------------------------------------------------------------------------


def test_what_is_counted() -> None:
    """Subjects, sessions, scans and assessors of a snapshot."""
    session = with_assessors(a_session(a_scan("1"), a_scan("2")), OURS)
    assert {"subjects": 2, "sessions": 1, "scans": 2, "assessors": 1} == counts(
        a_project(a_subject(session), a_subject(subject_id="S2"))
    )


BRAKE = {
    "the first sweep": (None, {"sessions": 0}, ""),
    "nothing lost": ({"sessions": 100}, {"sessions": 100}, ""),
    "more than before": ({"sessions": 100}, {"sessions": 200}, ""),
    "just a fifth": ({"sessions": 100}, {"sessions": 80}, ""),
    "more than a fifth": ({"sessions": 100}, {"sessions": 79}, "sessions went from 100 to 79"),
    "everything": ({"sessions": 100}, {}, "sessions went from 100 to 0"),
    "half of a small project": ({"sessions": 8}, {"sessions": 4}, ""),
    "most of a small project": ({"sessions": 8}, {"sessions": 3}, "sessions went from 8 to 3"),
    "one kind of several": (
        {"sessions": 100, "assessors": 50},
        {"sessions": 100, "assessors": 10},
        "assessors went from 50 to 10",
    ),
}


@pytest.mark.parametrize("row", BRAKE)
def test_a_project_that_shrinks(row: str) -> None:
    """More than a fifth less of anything, and at least five, is told; small projects may change much."""
    before, after, told = BRAKE[row]
    assert told == shrunk(before, after, 0.2)
