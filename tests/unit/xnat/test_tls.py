"""The same limits over an encrypted line, as every archive outside of a test has."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.scripted_server import ScriptedServer, chunked

from cci.errors import Unreachable
from cci.xnat import Connection, Deadlines
from cci.xnat.answers import Answer

PATH = "/data/projects"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None and os.environ.get("CI") != "true":
        pytest.skip("openssl makes the certificate for this test")
    path = tmp_path / "own.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=archive",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    running = ScriptedServer(tls=context)
    yield running
    running.close()


@pytest.fixture
def connection(
    server: ScriptedServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{certificate}.crt")
    limits = Deadlines(read_s=5, total_s=0.6)
    made = Connection(server.url, "user", "secret", attempts=1, deadlines=limits)
    yield made
    made.close()


def test_body(server: ScriptedServer, connection: Connection) -> None:
    """A body comes over an encrypted line as it is."""
    server.say(PATH, chunked(b"ID", b"\n"))
    assert connection.get(PATH, Answer.body) == b"ID\n"


def test_drip_is_cut(server: ScriptedServer, connection: Connection) -> None:
    """The total deadline cuts an encrypted drip too."""
    server.say(PATH, server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
    with pytest.raises(Unreachable, match=r"longer than 0\.6 s"):
        connection.get(PATH, Answer.body)


def test_foreign_certificate(server: ScriptedServer) -> None:
    """A certificate that nobody vouches for is said to be the reason."""
    stranger = Connection(server.url, "user", "secret", attempts=1)
    with stranger, pytest.raises(Unreachable, match="certificate"):
        stranger.get(PATH, Answer.body)
