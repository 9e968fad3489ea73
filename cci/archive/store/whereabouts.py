"""Which database the tables of a root are in: its own SQLite file, or a PostgreSQL that it remembers.

``database.json`` in the root names the archive and the address of its database, without passwords. The
database names the archive too: so neither is ever used with another one's files.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cci.archive.store import sqlite
from cci.archive.store.database import Database
from cci.archive.store.postgresql import PostgresDatabase, without_secrets
from cci.archive.store.sqlite import SqliteDatabase
from cci.errors import UsageError

MEMORY = "database.json"
_SCHEMES = frozenset({"postgresql", "postgresql+psycopg", "postgres"})
_HINT = "write postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a root knows of its PostgreSQL database: which archive the two are, and where it was last."""

    id: str
    address: str


def open_database(root: Path, address: str = "", *, prepare: bool = True) -> Database:
    """Open the database of a root.

    Parameters
    ----------
    address
        Of a PostgreSQL database. Empty: the one that the root remembers, or else its SQLite file.
    prepare
        False to look only, while a server may work on it: nothing is made.

    Raises
    ------
    UsageError
        There is none, it cannot be opened, or it is not this root's.
    """
    memory = recall(root)
    chosen = choose(root, address, memory, has_file=(root / sqlite.FILE).exists())
    if chosen is None:
        return SqliteDatabase(root / sqlite.FILE, prepare=prepare)
    if memory is None and not prepare:
        raise UsageError(f"there is no archive in {root}")
    return _postgres(root, chosen, memory, prepare=prepare)


def choose(root: Path, address: str, memory: Memory | None, *, has_file: bool) -> URL | None:
    """Return the address of a root's PostgreSQL database; None where it is SQLite.

    Raises
    ------
    UsageError
        The address is none of PostgreSQL, or the root's tables are in SQLite.
    """
    url = parsed(address) if address else None
    if memory is not None:
        return url or make_url(memory.address)
    if url is not None and has_file:
        raise UsageError(
            f"the archive in {root} keeps its tables in {sqlite.FILE}, not in {_shown(url)}",
            hint="leave --database out, or begin another --root",
        )
    return url


def parsed(address: str) -> URL:
    """Return the address of a PostgreSQL database.

    Raises
    ------
    UsageError
        It is none.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        # not the text itself: it may have a password in it
        raise UsageError("--database is not an address", hint=_HINT) from error
    if url.drivername not in _SCHEMES:
        raise UsageError(f"--database cannot be of the kind {url.drivername}", hint=_HINT)
    return url


def has_password(address: str) -> bool:
    """Whether an address has a password in it, so that it must not be shown.

    Raises
    ------
    UsageError
        It is none of PostgreSQL.
    """
    url = parsed(address)
    return url.password is not None or not set(url.query) <= set(without_secrets(url).query)


def _shown(url: URL) -> str:
    return without_secrets(url).render_as_string()


def _postgres(root: Path, url: URL, memory: Memory | None, *, prepare: bool) -> Database:
    shown = _shown(url)
    # a start that ended between the two is made good: same address, and no file came in yet
    new = memory is None or (memory.address == shown and not any((root / "files").glob("*/*")))
    present = Memory(id=memory.id if memory is not None else str(uuid.uuid4()), address=shown)
    if memory is None:
        keep(root, present)
    try:
        database = PostgresDatabase(url, present.id, new=new, prepare=prepare)
    except BaseException:
        if memory is None:
            (root / MEMORY).unlink()
        raise
    if prepare and present != memory:
        keep(root, present)
    return database


def recall(root: Path) -> Memory | None:
    """Return what a root knows of its PostgreSQL database; None where it has none.

    Raises
    ------
    UsageError
        It cannot be read.
    """
    try:
        return Memory(**json.loads((root / MEMORY).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(f"{root / MEMORY} cannot be read: {error}") from error


def keep(root: Path, memory: Memory) -> None:
    """Let a root know its PostgreSQL database."""
    temporary = root / f"{MEMORY}.new"
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(asdict(memory), stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(root / MEMORY)
