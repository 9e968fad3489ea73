"""A real PostgreSQL server as a process of its own, on a socket in a folder of its own, for tests.

::

    with running_postgres() as server:
        ledger = open_ledger(server.new_database())

The programs are those of the Debian package ``postgresql``; nothing of an installed server is touched.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

#: The server refuses to run as root; Debian's package makes this user.
UNPRIVILEGED = "postgres"
#: Where the data are kept if so many bytes are free: each of hundreds of new databases is a thousand files.
_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30
#: For tests: no test pulls the plug, so nothing need reach the disk.
_OPTIONS = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=60"


@dataclass(frozen=True)
class Postgres:
    """A running server; *folder* holds its data and its socket."""

    folder: Path

    def new_database(self) -> str:
        """Make an empty database and return its SQLAlchemy URL."""
        name = f"cci_{secrets.token_hex(6)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://{UNPRIVILEGED}@/{name}?host={self.folder}"

    def _address(self, database: str) -> str:
        return f"host={self.folder} user={UNPRIVILEGED} dbname={database}"


def find_programs() -> Path | None:
    """Return the folder with ``initdb`` and ``pg_ctl``, of the newest version; None if there is none."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3].zfill(3)
    )
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a fresh server until the block ends, and leave nothing behind.

    Raises
    ------
    FileNotFoundError
        If PostgreSQL is not installed.
    """
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    # pytest's own folders are closed to other users, and a socket's path may not be long
    folder = Path(tempfile.mkdtemp(prefix="cci-pg-", dir=_roomy_memory()))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        data, log = folder / "data", folder / "server.log"
        _run(programs / "initdb", "-D", data, "-U", UNPRIVILEGED, "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"{_OPTIONS} -c unix_socket_directories={folder}"
        _run(programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield Postgres(folder)
        finally:
            _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def execute(url: str, statement: str) -> None:
    """Do something to a database behind the archive's back."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _roomy_memory() -> Path | None:
    """Return a folder in memory if there is one with room enough."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None


def _run(program: Path, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs, as somebody who is not root."""
    user = pwd.getpwnam(UNPRIVILEGED).pw_name if os.getuid() == 0 else None
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd="/",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        # not a pipe: the server would keep it open
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} ended with {done.returncode}")
