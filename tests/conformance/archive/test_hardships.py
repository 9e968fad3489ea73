"""What no server is spared: a full disk, files that are taken away, and SIGKILL at the worst of moments."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.archive import RunningArchive, running_archive
from support.fill import Fill, zip_bytes
from support.postgres import Postgres
from support.rest import Rest

RESOURCE = "/data/projects/P/subjects/S/experiments/E/resources/R"
_MB = 1 << 20
_TIMEOUT_S = 300
SmallDisk = Callable[[int], Path]


@pytest.fixture
def archive(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[RunningArchive]:
    """An archive of its own, with a session."""
    with running_archive(tmp_path / "root", strict=False, database=new_database()) as running:
        with Fill(running.url, running.auth) as fill:
            fill.session("P", "S", "E")
        yield running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """What makes a disk of so many MB."""
    mounted: list[Path] = []

    def mount(size_mb: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small disk can only be made by root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def command(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command of the archive."""
    return subprocess.Popen(
        [sys.executable, "-m", "cci.archive", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def checked(root: Path) -> tuple[int, str]:
    """Return what the archive's own check ends with, and its last line."""
    process = command("check", "--root", str(root))
    output, _ = process.communicate(timeout=_TIMEOUT_S)
    return process.returncode, output.splitlines()[-1]


def content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 3125


def stored(rest: Rest) -> dict[str, bytes]:
    """Return every file of the resource."""
    if rest.get(f"{RESOURCE}/files").status_code == 404:
        return {}
    return {name: rest.get(row["URI"]).content for name, row in rest.files(RESOURCE).items()}


# -- disks ------------------------------------------------------------------------------------------


def sent(archive: RunningArchive, name: str, body: bytes, **parameters: str) -> int:
    """Upload a file on a connection of its own; return the status."""
    with Rest(archive.url, archive.auth) as rest:
        try:
            return rest.upload(RESOURCE, name, body, **parameters).status_code
        except OSError:
            return 507  # the connection was closed before all was sent


def test_full_disk(small_disk: SmallDisk, new_database: Callable[[], str]) -> None:
    """A full disk takes no more files, and says so; what is there stays, can be read, and can be deleted."""
    root = small_disk(100) / "root"
    with running_archive(root, database=new_database()) as archive, Rest(archive.url, archive.auth) as rest:
        with Fill(archive.url, archive.auth) as fill:
            fill.session("P", "S", "E")
        bodies = {f"f{number}": os.urandom(8 * _MB) for number in range(8)}
        answers = {name: sent(archive, name, body) for name, body in bodies.items()}
        packed = sent(archive, "a.zip", zip_bytes({"z": bytes(40 * _MB)}), extract="true")
        kept = {name: bodies[name] for name, status in answers.items() if status == 200}
        assert ({200, 507}, 507, kept) == (set(answers.values()), packed, stored(rest))
        assert [200, 200] == [
            rest.put("/data/projects/P/subjects/S", {"group": "changed"}).status_code,
            rest.delete(f"{RESOURCE}/files/f0").status_code,
        ]
        # what is deleted goes for good a minute later, or with the next start
        archive.restart()
        assert 200 == sent(archive, "later", bodies["f0"])
        assert (0, f"checked {len(kept)} files: all is well") == checked(root)


def test_form_needs_no_other_disk(
    archive: RunningArchive, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in a form is kept on the archive's own disk while it comes in: the system's may be memory."""
    monkeypatch.setenv("TMPDIR", str(small_disk(2)))
    archive.restart()
    with Rest(archive.url, archive.auth) as rest:
        answer = rest.send("PUT", f"{RESOURCE}/files", files={"f": ("a", bytes(8 * _MB))})
        assert (200, [str(8 * _MB)]) == (
            answer.status_code,
            [row["Size"] for row in rest.files(RESOURCE).values()],
        )


def test_content_taken_away(archive: RunningArchive) -> None:
    """A file whose content somebody took away is a failure that says so, and not one that does not exist."""
    with Rest(archive.url, archive.auth) as rest:
        rest.upload(RESOURCE, "a.zip", zip_bytes({"x": b"x"})).raise_for_status()
        (blob,) = (path for path in (archive.root / "files").rglob("*") if path.is_file())
        rest.upload(RESOURCE, "b.txt", b"b").raise_for_status()
        blob.unlink()
        uris = (f"{RESOURCE}/files/a.zip", f"{RESOURCE}/files/a.zip!x", f"{RESOURCE}/files?format=zip")
        answers = [rest.get(uri) for uri in uris]
        other = rest.get(f"{RESOURCE}/files/b.txt")
    assert [(500, True)] * 3 == [(each.status_code, "gone from the disk" in each.text) for each in answers]
    assert (200, 1) == (other.status_code, checked(archive.root)[0])


# -- SIGKILL ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("begun", [1, 60, 199])
def test_killed_while_it_unpacks(archive: RunningArchive, begun: int) -> None:
    """SIGKILL while a zip is unpacked: none of its files is there, and nothing is left on the disk."""
    body = zip_bytes({f"f{number}": content(f"f{number}") for number in range(200)})
    url, parameters = f"{archive.url}{RESOURCE}/files/a.zip", {"extract": "true", "inbody": "true"}
    answers: list[int] = []

    def send() -> None:
        try:
            answer = requests.put(url, params=parameters, data=body, auth=archive.auth, timeout=_TIMEOUT_S)
            answers.append(answer.status_code)
        except requests.RequestException:
            answers.append(0)

    sender = threading.Thread(target=send)
    sender.start()
    while sum(path.is_file() for path in (archive.root / "files").rglob("*")) < begun and not answers:
        time.sleep(0.001)
    archive.kill()
    sender.join()
    archive.restart()
    folders = (archive.root / "files", archive.root / "incoming")
    left = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    with Rest(archive.url, archive.auth) as rest:
        found = len(stored(rest))
    # all of them are there if it was in time after all
    assert (True, len(left), 0) == (
        found in ({200} if answers == [200] else {0, 200}),
        found,
        checked(archive.root)[0],
    )


@pytest.mark.slow
def test_backup_killed(archive: RunningArchive, tmp_path: Path) -> None:
    """SIGKILL of a backup, again and again: the next one that is let be makes a whole copy."""
    target, chance = tmp_path / "copy", random.Random(0)
    with Fill(archive.url, archive.auth) as fill:
        session = fill.session("P", "S", "E")
        fill.files(session, "R", {f"f{number}": content(f"f{number}") for number in range(200)})
    for _ in range(5):
        process = command("backup", "--root", str(archive.root), str(target))
        time.sleep(chance.uniform(0.2, 2.0))
        process.kill()
        process.communicate()
    # whatever moment these were killed at, this one was killed while it copied the tables
    target.mkdir(exist_ok=True)
    (target / "archive.db.0123abcd").write_bytes(b"a part")
    process = command("backup", "--root", str(archive.root), str(target))
    output, _ = process.communicate(timeout=_TIMEOUT_S)
    left = [path.name for path in target.rglob("*") if path.suffix == ".part" or "archive.db." in path.name]
    assert (0, "has 200" in output) == (process.returncode, True), output
    assert ((0, "checked 200 files: all is well"), []) == (checked(target), left)


@pytest.mark.slow
def test_move_killed(tmp_path: Path, postgres: Postgres) -> None:
    """SIGKILL of a move to PostgreSQL: the archive is whole where it was, or where it was to go."""
    root, chance = tmp_path / "root", random.Random(0)
    with running_archive(root) as archive, Fill(archive.url, archive.auth) as fill:
        session = fill.session("P", "S", "E")
        fill.files(session, "R", {f"f{number}": content(f"f{number}") for number in range(20)})
    for _ in range(5):
        if not (root / "archive.db").exists():
            break
        process = command("move", "--root", str(root), CCI_ARCHIVE_DATABASE=postgres.new_database())
        time.sleep(chance.uniform(0.5, 2.5))
        process.kill()
        process.communicate()
        assert (0, "checked 20 files: all is well") == checked(root)
    archive.start()
    with Rest(archive.url, archive.auth) as rest:
        found = stored(rest)
    archive.stop()
    assert {f"f{number}": content(f"f{number}") for number in range(20)} == found
