"""Open the ledger's database: migrated to the present form, and locked the way several processes need.

SQLite runs in WAL mode with immediate write transactions; on a network file system, where WAL corrupts, it
is refused (https://www.sqlite.org/wal.html, "All processes using a database must be on the same host").
"""

from __future__ import annotations

import os
import re
import sqlite3
from glob import escape
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from tenacity import retry, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random

from cci.errors import SettingsError

#: File systems on which several hosts may see one file, or which keep no locks.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "lustre",
        "gpfs",
        "beegfs",
        "fhgfs",
        "ceph",
        "panfs",
        "pvfs2",
        "orangefs",
        "wekafs",
        "9p",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.ceph-fuse",
        "fuse.juicefs",
        "fuse.s3fs",
        "fuse.rclone",
    }
)
MOUNTS = Path("/proc/mounts")
MIGRATIONS = Path(__file__).parent / "migrations"
#: The last of the migrations.
NEWEST = "0002"
BUSY_TIMEOUT_S = 60


def open_engine(url: str) -> Engine:
    """Connect to *url* and bring its tables up to date.

    Raises
    ------
    SettingsError
        If the database cannot be opened, or is SQLite on a network file system.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise SettingsError("cannot open the ledger: it is not an address", hint=_HINT) from error
    try:
        return _opened(parsed)
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"cannot open the ledger {parsed.render_as_string()}: {reason}") from error


_HINT = "write sqlite:////PATH/ledger.db or postgresql://USER@HOST/DATABASE"


def _opened(url: URL) -> Engine:
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _server(url)
    try:
        _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _server(url: URL) -> Engine:
    if url.drivername == "postgresql":
        # the driver that cci declares; SQLAlchemy's own choice is another
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(url, pool_pre_ping=True)


def prepare_sqlite(path: Path) -> None:
    """Make the folder, private to the user, and refuse a network file system."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep_private(path)
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise SettingsError(
            f"the ledger {path} would lie on a network file system ({kind}), where SQLite loses data",
            hint="set 'ledger' to a path on a local disk, or to a PostgreSQL address",
        )


def _keep_private(path: Path) -> None:
    """Take the ledger from others' eyes, also one that was made before this was seen to."""
    for file in path.parent.glob(f"{escape(path.name)}*"):
        if file.is_file() and file.stat().st_uid == os.geteuid():
            file.chmod(0o600)


def file_system_of(path: Path) -> str:
    """Return the type of the file system that *path* lies on, as ``/proc/mounts`` names it; '' if unknown."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    mounts = [(_unescaped(fields[1]), fields[2]) for fields in map(str.split, lines)]
    around = [(place, kind) for place, kind in mounts if path.resolve().is_relative_to(place)]
    # of several mounts on one place the last one is on top, as below an automounter
    return max(reversed(around), key=lambda mount: len(mount[0]), default=("", ""))[1]


def _unescaped(place: str) -> str:
    """Resolve the octal escapes of proc(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)


@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    stop=stop_after_delay(BUSY_TIMEOUT_S),
    wait=wait_random(0, 0.1),
    reraise=True,
)
def _write_ahead(cursor: sqlite3.Cursor) -> None:
    # where several processes open a new ledger at once, SQLite refuses all but one: the busy timeout does not
    # hold for a change of the journal's mode
    cursor.execute("PRAGMA journal_mode = WAL")


def _sqlite(url: URL) -> Engine:
    if url.database not in {None, "", ":memory:"}:
        prepare_sqlite(Path(str(url.database)))
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        _write_ahead(cursor)
        # FULL: an intent must be on the disk before the job it announces is submitted
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # immediate: two writers queue here instead of failing later, when one upgrades its lock
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _migrate(engine: Engine) -> None:
    """Run the Alembic migrations that this database has not had."""
    with engine.connect().execution_options(reading=True) as connection:
        due = _revision(connection) != NEWEST
    if due:
        with engine.begin() as connection:
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """Return which migration the database has had last; asked without Alembic, which is slow to load."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if connection.dialect.name == "postgresql":
        # two daemons that start together migrate one after the other
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(2205130365)")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
