"""Unmodified pyxnat against every archive: connect, walk, create, attributes, share, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pyxnat
from support.fill import Fill
from support.site import Site, new_project_id

MR = "xnat:mrSessionData"
TASK = "proc:genProcData"


@pytest.fixture
def session(interface: Any, place: str) -> Any:
    return interface.select.project(place).subject("S1").experiment("MR1")


# -- connect -------------------------------------------------------------------------------------


def test_entry_point(interface: Any) -> None:
    """The first call logs in and finds the entry point."""
    interface.select.projects().get()
    assert "/data" == interface._entry


def test_version(interface: Any) -> None:
    """``version()`` falls back to the build information."""
    assert "1.8" in str(interface.version())


def test_disconnect(site: Site) -> None:
    """``disconnect()`` ends the session on the archive."""
    interface = pyxnat.Interface(server=site.url, user=site.user, password=site.password)
    interface.select.projects().get()
    interface.disconnect()


def test_wrong_password(site: Site) -> None:
    """A wrong password is an error of pyxnat's own kind."""
    interface = pyxnat.Interface(server=site.url, user=site.user, password="certainly wrong")
    with pytest.raises(pyxnat.core.errors.DatabaseError):
        interface.select.projects().get()


# -- walk ----------------------------------------------------------------------------------------


def test_projects(interface: Any, place: str) -> None:
    """The list of projects has the project."""
    assert place in interface.select.projects().get()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/project/{p}", True),
        ("/project/{p}X", False),
        ("/project/{p}/subject/S1", True),
        ("/project/{p}/subject/S2", False),
        ("/project/{p}/subject/S1/experiment/MR1", True),
        ("/project/{p}/subject/S1/experiment/MR2", False),
        ("/project/{p}/subject/S1/experiment/MR1/scan/1", True),
        ("/project/{p}/subject/S1/experiment/MR1/scan/3", False),
        ("/project/{p}/subject/S1/experiment/MR1/assessor/TASK1", True),
        ("/project/{p}/subject/S1/experiment/MR1/assessor/TASK2", False),
        ("/project/{p}/subject/S1/experiment/MR1/resource/R", True),
        ("/project/{p}/subject/S1/experiment/MR1/resource/NO", False),
        ("/project/{p}/subject/S1/experiment/MR1/resource/R/file/a.txt", True),
        ("/project/{p}/subject/S1/experiment/MR1/resource/R/file/b.txt", False),
    ],
)
def test_exists(interface: Any, place: str, path: str, expected: bool) -> None:
    """``exists()`` tells what is there at every level."""
    assert expected == interface.select(path.format(p=place)).exists()


def test_labels_and_ids(interface: Any, place: str, session: Any) -> None:
    """Lists give accession ids; an element knows its id, label and type."""
    subject = interface.select.project(place).subject("S1")
    assert [subject.id()] == interface.select.project(place).subjects().get()
    assert [session.id()] == subject.experiments().get()
    assert ("S1", "MR1", MR) == (subject.label(), session.label(), session.datatype())


def test_children(session: Any) -> None:
    """Scans, assessors and resources of a session are listed."""
    assert ["1", "2"] == sorted(session.scans().get())
    assert [session.assessor("TASK1").id()] == session.assessors().get()
    assert ["R"] == session.resources().get("label") or ["R"] == [
        each.label() for each in session.resources()
    ]


def test_project_experiments(interface: Any, place: str, session: Any) -> None:
    """``project.experiments()`` finds the session and its subject."""
    assert [session.id()] == interface.select.project(place).experiments().get()


def test_project_experiment(interface: Any, place: str, session: Any) -> None:
    """``project.experiment(label)`` finds the session below its subject."""
    found = interface.select.project(place).experiment("MR1")
    assert (session.id(), True) == (found.id(), found.exists())


def test_item_document(session: Any) -> None:
    """``get()`` returns the item's XML."""
    assert b"xnat:MRSession" in session.get()


@pytest.mark.parametrize("path", ["", "/subject/S1", "/subject/S1/experiment/MR1"])
def test_repr(interface: Any, place: str, path: str) -> None:
    """Objects can be printed."""
    assert "Object>" in repr(interface.select(f"/project/{place}{path}"))


def test_repr_of_a_scan(session: Any) -> None:
    """A printed scan shows its type, frames and quality."""
    assert "T1" in repr(session.scan("1"))


# -- create and attributes ------------------------------------------------------------------------


def test_create_with_ancestors(interface: Any, project: str) -> None:
    """``create()`` makes the missing ancestors."""
    scan = interface.select(f"/project/{project}/subject/N1/experiment/E1/scan/5")
    scan.create(experiments=MR, scans="xnat:mrScanData")
    assert (True, "xnat:mrScanData") == (scan.exists(), scan.datatype())


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/subject/N1", "xnat:subjectData"),
        ("/subject/N1/experiment/E1", MR),
        ("/subject/N1/experiment/E1/scan/1", "xnat:mrScanData"),
        ("/subject/N1/experiment/E1/assessor/A1", "xnat:mrAssessorData"),
        ("/subject/N1/experiment/E1/reconstruction/R1", "xnat:reconstructedImageData"),
    ],
)
def test_default_types(interface: Any, project: str, path: str, type_: str) -> None:
    """Without a type ``create()`` uses pyxnat's default, which the archive knows."""
    element = interface.select(f"/project/{project}{path}")
    element.create()
    assert True is element.exists()
    if "reconstruction" not in path:
        assert type_ == element.datatype()


def test_create_task(session: Any) -> None:
    """An assessor of a task type is created with its fields."""
    task = session.assessor("TASK2")
    task.create(assessors=TASK, **{f"{TASK}/procstatus": "JOB_RUNNING", f"{TASK}/proctype": "T_v1"})
    assert ["JOB_RUNNING", "T_v1"] == task.attrs.mget([f"{TASK}/procstatus", f"{TASK}/proctype"])


def test_create_from_document(interface: Any, project: str, tmp_path: Path) -> None:
    """``create(xml=…)`` sends a document as multipart form."""
    document = tmp_path / "subject.xml"
    document.write_text(
        '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<xnat:demographics xsi:type="xnat:demographicData"><xnat:gender>female</xnat:gender>'
        "</xnat:demographics></xnat:Subject>"
    )
    subject = interface.select.project(project).subject("X1")
    subject.create(xml=str(document))
    assert "female" == subject.attrs.get("gender")


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/subject/S1", "gender", "female"),
        ("/subject/S1/experiment/MR1", "xnat:mrSessionData/note", "a note, with 100% & more"),
        ("/subject/S1/experiment/MR1", "xnat:mrSessionData/date", "2021-02-03"),
        ("/subject/S1/experiment/MR1/scan/1", "xnat:mrScanData/quality", "unusable"),
        ("/subject/S1/experiment/MR1/scan/1", "quality", "unusable"),
        ("/subject/S1/experiment/MR1/assessor/TASK1", "proc:genProcData/validation/status", "Needs QA"),
    ],
)
def test_attribute(interface: Any, place: str, path: str, field: str, value: str) -> None:
    """``attrs.set`` and ``attrs.get`` write and read a field."""
    element = interface.select(f"/project/{place}{path}")
    element.attrs.set(field, value)
    assert value.replace("&", "&amp;") == element.attrs.get(field)


def test_attributes_together(session: Any) -> None:
    """``attrs.mset`` and ``attrs.mget`` write and read several fields."""
    task = session.assessor("TASK1")
    fields = {f"{TASK}/procstatus": "JOB_ERROR", f"{TASK}/jobid": "17"}
    task.attrs.mset(fields)
    assert list(fields.values()) == task.attrs.mget(list(fields))


def test_scan_parameter(session: Any) -> None:
    """A scan's free parameter is written and read by name."""
    scan = session.scan("1")
    scan.set_param("foo", "bar")
    assert ("bar", ["foo"]) == (scan.get_param("foo"), scan.params())


def test_provenance(session: Any) -> None:
    """The provenance of a reconstruction is written and read."""
    reconstruction = session.reconstruction("R1")
    reconstruction.create()
    step = {
        "program": "fit",
        "timestamp": "2020-01-02T03:04:05",
        "user": "u",
        "machine": "m",
        "platform": "Linux",
    }
    reconstruction.provenance.set(step)
    assert "fit" == reconstruction.provenance.get()[0]["program"]


@pytest.mark.parametrize(
    "path", ["/subject/S1/experiment/MR1/scan/1", "/subject/S1/experiment/MR1", "/subject/S1"]
)
def test_delete(interface: Any, place: str, path: str) -> None:
    """``delete()`` removes an item."""
    element = interface.select(f"/project/{place}{path}")
    element.delete()
    assert False is element.exists()


# -- projects ------------------------------------------------------------------------------------


def test_share(interface: Any, place: str, fill: Fill) -> None:
    """A subject is shared into another project and un-shared."""
    other = new_project_id()
    fill.project(other)
    subject = interface.select.project(place).subject("S1")
    subject.share(other)
    shared = subject.shares().get()
    subject.unshare(other)
    assert ({place, other}, [place]) == (set(shared), subject.shares().get())
    interface.select.project(other).delete()


def test_project_settings(interface: Any, place: str) -> None:
    """Accessibility, codes and users of a project are read; accessibility is set."""
    project = interface.select.project(place)
    project.set_accessibility("private")
    assert b"private" in project.accessibility()
    assert [interface._user] == project.owners()
    assert [] == project.aliases()


def test_project_texts(interface: Any, place: str) -> None:
    """Description and codes of a project are read."""
    project = interface.select.project(place)
    project.attrs.set("description", "about heads")
    assert "about heads" == project.description()
    assert all(isinstance(code, int) for code in (project.prearchive_code(), project.quarantine_code()))
    assert project.current_arc()
    assert project.last_modified()


@pytest.mark.parametrize(("id_", "expected"), [("{e}", True), ("NOSUCHID", False)])
def test_experiment_of_the_site(interface: Any, session: Any, id_: str, expected: bool) -> None:
    """A session is found by its accession id alone."""
    assert expected == interface.select.experiment(id_.format(e=session.id())).exists()


def test_trigger(session: Any) -> None:
    """Pipelines and header scans can be asked for."""
    session.trigger()


def test_schema(interface: Any) -> None:
    """A schema can be fetched and read."""
    interface.manage.schemas.add("/xapi/schemas/xnat")
    assert ["xnat"] == list(interface.manage.schemas())


def test_checkout(interface: Any, place: str, tmp_path: Path) -> None:
    """A project's subjects are checked out as XML and searched by XPath."""
    interface._cachedir = str(tmp_path)
    interface.xpath.checkout(project=place)
    assert ["S1"] == interface.xpath.values("label")


def test_users(interface: Any) -> None:
    """The site's users are listed."""
    assert interface._user in interface.manage.users()
