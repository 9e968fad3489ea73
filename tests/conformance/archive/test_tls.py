"""The embedded archive over TLS, with a certificate that is made for the test."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import START_TIMEOUT_S, free_port

_NAMES = "subjectAltName=IP:127.0.0.1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key."""
    folder: Path = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", _NAMES]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return folder


def command(root: Path, port: int, *options: str) -> list[str]:
    start = [sys.executable, "-m", "cci.archive", "serve", "--root", str(root), "--port", str(port)]
    return [*start, *options]


def tls(folder: Path) -> tuple[str, ...]:
    return "--tls-certificate", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")


@pytest.fixture(scope="module")
def port(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an archive that speaks TLS."""
    chosen = free_port()
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(certificate / "root", chosen, *tls(certificate)), stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while f"ready at https://127.0.0.1:{chosen}" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield chosen
    process.terminate()
    process.wait(300)


def test_served(certificate: Path, port: int) -> None:
    """A client that trusts the certificate is served, and its cookie is for TLS only."""
    password = (certificate / "root" / "admin.password").read_text().strip()
    answer = requests.get(
        f"https://127.0.0.1:{port}/data/JSESSION",
        auth=("admin", password),
        verify=str(certificate / "cert.pem"),
        timeout=60,
    )
    assert (200, True) == (answer.status_code, "; Secure" in answer.headers["Set-Cookie"])


def test_no_trust(port: int) -> None:
    """A client that does not trust it refuses."""
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://127.0.0.1:{port}/", timeout=60)


def test_nothing_in_the_clear(port: int) -> None:
    """A plain request gets no answer out of the archive."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            answer = plain.recv(100)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"HTTP")


@pytest.mark.parametrize("broken", ["key.pem", "cert.pem"])
def test_wrong_files(certificate: Path, tmp_path: Path, broken: str) -> None:
    """Files that are no certificate with its key end the command with a sentence."""
    for name in ("key.pem", "cert.pem"):
        (tmp_path / name).write_bytes(b"nonsense" if name == broken else (certificate / name).read_bytes())
    words = command(tmp_path / "root", free_port(), *tls(tmp_path))
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (2, True) == (answer.returncode, "no certificate with its key" in answer.stderr)


def test_both_or_none(certificate: Path, tmp_path: Path) -> None:
    """A certificate without its key is refused."""
    words = command(tmp_path / "root", free_port(), *tls(certificate)[:2])
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (2, True) == (answer.returncode, "go together" in answer.stderr)
