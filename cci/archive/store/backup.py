"""Copies a store while it is being served. The copy is a store itself: serving it is restoring it.

Its tables are in SQLite, wherever those of the store are.

Contents never change, and one that is given up stays for a minute. So: copy what the tables name, take a copy
of the tables, copy what they name in addition; if something was gone by then, do it again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from cci.archive import audit
from cci.archive.store.blobs import content_path
from cci.archive.store.database import Database
from cci.archive.store.moving import copy_tables
from cci.archive.store.schema import file
from cci.archive.store.sqlite import FILE, SqliteDatabase
from cci.archive.store.whereabouts import open_database, recall
from cci.errors import CciError, UsageError

_COPY = 1 << 20
_ROUNDS = 5


class BackupError(CciError):
    """The archive could not be copied."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a backup did: contents that it copied, their bytes, and contents in all."""

    copied: int = 0
    size: int = 0
    total: int = 0


def back_up(
    root: Path, target: Path, on_file: Callable[[int], None] = lambda _size: None, *, address: str = ""
) -> Copied:
    """Copy an archive into a folder; what an earlier backup left there is used again.

    Parameters
    ----------
    on_file
        Called with the size in bytes of every content that was copied.
    address
        Of the archive's PostgreSQL database, if it is another one than the folder remembers.

    Raises
    ------
    UsageError
        There is no archive in *root*, or *target* is the same or in use.
    BackupError
        A content is missing or is not what the tables say: `checking` tells more.
    """
    _refuse(root, target)
    source = open_database(root, address, prepare=False)
    (target / "files").mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    tables = target / f"archive.db.{secrets.token_hex(4)}"
    try:
        done = _copy_all(Source(root, source), target, tables, on_file)
        _settle(tables, target)
    finally:
        source.close()
        tables.unlink(missing_ok=True)
    for log in audit.files(root):
        shutil.copyfile(log, target / log.name)
    return done


def _refuse(root: Path, target: Path) -> None:
    if target.exists() and target.samefile(root):
        raise UsageError("an archive cannot be copied onto itself")
    if (target / "archive.db-wal").exists() or recall(target) is not None:
        raise UsageError(
            f"{target} looks like an archive that is being served", hint="copy into another folder"
        )


@dataclass(frozen=True)
class Source:
    """What is copied: the folder of an archive, and its tables."""

    root: Path
    database: Database


def _copy_all(source: Source, target: Path, tables: Path, on_file: Callable[[int], None]) -> Copied:
    copied, size = 0, 0
    # the first round is before the tables are copied: it takes long, and the second one is then short
    wanted = _named_by(source.database)
    for number in range(_ROUNDS):
        missing = []
        for name, (bytes_, md5) in wanted.items():
            if content_path(target, name).exists():
                continue
            if not _copy(content_path(source.root, name), content_path(target, name), md5):
                missing.append(name)
                continue
            copied, size = copied + 1, size + bytes_
            on_file(bytes_)
        if number and not missing:
            return Copied(copied=copied, size=size, total=len(wanted))
        _copy_tables(source, tables)
        wanted = _named_by_copy(tables)
    raise BackupError(f"{len(missing)} contents cannot be copied", hint="run: cci archive check")


def _named_by(database: Database) -> dict[str, tuple[int, str]]:
    with database.read() as connection:
        rows = connection.execute(select(file.c.blob, file.c.size, file.c.md5))
        return {row[0]: (row[1], row[2]) for row in rows}


def _named_by_copy(tables: Path) -> dict[str, tuple[int, str]]:
    database = SqliteDatabase(tables, prepare=False)
    try:
        return _named_by(database)
    finally:
        database.close()


def _copy(source: Path, target: Path, md5: str) -> bool:
    """Copy one content durably; False where it is gone or is not what it should be."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = target.with_name(f"{target.name}.part")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with source.open("rb") as stream, temporary.open("wb") as copy:
            while part := stream.read(_COPY):
                digest.update(part)
                copy.write(part)
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() == md5:
            temporary.rename(target)
            return True
    except FileNotFoundError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return False


def _copy_tables(source: Source, target: Path) -> None:
    target.unlink(missing_ok=True)
    if isinstance(source.database, SqliteDatabase):
        # SQLite's own way to copy a database that others write to: one consistent state
        with closing(sqlite3.connect(source.root / FILE)) as there, closing(sqlite3.connect(target)) as here:
            there.backup(here)
        return
    copy = SqliteDatabase(target)
    try:
        with source.database.read() as reader, copy.write() as writer:
            copy_tables(reader, writer)
    finally:
        copy.close()


def _settle(tables: Path, target: Path) -> None:
    wanted = set(_named_by_copy(tables))
    for folder in (path for path in (target / "files").iterdir() if path.is_dir()):
        for path in folder.iterdir():
            if path.name not in wanted:
                path.unlink()
    # of the older copy, and of backups that were killed
    for path in (*target.glob(f"{FILE}-*"), *target.glob(f"{FILE}.????????*")):
        if path != tables:
            path.unlink()
    tables.rename(target / FILE)
