"""A file that is larger than the memory of the embedded archive goes in, comes out and goes away.

20 GB in the long form, which needs twice as much room on the disk for a moment; 2 GB in the short one.
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill

#: What the server may need in addition, in MB: buffers, not files.
ROOM_MB = 100
_BLOCK = os.urandom(1 << 20)
_TIMEOUT_S = 3600


def blocks(size_mb: int) -> Iterator[bytes]:
    for _ in range(size_mb):
        yield _BLOCK


def peak_mb(archive: RunningArchive) -> float:
    """Return the most memory that the server has had, in MB."""
    lines = Path(f"/proc/{archive.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[RunningArchive]:
    with running_archive(tmp_path / "root") as running:
        yield running


@pytest.fixture
def files(archive: RunningArchive) -> str:
    """The address of the files of a resource that is not there yet."""
    with Fill(archive.url, archive.auth) as fill:
        session = fill.session("P", "S", "E")
    return f"{archive.url}{session}/resources/R/files"


@pytest.fixture
def http(archive: RunningArchive) -> Iterator[requests.Session]:
    with requests.Session() as client:
        client.auth = archive.auth
        yield client


@pytest.mark.slow
def test_in_and_out(archive: RunningArchive, files: str, http: requests.Session, *, long: bool) -> None:
    """It is stored with size and MD5, comes back, also in a zip, leaves no byte; the server stays small."""
    size_mb = 20_480 if long else 2048
    before, begun = peak_mb(archive), time.monotonic()
    http.put(
        f"{files}/large", params={"inbody": "true"}, data=blocks(size_mb), timeout=_TIMEOUT_S
    ).raise_for_status()
    stored = time.monotonic()
    (row,) = http.get(files, params={"format": "json"}, timeout=_TIMEOUT_S).json()["ResultSet"]["Result"]
    plain = _drained(http, f"{files}/large", {})
    fetched = time.monotonic()
    packed = _drained(http, files, {"format": "zip"})
    peak = peak_mb(archive)
    http.delete(f"{files}/large", timeout=_TIMEOUT_S).raise_for_status()
    archive.restart()
    # what a soak run is read for
    print(f"{size_mb} MB: in {stored - begun:.0f} s, out {fetched - stored:.0f} s, VmHWM {peak:.0f} MB")

    assert (str(size_mb << 20), _md5(size_mb)) == (row["Size"], row["digest"])
    assert (size_mb << 20, _crc(size_mb)) == plain
    assert packed[0] > plain[0]
    assert peak - before < ROOM_MB
    assert [] == [path for path in (archive.root / "files").rglob("*") if path.is_file()]


def _md5(size_mb: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks(size_mb):
        digest.update(block)
    return digest.hexdigest()


def _crc(size_mb: int) -> int:
    check = 0
    for block in blocks(size_mb):
        check = zlib.crc32(block, check)
    return check


def _drained(http: requests.Session, uri: str, parameters: dict[str, str]) -> tuple[int, int]:
    """Read an answer to its end; return its size and CRC."""
    size, check = 0, 0
    with http.get(uri, params=parameters, stream=True, timeout=_TIMEOUT_S) as answer:
        answer.raise_for_status()
        for part in answer.iter_content(1 << 20):
            size += len(part)
            check = zlib.crc32(part, check)
    return size, check
