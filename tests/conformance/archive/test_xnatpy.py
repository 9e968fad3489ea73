"""Unmodified xnatpy against every archive: connect, walk, create, change, files, search, delete."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
import xnat
from support.fill import Fill
from support.rest import Rest
from support.site import Site, new_project_id

CONTENT = b"some content\n"


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with a session of two scans, a task and a resource; its id."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.scan(session, "1", type="T1", quality="usable", frames="176")
    fill.scan(session, "2", type="dwi")
    fill.assessor(session, "TASK1", procstatus="JOB_RUNNING")
    fill.files(session, "R", {"a.txt": CONTENT})
    return project


@pytest.fixture
def session(connection: Any, place: str) -> Any:
    return connection.projects[place].subjects["S1"].experiments["MR1"]


def paths(resource: Any) -> list[str]:
    """Return the paths of a resource's files, listed anew."""
    resource.clearcache()
    return [file.path for file in resource.files]


# -- connect -------------------------------------------------------------------------------------


def test_connects_without_a_warning(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The model is built from the archive's schemas without a warning."""
    logger = logging.getLogger("xnatpy.conformance")
    with xnat.connect(
        site.url, user=site.user, password=site.password, logger=logger, debug=False
    ) as session:
        assert site.user == session.logged_in_user
    if site.process is not None:
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert [] == [record.getMessage() for record in warnings]


def test_wrong_password(site: Site) -> None:
    """A wrong password is refused as such."""
    with pytest.raises(xnat.exceptions.XNATLoginFailedError):
        xnat.connect(site.url, user=site.user, password="certainly wrong")


def test_disconnect_ends_the_session(site: Site) -> None:
    """After ``disconnect`` the session id is worth nothing."""
    session = xnat.connect(site.url, user=site.user, password=site.password)
    session_id = session.jsession
    session.disconnect()
    with Rest(site.url) as nobody:
        nobody.http.cookies.set("JSESSIONID", session_id)
        assert 401 == nobody.get("/data/projects").status_code


def test_types_are_known(connection: Any) -> None:
    """The types of tasks are classes."""
    for name in ("proc:genProcData", "proc:subjGenProcData", "xnat:mrSessionData", "xnat:petScanData"):
        assert name == connection.XNAT_CLASS_LOOKUP[name]._XSI_TYPE


def test_session_time(connection: Any) -> None:
    """The cookie tells when the session ends."""
    connection.get("/data/projects")
    assert connection.session_expiration_time is not None


def test_version(connection: Any) -> None:
    """The version is one that xnatpy knows."""
    assert connection.xnat_version.startswith(("1.7", "1.8", "1.9"))


# -- walk ----------------------------------------------------------------------------------------


def test_walk(connection: Any, place: str, session: Any) -> None:
    """From a project one comes to subjects, sessions, scans, tasks and files."""
    project = connection.projects[place]
    assert ["S1"] == [subject.label for subject in project.subjects.values()]
    assert ["MR1"] == [experiment.label for experiment in project.experiments.values()]
    assert ["T1", "dwi"] == sorted(scan.type for scan in session.scans.values())
    assert ["TASK1"] == [assessor.label for assessor in session.assessors.values()]
    assert ["a.txt"] == paths(session.resources["R"])


def test_fields(session: Any) -> None:
    """Fields have their types."""
    scan = session.scans["1"]
    assert ("2020-01-02", 176, "usable") == (session.date.isoformat(), scan.frames, scan.quality)
    assert "JOB_RUNNING" == session.assessors["TASK1"].procstatus


def test_ids(connection: Any, place: str, session: Any, rest: Rest) -> None:
    """Ids are accession ids."""
    (row,) = rest.rows(f"/data/projects/{place}/experiments")
    assert (row["ID"], "MR1", "S1") == (session.id, session.label, session.subject.label)
    assert session.id == connection.experiments[session.id].id


def test_tabulate(connection: Any, place: str) -> None:
    """A list can be had as a table with chosen columns."""
    table = connection.projects[place].experiments.tabulate(columns=("label", "date"))
    assert [("MR1", "2020-01-02")] == [(row.label, row.date) for row in table]


def test_create_object(connection: Any, place: str) -> None:
    """An object is made from its URI."""
    found = connection.create_object(f"/data/projects/{place}/subjects/S1/experiments/MR1")
    assert "MR1" == found.label


# -- create and change ----------------------------------------------------------------------------


def test_create(connection: Any, place: str) -> None:
    """Subject, session and scan are created."""
    project = connection.projects[place]
    subject = connection.classes.SubjectData(parent=project, label="N1")
    session = connection.classes.MrSessionData(parent=subject, label="NMR1")
    scan = connection.classes.MrScanData(parent=session, id="5", type="T2")
    connection.clearcache()
    found = connection.projects[place].subjects["N1"].experiments["NMR1"].scans["5"]
    assert ("5", "T2", "N1") == (scan.id, found.type, subject.label)


def test_set_field(session: Any, rest: Rest) -> None:
    """A field that is set is stored and read back."""
    session.note = "a note"
    assert ("a note", "a note") == (session.note, rest.item(session.uri)["note"])


def test_demographics(connection: Any, place: str, session: Any, rest: Rest) -> None:
    """A subject's demographics are set and read."""
    assert session
    subject = connection.projects[place].subjects["S1"]
    subject.demographics.gender = "female"
    (row,) = rest.rows(f"/data/projects/{place}/subjects", {"columns": "ID,gender"})
    assert ("female", "female") == (row["gender"], subject.demographics.gender)


def test_custom_field(session: Any) -> None:
    """A custom field is set by name and read back."""
    session.fields["site"] = "here"
    session.clearcache()
    assert "here" == session.fields["site"]


def test_set_several(session: Any, rest: Rest) -> None:
    """``mset`` writes several fields of a task."""
    task = session.assessors["TASK1"]
    task.mset({"procstatus": "COMPLETE", "jobid": "17"})
    fields = rest.item(f"/data/experiments/{task.id}")
    assert ("COMPLETE", "17") == (fields["procstatus"], fields["jobid"])


def test_create_assessor(connection: Any, session: Any) -> None:
    """``create_assessor`` makes a task (and then fails by an error of xnatpy's own)."""
    with pytest.raises(KeyError, match="id_"):
        session.create_assessor("TASK2", "proc:genProcData")
    connection.clearcache()
    assert {"TASK1", "TASK2"} == {task.label for task in session.assessors.values()}


def test_rename(connection: Any, place: str, session: Any) -> None:
    """A session is renamed by its label."""
    session.label = "MR7"
    connection.clearcache()
    assert ["MR7"] == [each.label for each in connection.projects[place].experiments.values()]


def test_share(session: Any, fill: Fill, rest: Rest) -> None:
    """A subject and its session are shared into another project."""
    other = new_project_id()
    fill.project(other)
    session.subject.share(other)
    session.share(other, label="MRX")
    (row,) = rest.rows(f"/data/projects/{other}/experiments", {"columns": "ID,label,subject_label"})
    rest.delete(f"/data/projects/{other}")
    assert (session.id, "MRX", "S1") == (row["ID"], row["label"], row["subject_label"])


# -- files ---------------------------------------------------------------------------------------


def test_upload_and_download(session: Any, tmp_path: Path) -> None:
    """A file goes up and comes down with the right digest."""
    source = tmp_path / "source.txt"
    source.write_bytes(CONTENT)
    resource = session.create_resource("NEW")
    resource.upload(source, "deep/er.txt")
    file = resource.files["deep/er.txt"]
    file.download(str(tmp_path / "copy"), verbose=False)
    assert CONTENT == (tmp_path / "copy").read_bytes()
    assert (hashlib.md5(CONTENT).hexdigest(), str(len(CONTENT))) == (file.digest, str(file.file_size))


@pytest.mark.parametrize("method", ["tgz_file", "tar_memory", "per_file"])
def test_upload_folder(session: Any, tmp_path: Path, method: str) -> None:
    """A folder goes up by each method."""
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(CONTENT)
    (folder / "deep" / "b.txt").write_bytes(CONTENT)
    resource = session.scans["1"].create_resource("NEW")
    resource.upload_dir(folder, method=method)
    assert ["a.txt", "deep/b.txt"] == sorted(paths(resource))


@pytest.mark.parametrize("of", ["resource", "session", "scan"])
def test_download_folder(session: Any, fill: Fill, tmp_path: Path, of: str) -> None:
    """Resource, session and scan are downloaded as a folder."""
    fill.files(session.uri + "/scans/1", "R", {"a.txt": CONTENT})
    session.clearcache()
    item = {"resource": session.resources["R"], "session": session, "scan": session.scans["1"]}[of]
    item.download_dir(str(tmp_path), verbose=False)
    assert CONTENT in [path.read_bytes() for path in tmp_path.rglob("a.txt")]


def test_resource_counts(session: Any) -> None:
    """A resource counts files and bytes."""
    resource = session.resources["R"]
    assert (1, len(CONTENT)) == (resource.file_count, resource.file_size)


def test_delete_file(connection: Any, session: Any) -> None:
    """A deleted file is gone."""
    session.resources["R"].files["a.txt"].delete()
    connection.clearcache()
    assert [] == paths(session.resources["R"])


@pytest.mark.parametrize("kind", ["resources", "scans", "assessors"])
def test_delete(connection: Any, session: Any, kind: str) -> None:
    """A deleted child is gone."""
    child = next(iter(getattr(session, kind).values()))
    before = len(getattr(session, kind))
    child.delete()
    connection.clearcache()
    assert before - 1 == len(getattr(session, kind))


# -- services ------------------------------------------------------------------------------------


def test_search(connection: Any, place: str, session: Any) -> None:
    """A query finds by criteria."""
    assert session
    mr = connection.classes.MrSessionData
    table = mr.query(mr.project == place).view(mr.label, mr.project).tabulate_dict()
    assert [place] == [next(value for name, value in row.items() if "project" in name) for row in table]


def test_token(connection: Any, site: Site) -> None:
    """An alias token is issued and logs in."""
    token = connection.services.issue_token()
    with xnat.connect(site.url, user=token.alias, password=token.secret, no_parse_model=True) as session:
        assert site.user == session.logged_in_user


def test_refresh(connection: Any, session: Any) -> None:
    """A catalog can be refreshed."""
    connection.services.refresh_catalog(session.resources["R"], populate_stats=True)
    assert ["a.txt"] == paths(session.resources["R"])


def test_users(connection: Any, site: Site) -> None:
    """The users are listed."""
    assert site.user in connection.users
