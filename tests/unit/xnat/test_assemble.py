"""From rows to a project: joins by accession id."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cci.model import Assessor, Resource, Scan
from cci.xnat import assemble
from cci.xnat.listings import ASSESSOR_FIELDS, SCAN, SCAN_FIELDS
from cci.xnat.tables import Row, Table

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TYPE = "proc:genProcData"


def experiment(accession_id: str, label: str = "MR1", **other: str) -> Row:
    row = {
        "id": accession_id,
        "label": label,
        "project": "P",
        "subject_id": "S_1",
        "subject_label": "S1",
        "date": "2020-01-02",
        "xsitype": "xnat:mrSessionData",
        "insert_date": "2020-01-03 00:00:00.0",
    }
    return {**row, **other}


def scan_row(session: str, scan: str = "", label: str = "", **other: str) -> Row:
    blank = {f"{SCAN}/{name}": "" for name in SCAN_FIELDS}
    row = {"id": session, "project": "P", **blank, f"{SCAN}/id": scan, f"{SCAN}/file/label": label}
    return {**row, **{f"{SCAN}/{name}": value for name, value in other.items()}}


def assessor_row(accession_id: str, session: str = "", label: str = "", **other: str) -> Row:
    blank = {f"{TYPE.lower()}/{name}": "" for name in ASSESSOR_FIELDS}
    row = {"id": accession_id, "label": f"L-{accession_id}", "xsitype": TYPE, "project": "P", "note": ""}
    resource = {f"{TYPE.lower()}/out/file/label": label}
    return {**row, **blank, "session_id": session, **resource, **other}


def test_scans_of_a_session() -> None:
    """Rows of one scan are one scan with several resources; repeated rows change nothing."""
    rows = [
        scan_row("E1", "10", "NIFTI", **{"type": "T1", "frames": "176", "file/file_count": "1"}),
        scan_row("E1", "9", "DICOM", type="dwi", quality="usable"),
        scan_row("E1", "10", "DICOM", type="T1", frames="176"),
        scan_row("E1", "9", "DICOM", type="dwi", quality="usable"),
    ]
    dicom, nifti = Resource(label="DICOM"), Resource(label="NIFTI", file_count=1)
    expected = (
        Scan(id="9", type="dwi", quality="usable", resources={"DICOM": dicom}),
        Scan(id="10", type="T1", frames=176, resources={"DICOM": dicom, "NIFTI": nifti}),
    )
    assert expected == assemble.gather_scans(Table.of(rows))["E1"].scans


def test_session_without_scans() -> None:
    """A session without a scan is a session, and a scan without a resource is a scan."""
    found = assemble.gather_scans(Table.of([scan_row("E1"), scan_row("E2", "1")]))
    assert {"E1": (), "E2": (Scan(id="1"),)} == {key: image.scans for key, image in found.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3), ("3.0", 3), ("", None), ("many", None), ("nan", None), ("inf", None), ("0", 0)],
)
def test_counts(text: str, expected: int | None) -> None:
    """A count that the archive does not give is unknown, not nought."""
    row = scan_row("E1", "1", "R", **{"file/file_count": text})
    assert expected == assemble.gather_scans(Table.of([row]))["E1"].scans[0].resources["R"].file_count


def test_scan_order() -> None:
    """Scans are in the order of their numbers, whatever else is in their ids."""
    ids = ["301-MR2", "10", "a", "9", "301-MR1", "²"]
    assert sorted(ids, key=assemble.natural) == ["9", "10", "301-MR1", "301-MR2", "a", "²"]


def test_assessors() -> None:
    """Rows of one assessor are one assessor; its subject is that of its session."""
    rows = [
        assessor_row("A2", "E1", "PDF", note="n", **{f"{TYPE.lower()}/validation/status": "Good"}),
        assessor_row("A1", "E1"),
        assessor_row("A2", "E1", "STATS", note="n", **{f"{TYPE.lower()}/validation/status": "Good"}),
    ]
    found = assemble.gather_assessors(Table.of(rows), TYPE, {"E1": experiment("E1")})
    common: dict[str, Any] = {"xsi_type": TYPE, "project": "P", "session_id": "E1", "subject_id": "S_1"}
    resources = {label: Resource(label=label) for label in ("PDF", "STATS")}
    first, second = Assessor(id="A1", label="L-A1", **common), Assessor(id="A2", label="L-A2", **common)
    expected = [first, replace(second, note="n", qc_status="Good", resources=resources)]
    assert expected == found


def test_subject_assessors() -> None:
    """A subject-level assessor has a subject and no session."""
    kind = "proc:subjGenProcData"
    blank = {f"{kind.lower()}/{name}": "" for name in ASSESSOR_FIELDS}
    row = {
        "id": "A1",
        "label": "L",
        "xsitype": kind,
        "project": "P",
        "note": "",
        "subject_id": "S_1",
        **blank,
    }
    (found,) = assemble.gather_assessors(Table.of([row]), kind, {}, of_subject=True)
    assert (found.subject_id, found.session_id) == ("S_1", "")


def parts(*experiments: Row, owners: dict[str, str] | None = None, **others: object) -> assemble.Parts:
    rows = assemble.by_id(experiments)
    owners = owners or dict.fromkeys(rows, "P")
    images = {key: assemble.ImageSession(project=owner, scans=()) for key, owner in owners.items()}
    subjects = {"S_1": {"id": "S_1", "label": "S1", "project": "P", "gender": "female", "age": ""}}
    given: dict[str, object] = {"experiments": rows, "subjects": subjects, "images": images, **others}
    return assemble.Parts(**given)  # type: ignore[arg-type]  # a shorthand for tables of tests


def test_shared_session_keeps_its_owner() -> None:
    """A session that is shared in has the project's own label for it and the owner's project."""
    project = assemble.assemble("P", parts(experiment("E1", "mine"), owners={"E1": "OTHER"}), now=NOW)
    (session,) = project.subjects[0].sessions
    assert (session.label, session.project) == ("mine", "OTHER")


def test_what_is_no_image_session() -> None:
    """Experiments that are no image sessions are left out."""
    both = parts(experiment("E1"), experiment("E2", "blood test"), owners={"E1": "P"})
    assert ["E1"] == [session.id for _, session in assemble.assemble("P", both, now=NOW).sessions()]


def test_joined_by_accession_id() -> None:
    """Two sessions of one label are two sessions; everything else is joined to the right one."""
    project = assemble.assemble(
        "P",
        parts(
            experiment("E1", subject_id="S_1"),
            experiment("E2", subject_id="S_2", subject_label="S2"),
            experiment("E1", subject_id="S_1"),
            resources={"E2": {"R": Resource(label="R")}},
            last_modified={"E1": "2020-02-01"},
            assessors={"E2": (Assessor(id="A", label="L", xsi_type=TYPE, project="P"),)},
        ),
        now=NOW,
    )
    seen = [
        (subject.label, session.id, session.last_modified, list(session.resources), len(session.assessors))
        for subject, session in project.sessions()
    ]
    assert [("S1", "E1", "2020-02-01", [], 0), ("S2", "E2", "", ["R"], 1)] == seen


def test_subjects_without_sessions() -> None:
    """A subject without a session is there, with the attributes that are known."""
    (subject,) = assemble.assemble("P", parts(), now=NOW).subjects
    assert (subject.id, dict(subject.attributes), subject.sessions) == ("S_1", {"gender": "female"}, ())


def test_session_types() -> None:
    """The types asked for their last change are those of the image sessions."""
    rows = [
        experiment("E1"),
        experiment("E2", xsitype="xnat:petSessionData"),
        experiment("E3", xsitype="x:y"),
    ]
    images = {key: assemble.ImageSession(project="P", scans=()) for key in ("E1", "E2")}
    found = assemble.session_types(assemble.by_id(rows), images)
    assert ["xnat:mrSessionData", "xnat:petSessionData"] == found
