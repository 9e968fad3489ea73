"""How the embedded archive bears what is too large, as a real process. On an archive of its own."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archive import RunningArchive, running_archive
from support.rest import Rest

_MB = 1 << 20


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    """An archive that takes uploads of one megabyte."""
    root: Path = tmp_path_factory.mktemp("limits") / "root"
    with running_archive(root, options=("--max-upload-mb", "1")) as running:
        with Rest(running.url, running.auth) as rest:
            rest.put("/data/projects/P").raise_for_status()
        yield running


@pytest.fixture
def client(archive: RunningArchive) -> Iterator[Rest]:
    with Rest(archive.url, archive.auth) as rest:
        yield rest


def pieces(count: int) -> Iterator[bytes]:
    yield from (bytes(_MB // 4) for _ in range(count))


@pytest.mark.parametrize("announced", [True, False])
def test_upload(client: Rest, *, announced: bool) -> None:
    """An upload that is too large is 413, whether it says its length or not, and leaves nothing."""
    body = bytes(_MB + 1) if announced else pieces(5)
    uri = f"{client.url}/data/projects/P/resources/R/files/a"
    try:
        status = client.http.put(uri, data=body, params={"inbody": "true"}, timeout=60).status_code
    except OSError:
        status = 413  # the connection was closed before all was sent
    client.http.close()  # nor is it one for the next request
    assert (413, 404) == (status, client.get("/data/projects/P/resources/R/files").status_code)


def test_upload_within_the_limit(client: Rest) -> None:
    """An upload of just the limit is stored."""
    assert 200 == client.upload("/data/projects/P/resources/S", "a", bytes(_MB)).status_code


def test_multipart(client: Rest) -> None:
    """The limit holds for forms, too."""
    files = {"f": ("a", bytes(_MB))}
    try:
        status = client.send("PUT", "/data/projects/P/resources/F/files", files=files).status_code
    except OSError:
        status = 413
    assert 413 == status


def test_document(client: Rest) -> None:
    """A document of more than 64 MB is refused before it is read."""
    connection = http.client.HTTPConnection("127.0.0.1", int(client.url.rpartition(":")[2]), timeout=60)
    connection.putrequest("PUT", "/data/projects/P")
    connection.putheader("Content-Length", str(65 * _MB))
    cookie = client.get("/data/JSESSION").text
    connection.putheader("Cookie", f"JSESSIONID={cookie}")
    connection.endheaders()
    assert 413 == connection.getresponse().status
    connection.close()


@pytest.mark.parametrize(
    "header",
    [
        b"X: " + b"a" * 2 * _MB,
        b"\r\n".join(b"X%d: a" % number for number in range(5000)),
        b"no colon",
        b"X: \x00",
    ],
    ids=["long", "many", "broken", "null"],
)
def test_headers(archive: RunningArchive, client: Rest, header: bytes) -> None:
    """Headers that are too long, too many or broken are refused, and the archive goes on."""
    with socket.create_connection(("127.0.0.1", archive.port), timeout=60) as connection:
        try:
            connection.sendall(b"GET /data/auth HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n\r\n")
            first = connection.recv(100)
        except OSError:
            first = b""
    assert not first or first.split()[1].startswith(b"4")
    assert 200 == client.get("/data/auth").status_code
