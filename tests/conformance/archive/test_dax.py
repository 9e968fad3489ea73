"""The bulk requests that DAX 2.21 sends, replayed: another daemon of the same kind works on the same archive.

Numbers are those of the endpoint catalogue of its traffic; requests that the other suites send too are
not repeated here. DAX itself is not run.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from support.fill import Fill
from support.rest import Rest, Row

TASK = "proc:genprocdata"
SUBJECT_TASK = "proc:subjgenprocdata"
MR = "xnat:mrsessiondata"
XNAT, PROC = "{http://nrg.wustl.edu/xnat}", "{http://nrg.wustl.edu/proc}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


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


SESSION = (
    *("project", "subject_label", "session_label", "session_type", "tracer_name", "label"),
    *(f"xnat:imagesessiondata/{name}" for name in ("note", "date", "acquisition_site")),
)
SCAN_FIELDS = "id type quality frames file/label"
TASK_FIELDS = (
    "label procstatus proctype validation/status validation/date validation/validated_by jobstartdate inputs"
)


def below(element: str, fields: str) -> list[str]:
    """Return the paths of an element's fields."""
    return [f"{element}/{field}" for field in fields.split()]


def json_rows(rest: Rest, uri: str, columns: list[str], **asked: str) -> list[Row]:
    """Ask for a table without ``format``, its columns in no order, and check that every row has them all."""
    shuffled = ",".join(sorted(columns, key=lambda name: name[::-1]))
    rows: list[Row] = rest.get(uri, {**asked, "columns": shuffled}).json()["ResultSet"]["Result"]
    assert all(set(columns) <= set(row) for row in rows)
    return rows


@pytest.fixture
def other(rest: Rest, place: str) -> Iterator[str]:
    """The id of a second project, which the session is shared into; it is deleted afterwards."""
    rest.put(f"/data/projects/{place}b").raise_for_status()
    rest.put(f"/data/projects/{place}/subjects/S1/experiments/MR1/projects/{place}b").raise_for_status()
    yield f"{place}b"
    rest.delete(f"/data/projects/{place}b", {"removeFiles": "true"})


@pytest.mark.parametrize("shared", [False, True])
def test_e12_sessions_and_their_scans(rest: Rest, place: str, other: str, *, shared: bool) -> None:
    """Sessions with a row for each resource of a scan, also of shared ones; their types come unasked."""
    columns = [*SESSION, *below("xnat:imagescandata", SCAN_FIELDS)]
    where = {"xnat:imagesessiondata/sharing/share/project": other} if shared else {"project": place}
    asked = {"xsiType": "xnat:imagesessiondata", **where}
    (row,) = json_rows(rest, "/REST/experiments", columns, **asked)
    assert ("MR1", "S1", "T1", "NIFTI", "xnat:mrSessionData") == (
        *(row["session_label"], row["subject_label"], row["xnat:imagescandata/type"]),
        *(row["xnat:imagescandata/file/label"], row["xsiType"]),
    )


def test_e13_sessions_and_their_tasks(rest: Rest, place: str, fill: Fill) -> None:
    """Sessions with a row for each task; a session without one appears, with empty columns."""
    fill.session(place, "S2", "MR2")
    columns = [*SESSION, *below(TASK, TASK_FIELDS), "last_modified"]
    rows = json_rows(rest, "/REST/experiments", columns, xsiType="xnat:imagesessiondata", project=place)
    assert {("MR1", "T1", "COMPLETE"), ("MR1", "T2", "NEED_INPUTS"), ("MR2", "", "")} == {
        (row["session_label"], row[f"{TASK}/label"], row[f"{TASK}/procstatus"]) for row in rows
    }


def test_e14_subjects_and_their_tasks(rest: Rest, place: str) -> None:
    """Subjects joined with their tasks; a subject without one appears, with empty columns."""
    fields = "label date procstatus proctype validation/status inputs"
    columns = ["project", "label", "last_modified", *below(SUBJECT_TASK, fields)]
    rows = json_rows(rest, "/REST/subjects", columns, xsiType="xnat:subjectdata", project=place)
    assert {("S1", "SGP1", "COMPLETE"), ("S2", "", "")} == {
        (row["label"], row[f"{SUBJECT_TASK}/label"], row[f"{SUBJECT_TASK}/procstatus"]) for row in rows
    }


def test_e15_subjects_of_two_projects(rest: Rest, place: str, other: str) -> None:
    """Tasks of the subjects of several projects by a list with a comma."""
    columns = ["label", *below(SUBJECT_TASK, "label procstatus")]
    rows = json_rows(rest, "/REST/subjects", columns, project=f"{place},{other}")
    assert {("S1", "SGP1"), ("S2", "")} == {(row["label"], row[f"{SUBJECT_TASK}/label"]) for row in rows}


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("/REST/archive/experiments", {"xsiType": "proc:genProcData", "columns": f"ID,{TASK}/proctype"}),
        ("/REST/archive/experiments", {"xsiType": "xnat:imageSessionData", "columns": "ID,label"}),
        ("/REST/projects/{project}/experiments", {"columns": "ID,label,xsiType"}),
        ("/REST/projects/{project}/subjects", {"columns": "ID,label"}),
        ("/REST/projects/{project}/resources", {}),
    ],
)
def test_empty_csv_has_a_header(rest: Rest, project: str, uri: str, asked: dict[str, str]) -> None:
    """A list of nothing has a line of headers, as clients fail without."""
    header, rows = rest.csv(uri.format(project=project), {**asked, "project": project})
    assert (True, []) == (bool(header), rows)


def test_e16_session_document(rest: Rest, place: str, fill: Fill) -> None:
    """The session's XML holds its own fields, resources and scans with file counts."""
    uri = f"/data/projects/{place}/subjects/S1/experiments/MR1"
    fill.put(uri, {"note": "n", "session_type": "base", "modality": "MR"})
    fill.put(f"{uri}/scans/1", {"note": "s", "series_description": "d"})
    fill.files(uri, "LOG", {"l.txt": b"123"})
    root = ET.fromstring(rest.get(uri, {"format": "xml"}).text)
    assert ("MR1", place, "MR", "base") == tuple(
        root.get(name) for name in ("label", "project", "modality", "session_type")
    )
    assert (True, "n") == (bool(root.findtext(f"{XNAT}subject_ID")), root.findtext(f"{XNAT}note"))
    (scan,) = root.iterfind(f"{XNAT}scans/")
    assert ("1", "T1", "usable", "10", "s", "d") == (
        *(scan.get("ID"), scan.get("type")),
        *(scan.findtext(XNAT + name) for name in ("quality", "frames", "note", "series_description")),
    )
    (file,) = scan.iterfind(f"{XNAT}file")
    (log,) = root.iterfind(f"{XNAT}resources/{XNAT}resource")
    assert [("NIFTI", "1", "5"), ("LOG", "1", "3")] == [
        (each.get("label"), each.get("file_count"), each.get("file_size")) for each in (file, log)
    ]
    assert {"xnat:resourceCatalog"} == {each.get(f"{XSI}type") for each in (file, log)}


def test_e16_tasks_in_the_document(rest: Rest, place: str, fill: Fill) -> None:
    """The session's XML holds tasks with their fields as elements, the status of their QC as attribute."""
    uri = f"/data/projects/{place}/subjects/S1/experiments/MR1"
    fields = "procversion jobid memused walltimeused jobnode"
    own = {f"proc:genProcData/{name}": f"a {name}" for name in fields.split()}
    status = {"proc:genProcData/validation/status": "Good", "proc:genProcData/jobstartdate": "2020-01-03"}
    fill.put(f"{uri}/assessors/T1", {"xsiType": "proc:genProcData", **own, **status})
    root = ET.fromstring(rest.get(uri, {"format": "xml"}).text)
    tasks = {task.get("label"): task for task in root.iterfind(f"{XNAT}assessors/")}
    task, validation = tasks["T1"], tasks["T1"].find(f"{XNAT}validation")
    assert ({"T1", "T2"}, place, "proc:genProcData") == (
        *(set(tasks), task.get("project"), task.get(f"{XSI}type")),
    )
    assert ("COMPLETE", "A_v1", "2020-01-03", '{"scan": "x"}') == (
        *(task.findtext(PROC + name) for name in ("procstatus", "proctype", "jobstartdate")),
        task.findtext(f"{PROC}inputs", "").replace("&quot;", '"'),
    )
    assert [f"a {name}" for name in fields.split()] == [task.findtext(PROC + name) for name in fields.split()]
    assert (validation is not None and validation.get("status"), ["PDF"]) == (
        "Good",
        [out.get("label") for out in task.iterfind(f"{XNAT}out/{XNAT}file")],
    )


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


@pytest.mark.parametrize("uri", ["/REST/projects/{}/subjects", "/REST/subjects"])
def test_e30_subjects(rest: Rest, place: str, uri: str) -> None:
    """Subjects of a project, and of the site, with their demographics."""
    columns = "ID,project,label,URI,last_modified,src,handedness,gender,yob,dob"
    header, rows = rest.csv(uri.format(place), {"columns": columns})
    labels = sorted(row["label"] for row in rows if row["project"] == place)
    assert (["S1", "S2"], True) == (labels, set(columns.split(",")) <= set(header))


def test_e30_projects(rest: Rest, place: str) -> None:
    """The projects of the site."""
    header, rows = rest.csv("/REST/projects")
    assert {"ID", "name", "URI"} <= set(header)
    assert [f"/data/projects/{place}"] == [row["URI"] for row in rows if row["ID"] == place]


def test_e30_tasks_of_a_session(rest: Rest, place: str) -> None:
    """Tasks of one type in a session."""
    uri = f"/REST/projects/{place}/subjects/S1/experiments/MR1/assessors"
    fields = below(TASK, "procstatus proctype validation/status validation/notes")
    columns = ["ID", "label", "URI", "xsiType", "project", *fields]
    header, rows = rest.csv(uri, {"xsiType": TASK, "columns": ",".join(columns)})
    assert (["COMPLETE", "NEED_INPUTS"], True) == (
        sorted(row[f"{TASK}/procstatus"] for row in rows),
        set(columns) <= set(header),
    )


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
