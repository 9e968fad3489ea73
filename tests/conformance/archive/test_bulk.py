"""Bulk listings: one request for a whole project (XNAT REST reference, section 3, requests B1 to B9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from support.fill import Fill
from support.rest import Rest, Row
from support.site import new_project_id

SCAN = "xnat:imagescandata"
TASK = "proc:genprocdata"
SCAN_COLUMNS = (
    "ID,label,subject_label,project,xnat:imagesessiondata/subject_id,"
    f"{SCAN}/id,{SCAN}/type,{SCAN}/quality,{SCAN}/note,{SCAN}/frames,{SCAN}/series_description,"
    f"{SCAN}/file/label,{SCAN}/file/file_count,{SCAN}/file/file_size"
)
TASK_COLUMNS = (
    "ID,label,URI,xsiType,project,xnat:imagesessiondata/subject_id,xnat:imagesessiondata/id,"
    "xnat:imagesessiondata/label,"
    + ",".join(
        f"proc:genProcData/{field}"
        for field in (
            *("procstatus", "proctype", "validation/status", "validation/notes", "procversion", "jobid"),
            *("jobnode", "jobstartdate", "memused", "walltimeused", "inputs", "note", "out/file/label"),
        )
    )
)


@pytest.fixture
def sharing(project: str, fill: Fill, rest: Rest) -> Iterator[str]:
    """Another project, whose session MR9 is shared into *project* as SHARED."""
    other = new_project_id()
    session = fill.session(other, "S9", "MR9")
    fill.scan(session, "7", type="T1")
    fill.put(f"{session.rpartition('/experiments/')[0]}/projects/{project}", {"label": "GUEST"})
    fill.put(f"{session}/projects/{project}", {"label": "SHARED"})
    yield other
    rest.delete(f"/data/projects/{other}", {"removeFiles": "true"})


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project of two sessions; MR1 has scans 1 (two resources), 2 (one), 3 (none) and two tasks; its id."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.session(project, "S2", "PET1", xsi_type="xnat:petSessionData")
    for scan, type_ in (("1", "T1"), ("2", "dwi"), ("3", "loc")):
        fill.scan(session, scan, type=type_, quality="usable", frames="10")
    fill.files(f"{session}/scans/1", "NIFTI", {"a.nii": b"12345", "b.nii": b"123"})
    fill.files(f"{session}/scans/1", "DICOM", {"a.dcm": b"1"})
    fill.files(f"{session}/scans/2", "NIFTI", {"c.nii": b"12"})
    fill.files(session, "NOTES", {"n.txt": b"n"})
    done = fill.assessor(
        session, "TASK1", procstatus="COMPLETE", proctype="T_v1", **{"validation/status": "Good"}
    )
    fill.assessor(session, "TASK2", procstatus="JOB_RUNNING", proctype="T_v1", inputs='{"a": "b"}')
    fill.files(f"{done}/out", "PDF", {"r.pdf": b"pdf"})
    fill.files(f"{done}/out", "STATS", {"s.csv": b"a"})
    return project


def by_label(rows: list[Row]) -> dict[str, Row]:
    return {row["label"]: row for row in rows}


def test_b1_sessions(rest: Rest, place: str, sharing: str) -> None:
    """B1 lists owned and shared sessions, these under the project's names with their own accession id."""
    columns = "ID,label,project,subject_ID,subject_label,date,xsiType,insert_date"
    header, rows = rest.csv(f"/data/projects/{place}/experiments", {"columns": columns})
    assert set(columns.split(",")) <= set(header)
    found = {
        label: (row["subject_label"], row["xsiType"], row["date"]) for label, row in by_label(rows).items()
    }
    expected = {
        "MR1": ("S1", "xnat:mrSessionData", "2020-01-02"),
        "PET1": ("S2", "xnat:petSessionData", ""),
        "SHARED": ("GUEST", "xnat:mrSessionData", ""),
    }
    assert expected == found
    owner = rest.item(f"/data/projects/{sharing}/subjects/S9/experiments/MR9")
    assert (owner["ID"], owner["subject_ID"]) == (
        by_label(rows)["SHARED"]["ID"],
        by_label(rows)["SHARED"]["subject_ID"],
    )


def scans_and_resources(rows: list[Row]) -> Counter[tuple[str, str]]:
    return Counter((row[f"{SCAN}/id"], row[f"{SCAN}/file/label"]) for row in rows)


def test_b2_scans(rest: Rest, place: str) -> None:
    """B2 has one row for each scan and resource label, and one for a scan or session that has none."""
    asked = {"project": place, "xsiType": "xnat:imageSessionData", "columns": SCAN_COLUMNS}
    header, rows = rest.csv("/data/archive/experiments", asked)
    expected = Counter([("1", "NIFTI"), ("1", "DICOM"), ("2", "NIFTI"), ("3", ""), ("", "")])
    assert expected == scans_and_resources(rows)
    assert f"{SCAN}/series_description" in header
    (row,) = [row for row in rows if row[f"{SCAN}/id"] == "1" and row[f"{SCAN}/file/label"] == "NIFTI"]
    assert ("T1", "usable", "10", "2", "8") == (
        row[f"{SCAN}/type"],
        row[f"{SCAN}/quality"],
        row[f"{SCAN}/frames"],
        row[f"{SCAN}/file/file_count"],
        row[f"{SCAN}/file/file_size"],
    )


def test_b2s_shared_scans(rest: Rest, place: str, sharing: str) -> None:
    """B2s has the scans of the sessions that are shared into the project."""
    asked = {
        "xnat:imagesessiondata/sharing/share/project": place,
        "xsiType": "xnat:imageSessionData",
        "columns": SCAN_COLUMNS,
    }
    rows = rest.csv("/data/archive/experiments", asked)[1]
    assert [(sharing, "7")] == [(row["project"], row[f"{SCAN}/id"]) for row in rows]


def test_b2p_scans(rest: Rest, place: str, sharing: str) -> None:
    """B2p has the scans of owned and of shared sessions."""
    assert sharing
    asked = {"xsiType": "xnat:imageSessionData", "columns": SCAN_COLUMNS}
    rows = rest.csv(f"/data/projects/{place}/experiments", asked)[1]
    assert {("1", "NIFTI"), ("1", "DICOM"), ("2", "NIFTI"), ("3", ""), ("", ""), ("7", "")} == set(
        scans_and_resources(rows)
    )


def test_b2_joins_by_session(rest: Rest, place: str) -> None:
    """The rows of B2 carry the accession id of their session, which joins them to B1."""
    sessions = {row["ID"] for row in rest.csv(f"/data/projects/{place}/experiments", {"columns": "ID"})[1]}
    asked = {"xsiType": "xnat:imageSessionData", "columns": SCAN_COLUMNS}
    header, rows = rest.csv(f"/data/projects/{place}/experiments", asked)
    key = "ID" if "ID" in header else "session_ID"
    assert sessions == {row[key] for row in rows}


@pytest.mark.parametrize(
    ("uri", "restriction"),
    [("/data/archive/experiments", {"project": "{p}"}), ("/data/projects/{p}/experiments", {})],
    ids=["B3", "B3p"],
)
def test_b3_tasks(rest: Rest, place: str, uri: str, restriction: dict[str, str]) -> None:
    """B3 has one row for each task and result resource, and one for a task that has none."""
    asked = {name: value.format(p=place) for name, value in restriction.items()}
    columns = {"xsiType": "proc:genProcData", "columns": TASK_COLUMNS}
    rows = rest.csv(uri.format(p=place), {**asked, **columns})[1]
    found = Counter((row["label"], row[f"{TASK}/out/file/label"]) for row in rows)
    assert Counter([("TASK1", "PDF"), ("TASK1", "STATS"), ("TASK2", "")]) == found
    task = by_label(rows)["TASK1"]
    assert ("COMPLETE", "T_v1", "Good", "MR1", "proc:genProcData") == (
        task[f"{TASK}/procstatus"],
        task[f"{TASK}/proctype"],
        task[f"{TASK}/validation/status"],
        task["session_label"],
        task["xsiType"],
    )
    assert "{&quot;a&quot;: &quot;b&quot;}" == by_label(rows)["TASK2"][f"{TASK}/inputs"]


def test_b3_ids_join(rest: Rest, place: str) -> None:
    """The rows of B3 carry the accession ids of session and subject."""
    session = rest.item(f"/data/projects/{place}/subjects/S1/experiments/MR1")
    asked = {"xsiType": "proc:genProcData", "columns": TASK_COLUMNS}
    rows = rest.csv(f"/data/projects/{place}/experiments", asked)[1]
    assert {(session["ID"], session["subject_ID"])} == {
        (row["session_ID"], row["xnat:imagesessiondata/subject_id"]) for row in rows
    }


def test_b4_sessions_and_tasks(rest: Rest, place: str, sharing: str) -> None:
    """B4 joins sessions of several projects with their tasks."""
    columns = (
        "project,subject_label,session_label,session_type,xnat:imagesessiondata/date,"
        "proc:genprocdata/label,proc:genprocdata/procstatus,proc:genprocdata/proctype,"
        "proc:genprocdata/validation/status,proc:genprocdata/inputs,last_modified"
    )
    asked = {"xsiType": "xnat:imagesessiondata", "columns": columns, "project": f"{place},{sharing}"}
    rows = rest.csv("/data/experiments", asked)[1]
    found = Counter((row["session_label"], row["proc:genprocdata/label"]) for row in rows)
    assert Counter([("MR1", "TASK1"), ("MR1", "TASK2"), ("PET1", ""), ("MR9", "")]) == found


def test_b5_subjects(rest: Rest, place: str, sharing: str) -> None:
    """B5 lists subjects, owned and shared, with their demographics."""
    assert sharing
    columns = "ID,label,project,gender,yob,dob,age,handedness,group,last_modified"
    header, rows = rest.csv(f"/data/projects/{place}/subjects", {"columns": columns})
    assert set(columns.split(",")) <= set(header)
    assert {"S1", "S2", "GUEST"} == set(by_label(rows))


@pytest.mark.parametrize(("type_", "labels"), [("mr", ["MR1"]), ("pet", ["PET1"])])
def test_b6_modification_times(rest: Rest, place: str, type_: str, labels: list[str]) -> None:
    """B6 has the modification time of each session of one type."""
    column = f"xnat:{type_}SessionData/meta/last_modified"
    asked = {"xsiType": f"xnat:{type_}SessionData", "columns": f"ID,label,subject_ID,subject_label,{column}"}
    rows = rest.csv(f"/data/projects/{place}/experiments", asked)[1]
    assert labels == [row["label"] for row in rows]
    assert all(row[column.lower()] for row in rows)


def test_b7_session_resources(rest: Rest, place: str) -> None:
    """B7 has the labels of the resources of sessions."""
    column = "xnat:imageSessionData/resources/resource/label"
    asked = {"xsiType": "xnat:imageSessionData", "columns": f"ID,{column}"}
    rows = rest.csv(f"/data/projects/{place}/experiments", asked)[1]
    assert Counter(["NOTES", ""]) == Counter(row[column.lower()] for row in rows)


def test_b8_resources_of_several_sessions(rest: Rest, place: str) -> None:
    """B8 lists the resources of several sessions with those of their scans and tasks."""
    ids = sorted(row["ID"] for row in rest.rows(f"/data/projects/{place}/experiments"))
    rows = rest.rows(f"/data/experiments/{','.join(ids)}/resources", {"all": "true"})
    found = Counter((row["category"], row["label"], row["file_count"]) for row in rows)
    expected = Counter(
        [
            ("scans", "NIFTI", "2"),
            ("scans", "DICOM", "1"),
            ("scans", "NIFTI", "1"),
            ("resources", "NOTES", "1"),
            ("assessors", "PDF", "1"),
            ("assessors", "STATS", "1"),
        ]
    )
    assert expected == found


def test_b9_scan_array(rest: Rest, place: str) -> None:
    """B9, as pyxnat's ``array.mrscans`` sends it, has one row for each scan."""
    columns = "ID,project,xnat:mrSessionData/subject_id,xnat:mrScanData/ID,xnat:mrScanData/type"
    asked = {"xsiType": "xnat:mrSessionData", "project": place, "columns": columns}
    rows = rest.csv("/data/experiments", asked)[1]
    assert ["T1", "dwi", "loc"] == sorted(row["xnat:mrscandata/type"] for row in rows)


def test_two_child_dimensions_multiply(rest: Rest, place: str) -> None:
    """Scans and tasks in one request are multiplied."""
    asked = {
        "xsiType": "xnat:imageSessionData",
        "columns": "ID,xnat:imagescandata/id,proc:genprocdata/label",
    }
    rows = rest.csv(f"/data/projects/{place}/experiments", asked)[1]
    assert 3 * 2 + 1 == len(rows)


def test_empty_project(rest: Rest, project: str) -> None:
    """An empty project's bulk listing is 200 and has no rows."""
    assert [] == rest.csv(f"/data/projects/{project}/experiments", {"columns": "ID,label"})[1]


# -- modification times --------------------------------------------------------------------------


def modified(rest: Rest, project: str) -> str:
    column = "xnat:mrSessionData/meta/last_modified"
    asked = {"xsiType": "xnat:mrSessionData", "columns": f"ID,{column}"}
    (row,) = rest.csv(f"/data/projects/{project}/experiments", asked)[1]
    return row[column.lower()]


@pytest.mark.parametrize(
    "change",
    ["scan", "scan field", "scan resource", "scan file", "task", "task field", "task file", "session field"],
)
def test_children_bump_the_session(rest: Rest, place: str, fill: Fill, change: str) -> None:
    """Every change below a session changes its modification time."""
    session = f"/data/projects/{place}/subjects/S1/experiments/MR1"
    before = modified(rest, place)
    changes: dict[str, Callable[[], object]] = {
        "scan": lambda: fill.scan(session, "99"),
        "scan field": lambda: fill.scan(session, "1", quality="unusable"),
        "scan resource": lambda: fill.put(f"{session}/scans/1/resources/NEW"),
        "scan file": lambda: fill.files(f"{session}/scans/1", "NIFTI", {"new.nii": b"new"}),
        "task": lambda: fill.assessor(session, "TASK9"),
        "task field": lambda: fill.assessor(session, "TASK1", procstatus="JOB_ERROR"),
        "task file": lambda: fill.files(f"{session}/assessors/TASK1/out", "PDF", {"new.pdf": b"new"}),
        "session field": lambda: fill.session(place, "S1", "MR1", note="new"),
    }
    changes[change]()
    assert before < modified(rest, place)


def test_reading_does_not_bump(rest: Rest, place: str) -> None:
    """Reading changes no modification time."""
    before = modified(rest, place)
    rest.item(f"/data/projects/{place}/subjects/S1/experiments/MR1")
    assert before == modified(rest, place)
