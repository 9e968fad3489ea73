"""The server as a process: its announcement, its end, and what a kill leaves."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[RunningArchive]:
    with running_archive(tmp_path / "archive", strict=False) as started:
        requests.put(f"{started.url}/data/projects/P", auth=started.auth, timeout=30)
        yield started


def upload(archive: RunningArchive, name: str, data: bytes) -> requests.Response:
    url = f"{archive.url}/data/projects/P/resources/R/files/{name}"
    return requests.put(url, params={"inbody": "true"}, data=data, auth=archive.auth, timeout=30)


def listed(archive: RunningArchive) -> dict[str, str]:
    url = f"{archive.url}/data/projects/P/resources/R/files"
    rows = requests.get(url, params={"format": "json"}, auth=archive.auth, timeout=30).json()
    return {row["Name"]: row["digest"] for row in rows["ResultSet"]["Result"]}


def content(archive: RunningArchive, name: str) -> bytes:
    url = f"{archive.url}/data/projects/P/resources/R/files/{name}"
    return requests.get(url, auth=archive.auth, timeout=30).content


def test_kill_while_uploading(archive: RunningArchive) -> None:
    """After a kill every acknowledged file is there, every listed file is whole, and nothing is left over."""
    acknowledged: list[str] = []

    def work(worker: int) -> None:
        for number in range(1000):
            name = f"{worker}-{number}"
            try:
                answer = upload(archive, name, name.encode() * 50_000)
            except requests.RequestException:
                return
            if answer.status_code == 200:
                acknowledged.append(name)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    while len(acknowledged) < 10:
        time.sleep(0.01)
    archive.kill()
    for worker in workers:
        worker.join()
    archive.restart()
    found = listed(archive)
    digests = {name: hashlib.md5(content(archive, name)).hexdigest() for name in found}
    assert set(acknowledged) <= set(found)
    assert found == digests
    files = [path for path in (archive.root / "files").rglob("*") if path.is_file()]
    assert (len(found), []) == (len(files), list((archive.root / "incoming").iterdir()))


def test_concurrent_uploads_to_one_resource(archive: RunningArchive) -> None:
    """Files that are sent to one resource at the same time are all stored."""
    names = [f"f{number}" for number in range(16)]
    workers = [threading.Thread(target=upload, args=(archive, name, name.encode())) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(names) == sorted(listed(archive))


def test_announcement_and_end(archive: RunningArchive) -> None:
    """The server says in one line where it is, and ends with 0 on SIGTERM."""
    assert f"archive ready at {archive.url}\n" in archive.output
    assert 0 == archive.stop()
    assert "Traceback" not in archive.output


def test_requests_are_counted_and_writes_logged(archive: RunningArchive) -> None:
    """Every request is counted but the one that asks; every write is a line of the log."""
    requests.get(f"{archive.url}/data/projects", auth=archive.auth, timeout=30)
    assert {"total": 2, "by_method": {"PUT": 1, "GET": 1}} == archive.requests()
    entry = archive.write_log()[0]
    assert ("admin", "PUT", "/data/projects/P", 200) == tuple(
        entry[key] for key in ("user", "method", "path", "status")
    )


def test_file_by_the_kernel(archive: RunningArchive) -> None:
    """A download tells its length and date, and a HEAD tells them without the content."""
    upload(archive, "a.nii.gz", b"x" * 100_000)
    url = f"{archive.url}/data/projects/P/resources/R/files/a.nii.gz"
    answer = requests.head(url, auth=archive.auth, timeout=30)
    assert ("100000", b"") == (answer.headers["Content-Length"], answer.content)
    assert answer.headers["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/archive.db", "..%2f..%2fx", "a%00b", "a%5cb"])
def test_encoded_paths(archive: RunningArchive, path: str) -> None:
    """Encoded slashes, dots and NULs do not leave the resource."""
    upload(archive, "a", b"1")
    url = f"{archive.url}/data/projects/P/resources/R/files/{path}"
    prepared = requests.Request("GET", archive.url, auth=archive.auth).prepare()
    prepared.url = url
    assert 400 == requests.Session().send(prepared, timeout=30).status_code
