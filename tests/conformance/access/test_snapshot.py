"""Snapshots of the embedded archive: what they hold and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from support.archive import RunningArchive
from support.fill import Fill

from cci.errors import NotFound, Unreachable
from cci.model import Resource
from cci.xnat import Archive, Scope, uris

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def small_project(fill: Fill, project: str, sessions: int = 1) -> None:
    """Make a project of sessions with one scan and one assessor each."""
    for number in range(sessions):
        session = fill.session(project, f"{project}_S{number}", f"{project}_MR{number}")
        scan = fill.scan(session, "1", type="T1", quality="usable")
        fill.files(scan, "NIFTI", {"t1.nii.gz": b"1234"})
        fill.assessor(session, f"{project}-QA-{number}", procstatus="COMPLETE", proctype="QA_v1")


def test_everything_is_there(kind_archive: Archive, fill: Fill) -> None:
    """A snapshot has subjects, sessions, scans, assessors and resources with their attributes."""
    subject = fill.subject("ALL", "S1", gender="female")
    session = fill.session("ALL", "S1", "MR1", date="2020-01-02")
    scan = fill.scan(session, "10", type="T1 & T2", quality="usable", note='a, "b"', frames="176")
    fill.scan(session, "9", type="dwi", series_description="ep2d <b>")
    fill.files(scan, "NIFTI", {"a": b"1234", "b": b"12"})
    fill.files(scan, "DICOM", {"a": b"1"})
    fill.files(session, "NOTES", {"a": b"123"})
    assessor = fill.assessor(
        session,
        "A1",
        procstatus="COMPLETE",
        proctype="QA_v1",
        procversion="1.0.0",
        jobid="42",
        inputs='{"t1": "x"}',
        **{"validation/status": "Needs QA", "proc:genProcData/note": "it's done"},
    )
    fill.files(f"{assessor}/out", "PDF", {"r.pdf": b"12345"})
    fill.put(
        f"{subject}/experiments/SA",
        {"xsiType": "proc:subjGenProcData", "proc:subjGenProcData/proctype": "L_v1"},
    )
    fill.files(f"{subject}/experiments/SA", "STATS", {"s.csv": b"1"})

    project = kind_archive.snapshot("ALL", now=NOW)

    (found_subject,) = project.subjects
    assert (found_subject.label, found_subject.attributes["gender"]) == ("S1", "female")
    (found,) = found_subject.sessions
    assert (found.label, found.project, found.date, found.xsi_type) == (
        "MR1",
        "ALL",
        "2020-01-02",
        "xnat:mrSessionData",
    )
    assert found.last_modified
    assert found.resources == {"NOTES": Resource(label="NOTES", file_count=1, file_size=3)}
    nine, ten = found.scans
    assert (nine.id, nine.type, nine.series_description, nine.resources) == ("9", "dwi", "ep2d <b>", {})
    assert (ten.type, ten.quality, ten.note, ten.frames) == ("T1 & T2", "usable", 'a, "b"', 176)
    assert ten.resources == {
        "DICOM": Resource(label="DICOM", file_count=1, file_size=1),
        "NIFTI": Resource(label="NIFTI", file_count=2, file_size=6),
    }
    (qa,) = found.assessors
    assert (qa.label, qa.procstatus, qa.proctype, qa.procversion) == ("A1", "COMPLETE", "QA_v1", "1.0.0")
    assert (qa.qc_status, qa.note, qa.jobid, qa.inputs) == ("Needs QA", "it's done", "42", '{"t1": "x"}')
    assert (qa.session_id, qa.subject_id, qa.project) == (found.id, found_subject.id, "ALL")
    assert qa.resources == {"PDF": Resource(label="PDF", file_count=1, file_size=5)}
    (of_subject,) = found_subject.assessors
    assert (of_subject.label, of_subject.proctype, of_subject.session_id) == ("SA", "L_v1", "")
    assert list(of_subject.resources) == ["STATS"]
    assert project.missing_types == frozenset()


def test_cost_does_not_depend_on_size(server: RunningArchive, kind_archive: Archive, fill: Fill) -> None:
    """A sweep of a project with nothing to do costs as many requests for 30 sessions as for one."""
    small_project(fill, "ONE")
    small_project(fill, "THIRTY", sessions=30)
    costs = {}
    for project in ("ONE", "THIRTY"):
        kind_archive.write_json(uris.project(project), "CCI", "owner.json", {"id": "x"})
        kind_archive.close()
        before = server.requests()["total"]
        kind_archive.read_json(uris.project(project), "CCI", "owner.json")
        taken = kind_archive.snapshot(project, now=NOW)
        kind_archive.close()
        costs[project] = server.requests()["total"] - before
        assert len(list(taken.sessions())) == (1 if project == "ONE" else 30)
    session_types = 1
    assert costs == dict.fromkeys(costs, costs["ONE"])
    assert costs["ONE"] <= 9 + session_types


def test_project_tasks(kind_archive: Archive, fill: Fill) -> None:
    """Project-level tasks are the task files in the project's own resources."""
    fill.project("TASKS")
    kind_archive.write_json(uris.project("TASKS"), "CCI_GROUP_v1", "task.json", {"procstatus": "COMPLETE"})
    kind_archive.write_json(uris.project("TASKS"), "CCI_GROUP_v1_PDF", "other.json", {})
    project = kind_archive.snapshot("TASKS", now=NOW, scope=Scope(project_tasks=True))
    assert project.task_files == {"CCI_GROUP_v1": {"procstatus": "COMPLETE"}}
    assert sorted(project.resources) == ["CCI_GROUP_v1", "CCI_GROUP_v1_PDF"]


def test_empty_project(kind_archive: Archive, fill: Fill) -> None:
    """A project without anything in it is an empty snapshot."""
    fill.project("EMPTY")
    project = kind_archive.snapshot("EMPTY", now=NOW)
    assert (project.subjects, project.missing_types) == ((), frozenset())


def test_missing_project(kind_archive: Archive) -> None:
    """A project that is not there is an error that names it."""
    with pytest.raises(NotFound, match="no project NOWHERE"):
        kind_archive.snapshot("NOWHERE", now=NOW)


def test_missing_type(kind_archive: Archive, fill: Fill) -> None:
    """An assessor type that the archive does not have is recorded, and is no error."""
    small_project(fill, "TYPES")
    project = kind_archive.snapshot("TYPES", now=NOW, scope=Scope(subject_assessors=("nobody:knowsData",)))
    assert project.missing_types == {"nobody:knowsData"}
    assert len(list(project.sessions())) == 1


def test_shared_session(kind_archive: Archive, fill: Fill) -> None:
    """A session that is shared in has this project's label for it and keeps its owner."""
    small_project(fill, "OWNER")
    fill.project("GUEST")
    subject = "/data/projects/OWNER/subjects/OWNER_S0"
    fill.put(f"{subject}/projects/GUEST", {"label": "guest_subject"})
    fill.put(f"{subject}/experiments/OWNER_MR0/projects/GUEST", {"label": "guest_session"})
    ((found_subject, session),) = kind_archive.snapshot("GUEST", now=NOW).sessions()
    assert (found_subject.label, session.label, session.project) == (
        "guest_subject",
        "guest_session",
        "OWNER",
    )
    assert [scan.id for scan in session.scans] == ["1"]


def test_several_session_types(kind_archive: Archive, fill: Fill) -> None:
    """Each session has its own type and the time of its last change."""
    fill.session("TWO", "T_S1", "T_MR")
    fill.session("TWO", "T_S1", "T_PET", xsi_type="xnat:petSessionData")
    sessions = [session for _, session in kind_archive.snapshot("TWO", now=NOW).sessions()]
    assert [session.xsi_type for session in sessions] == ["xnat:mrSessionData", "xnat:petSessionData"]
    assert all(session.last_modified for session in sessions)


def test_change_below_a_session_shows(kind_archive: Archive, fill: Fill) -> None:
    """A file put into a scan changes the session's last change and the resource's fingerprint."""
    small_project(fill, "CHANGE")
    ((_, before),) = kind_archive.snapshot("CHANGE", now=NOW).sessions()
    scan = uris.scan(uris.session(before.id), "1")
    fill.files(scan, "NIFTI", {"second": b"1"})
    ((_, after),) = kind_archive.snapshot("CHANGE", now=NOW).sessions()
    assert before.last_modified < after.last_modified
    prints = [session.scans[0].resources["NIFTI"].fingerprint for session in (before, after)]
    assert prints == ["1/4", "2/5"]


@pytest.mark.parametrize("fault", ["500", "empty"])
def test_archive_without_counts(
    fault: str, server: RunningArchive, kind_archive: Archive, fill: Fill
) -> None:
    """Where the archive cannot list counts they are unknown, and this is asked for once only."""
    project = f"NOCOUNT_{fault}".upper()
    small_project(fill, project)
    server.fault(match=f"GET /data/projects/{project}/experiments.*file_count", fault=fault)
    for _ in range(2):
        ((_, session),) = kind_archive.snapshot(project, now=NOW).sessions()
        assert session.scans[0].resources["NIFTI"].fingerprint == "None/None"
    asked = kind_archive.requests
    kind_archive.snapshot(project, now=NOW)
    assert kind_archive.requests - asked == 7


@pytest.mark.parametrize("fault", ["reset", "hang", "truncate"])
def test_counts_of_an_ill_archive(
    fault: str, server: RunningArchive, connect: Callable[..., Archive], fill: Fill
) -> None:
    """Counts that did not arrive for a broken line are no reason to go on without them."""
    project = f"ILL_{fault}".upper()
    small_project(fill, project)
    server.fault(match=f"GET /data/projects/{project}/experiments.*file_count", fault=fault)
    archive = connect()
    with pytest.raises(Unreachable):
        archive.snapshot(project, now=NOW)
    assert archive.connection.lacks == set()
