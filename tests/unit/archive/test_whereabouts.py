"""Which database a root's tables are in: decided by the address given, what the root remembers, its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from cci.archive.cli import archive
from cci.archive.store.postgresql import without_secrets
from cci.archive.store.whereabouts import MEMORY, Memory, choose, has_password, open_database, recall
from cci.errors import UsageError

ROOT = Path("root")
A, B = "postgresql://u@h/a", "postgresql://u@h/b"
MEMORY_OF_A = Memory(id="1", address=A)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("address", "memory", "has_file", "chosen"),
    [
        ("", None, False, None),
        ("", None, True, None),
        (A, None, False, A),
        ("", MEMORY_OF_A, False, A),
        # the database itself says whether it is the right one: it may have moved
        (B, MEMORY_OF_A, False, B),
        ("postgres://u@h/a", None, False, "postgres://u@h/a"),
        ("postgresql+psycopg://u@h/a", None, False, "postgresql+psycopg://u@h/a"),
    ],
)
def test_choice(address: str, memory: Memory | None, has_file: bool, chosen: str | None) -> None:
    """An address that is given comes first, then the one that is remembered, then SQLite."""
    expected = None if chosen is None else make_url(chosen)
    assert expected == choose(ROOT, address, memory, has_file=has_file)


def test_sqlite_stays_sqlite() -> None:
    """A root with its tables in SQLite is not served on another database; the password is not told."""
    with pytest.raises(UsageError, match=r"keeps its tables in archive.db, not in postgresql://u@h/a$"):
        choose(ROOT, "postgresql://u:secret@h/a", None, has_file=True)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sqlite:////x.db", "of the kind sqlite"),
        ("mysql://u@h/a", "of the kind mysql"),
        ("u:secret@h", "not an address"),
        ("postgresql://u:secret@h:port/a", "not an address"),
    ],
)
def test_bad_address(address: str, words: str) -> None:
    """What is no address of PostgreSQL is refused, without repeating a password."""
    with pytest.raises(UsageError, match=words) as refused:
        choose(ROOT, address, None, has_file=False)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown", "secret"),
    [
        (A, A, False),
        ("postgresql+psycopg://u:p@h:5433/a", "postgresql://u@h:5433/a", True),
        ("postgresql://u@/a?host=/run&password=p", "postgresql://u@/a?host=%2Frun", True),
        ("postgresql://h/a?sslpassword=p&sslmode=require", "postgresql://h/a?sslmode=require", True),
        ("postgresql://h/a?passfile=/x", "postgresql://h/a?passfile=%2Fx", False),
    ],
)
def test_secrets(address: str, shown: str, secret: bool) -> None:
    """Passwords are found wherever an address may have one, and are left out where it is shown or kept."""
    assert (shown, secret) == (
        without_secrets(make_url(address)).render_as_string(hide_password=False),
        has_password(address),
    )


def test_password_on_the_command_line(tmp_path: Path) -> None:
    """A password that everybody on the host could read is refused, and nothing is made."""
    root = tmp_path / "archive"
    options = ["serve", "--root", str(root), "--database", "postgresql://u:secret@h/a"]
    answer = CliRunner().invoke(archive, options)
    assert isinstance(answer.exception, UsageError)
    assert ("a password in --database can be read by everybody on this host", False) == (
        answer.exception.message,
        root.exists(),
    )


def test_unreachable(tmp_path: Path) -> None:
    """A database that does not answer is told by its address; the folder does not remember it."""
    with pytest.raises(
        UsageError, match=r"cannot open the database postgresql://u@localhost:1/a: "
    ) as refused:
        open_database(tmp_path, "postgresql://u:secret@localhost:1/a")
    assert ([], False) == (names(tmp_path), "secret" in str(refused.value))


def test_look_only(tmp_path: Path) -> None:
    """Who only looks makes no archive."""
    with pytest.raises(UsageError, match="no archive"):
        open_database(tmp_path, A, prepare=False)
    assert [] == names(tmp_path)


def test_damaged_memory(tmp_path: Path) -> None:
    """A memory that cannot be read is told; the folder is not taken for one with SQLite."""
    (tmp_path / MEMORY).write_text('{"id": "1"')
    with pytest.raises(UsageError, match=r"database.json cannot be read"):
        open_database(tmp_path)
    assert (None, [MEMORY]) == (recall(tmp_path / "other"), names(tmp_path))
