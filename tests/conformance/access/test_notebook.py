"""JobHandler, ResourceSyncer and the doctor's questions, on a real archive."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.archive import RunningArchive
from support.fill import Fill

from cci.errors import Conflict, NotFound, UsageError
from cci.xnat import Archive, JobHandler, ResourceSyncer, open_archive, set_default_archive, uris
from cci.xnat.disk import files_below

SESSION = uris.session_in("NOTE", "S1", "MR1")
RESULTS = uris.results(uris.assessor(SESSION, "JOB"))

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture
def session(server: RunningArchive, archive: Archive, fill: Fill) -> Iterator[None]:
    fill.session("NOTE", "S1", "MR1")
    set_default_archive(archive)
    yield
    set_default_archive(None)
    server.clear_faults()
    archive.delete(SESSION)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    for name in ("report.pdf", "thumbnail.png", "large.png", "maps/fa.nii.gz", "maps/sub/md.nii.gz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def job(made: Path) -> JobHandler:
    handler = JobHandler("NOTE", "S1", "MR1", label="JOB")
    handler.add_pdf(made / "report.pdf")
    handler.add_snapshots(made / "thumbnail.png", made / "large.png")
    handler.add_directory(made / "maps", "MAPS")
    handler.add_provenance({"program": "qa", "version": "1.0"})
    return handler


def held(archive: Archive) -> dict[str, list[str]]:
    return {label: [file.path for file in files] for label, files in archive.list_files(RESULTS).items()}


EVERYTHING = {
    "PDF": ["report.pdf"],
    "SNAPSHOTS": ["large.png", "thumbnail.png"],
    "MAPS": ["fa.nii.gz", "sub/md.nii.gz"],
    "PROV": ["provenance.json"],
}


def test_job(archive: Archive, made: Path) -> None:
    """A finished job has its files in a new assessor, which has no procstatus."""
    finished = job(made).finish()
    assert held(archive) == EVERYTHING
    ((_, found),) = archive.snapshot("NOTE", now=datetime.now(UTC)).sessions()
    (assessor,) = found.assessors
    assert (assessor.id, assessor.label, assessor.procstatus) == (finished.id, "JOB", "")
    record = archive.read_json(RESULTS, "PROV", "provenance.json")
    assert record == {"program": "qa", "version": "1.0"}


def test_finishing_twice(archive: Archive, made: Path) -> None:
    """A job that is finished again changes nothing."""
    handler = job(made)
    assert handler.finish() == handler.finish()
    assert held(archive) == EVERYTHING


def test_clean_up(archive: Archive, made: Path) -> None:
    """Cleaning up takes the files and the assessor that the job put."""
    handler = job(made)
    handler.finish()
    handler.clean_up()
    assert archive.list_files(RESULTS, ["PDF"]) == {"PDF": ()}
    ((_, found),) = archive.snapshot("NOTE", now=datetime.now(UTC)).sessions()
    assert found.assessors == ()


def test_clean_up_leaves_other_peoples_files(archive: Archive, fill: Fill, made: Path) -> None:
    """Files that others put, before or after, stay, and so does their assessor."""
    fill.assessor(SESSION, "JOB", procstatus="COMPLETE")
    fill.files(RESULTS, "PDF", {"report.pdf": b"report.pdf", "older.pdf": b"1"})
    handler = job(made)
    handler.finish()
    fill.files(RESULTS, "MAPS", {"mine.txt": b"x"})
    handler.clean_up()
    assert held(archive) == {"PDF": ["older.pdf", "report.pdf"], "MAPS": ["mine.txt"]}


def test_conflicting_job(fill: Fill, made: Path) -> None:
    """A job does not write over a file of other content."""
    fill.assessor(SESSION, "JOB")
    fill.files(RESULTS, "PDF", {"report.pdf": b"a person's"})
    with pytest.raises(Conflict):
        job(made).finish()


def test_job_without_session(made: Path) -> None:
    """A job for a session that is not there says so, and makes none."""
    handler = JobHandler("NOTE", "S1", "NOWHERE", label="JOB")
    handler.add_pdf(made / "report.pdf")
    with pytest.raises(NotFound):
        handler.finish()


def test_without_archive() -> None:
    """Without an archive the notebook's calls say what to do."""
    set_default_archive(None)
    with pytest.raises(UsageError, match="no archive was given"):
        JobHandler("P", "S", "E", label="L")


# -- ResourceSyncer ------------------------------------------------------------------------------


def downloads(server: RunningArchive) -> int:
    return int(server.requests()["total"])


def test_sync_to_local(fill: Fill, tmp_path: Path, awkward: bool) -> None:
    """The first call brings everything, the second nothing, and a changed file comes alone.

    Where the archive gives no digests, nobody knows what changed, and everything is brought again.
    """
    fill.files(SESSION, "R", {"a": b"1", "sub/b": b"22", "empty": b""})
    fill.files(SESSION, "Q", {"c": b"333"})
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "mine").write_bytes(b"a person's")
    syncer, moved = ResourceSyncer("NOTE", "S1", "MR1"), []
    for change in ({}, {}, {"sub/b": b"new"}):
        if change:
            fill.files(SESSION, "R", change, overwrite="true")
        assert syncer.sync_to_local(tmp_path)
        moved.append(syncer.moved)
    assert moved == ([4, 4, 4] if awkward else [4, 0, 1])
    content = {name: path.read_bytes() for name, path in files_below(tmp_path).items()}
    assert content == {"R/a": b"1", "R/sub/b": b"new", "R/empty": b"", "R/mine": b"a person's", "Q/c": b"333"}


def test_sync_to_xnat(archive: Archive, fill: Fill, tmp_path: Path, awkward: bool) -> None:
    """The first call brings everything, the second nothing, and a changed file goes alone.

    Where the archive gives no digests, nobody knows what changed, and everything is brought again.
    """
    fill.files(SESSION, "R", {"mine": b"a person's"})
    for name, content in {"R/a": b"1", "R/sub/b": b"22", "Q/c": b"333"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    syncer, moved = ResourceSyncer("NOTE", "S1", "MR1"), []
    for change in (b"1", b"1", b"new"):
        (tmp_path / "R" / "a").write_bytes(change)
        assert syncer.sync_to_xnat(tmp_path)
        moved.append(syncer.moved)
    assert moved == ([3, 3, 3] if awkward else [3, 0, 1])
    listed = archive.list_files(SESSION)
    assert {label: [file.path for file in files] for label, files in listed.items()} == {
        "R": ["a", "mine", "sub/b"],
        "Q": ["c"],
    }


def test_second_sync_costs_one_request(
    server: RunningArchive, fill: Fill, tmp_path: Path, kind_archive: Archive
) -> None:
    """A sync that has nothing to do asks for one listing and no file."""
    fill.files(SESSION, "R", {"a": b"1"})
    server.clear_faults()
    syncer = ResourceSyncer("NOTE", "S1", "MR1", archive=kind_archive)
    syncer.sync_to_local(tmp_path)
    costs = []
    for sync in (syncer.sync_to_local, syncer.sync_to_xnat):
        before = downloads(server)
        sync(tmp_path)
        costs.append(downloads(server) - before)
    assert costs == [1, 1]


def test_sync_of_a_scan(fill: Fill, tmp_path: Path) -> None:
    """A scan's resources are kept apart from the session's."""
    fill.files(fill.scan(SESSION, "3", type="T1"), "NIFTI", {"t1": b"1"})
    ResourceSyncer("NOTE", "S1", "MR1", scan="3").sync_to_local(tmp_path)
    assert list(files_below(tmp_path)) == ["NIFTI/t1"]


# -- doctor --------------------------------------------------------------------------------------


def test_healthy_archive(archive: Archive) -> None:
    """Of an archive as it should be, every check is well."""
    checks = archive.ping(["NOTE"])
    assert [(check.name, check.detail) for check in checks if not check.ok] == []
    assert {"login", "data type proc:genProcData", "rights in NOTE"} <= {check.name for check in checks}


def test_ill_archive(server: RunningArchive, archive: Archive) -> None:
    """What does not work is a check with the reason, and the others are still made."""
    server.fault(match="GET /data/projects/NOTE/subjects", fault="login-page")
    checks = archive.ping(["NOTE", "NOWHERE"])
    bad = {check.name for check in checks if not check.ok}
    assert {"bulk listing of subjects in NOTE", "rights in NOWHERE"} <= bad
    assert "bulk listing of scans in NOTE" not in bad


@pytest.mark.parametrize(("role", "bad"), [("Members", {"rights in NOTE"}), ("Owners", set())])
def test_account_of_a_member(server: RunningArchive, fill: Fill, role: str, bad: set[str]) -> None:
    """A member may write results, and not the project's own resources, of which one says whose it is."""
    account = {
        "username": f"cci-{uuid.uuid4().hex[:8]}",
        "password": "a password",
        "email": "cci@example.org",
    }
    fill.http.post(f"{server.url}/xapi/users", json=account, timeout=60).raise_for_status()
    fill.put(f"/data/projects/NOTE/users/{role}/{account['username']}")
    archive = open_archive(server.url, account["username"], account["password"])
    checks = archive.ping(["NOTE"])
    archive.close()
    assert bad == {check.name for check in checks if not check.ok}


def test_unreachable_archive(server: RunningArchive, archive: Archive) -> None:
    """Of an archive that is away there is one check, and it says so."""
    server.fault(match="JSESSION", fault="503")
    (check,) = archive.ping(["NOTE"])
    assert (check.name, check.ok, "503" in check.detail) == ("login", False, True)


def test_provenance_is_json(archive: Archive, made: Path) -> None:
    """The provenance is a JSON file that a person can read."""
    job(made).finish()
    raw = archive.list_files(RESULTS, ["PROV"])["PROV"][0]
    assert raw.size == len(json.dumps({"program": "qa", "version": "1.0"}, indent=1)) + 1
