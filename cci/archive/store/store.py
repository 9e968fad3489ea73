"""The store as one object: a folder with a database, a tree of contents and a lock. No item logic."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from cci.archive.limits import Limits
from cci.archive.store.blobs import Blobs
from cci.archive.store.turns import Turns
from cci.archive.store.whereabouts import open_database
from cci.errors import UsageError


class Store:
    """Everything that an archive keeps, below one folder.

    Parameters
    ----------
    root
        The folder; made if it does not exist.
    site
        Beginning of new accession ids.
    limits
        How large what comes in may be.
    database
        Address of a PostgreSQL database; see `whereabouts`.

    Raises
    ------
    UsageError
        Another process has this folder open, another version of the archive made it, or the database is not
        this folder's or cannot be opened.
    """

    def __init__(
        self, root: Path, site: str = "XNAT", limits: Limits | None = None, *, database: str = ""
    ) -> None:
        # what is below is about people: nobody else on this host gets in
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        self.root = root
        self.site = site
        self.limits = limits or Limits()
        self._lock = lock(root)
        try:
            self.database = open_database(root, database)
            self.blobs = Blobs(root, self.database)
            self.blobs.recover()
            self.turns = Turns(self.database)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Give everything back; the folder may be opened again. Closing twice is no error."""
        self.turns.close()
        self.database.close()
        self._lock.close()


def lock(root: Path) -> IO[bytes]:
    """Take a folder for as long as the handle that is returned is open.

    Raises
    ------
    UsageError
        Another process has it.
    """
    # the kernel frees it when the process dies, however it dies
    handle = (root / "lock").open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise UsageError(
            f"another process has the archive {root} open",
            hint="stop that server, or load through it over REST",
        ) from error
    return handle
