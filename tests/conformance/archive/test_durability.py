"""The embedded archive after crashes: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill, zip_bytes
from support.rest import Rest


@pytest.fixture
def archive(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[RunningArchive]:
    """An embedded archive of its own, to be killed."""
    with running_archive(tmp_path / "root", strict=False, database=new_database()) as running:
        yield running


@pytest.fixture
def session(archive: RunningArchive) -> str:
    with Fill(archive.url, archive.auth) as fill:
        return fill.session("P", "S1", "MR1")


def content_of(name: str) -> bytes:
    """Return 200 kB that belong to this name only."""
    return hashlib.sha256(name.encode()).digest() * 6250


class Uploader(threading.Thread):
    """Uploads files, or zips of three files, until the archive is gone; remembers what was acknowledged."""

    def __init__(self, archive: RunningArchive, resource: str, number: int, *, zips: bool) -> None:
        super().__init__()
        self.archive, self.resource, self.number, self.zips = archive, resource, number, zips
        self.auth = archive.auth
        self.acknowledged: list[str] = []
        self.started_some = threading.Event()

    def run(self) -> None:
        with suppress(requests.RequestException), Rest(self.archive.url, self.auth) as client:
            for count in range(10_000):
                names = [f"{self.number}-{count}-{part}" for part in range(3 if self.zips else 1)]
                if self._upload(client, names).status_code == 200:
                    self.acknowledged += names
                    self.started_some.set()

    def _upload(self, client: Rest, names: list[str]) -> requests.Response:
        if self.zips:
            body = zip_bytes({name: content_of(name) for name in names})
            return client.upload(self.resource, "u.zip", body, extract="true")
        return client.upload(self.resource, names[0], content_of(names[0]))


@pytest.mark.parametrize("zips", [False, True], ids=["files", "zips"])
@pytest.mark.parametrize("wait_s", [0.0, 0.05, 0.2])
def test_kill_during_uploads(archive: RunningArchive, session: str, *, zips: bool, wait_s: float) -> None:
    """After SIGKILL in the middle of uploads every acknowledged file is whole, and no half file is seen."""
    resource = f"{session}/resources/R"
    uploaders = [Uploader(archive, resource, number, zips=zips) for number in range(4)]
    for uploader in uploaders:
        uploader.start()
    assert uploaders[0].started_some.wait(300)
    threading.Event().wait(wait_s)
    archive.kill()
    for uploader in uploaders:
        uploader.join()
    archive.restart()
    acknowledged = {name for uploader in uploaders for name in uploader.acknowledged}
    with Rest(archive.url, archive.auth) as rest:
        listed = rest.files(resource)
        (row,) = rest.rows(f"{session}/resources")
        contents = {name: rest.get(each["URI"]).content for name, each in listed.items()}
    assert acknowledged <= set(listed)
    assert {name: content_of(name) for name in listed} == contents
    assert {name: hashlib.md5(content_of(name)).hexdigest() for name in listed} == {
        name: each["digest"] for name, each in listed.items()
    }
    assert (str(len(listed)), str(200_000 * len(listed))) == (row["file_count"], row["file_size"])


def test_zip_is_all_or_nothing(archive: RunningArchive, session: str) -> None:
    """After SIGKILL a zip's files are all there, or none of them."""
    resource = f"{session}/resources/R"
    uploader = Uploader(archive, resource, 0, zips=True)
    uploader.start()
    assert uploader.started_some.wait(300)
    archive.kill()
    uploader.join()
    archive.restart()
    with Rest(archive.url, archive.auth) as rest:
        listed = rest.files(resource)
    zips = {name.rpartition("-")[0] for name in listed}
    assert 3 * len(zips) == len(listed)


def test_kill_keeps_items(archive: RunningArchive, session: str) -> None:
    """Items and fields that were acknowledged survive SIGKILL."""
    with Fill(archive.url, archive.auth) as fill:
        fill.scan(session, "1", type="T1")
        fill.assessor(session, "T", procstatus="COMPLETE")
        archive.kill()
        archive.restart()
    with Rest(archive.url, archive.auth) as rest:
        assert "T1" == rest.item(f"{session}/scans/1")["type"]
        assert "COMPLETE" == rest.item(f"{session}/assessors/T")["procstatus"]


def test_nothing_is_left_running(archive: RunningArchive) -> None:
    """SIGKILL of the one process frees its port at once: nothing goes on answering."""
    archive.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{archive.url}/data/auth", timeout=10)


def test_terminate(archive: RunningArchive, session: str) -> None:
    """SIGTERM ends the archive with status 0."""
    assert session
    assert 0 == archive.stop()


def test_restart_keeps_the_password(archive: RunningArchive) -> None:
    """The administrator's password survives a restart, in a file that only the owner reads."""
    before = archive.password
    archive.restart()
    assert (before, 0o600) == (archive.password, (archive.root / "admin.password").stat().st_mode & 0o777)


def test_write_log(archive: RunningArchive, session: str) -> None:
    """Every request that is not a GET stands in the write log, with user, path and status."""
    with Rest(archive.url, archive.auth) as rest:
        rest.get(session)
        rest.upload(f"{session}/resources/R", "a.txt", b"abc")
    last = archive.write_log()[-1]
    assert ("admin", "PUT", 200) == (last["user"], last["method"], last["status"])
    assert "/resources/R/files/a.txt" in last["path"]


def test_request_counter(archive: RunningArchive) -> None:
    """Requests are counted; asking for the count is not."""
    before = archive.requests()["total"]
    with Rest(archive.url, archive.auth) as rest:
        for _ in range(3):
            rest.get("/data/projects")
    assert before + 3 == archive.requests()["total"] == archive.requests()["total"]
