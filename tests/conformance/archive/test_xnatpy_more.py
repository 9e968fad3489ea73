"""Unmodified xnatpy, the rest of what it documents: queries, tables, states, nested fields, folders, import.

The everyday calls are in ``test_xnatpy``.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.dicom import dicom
from support.fill import Fill
from support.rest import Rest
from support.site import Site

CONTENT = b"some content\n"


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project of two subjects with a session each; the first has scans, a task, a reconstruction, files."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    scan = fill.scan(session, "1", type="T1", quality="usable")
    fill.scan(session, "2", type="dwi")
    task = fill.assessor(session, "TASK1", procstatus="COMPLETE")
    fill.put(f"{session}/reconstructions/R1", {"type": "mean"})
    fill.files(scan, "NIFTI", {"a.nii": CONTENT})
    fill.files(f"{task}/out", "PDF", {"r.pdf": CONTENT})
    fill.session(project, "S2", "MR2", date="2021-01-02")
    return project


@pytest.fixture
def session(connection: Any, place: str) -> Any:
    return connection.projects[place].subjects["S1"].experiments["MR1"]


# -- queries and tables ----------------------------------------------------------------------------


def test_query_objects(connection: Any, place: str) -> None:
    """A query gives objects: all, the first, the only one, or none."""
    mr = connection.classes.MrSessionData
    mine = mr.query().filter(mr.project == place)
    assert ["MR1", "MR2"] == sorted(each.label for each in mine.all())
    assert mine.first().label in {"MR1", "MR2"}
    assert "MR2" == mine.filter(mr.label == "MR2").one().label
    assert None is mine.filter(mr.label == "NO").one_or_none()


def test_query_subjects(connection: Any, place: str) -> None:
    """Subjects are found, too."""
    subject = connection.classes.SubjectData
    found = subject.query().filter(subject.project == place).all()
    assert ["S1", "S2"] == sorted(each.label for each in found)


@pytest.mark.parametrize(
    ("word", "expected"), [("like", ["MR1", "MR2"]), ("gt", ["MR2"]), ("le", ["MR1"]), ("or", ["MR1", "MR2"])]
)
def test_query_comparisons(connection: Any, place: str, word: str, expected: list[str]) -> None:
    """Conditions are compared and joined."""
    mr = connection.classes.MrSessionData
    condition = {
        "like": mr.label.like("MR%"),
        "gt": mr.date > "2020-06-01",
        "le": mr.date <= "2020-06-01",
        "or": (mr.label == "MR1") | (mr.label == "MR2"),
    }[word]
    table = mr.query().filter(mr.project == place, condition).view(mr.label, mr.project)
    rows = list(csv.DictReader(io.StringIO(table.tabulate_csv())))
    assert expected == sorted(row["xnat_col_mrsessiondatalabel"] for row in rows)


def test_query_display_fields(connection: Any, place: str) -> None:
    """Fields of the search engine are columns of their own names."""
    mr = connection.classes.MrSessionData
    rows = mr.query().filter(mr.project == place).view(mr.SESSION_ID, mr.INSERT_DATE).tabulate_dict()
    assert {"session_id", "insert_date"} <= set(rows[0])


def test_tables(connection: Any, place: str, session: Any) -> None:
    """Every list is a table: of the defaults, of chosen columns, as CSV, filtered."""
    project = connection.projects[place]
    assert ["S1", "S2"] == sorted(row.label for row in project.subjects.tabulate())
    assert "label" in project.experiments.tabulate_csv(columns=("label",)).splitlines()[0]
    assert ["S1"] == [row.label for row in project.subjects.filter(label="S1").tabulate()]
    assert ["1", "2"] == sorted(row.ID for row in session.scans.tabulate(columns=("ID", "type")))
    assert ["a.nii"] == [row.Name for row in session.scans["1"].resources["NIFTI"].files.tabulate()]


def test_lists(connection: Any, place: str) -> None:
    """A list is asked by id, by label and by position."""
    subjects = connection.projects[place].subjects
    found = {subjects["S1"].id, subjects[subjects["S1"].id].id}
    assert 1 == len(found)
    assert "S1" in subjects
    assert 2 == len(subjects) == len(list(subjects.listing))


def test_inspect(connection: Any) -> None:
    """Types and their search fields are looked at."""
    assert "xnat:mrSessionData" in connection.inspect.datatypes()
    assert "xnat:mrSessionData/SESSION_ID" in connection.inspect.datafields("xnat:mrSessionData")


# -- the site ---------------------------------------------------------------------------------------


def test_site(connection: Any, place: str) -> None:
    """What the site says of itself."""
    assert "version" in connection.xnat_build_info
    assert connection.xnat_uptime
    assert connection.xnat_version_tuple >= (1, 7)
    assert isinstance(connection.scanners, list)
    assert "T1" in {row["type"] for row in connection.scan_types}
    assert isinstance(dict(connection.plugins.data), dict)
    assert place in connection.projects


def test_access(connection: Any, place: str, site: Site) -> None:
    """Users of a project, and one's own level there."""
    project = connection.projects[place]
    assert [site.user] == list(project.users)
    assert "Owners" == project.users[site.user].access_level


def test_heartbeat(connection: Any) -> None:
    """A session is kept alive, and HEAD is answered."""
    connection.heartbeat()
    assert 200 == connection.head("/data/projects").status_code


def test_prearchive(connection: Any, place: str) -> None:
    """The prearchive is asked for sessions of the site and of a project."""
    assert [] == connection.prearchive.sessions(place)
    assert [] == connection.prearchive.find(project=place)


# -- fields -----------------------------------------------------------------------------------------


def test_states(session: Any) -> None:
    """A session is put into quarantine and taken out."""
    session.quarantine()
    before = session.status
    session.activate()
    assert ("quarantine", "active") == (before, session.status)


def test_nested_fields(session: Any, rest: Rest) -> None:
    """Fields inside of fields are set and read."""
    session.scanner.manufacturer = "SIEMENS"
    session.scans["1"].parameters.tr = 2.5
    session.assessors["TASK1"].validation.status = "Good"
    item = rest.item(f"/data/experiments/{session.id}")
    task = rest.item(f"/data/experiments/{session.assessors['TASK1'].id}")
    assert ("SIEMENS", "Good", 2.5) == (
        item["scanner/manufacturer"],
        task["validation/status"],
        session.scans["1"].parameters.tr,
    )


def test_all_fields_are_readable(session: Any) -> None:
    """Every simple field of every kind of item is readable, whether it has a value or not."""
    for item in (session, session.scans["1"], session.assessors["TASK1"], session.reconstructions["R1"]):
        data = item.fulldata
        assert item.id
        assert data["meta"]["xsi:type"] == item.__xsi_type__
        assert item.insert_date is not None


def test_delete_field(session: Any) -> None:
    """A field is cleared."""
    session.note = "a note"
    session.del_("note")
    session.clearcache()
    assert None is session.note


def test_sharing(connection: Any, session: Any, place: str, fill: Fill) -> None:
    """What a session is shared into is told by it."""
    other = f"{place}b"
    fill.project(other)
    session.subject.share(other)
    session.share(other, label="MRX")
    connection.clearcache()
    shared = [each.project for each in session.sharing]
    labels = [each.label for each in connection.projects[other].experiments.values()]
    connection.delete(f"/data/projects/{other}")
    assert ([other], ["MRX"]) == (shared, labels)


@pytest.mark.parametrize(
    ("name", "xsi_type"),
    [
        ("CtSessionData", "xnat:ctSessionData"),
        ("PetSessionData", "xnat:petSessionData"),
        ("OtherDicomSessionData", "xnat:otherDicomSessionData"),
    ],
)
def test_create_kinds(connection: Any, session: Any, name: str, xsi_type: str) -> None:
    """Sessions of other kinds are created."""
    made = getattr(connection.classes, name)(parent=session.subject, label="NEW")
    assert ("NEW", xsi_type) == (made.label, made.__xsi_type__)


@pytest.mark.parametrize("of", ["projects", "subjects", "experiments", "scans", "assessors", "resources"])
def test_create_object(connection: Any, place: str, session: Any, of: str) -> None:
    """An object is made from the address of anything."""
    subject = f"/data/projects/{place}/subjects/S1"
    uri = {
        "projects": f"/data/projects/{place}",
        "subjects": subject,
        "experiments": f"/data/experiments/{session.id}",
        "scans": f"{subject}/experiments/MR1/scans/1",
        "assessors": f"/data/experiments/{session.id}/assessors/TASK1",
        "resources": f"{subject}/experiments/MR1/scans/1/resources/NIFTI",
    }[of]
    assert connection.create_object(uri).id


# -- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["project", "subject", "session", "scan"])
def test_download_folder(connection: Any, place: str, session: Any, tmp_path: Path, of: str) -> None:
    """Anything is downloaded as a folder."""
    project = connection.projects[place]
    item = {"project": project, "subject": session.subject, "session": session, "scan": session.scans["1"]}[
        of
    ]
    item.download_dir(str(tmp_path), verbose=False)
    assert CONTENT in [path.read_bytes() for path in tmp_path.rglob("a.nii")]


def test_download_task(session: Any, tmp_path: Path) -> None:
    """A task is downloaded as a zip."""
    session.assessors["TASK1"].download(str(tmp_path / "task.zip"), verbose=False)
    names = zipfile.ZipFile(tmp_path / "task.zip").namelist()
    assert ["r.pdf"] == [name.rpartition("/")[2] for name in names]


@pytest.mark.parametrize("of", ["project", "subject", "session", "scan", "assessor"])
def test_create_resource(connection: Any, place: str, session: Any, of: str) -> None:
    """Anything gets a resource and a file in it, which is opened as a stream and read."""
    item = {
        "project": connection.projects[place],
        "subject": session.subject,
        "session": session,
        "scan": session.scans["1"],
        "assessor": session.assessors["TASK1"],
    }[of]
    resource = item.create_resource("NEW")
    resource.upload_data(CONTENT, "deep/a.txt")
    with resource.files["deep/a.txt"].open() as stream:
        assert CONTENT == stream.read()
    target = io.BytesIO()
    resource.files["deep/a.txt"].download_stream(target)
    assert CONTENT == target.getvalue()


def test_import(connection: Any, place: str, tmp_path: Path) -> None:
    """A zip of DICOM files becomes a session."""
    with zipfile.ZipFile(tmp_path / "dicom.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr(f"{number}.dcm", dicom(place, instance=number))
    path = tmp_path / "dicom.zip"
    made = connection.services.import_(path, project=place, subject="S3", experiment="NEW", overwrite="none")
    assert ("NEW", 2) == (made.label, len(made.scans[0].resources["DICOM"].files))


def test_import_folder(connection: Any, place: str, tmp_path: Path) -> None:
    """A folder of DICOM files becomes a session."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(dicom(place))
    made = connection.services.import_dir(tmp_path / "in", project=place, subject="S3", experiment="NEW")
    assert "NEW" == made.label


def test_refresh_options(connection: Any, session: Any) -> None:
    """Catalogs are refreshed with all options, of a session and of one resource."""
    options = {"checksum": True, "delete": True, "append": True, "populate_stats": True}
    connection.services.refresh_catalog(session, **options)
    connection.services.refresh_catalog(session.scans["1"].resources["NIFTI"], **options)


def test_map(connection: Any, place: str) -> None:
    """A function is applied to every session of a project."""
    found = connection.projects[place].map(lambda each: each.label, level="experiment")
    assert ["MR1", "MR2"] == sorted(found.values())
