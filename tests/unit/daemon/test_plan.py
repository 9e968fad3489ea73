"""The plan of a sweep, from frozen values alone: what every task needs next, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.entries import an_entry
from support.snapshots import (
    ARCHIVE,
    NOW,
    a_project,
    a_scan,
    a_session,
    a_subject,
    an_assessor,
    mark,
    project_of,
    with_assessors,
)

from cci.daemon.ledger import TaskEntry
from cci.daemon.plan import Action, Configured, Narrowing, Plan, View, counts, mark_of, plan, shrunk
from cci.inputs import Selection
from cci.model import Project, Target
from cci.processor import (
    Output,
    Processor,
    ProjectProcessor,
    Scan,
    ScanProcessor,
    SessionProcessor,
    SubjectProcessor,
)
from cci.status import Status
from cci.task import Move


class Dti(SessionProcessor):
    """One task for each session with a DTI scan."""

    version = "1.0"
    inputs = (Scan("dwi", type=["DTI"]),)
    outputs = (Output("PDF"),)
    spider = "lab.dti"


class Convert(ScanProcessor):
    """One task for each scan; its result goes to the scan."""

    version = "1.0"
    inputs = (Scan("dicom", resources=["DICOM"]),)
    outputs = (Output("NIFTI", to="scan"),)
    spider = "lab.convert"


class Growth(SubjectProcessor):
    """One task for each subject."""

    version = "1.0"
    outputs = (Output("STATS"),)
    spider = "lab.growth"

    def can_run(self, target: Target) -> Selection:
        del target
        return Selection()


class Template(ProjectProcessor):
    """One task for the project."""

    version = "1.0"
    outputs = (Output("STATS"),)
    spider = "lab.template"

    def can_run(self, target: Target) -> Selection:
        del target
        return Selection()


class Raising(Dti):
    """Cannot look at one session."""

    name = "Raising"

    def can_run(self, target: Target) -> Selection:
        if target.session is not None and target.session.id == "E2":
            raise ZeroDivisionError("no volumes")
        return super().can_run(target)


class Blind(Dti):
    """Cannot even list its targets."""

    name = "Blind"

    def targets(self, project: Project) -> Iterator[Target]:
        yield from super().targets(project)
        raise KeyError("lab")


def configured(processor: Processor, **values: Any) -> Configured:
    """Return a processor as a site configures it."""
    return Configured(name=processor.proc_name().lower(), processor=processor, cluster="local", **values)


def made(
    snapshot: Project, *processors: Processor | Configured, entries: Sequence[TaskEntry] = (), **options: Any
) -> Plan:
    """Plan a sweep of a snapshot."""
    ready = [one if isinstance(one, Configured) else configured(one) for one in processors]
    return plan(snapshot, ready, View.of(entries), archive=ARCHIVE, now=NOW, **options)


def moves(planned: Plan) -> dict[str, str]:
    """Return what is to be done with each task, by its label."""
    return {action.label: str(action.decision.move) for action in planned.actions}


def only(planned: Plan) -> Action:
    """Return the plan's only action."""
    (action,) = planned.actions
    return action


TWO = project_of(a_session(a_scan()), a_session(a_scan(), session_id="E2"))
ONE = project_of(a_session(a_scan()))

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


# -- assessors ----------------------------------------------------------------------------------------


def planned_with(*assessors: Any, entries: Sequence[TaskEntry] = (), version: str = "1.0") -> Action:
    """Plan the one task of a session that has these assessors."""
    snapshot = project_of(with_assessors(a_session(a_scan()), *assessors))
    return only(made(snapshot, Dti(version=version), entries=entries))


OURS = an_assessor("Dti_v1", id="A1", label="ours", inputs=mark(), note="all is well")
THEIRS = an_assessor("Dti_v1", id="A2", label="theirs", procstatus="COMPLETE")


def test_a_new_ledger_adopts() -> None:
    """A task of ours that the ledger does not know is taken over with its label, status and reason."""
    action = planned_with(OURS)
    assert (Move.ADOPT, "ours", Status.COMPLETE, "all is well") == (
        action.decision.move,
        action.label,
        action.decision.status,
        action.decision.reason,
    )


def test_another_systems_assessor_is_never_written() -> None:
    """Where another system has an assessor of this type, there is no task."""
    action = planned_with(THEIRS)
    assert (Move.SKIP, "assessor theirs was made by another system") == (
        action.decision.move,
        action.decision.reason,
    )


@pytest.mark.parametrize("assessors", [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours first", "theirs first"])
def test_ours_goes_before_another_systems(assessors: tuple[Any, ...]) -> None:
    """Of two assessors of one type on one session, ours is the task's, in whatever order they are listed."""
    assert (Move.ADOPT, "ours") == (planned_with(*assessors).decision.move, planned_with(*assessors).label)


KNOWN = an_entry(Status.COMPLETE, assessor_id="A1", acknowledged=Status.COMPLETE)


def test_another_systems_assessor_does_not_stand_in_for_a_deleted_one() -> None:
    """Once the id is known, an assessor of the same type does not hide that ours was deleted."""
    action = planned_with(THEIRS, entries=[KNOWN])
    assert (Move.REDO, "its assessor was deleted") == (action.decision.move, action.decision.reason)


def test_another_systems_wish_is_not_ours() -> None:
    """Rerun on another system's assessor does not run our task again."""
    wished = replace(THEIRS, qc_status="Rerun")
    assert Move.NOTHING is planned_with(OURS, wished, entries=[KNOWN]).decision.move


def test_ours_stays_ours_whatever_is_done_to_its_fields() -> None:
    """A person who empties a field of our assessor does not make it another system's."""
    assert Move.NOTHING is planned_with(replace(OURS, inputs=""), entries=[KNOWN]).decision.move


def test_assessors_of_other_versions_are_other_tasks() -> None:
    """A new major version makes its own tasks beside the old ones."""
    assert Move.CREATE is planned_with(OURS, version="2.0").decision.move


def test_scan_tasks_are_told_apart_by_their_mark() -> None:
    """Of several assessors of one type on a session, each scan's task finds its own."""
    session = a_session(*(a_scan(scan_id, "T1", "DICOM") for scan_id in "34"))
    three, four = (
        an_assessor("Convert_v1", id=f"A{one}", label=f"of_{one}", inputs=mark(one)) for one in "34"
    )
    planned = made(project_of(with_assessors(session, four, three)), Convert())
    assert {"of_3": "adopt", "of_4": "adopt"} == moves(planned)


def test_a_project_task_is_found_in_its_file() -> None:
    """What the archive has no assessor for is read from the project's resource."""
    content = {
        "label": "P-x-Template_v1",
        "proctype": "Template_v1",
        "procstatus": "COMPLETE",
        "inputs": mark(),
    }
    snapshot = replace(ONE, task_files={"CCI_Template_v1": content})
    action = only(made(snapshot, Template()))
    assert (Move.ADOPT, Status.COMPLETE) == (action.decision.move, action.decision.status)


def test_a_known_project_task_is_found_by_its_resource() -> None:
    """A wish in the file of a known project task is obeyed."""
    content = {
        "proctype": "Template_v1",
        "procstatus": "COMPLETE",
        "inputs": mark(),
        "validation/status": "Rerun",
    }
    entry = an_entry(
        Status.COMPLETE,
        accession_id="P",
        proctype="Template_v1",
        level="project",
        assessor_id="CCI_Template_v1",
        acknowledged=Status.COMPLETE,
    )
    action = only(made(replace(ONE, task_files={"CCI_Template_v1": content}), Template(), entries=[entry]))
    assert (Move.REDO, "Rerun was wished") == (action.decision.move, action.decision.reason)


def test_a_subject_task_without_its_type() -> None:
    """Where the archive lacks the type of subject tasks, they say so and nothing is made."""
    snapshot = replace(ONE, missing_types=frozenset({"proc:subjGenProcData"}))
    action = only(made(snapshot, Growth()))
    assert (Move.SKIP, "the archive does not have the data type proc:subjGenProcData") == (
        action.decision.move,
        action.decision.reason,
    )


# -- results that are there, and tasks that wait ------------------------------------------------------


def test_results_on_the_scan_make_the_task_superfluous() -> None:
    """Where a person has put the NIFTI, nothing is converted; elsewhere it is."""
    session = a_session(a_scan("3", "T1", "DICOM", "NIFTI"), a_scan("4", "T1", "DICOM"))
    decisions = {
        action.target.scan and action.target.scan.id: action.decision
        for action in made(project_of(session), Convert()).actions
    }
    assert ("scan 3 has NIFTI already", Move.SKIP, Move.CREATE) == (
        decisions["3"].reason,
        decisions["3"].move,
        decisions["4"].move,
    )


LATER, BEFORE = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("retry_at", "move"), [(None, "start"), (BEFORE, "start"), (NOW, "start"), (LATER, "nothing")]
)
def test_a_task_that_was_put_off_waits_for_its_time(retry_at: Any, move: str) -> None:
    """Until its time has come, a task that could start is left alone."""
    planned = made(ONE, Dti(), entries=[an_entry(retry_at=retry_at)])
    assert [move] == list(moves(planned).values())


FINGERPRINTS = {"dwi/NIFTI": "3:1/10"}


@pytest.mark.parametrize(
    ("mark_then", "retry_at", "move"),
    [
        (mark_of(FINGERPRINTS), LATER, "nothing"),
        (mark_of(FINGERPRINTS), BEFORE, "write"),
        (mark_of({"dwi/NIFTI": "3:0/0"}), LATER, "write"),
    ],
    ids=["nothing changed", "its time has come", "the listing changed"],
)
def test_what_staging_found_missing(mark_then: str, retry_at: Any, move: str) -> None:
    """It counts until the listing of the inputs changes, or the time to look again comes."""
    entry = an_entry(
        Status.PRE_RUNNING, reason="empty", blocked="empty", blocked_mark=mark_then, retry_at=retry_at
    )
    assert [move] == list(moves(made(ONE, Dti(), entries=[entry])).values())


def test_what_would_move() -> None:
    """Of a plan, those actions count as moving that change something."""
    planned = made(TWO, Dti(), entries=[an_entry(Status.COMPLETE)])
    assert ["P-x-subject1-x-session2-x-Dti_v1"] == [action.label for action in planned.moving()]


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
