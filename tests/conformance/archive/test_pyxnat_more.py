"""Unmodified pyxnat, the rest of what it documents: wildcards, inspection, searches, collections, downloads.

The everyday calls are in ``test_pyxnat`` and ``test_pyxnat_files``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyxnat
from support.fill import Fill
from support.site import new_project_id

MR = "xnat:mrSessionData"
SUBJECT = "xnat:subjectData"
STEP = {
    "program": "fit",
    "timestamp": "2020-01-02T03:04:05",
    "user": "u",
    "machine": "m",
    "platform": "Linux",
    "program_version": "1",
    "program_arguments": "-a",
    "cvs": "c",
    "platform_version": "5",
    "compiler": "gcc",
    "compiler_version": "12",
    "library": "libc",
    "library_version": "2",
}


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project of two subjects with a session each; the first has a scan, a task, a reconstruction."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    scan = fill.scan(session, "1", type="T1", quality="usable")
    task = fill.assessor(session, "TASK1", procstatus="COMPLETE")
    fill.put(f"{session}/reconstructions/R1", {"type": "mean"})
    fill.files(session, "R", {"a.txt": b"abc"})
    fill.files(scan, "NIFTI", {"a.nii": b"abc"})
    fill.files(f"{task}/out", "PDF", {"r.pdf": b"abc"})
    fill.files(f"{session}/reconstructions/R1/out", "MEAN", {"m.nii": b"abc"})
    fill.session(project, "S2", "MR2", date="2021-01-02")
    return project


@pytest.fixture
def session(interface: Any, place: str) -> Any:
    return interface.select.project(place).subject("S1").experiment("MR1")


@pytest.fixture
def other(fill: Fill, interface: Any) -> Iterator[str]:
    """The id of another project; it is deleted afterwards."""
    project = new_project_id()
    fill.project(project)
    yield project
    interface.select.project(project).delete()


# -- select ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/project/{p}/subjects", 2),
        ("/project/{p}/subjects/*", 2),
        ("/project/{p}/subjects/*/experiments/*", 2),
        ("/projects/{p}//experiments", 2),
        ("/projects/{p}//scans", 1),
        ("/project/{p}/subjects/*/experiments/*/scans/1", 2),
        ("/project/{p}/subject/S1/experiment/MR1/resources/*/files/*", 1),
        ("/project/{p}/subject/S1/experiment/MR1/scans/*/resources/*/files/*.nii", 1),
        ("/project/{p}/subject/S1/experiment/MR1/assessors/*/out/resources/*/files/*", 1),
        ("/project/{p}/subject/S1/experiment/MR1/reconstructions/*/out/resources/*/files/*", 1),
        ("/data/projects/{p}/subjects", 2),
    ],
)
def test_select(interface: Any, place: str, path: str, count: int) -> None:
    """Paths with wildcards and with levels left out select what is there."""
    assert count == len(list(interface.select(path.format(p=place))))


def test_first(interface: Any, place: str) -> None:
    """The first of a collection is had alone; parents and children are known."""
    subject = interface.select.project(place).subjects().first()
    assert place == subject.parent().id()
    assert ["experiments", "resources"] == subject.children()


def test_xpath(session: Any) -> None:
    """An item's document is asked by XPath."""
    assert ["T1"] == [str(value) for value in session.xpath("//xnat:scan/@type")]


# -- attributes --------------------------------------------------------------------------------------


def test_attributes_by_schema(interface: Any, session: Any) -> None:
    """With a schema an item's attributes are listed."""
    interface.manage.schemas.add("/xapi/schemas/xnat")
    names = session.attrs()
    assert {f"{MR}/note", f"{MR}/scanner"} <= {str(name) for name in names}


def test_assessor_parameter(session: Any) -> None:
    """An assessor's free parameter is written and read by name."""
    task = session.assessor("TASK1")
    task.set_param("k", "v")
    assert ("v", ["k"]) == (task.get_param("k"), task.params())


@pytest.mark.parametrize("of", ["assessor", "reconstruction"])
def test_provenance(session: Any, of: str) -> None:
    """A whole processing step is written and read, and replaced by another."""
    item = session.assessor("TASK1") if of == "assessor" else session.reconstruction("R1")
    item.provenance.set(STEP)
    (step,) = item.provenance.get()
    # pyxnat asks for no library, and the time comes back as tables spell it
    names = STEP.keys() - {"library", "library_version", "timestamp"}
    assert {name: STEP[name] for name in names} == {name: step[name] for name in names}
    item.provenance.set({**STEP, "program": "other"}, overwrite=True)
    assert ["other"] == [each["program"] for each in item.provenance.get()]


@pytest.mark.parametrize("of", ["assessor", "reconstruction"])
def test_provenance_of_several_steps(session: Any, of: str) -> None:
    """Steps are added one behind the other, and all of them are in the document."""
    item = session.assessor("TASK1") if of == "assessor" else session.reconstruction("R1")
    for program in ("first", "second", "third"):
        item.provenance.set({**STEP, "program": program})
    assert ["first", "second", "third"] == [node.text for node in item.xpath("//prov:program")]
    item.provenance.set({**STEP, "program": "only"}, overwrite=True)
    assert ["only"] == [node.text for node in item.xpath("//prov:program")]


def test_custom_variables(interface: Any, place: str) -> None:
    """A project without a protocol has no custom variables; adding to an unknown protocol is refused."""
    project = interface.select.project(place)
    assert {} == project.get_custom_variables()
    with pytest.raises(ValueError, match="Protocol Nothing"):
        project.add_custom_variables({"Nothing": {"group": {"name": "string"}}})


# -- projects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("prearchive_code", "5"), ("quarantine_code", "1")])
def test_codes(interface: Any, place: str, name: str, code: str) -> None:
    """A project's codes are set and read."""
    project = interface.select.project(place)
    getattr(project, f"set_{name}")(code)
    assert int(code) == getattr(project, name)()


def test_roles(interface: Any, place: str) -> None:
    """Who has which role is told."""
    project = interface.select.project(place)
    assert [interface._user] == project.owners() == project.users()
    assert ([], []) == (project.members(), project.collaborators())
    assert "owner" == project.user_role(interface._user)


def test_users(interface: Any) -> None:
    """Names and addresses of users are told."""
    users = interface.manage.users
    assert int(users.id(interface._user)) > 0
    assert [str, str, str] == [
        type(call(interface._user)) for call in (users.firstname, users.lastname, users.email)
    ]


def test_managed_project(interface: Any, place: str) -> None:
    """The manager of a project has the same."""
    assert [interface._user] == interface.manage.project(place).owners()


def test_share_session(session: Any, other: str, place: str) -> None:
    """A session is shared, listed as shared, and un-shared."""
    session.share(other)
    assert {place, other} == set(session.shares().get())
    session.unshare(other)
    assert [place] == session.shares().get()


def test_share_collections(interface: Any, place: str, other: str, session: Any) -> None:
    """Subjects and sessions are shared as collections."""
    subjects = interface.select.project(place).subjects()
    subjects.share(other)
    assert 2 == len(subjects.sharing([other]).get())
    experiments = interface.select.project(place).subject("S1").experiments()
    experiments.share(other)
    assert [session.id()] == experiments.sharing([other]).get()
    experiments.unshare(other)
    subjects.unshare(other)
    assert [] == subjects.sharing([other]).get()


@pytest.mark.parametrize("call", ["trigger_pipelines", "fix_scan_types", "pull_data_from_headers"])
def test_triggers(session: Any, call: str) -> None:
    """What XNAT does on demand can be demanded."""
    getattr(session, call)()


# -- inspect and search ------------------------------------------------------------------------------


def test_inspect_types(interface: Any) -> None:
    """Types and fields are listed by patterns."""
    assert MR in interface.inspect.datatypes("xnat:mr*")
    assert f"{SUBJECT}/SUBJECT_ID" in interface.inspect.datatypes(SUBJECT, "SUBJECT*")


def test_inspect_values(interface: Any, place: str, session: Any) -> None:
    """Values that fields have are listed, by project too."""
    assert place in interface.inspect.project_values()
    assert 2 == len(interface.inspect.subject_values(place))
    assert session.id() in interface.inspect.experiment_values(MR, place)
    assert session.assessor("TASK1").id() in interface.inspect.assessor_values(MR, place)
    assert "1" in interface.inspect.scan_values(MR, place)
    assert session.id() in interface.inspect.field_values(f"{MR}/SESSION_ID")


@pytest.mark.parametrize(
    ("criteria", "labels"),
    [
        ([(f"{MR}/DATE", ">", "2020-06-01")], ["MR2"]),
        ([(f"{MR}/DATE", "<=", "2020-06-01")], ["MR1"]),
        ([(f"{MR}/DATE", "BETWEEN", "2020-01-01 AND 2020-12-31")], ["MR1"]),
        ([(f"{MR}/LABEL", "IN", "(MR1,MR2)")], ["MR1", "MR2"]),
        ([(f"{MR}/LABEL", "LIKE", "%2")], ["MR2"]),
        ([(f"{MR}/LABEL", "!=", "MR1")], ["MR2"]),
    ],
)
def test_search(interface: Any, place: str, criteria: list[Any], labels: list[str]) -> None:
    """Every comparison finds what it should."""
    where = [(f"{MR}/PROJECT", "=", place), *criteria, "AND"]
    table = interface.select(MR, [f"{MR}/LABEL", f"{MR}/PROJECT"]).where(where)
    assert labels == sorted(row["label"] for row in table)


def test_search_by_words(interface: Any, place: str) -> None:
    """Criteria are also given as one text."""
    table = interface.select(MR, [f"{MR}/LABEL"]).where(f"{MR}/PROJECT = {place} {MR}/LABEL = MR1 AND")
    assert ["MR1"] == [row["label"] for row in table]


def test_search_of_two_types(interface: Any, place: str) -> None:
    """Columns are of several types."""
    columns = [f"{SUBJECT}/SUBJECT_LABEL", f"{MR}/LABEL"]
    table = interface.select(SUBJECT, columns).where([(f"{SUBJECT}/PROJECT", "=", place), "AND"])
    found = sorted((row["subject_label"], row["xnat_mrsessiondata_label"]) for row in table)
    assert [("S1", "MR1"), ("S2", "MR2")] == found


@pytest.mark.parametrize(
    "type_", [MR, SUBJECT, "proc:genProcData", "xnat:mrScanData", "xnat:imageSessionData"]
)
def test_search_all(interface: Any, place: str, type_: str) -> None:
    """Every type is searched for whatever there is."""
    assert place
    assert len(interface.select(type_).all()) > 0


def test_saved_searches(interface: Any, place: str) -> None:
    """Searches are saved for oneself and for others, described, looked at and used for a selection."""
    searches, name = interface.manage.search, f"q{place}"
    columns = [f"{SUBJECT}/PROJECT", f"{SUBJECT}/SUBJECT_ID"]
    criteria = [(f"{SUBJECT}/PROJECT", "=", place), "AND"]
    for number, sharing in enumerate(("private", "public", [interface._user])):
        searches.save(f"{name}{number}", SUBJECT, columns, criteria, sharing=sharing, description="d")
    assert {f"{name}{number}" for number in range(3)} <= set(searches.saved())
    assert columns == searches.get(f"{name}0", "query")["columns"]
    assert b"bundle" in searches.get(f"{name}0", "xml")
    assert 2 == len(interface.select("//subjects").where(query=f"{name}0").get())
    for number in range(3):
        searches.delete(f"{name}{number}")
    assert not {f"{name}{number}" for number in range(3)} & set(searches.saved())


def test_search_templates(interface: Any, place: str) -> None:
    """Templates of searches are saved, listed, looked at and deleted."""
    searches, name = interface.manage.search, f"t{place}"
    searches.save_template(
        name, SUBJECT, [f"{SUBJECT}/SUBJECT_ID"], [(f"{SUBJECT}/PROJECT", "=", "project"), "AND"]
    )
    assert name in searches.saved_templates()
    assert SUBJECT == searches.get_template(name)[0]
    searches.delete_template(name)
    assert name not in searches.saved_templates()


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ({"subject_label": "S1"}, ["MR1"]),
        ({"experiment_label": "MR2"}, ["MR2"]),
        ({"experiment_type": MR, "constraints": {"date": "2020-01-02"}}, ["MR1"]),
        ({"experiment_type": MR, "constraints": {f"{MR}/date": "2021-01-02"}}, ["MR2"]),
    ],
)
def test_array(interface: Any, place: str, arguments: dict[str, Any], labels: list[str]) -> None:
    """Sessions are listed in bulk by subject, label and constraints."""
    table = interface.array.experiments(project_id=place, columns=["label"], **arguments)
    assert labels == sorted(row["label"] for row in table)


def test_array_of_scans(interface: Any, place: str) -> None:
    """Scans are listed in bulk by type and constraints."""
    table = interface.array.scans(
        project_id=place,
        experiment_type=MR,
        scan_type="xnat:mrScanData",
        columns=["xnat:mrScanData/quality"],
        constraints={"xnat:mrScanData/type": "T1"},
    )
    assert ["usable"] == [row["xnat:mrscandata/quality"] for row in table]


# -- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "type_", "expected"),
    [
        ("scans", "ALL", "a.nii"),
        ("scans", "T1", "a.nii"),
        ("scans", "1,2", "a.nii"),
        ("assessors", "ALL", "r.pdf"),
        ("assessors", "proc:genProcData", "r.pdf"),
        ("reconstructions", "ALL", "m.nii"),
    ],
)
def test_download(session: Any, tmp_path: Path, of: str, type_: str, expected: str) -> None:
    """The files of all parts of a session, or of some, come in one zip."""
    path = getattr(session, of)().download(str(tmp_path), type=type_)
    names = zipfile.ZipFile(path).namelist()
    assert [expected] == [name.rpartition("/")[2] for name in names]


def test_file_words(session: Any) -> None:
    """Every word on a file is told, and the words of its resource."""
    file = session.resource("R").file("a.txt")
    file.put("xyz", format="TXT", content="NOTE", tags="t", overwrite=True)
    assert ("TXT", "NOTE", "t", "3") == (file.format(), file.content(), file.labels(), file.size())


def test_configuration(interface: Any, tmp_path: Path, place: str) -> None:
    """A connection is saved to a file and made from it."""
    path = tmp_path / "site.cfg"
    interface.save_config(str(path))
    with pyxnat.Interface(config=str(path)) as again:
        assert place in again.select.projects().get()


@pytest.mark.parametrize("method", ["get", "head"])
def test_plain_requests(interface: Any, place: str, method: str) -> None:
    """Plain requests go through the same session."""
    assert 200 == getattr(interface, method)(f"/data/projects/{place}").status_code


def test_prearchive(interface: Any, place: str) -> None:
    """The prearchive is asked for a session that is not there."""
    prearchive = interface.manage.prearchive
    assert [] == prearchive.status([place, "20200101_000000", "x"])
    with pytest.raises(pyxnat.core.errors.DatabaseError):
        prearchive.get_scans([place, "20200101_000000", "x"])
