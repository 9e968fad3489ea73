"""`cci archive check` finds what is wrong on disk; `cci archive backup` makes an archive of an archive."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cci.archive.cli import archive
from cci.archive.store.backup import BackupError, back_up
from cci.archive.store.checking import check
from cci.archive.store.store import Store
from cci.errors import UsageError

RESOURCE = "projects/P/subjects/S/experiments/E/scans/1/resources/DICOM"


@pytest.fixture
def root(filled: Any) -> Path:
    """The folder of an archive that is open meanwhile."""
    found: Path = filled.store.root
    return found


def contents(root: Path) -> list[Path]:
    return sorted(path for path in (root / "files").rglob("*") if path.is_file())


def problems(root: Path) -> list[str]:
    return [f"{each.where}: {each.what}" for each in check(root)]


def execute(root: Path, statement: str) -> None:
    connection = sqlite3.connect(root / "archive.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_all_is_well(root: Path) -> None:
    """An archive that is in order has no problems, also while it is open."""
    assert [] == problems(root)


@pytest.mark.parametrize(
    ("change", "word"), [(b"CONTENT", "MD5"), (b"cont", "4 bytes"), (None, "cannot be read")]
)
def test_content(root: Path, change: bytes | None, word: str) -> None:
    """Other bytes, fewer bytes and no file at all are told with the file's address."""
    path = contents(root)[0]
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change)
    (found,) = problems(root)
    assert (True, True, True) == (
        found.startswith("/data/resources/"),
        "/files/a.txt" in found,
        word in found,
    )


def test_counts(root: Path) -> None:
    """A resource that counts its files wrongly is told."""
    execute(root, "UPDATE resource SET file_count = 7 WHERE label = 'DICOM'")
    (found,) = problems(root)
    assert "(DICOM): says 7 files of 7 bytes and has 1 of 7" in found


def test_stray(root: Path) -> None:
    """A content that no file has is told."""
    stray = contents(root)[0].with_name("stray")
    stray.write_bytes(b"x")
    assert [f"{stray}: belongs to no file of the archive"] == problems(root)


def test_dangling_row(root: Path) -> None:
    """A row that refers to nothing is told."""
    execute(root, "DELETE FROM resource WHERE label = 'NIFTI'")
    assert any("table file" in each and "resource that is gone" in each for each in problems(root))


def test_no_archive(tmp_path: Path) -> None:
    """A folder without an archive is refused, and none is made there."""
    with pytest.raises(UsageError, match="no archive"):
        list(check(tmp_path))
    assert [] == list(tmp_path.iterdir())


def test_command(root: Path) -> None:
    """The command ends with 1 if something is wrong, and says what."""
    well = CliRunner().invoke(archive, ["check", "--root", str(root)])
    contents(root)[0].unlink()
    ill = CliRunner().invoke(archive, ["check", "--root", str(root)])
    assert (0, "checked 2 files: all is well\n") == (well.exit_code, well.stdout)
    assert (1, True) == (ill.exit_code, ill.stdout.endswith("checked 2 files: 1 problems\n"))


def test_backup_is_an_archive(filled: Any, root: Path, tmp_path: Path) -> None:
    """The copy of an open archive can be opened, has its items and contents, and is in order."""
    target = tmp_path / "copy"
    done = back_up(root, target)
    assert (2, 14, 2, []) == (done.copied, done.size, done.total, problems(target))
    copy = Store(target)
    try:
        answer = type(filled)(copy, filled.user).get(f"{RESOURCE}/files/a.txt")
    finally:
        copy.close()
    assert (b"content", 0o700) == (answer.body, target.stat().st_mode & 0o777)


def test_backup_again(filled: Any, root: Path, tmp_path: Path) -> None:
    """A second backup copies what is new and drops what is gone."""
    target = tmp_path / "copy"
    back_up(root, target)
    filled.upload(f"{RESOURCE}/files/new", b"new")
    filled.send("DELETE", f"{RESOURCE}/files/a.txt", [])
    done = back_up(root, target)
    assert (1, 2, 2, []) == (done.copied, done.total, len(contents(target)), problems(target))


def test_backup_refuses_damage(root: Path, tmp_path: Path) -> None:
    """A content that is not what it should be is not copied, and the older copy stays as it is."""
    target = tmp_path / "copy"
    back_up(root, target)
    contents(target)[0].unlink()
    contents(root)[0].write_bytes(b"damaged")
    before = (target / "archive.db").read_bytes()
    with pytest.raises(BackupError, match="1 contents cannot be copied"):
        back_up(root, target)
    assert before == (target / "archive.db").read_bytes()


def test_backup_onto_itself(root: Path) -> None:
    """An archive is not copied onto itself."""
    with pytest.raises(UsageError, match="itself"):
        back_up(root, root)


def test_backup_command(root: Path, tmp_path: Path) -> None:
    """The command says what it copied."""
    answer = CliRunner().invoke(archive, ["backup", "--root", str(root), str(tmp_path / "copy")])
    assert (0, f"copied 2 files of 14 bytes; {tmp_path / 'copy'} has 2\n") == (
        answer.exit_code,
        answer.stdout,
    )
