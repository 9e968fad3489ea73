"""With ``--strict`` the embedded archive is no kinder than a real XNAT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill
from support.rest import Rest

SESSION = "/data/projects/P/subjects/S/experiments/E"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    root: Path = tmp_path_factory.mktemp("strict") / "root"
    with running_archive(root, strict=True) as running:
        with Fill(running.url, running.auth) as fill:
            fill.files(fill.session("P", "S", "E"), "R", {"a.txt": b"0123456789"})
        yield running


@pytest.fixture
def rest(archive: RunningArchive) -> Iterator[Rest]:
    with Rest(archive.url, archive.auth) as client:
        yield client


def test_no_parts(rest: Rest) -> None:
    """A part that is asked for is ignored: the file comes whole, and says nothing of parts."""
    uri = f"{SESSION}/resources/R/files/a.txt"
    answer = rest.send("GET", uri, headers={"Range": "bytes=2-4", "If-None-Match": "*"})
    assert (200, b"0123456789") == (answer.status_code, answer.content)
    assert set() == {"etag", "accept-ranges"} & {name.lower() for name in answer.headers}


def test_not_modified(rest: Rest) -> None:
    """``If-Modified-Since`` is understood, as XNAT does."""
    uri = f"{SESSION}/resources/R/files/a.txt"
    since = {"If-Modified-Since": rest.get(uri).headers["Last-Modified"]}
    assert 304 == rest.send("GET", uri, headers=since).status_code


def test_one_write_at_a_time(archive: RunningArchive, rest: Rest) -> None:
    """A write to a resource that is being written to is 500; to another one, and later, it is not."""
    resources = f"{SESSION}/resources"

    def slow_body() -> Iterator[bytes]:
        yield b"first part"
        # the first upload is under way now
        answers.append(rest.upload(f"{resources}/C", "second.txt", b"2").status_code)
        answers.append(rest.upload(f"{resources}/D", "other.txt", b"2").status_code)
        yield b"last part"

    answers: list[int] = []
    uri = f"{archive.url}{resources}/C/files/first.txt?inbody=true"
    first = requests.put(uri, data=slow_body(), auth=archive.auth, timeout=60)
    again = rest.upload(f"{resources}/C", "second.txt", b"2").status_code
    assert (200, [500, 200], 200) == (first.status_code, answers, again)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_empty_upload(rest: Rest, method: str) -> None:
    """An empty body is 500."""
    assert 500 == rest.send(method, f"{SESSION}/resources/R/files/e", {"inbody": "true"}).status_code
