"""The plan of a sweep: what a task's assessor, the results that are there, and its time make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.entries import an_entry
from support.plans import ONE, OURS, TWO, Convert, Dti, Growth, Template, made, moves, only
from support.snapshots import NOW, a_scan, a_session, an_assessor, mark, project_of, with_assessors

from cci.daemon.ledger import TaskEntry
from cci.daemon.plan import Action, mark_of
from cci.status import Status
from cci.task import Move

# -- assessors ----------------------------------------------------------------------------------------


def planned_with(*assessors: Any, entries: Sequence[TaskEntry] = (), version: str = "1.0") -> Action:
    """Plan the one task of a session that has these assessors."""
    snapshot = project_of(with_assessors(a_session(a_scan()), *assessors))
    return only(made(snapshot, Dti(version=version), entries=entries))


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
