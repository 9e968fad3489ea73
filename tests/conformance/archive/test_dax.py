"""The bulk requests that DAX 2.21 sends, replayed: another daemon of the same kind works on the same archive.

Numbers are those of the endpoint catalogue of its traffic; requests that the other suites send too are
not repeated here. DAX itself is not run.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET

import pytest
from support.fill import Fill
from support.rest import Rest, Row

TASK = "proc:genprocdata"
SUBJECT_TASK = "proc:subjgenprocdata"
MR = "xnat:mrsessiondata"


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project of two subjects; S1 has a session with a scan, two tasks, and a task of its own."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.subject(project, "S2")
    fill.scan(session, "1", type="T1", quality="usable", frames="10")
    fill.files(f"{session}/scans/1", "NIFTI", {"a.nii": b"12345"})
    done = fill.assessor(session, "T1", procstatus="COMPLETE", proctype="A_v1", inputs='{"scan": "x"}')
    fill.assessor(session, "T2", procstatus="NEED_INPUTS", proctype="A_v1")
    fill.files(f"{done}/out", "PDF", {"r.pdf": b"pdf"})
    fields = {"xsiType": "proc:subjGenProcData", "proc:subjGenProcData/procstatus": "COMPLETE"}
    fill.put(f"/data/projects/{project}/subjects/S1/experiments/SGP1", fields)
    return project


def test_e3_types(rest: Rest, place: str) -> None:
    """The type of each experiment of a project."""
    rows = rest.rows(f"/REST/projects/{place}/experiments", {"columns": "xsiType"})
    assert ["proc:subjGenProcData", "xnat:mrSessionData"] == sorted(row["xsiType"] for row in rows)


def test_e4_sessions(rest: Rest, place: str) -> None:
    """Sessions of a type that is spelt in lower case, with their modification times."""
    columns = f"ID,subject_label,subject_ID,xsiType,label,{MR}/meta/last_modified"
    (row,) = rest.rows(f"/REST/projects/{place}/experiments", {"xsiType": MR, "columns": columns})
    assert ("MR1", "S1", True) == (row["label"], row["subject_label"], bool(row[f"{MR}/meta/last_modified"]))


def test_e5_session_details(rest: Rest, place: str) -> None:
    """Sessions with modality, age and other fields; every column that is asked for is there."""
    columns = (
        f"ID,URI,subject_label,subject_ID,modality,project,date,xsiType,{MR}/age,label,"
        f"{MR}/meta/last_modified,{MR}/original"
    )
    (row,) = rest.rows(f"/REST/projects/{place}/experiments", {"xsiType": MR, "columns": columns})
    assert set(columns.split(",")) <= set(row)


def test_e6_task_types(rest: Rest, place: str) -> None:
    """The types of the tasks of a project."""
    asked = {
        "project": place,
        "xsiType": "proc:genProcData",
        "columns": "ID,xsiType,project,proc:genProcData/proctype",
    }
    rows = rest.rows("/REST/archive/experiments", asked)
    assert ["A_v1", "A_v1"] == [row[f"{TASK}/proctype"] for row in rows]


def test_e9_subject_tasks(rest: Rest, place: str) -> None:
    """Tasks of subjects with their resources; a comma at the end of the columns is no harm."""
    columns = (
        "ID,subject_label,label,URI,xsiType,proc:subjGenProcData/procstatus,"
        "proc:subjGenProcData/inputs,proc:subjGenProcData/resources/resource/label,"
    )
    asked = {"project": place, "xsiType": "proc:subjGenProcData", "columns": columns}
    (row,) = rest.rows("/REST/archive/experiments", asked)
    assert ("SGP1", "S1", "COMPLETE") == (
        row["label"],
        row["subject_label"],
        row[f"{SUBJECT_TASK}/procstatus"],
    )


@pytest.mark.parametrize("children", ["scans", "tasks"])
def test_e12_e13_session_children(rest: Rest, place: str, children: str) -> None:
    """Sessions with their scans or tasks as JSON without ``format``; every column is in every row."""
    columns = {
        "scans": "xnat:imagescandata/id,xnat:imagescandata/type,xnat:imagescandata/quality",
        "tasks": f"{TASK}/label,{TASK}/procstatus,{TASK}/proctype,{TASK}/validation/status,{TASK}/inputs",
    }[children]
    asked = {
        "xsiType": "xnat:imagesessiondata",
        "columns": f"project,subject_label,session_label,session_type,{columns}",
        "project": place,
    }
    rows: list[Row] = rest.get("/REST/experiments", asked).json()["ResultSet"]["Result"]
    assert {"scans": 1, "tasks": 2}[children] == len(rows)
    expected = {*columns.split(","), "project", "subject_label", "session_label", "session_type"}
    assert all(expected <= set(row) for row in rows)


def test_e14_subjects_and_their_tasks(rest: Rest, place: str) -> None:
    """Subjects joined with their tasks; a subject without one appears, with empty columns."""
    asked = {
        "xsiType": "xnat:subjectdata",
        "columns": f"project,label,{SUBJECT_TASK}/label,{SUBJECT_TASK}/procstatus,last_modified",
        "project": place,
    }
    rows: list[Row] = rest.get("/REST/subjects", asked).json()["ResultSet"]["Result"]
    assert {("S1", "SGP1", "COMPLETE"), ("S2", "", "")} == {
        (row["label"], row[f"{SUBJECT_TASK}/label"], row[f"{SUBJECT_TASK}/procstatus"]) for row in rows
    }


def test_e16_session_document(rest: Rest, place: str) -> None:
    """The session's XML holds scans with file counts, and tasks with their fields as elements."""
    xnat, proc = "{http://nrg.wustl.edu/xnat}", "{http://nrg.wustl.edu/proc}"
    text = rest.get(f"/data/projects/{place}/subjects/S1/experiments/MR1", {"format": "xml"}).text
    root = ET.fromstring(text)
    (scan,) = root.iterfind(f"{xnat}scans/{xnat}scan")
    (file,) = scan.iterfind(f"{xnat}file")
    tasks = {task.get("label"): task for task in root.iterfind(f"{xnat}assessors/{xnat}assessor")}
    assert ("1", "T1", "usable") == (scan.get("ID"), scan.get("type"), scan.findtext(f"{xnat}quality"))
    assert ("NIFTI", "1", "5") == (file.get("label"), file.get("file_count"), file.get("file_size"))
    assert ("COMPLETE", '{"scan": "x"}') == (
        tasks["T1"].findtext(f"{proc}procstatus"),
        tasks["T1"].findtext(f"{proc}inputs", "").replace("&quot;", '"'),
    )
    assert ["PDF"] == [out.get("label") for out in tasks["T1"].iterfind(f"{xnat}out/{xnat}file")]


@pytest.mark.parametrize("nothing", ["NULL", "null"])
def test_e21_create_update_clear(rest: Rest, place: str, nothing: str) -> None:
    """A task is created under its own id and a type in lower case, updated, and a field cleared."""
    guid = str(uuid.uuid4())
    uri = f"/data/projects/{place}/subjects/S1/experiments/MR1/assessors/{guid}"
    label = f"{place}-x-S1-x-MR1-x-A_v1-x-{guid[:8]}"
    fields = {"xsiType": TASK, "ID": guid, "label": label, f"{TASK}/procstatus": "NEED_INPUTS"}
    assert (201, guid) == ((made := rest.put(uri, fields)).status_code, made.text)
    update = {"xsiType": "proc:genProcData", "proc:genProcData/jobid": "17"}
    assert 200 == rest.put(uri.replace(guid, label), update).status_code
    rest.put(uri, {"xsiType": TASK, f"{TASK}/jobid": nothing})
    assert ("NEED_INPUTS", None) == ((item := rest.item(uri))["procstatus"], item.get("jobid"))


def test_e24_paths(rest: Rest, place: str) -> None:
    """File lists keep their URI whatever columns are asked for."""
    uri = f"/data/projects/{place}/subjects/S1/experiments/MR1/scans/1/resources/NIFTI/files"
    header, rows = rest.csv(uri, {"columns": "path"})
    assert ("URI" in header, "a.nii") == (True, rows[0]["URI"].partition("/files/")[2])


def test_e28_delete_unknown_resource(rest: Rest, place: str) -> None:
    """Deleting a resource that is not there succeeds."""
    uri = f"/data/projects/{place}/subjects/S1/experiments/MR1/assessors/T1/out/resources/SNAPSHOTS"
    assert 200 == rest.delete(uri, {"removeFiles": "true"}).status_code


def test_e30_subjects(rest: Rest, place: str) -> None:
    """Subjects of a project with their demographics."""
    columns = "ID,project,label,URI,last_modified,src,handedness,gender,yob,dob"
    rows = rest.rows(f"/REST/projects/{place}/subjects", {"columns": columns})
    assert (2, True) == (len(rows), set(columns.split(",")) <= set(rows[0]))


def test_e30_scans_by_their_path(rest: Rest, place: str) -> None:
    """Scans are joined by their path in the session, too."""
    path = "xnat:imagesessiondata/scans/scan"
    columns = f"ID,URI,label,subject_label,project,{path}/id,{path}/type,{path}/quality"
    asked = {"xsiType": "xnat:imageSessionData", "columns": columns}
    (row,) = rest.rows(f"/REST/projects/{place}/experiments", asked)
    assert ("1", "T1") == (row[f"{path}/id"], row[f"{path}/type"])


def test_snapshot_by_content(rest: Rest, place: str) -> None:
    """Files are found by their content over all resources."""
    task = f"/data/projects/{place}/subjects/S1/experiments/MR1/assessors/T1/out"
    uri = f"{task}/resources/SNAPSHOTS"
    parameters = {"inbody": "true", "content": "THUMBNAIL", "format": "PNG"}
    rest.put(f"{uri}/files/small.png", parameters, b"png")
    rows = rest.rows(f"{task}/files", {"file_content": "THUMBNAIL"})
    assert ["small.png"] == [row["Name"] for row in rows]
