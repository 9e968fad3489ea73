"""A file that is larger than the server's memory goes in and comes out in constant memory.

2 GB; ``CCI_LARGE_MB`` says another size.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill

SIZE_MB = int(os.environ.get("CCI_LARGE_MB", "2048"))
#: What the server may need in addition, in MB: buffers, not files.
ROOM_MB = 100
_BLOCK = os.urandom(1 << 20)
_TIMEOUT_S = 1800


def blocks() -> Iterator[bytes]:
    for _ in range(SIZE_MB):
        yield _BLOCK


def peak_mb(archive: RunningArchive) -> float:
    """Return the most memory that the server has had, in MB."""
    lines = Path(f"/proc/{archive.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    with running_archive(tmp_path_factory.mktemp("large") / "root") as running:
        yield running


@pytest.fixture(scope="module")
def session(archive: RunningArchive) -> str:
    with Fill(archive.url, archive.auth) as fill:
        return fill.session("P", "S", "E")


@pytest.mark.slow
def test_in_and_out(archive: RunningArchive, session: str) -> None:
    """It is stored with its size and MD5, comes back as it was, also in a zip, and the server stays small."""
    before = peak_mb(archive)
    files = f"{archive.url}{session}/resources/R/files"
    with requests.Session() as http:
        http.auth = archive.auth
        http.put(
            f"{files}/large", params={"inbody": "true"}, data=blocks(), timeout=_TIMEOUT_S
        ).raise_for_status()
        (row,) = http.get(files, params={"format": "json"}, timeout=_TIMEOUT_S).json()["ResultSet"]["Result"]
        plain = _drained(http, f"{files}/large", {})
        packed = _drained(http, files, {"format": "zip"})
    digest = hashlib.md5()
    for block in blocks():
        digest.update(block)
    assert (str(SIZE_MB << 20), digest.hexdigest()) == (row["Size"], row["digest"])
    assert _expected() == plain
    assert packed[0] > plain[0]
    assert peak_mb(archive) - before < ROOM_MB


def _expected() -> tuple[int, int]:
    check = 0
    for block in blocks():
        check = zlib.crc32(block, check)
    return SIZE_MB << 20, check


def _drained(http: requests.Session, uri: str, parameters: dict[str, str]) -> tuple[int, int]:
    """Read an answer to its end; return its size and CRC."""
    size, check = 0, 0
    with http.get(uri, params=parameters, stream=True, timeout=_TIMEOUT_S) as answer:
        answer.raise_for_status()
        for part in answer.iter_content(1 << 20):
            size += len(part)
            check = zlib.crc32(part, check)
    return size, check
