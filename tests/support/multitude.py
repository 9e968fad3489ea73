"""Make an archive large: copy one session, with its scans, assessors and resources, as often as wanted.

It writes into the embedded archive's database while no server runs on it: through REST ten thousand sessions
would take most of an hour. Files themselves are not copied; listings only need what the tables say of them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

#: Keys of copies are this far apart; more than any test makes by other means.
STRIDE = 1_000_000
#: When copies were changed last: long ago, as most of a real archive was.
LONG_AGO = "2020-01-02 03:04:05.006"
_COUNT = "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "


def multiply(root: Path, session_id: str, copies: int, *, there: int = 0) -> None:
    """Add *copies* subjects with one session each, like the subject and session of *session_id*.

    Parameters
    ----------
    root
        Folder of an archive that does not run.
    there
        How many copies of this session were made before.
    """
    with closing(sqlite3.connect(root / "archive.db")) as database, database:
        found = database.execute(
            "SELECT pk, subject_pk FROM experiment WHERE id = ?", (session_id,)
        ).fetchone()
        session, subject = found
        assessors = f"SELECT pk FROM experiment WHERE session_pk = {session}"
        scans = f"SELECT pk FROM scan WHERE session_pk = {session}"
        copy = _Copier(database, there + 1, there + copies)
        copy.rows("subject", f"pk = {subject}", keys=("pk",), texts=("id", "label"))
        copy.rows("subject_place", f"subject_pk = {subject}", keys=("subject_pk",), texts=("label",))
        of_session = f"pk = {session} OR session_pk = {session}"
        copy.rows("experiment", of_session, keys=("pk", "subject_pk", "session_pk"), texts=("id", "label"))
        placed = f"experiment_pk = {session} OR experiment_pk IN ({assessors})"
        copy.rows("experiment_place", placed, keys=("experiment_pk",), texts=("label",))
        copy.rows("scan", f"session_pk = {session}", keys=("pk", "session_pk"), texts=())
        copy.rows("resource", f"scan_pk IN ({scans})", keys=("pk", "scan_pk"), texts=())
        copy.rows("resource", f"experiment_pk IN ({assessors})", keys=("pk", "experiment_pk"), texts=())


class _Copier:
    def __init__(self, database: sqlite3.Connection, first: int, last: int) -> None:
        self.database = database
        self.numbers = {"first": first, "last": last}

    def rows(self, table: str, where: str, *, keys: tuple[str, ...], texts: tuple[str, ...]) -> None:
        """Copy the rows of *table* that *where* names: keys are moved, texts gain the copy's number."""
        # hidden columns are computed by the database
        columns = [row[1] for row in self.database.execute(f"PRAGMA table_xinfo({table})") if row[6] == 0]
        values = [
            f'"{name}" + i * {STRIDE}'
            if name in keys
            else f"\"{name}\" || '_' || i"
            if name in texts
            else f'"{name}"'
            for name in columns
        ]
        if "pk" in columns and "pk" not in keys:
            values[columns.index("pk")] = "NULL"
        if "touched_at" in columns:
            values[columns.index("touched_at")] = f"'{LONG_AGO}'"
        names = ", ".join(f'"{name}"' for name in columns)
        copies = f'SELECT {", ".join(values)} FROM "{table}", n WHERE {where}'
        self.database.execute(f'{_COUNT} INSERT INTO "{table}" ({names}) {copies}', self.numbers)
