"""The other requests of DAX 2.21, replayed: its lists of one item's children, its writes, its uploads.

With `test_dax` every number of the endpoint catalogue of its traffic has a test; another test counts them.
DAX itself is not run.
"""

from __future__ import annotations

import io
import uuid
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator

import pytest
from support.fill import Fill
from support.rest import Rest
from support.site import Site

TASK = "proc:genprocdata"
SCAN = "xnat:imagescandata"
SESSION_ID = "xnat:imagesessiondata/subject_id"
UPLOAD = {"format": "U", "content": "U", "tags": "U", "overwrite": "true", "inbody": "true"}


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session with a scan and a task."""
    uri = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.scan(uri, "1", type="T1", quality="usable")
    fill.files(f"{uri}/scans/1", "NIFTI", {"a.nii": b"12345"})
    fill.assessor(uri, "T1", procstatus="COMPLETE", proctype="A_v1", inputs='{"scan": "x"}')
    fill.files(f"{uri}/assessors/T1/out", "PDF", {"r.pdf": b"12345"})
    return uri


def test_e1_log_in_and_out(site: Site, rest: Rest) -> None:
    """A session's id is text, is enough as a cookie, and can be ended."""
    token = rest.get("/data/JSESSION").text
    with Rest(site.url) as job:
        cookie = {"Cookie": f"JSESSIONID={token}"}
        counted = job.send("GET", f"/data/user/{site.user}/sessions", headers=cookie).json()
    assert not token.startswith(("<html>", "<!DOCTYPE"))
    assert (1, 200) == (min(1, counted[site.user]), rest.delete("/data/JSESSION").status_code)


def test_e2_types(rest: Rest) -> None:
    """The list of types has those of tasks, in their exact spelling."""
    _, rows = rest.csv("/data/search/elements")
    assert {"proc:genProcData", "proc:subjGenProcData"} <= {row["ELEMENT_NAME"] for row in rows}


@pytest.mark.usefixtures("session")
def test_e7_all_tasks(rest: Rest, project: str) -> None:
    """One row for each resource of a task; ids of sessions have their short names, other paths theirs."""
    fields = (
        "procstatus proctype validation/status validation/notes procversion jobstartdate memused "
        "walltimeused dax_docker_version dax_version dax_version_hash jobid jobnode inputs out/file/label"
    )
    own = [f"{TASK}/{name}" for name in fields.split()]
    given = ["ID", "label", "URI", "xsiType", "project", SESSION_ID]
    asked = ",".join([*given, "xnat:imagesessiondata/id", "xnat:imagesessiondata/label", *own])
    parameters = {"project": project, "xsiType": "proc:genProcData", "columns": asked}
    (row,) = rest.rows("/REST/archive/experiments", parameters)
    assert {*given, "session_ID", "session_label", *own} <= set(row)
    assert ("COMPLETE", "PDF", "MR1") == (
        row[f"{TASK}/procstatus"],
        row[f"{TASK}/out/file/label"],
        row["session_label"],
    )


def test_e8_no_freesurfer_type(site: Site, rest: Rest) -> None:
    """The deprecated type is asked for only where the list of types has it, and the archive has it not."""
    if site.process is None:
        pytest.skip("a real XNAT may have the type")
    _, rows = rest.csv("/data/search/elements")
    assert "fs:fsData" not in {row["ELEMENT_NAME"] for row in rows}


@pytest.mark.parametrize("shared", [False, True], ids=["e10", "e11"])
def test_e10_e11_all_scans(rest: Rest, project: str, session: str, other: str, *, shared: bool) -> None:
    """One row for each resource of a scan, of what a project owns and of what is shared into it."""
    rest.put(f"{session}/projects/{other}").raise_for_status()
    names = ["id", "type", "quality", "note", "frames", "series_description", "file/label"]
    own = [f"{SCAN}/{name}" for name in names]
    columns = ",".join(["ID", "URI", "label", "subject_label", "project", SESSION_ID, *own])
    where = {"xnat:imagesessiondata/sharing/share/project": other} if shared else {"project": project}
    parameters = {**where, "xsiType": "xnat:imageSessionData", "columns": columns}
    (row,) = rest.rows("/REST/archive/experiments", parameters)
    assert ("1", "T1", "NIFTI") == (row[f"{SCAN}/id"], row[f"{SCAN}/type"], row[f"{SCAN}/file/label"])


@pytest.fixture
def other(rest: Rest, project: str) -> Iterator[str]:
    """The id of a second project; it is deleted afterwards."""
    rest.put(f"/data/projects/{project}b").raise_for_status()
    yield f"{project}b"
    rest.delete(f"/data/projects/{project}b", {"removeFiles": "true"})


@pytest.mark.usefixtures("session")
def test_e15_two_projects(rest: Rest, project: str, other: str) -> None:
    """Tasks of several projects by a list with a comma, as JSON without ``format``."""
    columns = f"label,{TASK}/label,{TASK}/procstatus"
    asked = {"project": f"{project},{other}", "columns": columns}
    rows = rest.get("/REST/experiments", asked).json()["ResultSet"]["Result"]
    assert ["COMPLETE"] == [row[f"{TASK}/procstatus"] for row in rows if row[f"{TASK}/label"]]


def test_e17_sessions_of_a_subject(rest: Rest, session: str) -> None:
    """Ids, labels and types of a subject's sessions."""
    header, rows = rest.csv(session.rpartition("/")[0], {"columns": "ID,label,xsiType"})
    assert ({"ID", "label", "xsiType"} <= set(header), ["MR1"]) == (True, [row["label"] for row in rows])


@pytest.mark.parametrize("path", ["xnat:mrSessionData/meta/last_modified", "xnat:mrSessionData/date"])
def test_e18_attribute(rest: Rest, session: str, path: str) -> None:
    """An attribute is read from the list of the parent; its header is like the path."""
    header, (row,) = rest.csv(session.rpartition("/")[0], {"columns": f"ID,{path}"})
    name = next(each for each in header if path.rpartition("/")[2].lower() in each.lower())
    assert row[name].startswith(("2020-01-02", "20"))


@pytest.mark.usefixtures("session")
def test_e19_labels(rest: Rest, project: str) -> None:
    """The lists that labels are looked up in."""
    _, projects = rest.csv("/data/projects", {"columns": "ID"})
    _, subjects = rest.csv(f"/data/projects/{project}/subjects", {"columns": "ID,label"})
    assert (True, ["S1"]) == (project in {row["ID"] for row in projects}, [row["label"] for row in subjects])


@pytest.mark.parametrize(
    ("columns", "header", "value"),
    [
        ("ID,label", "label", "T1"),
        (f"ID,{TASK}/procstatus,{TASK}/validation/status,{TASK}/jobid", f"{TASK}/procstatus", "COMPLETE"),
        (f"ID,{TASK}/inputs", f"{TASK}/inputs", "{&quot;scan&quot;: &quot;x&quot;}"),
    ],
)
def test_e20_tasks_of_a_session(rest: Rest, session: str, columns: str, header: str, value: str) -> None:
    """All tasks of a session with some fields; text is escaped, as it was stored."""
    _, (row,) = rest.csv(f"{session}/assessors", {"columns": columns})
    assert value == row[header]


@pytest.mark.parametrize("columns", ["ID", "ID,quality"])
def test_e22_scans(rest: Rest, session: str, columns: str) -> None:
    """Scans of a session, with an attribute."""
    header, (row,) = rest.csv(f"{session}/scans", {"columns": columns})
    assert ("1", True) == (row["ID"], set(columns.split(",")) <= set(header))


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ("{project}/subjects/S1/experiments/MR1/scans/1", "NIFTI"),
        ("{project}/subjects/S1/experiments/MR1/assessors/T1/out", "PDF"),
        ("{project}/subjects/S1/experiments/MR1", "LOG"),
        ("{project}", "ATLAS"),
    ],
)
def test_e23_resources(rest: Rest, fill: Fill, project: str, session: str, *, item: str, label: str) -> None:
    """Resources with number, label and counts, whichever columns are asked for."""
    fill.files(session, "LOG", {"l.txt": b"12345"})
    fill.files(f"/data/projects/{project}", "ATLAS", {"a.nii": b"12345"})
    uri = f"/data/projects/{item.format(project=project)}/resources"
    for asked in ({}, {"columns": "xnat_abstractresource_id,label"}):
        _, (row,) = rest.csv(uri, asked)
        assert (label, "1", "5", True) == (
            *(row["label"], row["file_count"], row["file_size"]),
            row["xnat_abstractresource_id"].isdecimal(),
        )


def test_e24_files_of_nothing(rest: Rest, session: str) -> None:
    """The files of a resource that is not there are 404, which counts as none."""
    uri = f"{session}/assessors/T1/out/resources/NO/files"
    assert 404 == rest.get(uri, {"format": "csv", "columns": "path,xsiType"}).status_code


@pytest.mark.parametrize(
    ("below", "structure", "folder"),
    [
        ("/scans/1/resources/NIFTI", "", "/resources/NIFTI/files/"),
        ("/scans/1/resources/NIFTI", "simplified", "/scans/1/NIFTI/"),
        ("/assessors/T1/out/resources/PDF", "", "/out/resources/PDF/files/"),
        ("/assessors/T1/out/resources/PDF", "simplified", "T1/out/PDF/"),
    ],
)
def test_e25_download(rest: Rest, session: str, *, below: str, structure: str, folder: str) -> None:
    """All files of a resource in a zip: with ``files`` in their names, or simplified for job scripts."""
    parameters = {"format": "zip", **({"structure": structure} if structure else {})}
    packed = rest.get(f"{session}{below}/files", parameters).content
    (name,) = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert name.rpartition("/")[0].endswith(folder.rstrip("/"))


def test_e25_download_of_one(rest: Rest, session: str) -> None:
    """A single file."""
    assert b"12345" == rest.get(f"{session}/scans/1/resources/NIFTI/files/a.nii").content


def test_e26_e27_upload_by_number(rest: Rest, session: str) -> None:
    """A resource is made, and files are sent to its number: one raw, and a zip that is unpacked."""
    resources = f"{session}/assessors/T1/out/resources"
    reason = {"event_reason": "DAX uploading file"}
    assert 200 == rest.put(f"{resources}/STATS", reason).status_code
    _, rows = rest.csv(resources, {"columns": "xnat_abstractresource_id,label"})
    number = next(row["xnat_abstractresource_id"] for row in rows if row["label"] == "STATS")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("sub/b.txt", b"b")
    rest.send("POST", f"{resources}/{number}/files/a.txt", UPLOAD, data=b"a").raise_for_status()
    more = {**UPLOAD, "extract": "true"}
    rest.send("POST", f"{resources}/{number}/files/all.zip", more, data=buffer.getvalue()).raise_for_status()
    assert {"a.txt", "sub/b.txt"} == set(rest.files(f"{resources}/STATS"))


def test_e29_catalog(rest: Rest, session: str) -> None:
    """A catalog is XML with the prefix ``cat``."""
    text = rest.get(f"{session}/scans/1/resources/NIFTI", {"format": "xml"}).text
    entries = ET.fromstring(text).iter("{http://nrg.wustl.edu/catalog}entry")
    assert ("<cat:" in text, ["a.nii"]) == (True, [entry.get("name") for entry in entries])


def test_e31_share(rest: Rest, session: str, other: str) -> None:
    """A subject and then its session are shared by parameters."""
    subject = session.rpartition("/experiments")[0]
    for uri, kind, label in ((subject, "subjectData", "S1b"), (session, "mrSessionData", "MR1b")):
        share = f"xnat:{kind}/sharing/share"
        fields = {f"{share}/project": other, f"{share}/label": label}
        rest.put(uri, {"xsiType": f"xnat:{kind}", **fields}).raise_for_status()
    uri = f"/data/projects/{other}"
    labels = [rest.rows(f"{uri}/{kind}")[0]["label"] for kind in ("subjects", "experiments")]
    assert ["S1b", "MR1b"] == labels


def test_e32_create_from_a_document(rest: Rest, session: str) -> None:
    """A multipart document makes an item."""
    task = f"{session}/assessors/{uuid.uuid4()}"
    document = (
        b'<proc:Processing xmlns:proc="http://nrg.wustl.edu/proc" xmlns:xnat="http://nrg.wustl.edu/xnat">'
        b"<proc:procstatus>NEED_INPUTS</proc:procstatus></proc:Processing>"
    )
    answer = rest.send(
        "PUT", task, {"allowDataDeletion": "false"}, files={"data.xml": ("data.xml", document)}
    )
    assert (201, "NEED_INPUTS") == (answer.status_code, rest.item(task)["procstatus"])


def test_e33_create(rest: Rest, project: str) -> None:
    """Subject, session and scan are made by their types."""
    subject = f"/data/projects/{project}/subjects/new"
    session = f"{subject}/experiments/new1"
    answers = [
        rest.put(subject, {"xsiType": "xnat:subjectData"}).status_code,
        rest.put(session, {"xsiType": "xnat:mrSessionData"}).status_code,
        rest.put(f"{session}/scans/7", {"xsiType": "xnat:mrScanData"}).status_code,
    ]
    assert [201, 201, 200] == answers


def test_e34_prearchive(rest: Rest, project: str) -> None:
    """The prearchive is a list, also where nothing waits in it."""
    header, rows = rest.csv("/data/prearchive/projects")
    assert {"project", "subject", "name", "status", "url"} <= set(header)
    assert [] == [row for row in rows if row["project"] == project]
