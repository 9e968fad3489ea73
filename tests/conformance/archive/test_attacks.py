"""What somebody would try who means harm, or whose program is broken. Only on the embedded archive."""

from __future__ import annotations

import base64
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.dicom import dicom
from support.fill import Fill, zip_bytes
from support.rest import Rest

_TIMEOUT_S = 120
SESSION = "/data/projects/P/subjects/S/experiments/E"


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[RunningArchive]:
    """An archive of its own: others would lose their connections to it."""
    root = tmp_path_factory.mktemp("attacks") / "root"
    with running_archive(root, strict=False, database=new_database()) as running:
        with Fill(running.url, running.auth) as fill:
            fill.files(fill.session("P", "S", "E"), "R", {"a.html": b"<script>alert(1)</script>"})
            account = {"username": "bob", "password": "right", "email": "bob@example.org"}
            fill.http.post(f"{running.url}/xapi/users", json=account, timeout=60).raise_for_status()
        yield running


@pytest.fixture
def client(archive: RunningArchive) -> Iterator[Rest]:
    with Rest(archive.url, archive.auth) as rest:
        yield rest


def raw(archive: RunningArchive, head: str, body: bytes = b"") -> bytes:
    """Send a request as it is spelt here, logged in, and return all that comes until the server closes."""
    login = base64.b64encode(":".join(archive.auth).encode()).decode()
    text = head.replace("\n", f"\nHost: a\nAuthorization: Basic {login}\n", 1).replace("\n", "\r\n")
    received = b""
    with socket.create_connection(("127.0.0.1", archive.port), timeout=3) as connection:
        connection.sendall(text.encode("latin-1") + b"\r\n" + body)
        # one that is kept open for the next request has said all
        with suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(1 << 16):
                received += part
    return received


SMUGGLED = b"GET /data/projects?smuggled=1 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Length: 6\nTransfer-Encoding: chunked\n", b"0\r\n\r\n" + SMUGGLED),
        ("Content-Length: 0\nContent-Length: 60\n", SMUGGLED),
        ("Content-Length: 0, 60\n", SMUGGLED),
        ("Content-Length: +0\n", SMUGGLED),
        ("Content-Length : 0\n", SMUGGLED),
        ("Transfer-Encoding: xchunked\n", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked, identity\n", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: identity\n", b"0\r\n\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked\n", b"fffffffffffffffff\r\n" + SMUGGLED),
        ("Transfer-Encoding: chunked\n", b"-1\r\n" + SMUGGLED),
        ("X: a\n b\n", SMUGGLED),
    ],
    ids=[
        *("length and chunks", "two lengths", "list of lengths", "signed length", "space before the colon"),
        *(
            "unknown coding",
            "chunks not last",
            "two codings",
            "huge chunk",
            "negative chunk",
            "folded header",
        ),
    ],
)
def test_smuggling(archive: RunningArchive, headers: str, body: bytes) -> None:
    """A request whose end can be read in two ways is refused, and what stands behind it is no request."""
    received = raw(archive, f"PUT {SESSION}/resources/R/files/x?inbody=true HTTP/1.1\n{headers}", body)
    statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert [True] == [status >= b"400" for status in statuses]


@pytest.mark.parametrize(
    "uri",
    [
        "/data/projects?format=html",
        f"{SESSION}?format=xml",
        f"{SESSION}/resources/R/files/a.html",
        f"{SESSION}/resources/R/files/<script>alert(1)</script>",
        "/data/search/saved/evil",
        "/xapi/users/<script>",
        "/",
    ],
)
def test_nothing_runs_in_a_browser(client: Rest, uri: str) -> None:
    """Whatever people have sent, a browser is told to run nothing of an answer, and to guess nothing."""
    evil = (
        '<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" xmlns:h="http://www.w3.org/1999/xhtml">'
        "<xdat:root_element_name>xnat:subjectData</xdat:root_element_name>"
        "<h:script>alert(1)</h:script></xdat:bundle>"
    )
    client.put("/data/search/saved/evil", data=evil).raise_for_status()
    headers = client.get(uri).headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not any("script" in part for part in policy)
    assert "nosniff" == headers["X-Content-Type-Options"]


def test_files_are_downloads(client: Rest) -> None:
    """A file is never a page of the archive."""
    answer = client.get(f"{SESSION}/resources/R/files/a.html")
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["password", "firstName", "email"])
@pytest.mark.parametrize("value", ["\ud800", "a\x00"])
def test_texts_that_cannot_be_stored(client: Rest, name: str, value: str) -> None:
    """Halves of characters and control characters in JSON are refused."""
    account = json.dumps({"username": "eve", "password": "a password", name: value})
    assert 400 == client.send("POST", "/xapi/users", data=account).status_code


@pytest.mark.parametrize("label", [".", ".."])
def test_label_is_no_step(archive: RunningArchive, client: Rest, label: str) -> None:
    """A resource is not called like a step: its files would leave the folder that a zip is unpacked in."""
    spelt = label.replace(".", "%2e")
    target = f"{SESSION}/resources/{spelt}/files/x?inbody=true"
    refused = raw(archive, f"PUT {target} HTTP/1.1\nContent-Length: 1\nConnection: close\n", b"x")
    packed = client.get(f"{SESSION}/files", {"format": "zip"}).content
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert (b"HTTP/1.1 400", []) == (refused[:12], [name for name in names if f"/{label}/" in name])


def contents(archive: RunningArchive) -> set[Path]:
    return {path for path in (archive.root / "files").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("method", "parameters", "body"),
    [
        ("PUT", {}, dicom()),
        ("POST", {"import-handler": "none"}, dicom()),
        ("POST", {"overwrite": "perhaps"}, dicom()),
        ("POST", {"project": "P", "subject": "S", "session": "E2"}, zip_bytes({"a": dicom(), "b": b"none"})),
        ("POST", {"project": "nowhere"}, zip_bytes({"a": dicom(), "b": dicom(instance=2)})),
        ("POST", {"project": "P"}, zip_bytes({"a": dicom(), "../b": dicom(instance=2)})),
    ],
    ids=["method", "handler", "policy", "no DICOM", "project", "path"],
)
def test_refused_import(
    archive: RunningArchive, client: Rest, method: str, parameters: dict[str, str], body: bytes
) -> None:
    """An import that is refused leaves nothing on the disk, at whatever point it is refused."""
    before = contents(archive)
    answer = client.send(method, "/data/services/import", parameters, data=body)
    assert (True, set()) == (400 <= answer.status_code < 500, contents(archive) - before)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example.org"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_sites(archive: RunningArchive, method: str, headers: dict[str, str], status: int) -> None:
    """What another site lets a browser write is refused, though the browser sends the cookie with it."""
    uri = f"{archive.url}{SESSION}/resources/OTHER/files/f"
    parameters = {"overwrite": "true", "inbody": "true"}
    with Rest(archive.url, archive.auth) as rest:
        session = {"JSESSIONID": rest.get("/data/JSESSION").text}
        rest.http.put(uri, params=parameters, data=b"f", timeout=_TIMEOUT_S).raise_for_status()
    answer = requests.request(
        method, uri, params=parameters, data=b"f", headers=headers, cookies=session, timeout=_TIMEOUT_S
    )
    assert status == answer.status_code


@pytest.mark.parametrize(("site", "status"), [("none", 200), ("cross-site", 403)])
def test_login_from_another_site(archive: RunningArchive, site: str, status: int) -> None:
    """Nor does another site's form log anybody in."""
    answer = requests.post(
        f"{archive.url}/data/services/auth",
        data={"username": archive.user, "password": archive.password},
        headers={"Sec-Fetch-Site": site},
        timeout=_TIMEOUT_S,
    )
    assert status == answer.status_code


def test_guessing_passwords(archive: RunningArchive) -> None:
    """However many guess at once, few guesses are tried, and then not even the right password is taken."""

    def guess(number: int) -> str:
        answer = requests.get(f"{archive.url}/data/auth", auth=("bob", f"wrong {number}"), timeout=_TIMEOUT_S)
        return answer.text

    with ThreadPoolExecutor(max_workers=32) as pool:
        told = list(pool.map(guess, range(64)))
    tried = [text for text in told if "locked" not in text]
    right = requests.get(f"{archive.url}/data/auth", auth=("bob", "right"), timeout=_TIMEOUT_S)
    assert (True, 401) == (20 <= len(tried) <= 24, right.status_code)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /data/auth HTTP/1.1\r\nHost: a\r\nX: ",
        b"PUT /data/x HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["nothing", "header", "body"],
)
def test_clients_that_say_nothing_more(archive: RunningArchive, client: Rest, begun: bytes) -> None:
    """Hundreds of clients that keep a connection and say no more keep nobody else from being answered."""
    with ExitStack() as open_:
        for _ in range(300):
            address = ("127.0.0.1", archive.port)
            connection = open_.enter_context(socket.create_connection(address, timeout=_TIMEOUT_S))
            connection.sendall(begun)
        assert 200 == client.get("/data/auth").status_code


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        ("PUT", "/data/projects/G"),
        ("PUT", SESSION),
        ("PUT", f"{SESSION}/resources/R/files/b?inbody=true"),
        ("DELETE", SESSION),
        ("POST", "/data/services/import?project=P"),
        ("PUT", "/data/search/saved/g"),
        ("PUT", "/data/users/favorites/Project/P"),
        ("PUT", "/xapi/custom-fields/projects/P/fields"),
        ("POST", "/xapi/users"),
    ],
)
def test_guest_writes_nothing(guest: Rest, method: str, uri: str) -> None:
    """On an open site nobody writes anything without a login, not even what hangs on no project."""
    bodies: dict[str, bytes | str] = {
        "import": dicom(),
        "saved": '<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security">'
        "<xdat:root_element_name>xnat:subjectData</xdat:root_element_name></xdat:bundle>",
        "xapi": "{}",
    }
    body = next((body for word, body in bodies.items() if word in uri), "b" if "files" in uri else "")
    assert guest.send(method, uri, data=body).status_code in {401, 403}


def test_nobody_is_called_guest(client: Rest) -> None:
    """The name of those who come without a login is nobody's."""
    account = json.dumps({"username": "guest", "password": "a password"})
    assert 409 == client.send("POST", "/xapi/users", data=account).status_code


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A client without a login, of an open archive with a public project."""
    root = tmp_path_factory.mktemp("open") / "root"
    with running_archive(root, strict=False, options=("--open",)) as running:
        with Fill(running.url, running.auth) as fill:
            fill.session("P", "S", "E")
            fill.put("/data/projects/P/accessibility/public")
        with Rest(running.url) as rest:
            yield rest
