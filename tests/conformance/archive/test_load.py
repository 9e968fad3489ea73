"""Under load of every kind of write the embedded archive is killed, again and again, and stays in order.

Each round ends with SIGKILL at another moment, and then the archive's own check reads every file. The load
comes from several clients at once; what they were told is stored must be there.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill, zip_bytes

SESSION = "/data/projects/P/subjects/S/experiments/E"
#: After how many acknowledged files each round is killed.
ROUNDS = (1, 12, 33)
_CLIENTS = 4
_TIMEOUT_S = 60


@pytest.fixture
def archive(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[RunningArchive]:
    """An embedded archive of its own, to be killed."""
    with running_archive(tmp_path / "root", strict=False, database=new_database()) as running:
        with Fill(running.url, running.auth) as fill:
            fill.session("P", "S", "E")
        yield running


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cci.archive", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S * 5, check=False)


def content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 500


@dataclass
class Load:
    """Clients that write until they are stopped or the archive is gone; *stored* is what was acknowledged."""

    url: str
    auth: tuple[str, str]
    prefix: str
    stored: dict[str, bytes] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self._client, args=(n,)) for n in range(_CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(_TIMEOUT_S)

    def has(self, count: int) -> bool:
        """Whether so many files are acknowledged by now."""
        return len(self.stored) >= count

    def _client(self, number: int) -> None:
        with requests.Session() as http:
            http.auth = self.auth
            round_ = 0
            while not self.stop.is_set():
                try:
                    self._round(http, f"{self.prefix}-{number}-{round_}")
                except requests.RequestException:
                    return
                round_ += 1

    def _round(self, http: requests.Session, name: str) -> None:
        # one resource for all clients: they share its counts
        files = f"{SESSION}/resources/R/files"
        self._put(http, f"{files}/{name}", content(name), {"inbody": "true"}, [f"{files}/{name}"])
        self._put(http, f"{files}/{name}", content(f"{name}2"), {"overwrite": "true"}, [f"{files}/{name}"])
        packed = {f"{name}-z{n}": content(f"{name}-z{n}") for n in range(3)}
        paths = [f"{files}/{inside}" for inside in packed]
        self._put(http, f"{files}/{name}.zip", zip_bytes(packed), {"extract": "true"}, paths)
        task = f"{SESSION}/assessors/{name}"
        self._send(http, "PUT", task, params={"xsiType": "proc:genProcData"})
        self._put(http, f"{task}/resources/OUT/files/o", content(name), {"inbody": "true"}, [])
        self._send(http, "DELETE", task)
        self.stored.pop(f"{files}/{name}-z0", None)
        self._send(http, "DELETE", f"{files}/{name}-z0")

    def _put(
        self, http: requests.Session, uri: str, body: bytes, parameters: dict[str, str], paths: list[str]
    ) -> None:
        for path in paths:
            # from now on it may be either: nothing is known of it until the answer is there
            self.stored.pop(path, None)
        self._send(http, "PUT", uri, data=body, params={"inbody": "true", **parameters})
        names = {path: path.rpartition("/")[2] for path in paths}
        self.stored.update({path: body if path == uri else content(names[path]) for path in paths})

    def _send(self, http: requests.Session, method: str, uri: str, **options: object) -> None:
        answer = http.request(method, f"{self.url}{uri}", timeout=_TIMEOUT_S, **options)  # type: ignore[arg-type]  # of requests
        answer.raise_for_status()


@pytest.mark.slow
def test_killed_again_and_again(archive: RunningArchive) -> None:
    """After each SIGKILL the archive starts, is in order, and has everything that it acknowledged."""
    for enough in ROUNDS:
        with Load(archive.url, archive.auth, f"r{enough}") as load:
            _until(partial(load.has, enough))
            archive.kill()
        archive.restart()
        checked = run("check", "--root", str(archive.root))
        assert (0, "") == (checked.returncode, checked.stderr)
        found = _fetch(archive, list(load.stored))
        assert load.stored == found
        # of each client one file may be under way for the second time
        assert len(found) >= enough - _CLIENTS


def _fetch(archive: RunningArchive, uris: list[str]) -> dict[str, bytes]:
    with requests.Session() as http:
        http.auth = archive.auth
        return {uri: http.get(f"{archive.url}{uri}", timeout=_TIMEOUT_S).content for uri in uris}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.slow
def test_backup_under_load(archive: RunningArchive, tmp_path: Path) -> None:
    """A copy that is made while clients write is in order, and has what was stored before it began."""
    target = tmp_path / "copy"
    with Load(archive.url, archive.auth, "b") as load:
        _until(partial(load.has, 10))
        # these two of each zip are never changed again
        before = {uri: body for uri, body in dict(load.stored).items() if uri.endswith(("-z1", "-z2"))}
        copied = run("backup", "--root", str(archive.root), str(target))
        meanwhile = run("check", "--root", str(archive.root))
    checked = run("check", "--root", str(target))
    assert (0, 0, 0) == (copied.returncode, meanwhile.returncode, checked.returncode), meanwhile.stdout
    # the copy has the same accounts; where their first password lies is not part of it
    (target / "admin.password").write_text(archive.password)
    with running_archive(target, strict=False) as copy:
        assert before == _fetch(copy, list(before))
    assert before
