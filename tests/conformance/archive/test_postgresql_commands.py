"""The archive's commands where its tables are in a real PostgreSQL: check, backup, and the move there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.archive import running_archive
from support.fill import Fill
from support.postgres import execute
from support.rest import Rest

from cci.archive.cli import archive as command
from cci.archive.store import moving
from cci.archive.store.backup import back_up
from cci.archive.store.store import Store
from cci.errors import UsageError

SESSION = "/data/projects/P/subjects/S/experiments/E"
LISTS = (
    "/data/projects?format=csv",
    "/data/projects/P/subjects?format=csv",
    "/data/experiments?format=csv&columns=ID,date,xnat:imageScanData/type",
    f"{SESSION}/scans?format=csv",
    f"{SESSION}/scans/1/resources/R/files?format=csv",
    f"{SESSION}?format=json",
)


@pytest.fixture
def served(tmp_path: Path, url: str) -> Iterator[Path]:
    """The folder of an archive with one file, which is being served."""
    with running_archive(tmp_path / "archive", database=url) as running:
        with Fill(running.url, running.auth) as fill:
            fill.files(fill.session("P", "S", "E"), "R", {"a.txt": b"content"})
        yield running.root


def test_check(served: Path, url: str) -> None:
    """The check works as on SQLite, while the archive is served."""
    well = CliRunner().invoke(command, ["check", "--root", str(served)])
    execute(url, "UPDATE resource SET file_count = 7")
    next(path for path in (served / "files").rglob("*") if path.is_file()).write_bytes(b"damaged")
    ill = CliRunner().invoke(command, ["check", "--root", str(served)])
    assert (0, "checked 1 files: all is well\n") == (well.exit_code, well.stdout)
    assert (1, True, True) == (
        ill.exit_code,
        "says 7 files" in ill.stdout,
        re.search("damaged|MD5", ill.stdout) is not None,
    )


def test_check_finds_dangling_rows(served: Path, url: str) -> None:
    """A row that refers to nothing, as a dump that was read in without its constraints may have, is told."""
    execute(url, "SET session_replication_role = replica; DELETE FROM resource")
    answer = CliRunner().invoke(command, ["check", "--root", str(served)])
    assert (1, True) == (
        answer.exit_code,
        "table file: 1 rows refer to rows of resource that are gone" in answer.stdout,
    )


def test_backup(served: Path, tmp_path: Path) -> None:
    """The copy of an archive that is served is an archive with its tables in SQLite, and is in order."""
    target = tmp_path / "copy"
    done = CliRunner().invoke(command, ["backup", "--root", str(served), str(target)])
    checked = CliRunner().invoke(command, ["check", "--root", str(target)])
    # the copy has the same accounts; where their first password lies is not part of it
    (target / "admin.password").write_text((served / "admin.password").read_text())
    with running_archive(target) as copy, Rest(copy.url, copy.auth) as rest:
        content = rest.get(f"{SESSION}/resources/R/files/a.txt").content
        again = CliRunner().invoke(command, ["backup", "--root", str(served), str(tmp_path / "other")])
    assert (0, "checked 1 files: all is well\n", b"content", 0) == (
        done.exit_code,
        checked.stdout,
        content,
        again.exit_code,
    )


def test_backup_into_an_archive(store: Store, tmp_path: Path) -> None:
    """A folder that is an archive with a database of its own is not written over."""
    Store(tmp_path / "other").close()
    with pytest.raises(UsageError, match="looks like an archive"):
        back_up(tmp_path / "other", store.root)


def test_move(tmp_path: Path, url: str) -> None:
    """An archive is moved from SQLite with all that it holds, and gives out no number twice."""
    root = tmp_path / "archive"
    with running_archive(root) as running:
        with Fill(running.url, running.auth) as fill:
            session = fill.session("P", "S", "E", date="2026-01-02")
            fill.files(fill.scan(session, "1"), "R", {"a.txt": b"content"})
            fill.files(fill.assessor(session, "A"), "GONE", {"b.txt": b"gone"})
        with Rest(running.url, running.auth) as rest:
            rest.delete(f"{SESSION}/assessors/A")
            before = [rest.get(uri).content for uri in LISTS]
    moved = CliRunner().invoke(command, ["move", "--root", str(root), "--database", url])
    checked = CliRunner().invoke(command, ["check", "--root", str(root)])
    with running_archive(root) as running, Rest(running.url, running.auth) as rest:
        after = [rest.get(uri).content for uri in LISTS]
        rest.upload(f"{SESSION}/resources/NEW", "c.txt", b"new")
        (new,) = rest.rows(f"{SESSION}/resources")
        label = rest.put("/data/projects/P/subjects/T").text
    assert (0, "checked 1 files: all is well\n") == (moved.exit_code, checked.stdout)
    assert before == after
    assert ("3", "XNAT_S00002") == (new["xnat_abstractresource_id"], label.rpartition("/")[2])
    assert (True, False) == ((root / moving.LEFT).exists(), (root / "archive.db").exists())


def test_moved_once(store: Store, tmp_path: Path, url: str) -> None:
    """What has no tables in SQLite cannot be moved, and nothing is moved into a database with tables."""
    with pytest.raises(UsageError, match="no archive with its tables in SQLite"):
        moving.move(store.root, url)
    Store(tmp_path / "other").close()
    store.close()
    with pytest.raises(UsageError, match="belongs to an archive in another folder"):
        moving.move(tmp_path / "other", url)
    again = Store(tmp_path / "other")
    again.close()
