"""File contents on disk: written once under a made-up name, never changed. It knows no resources.

Every name is in the table ``loose`` before anything is written under it; triggers take it out when a row of
``file`` gets it, and put it back when the row goes. So after a crash whatever lies under a loose name is
rubbish, and nothing else is.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from sqlalchemy import delete, insert, select

from cci.archive.errors import Broken, NoRoom
from cci.archive.store.database import Database
from cci.archive.store.dialects import Epoch
from cci.archive.store.schema import loose

_RESERVE = 256
#: Uploads leave so many bytes of the disk free: without room for the tables nothing could even be deleted.
_ROOM = 64 << 20
#: A statement takes so many values and not many more.
_PART = 10_000
#: A download that looked its file up just before it was replaced must still find it.
_GRACE_S = 60.0
#: So often at most is looked for what was given up.
_COLLECT_S = 10.0
#: So many are removed at once: whoever asks for it, waits for it.
_COLLECT = 1000


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Content that is safely on disk and waits for a row. *md5* is lower-case hex."""

    name: str
    size: int
    md5: str


def content_path(root: Path, name: str) -> Path:
    """Where the content of this name lies below an archive's folder."""
    return root / "files" / name[:2] / name


class Writer:
    """A content being written; size and MD5 are counted on the way. `finish` makes it durable.

    Leaving the ``with`` block without `finish` leaves nothing behind.
    """

    def __init__(self, temporary: Path, target: Path) -> None:
        self._temporary = temporary
        self._target = target
        # no buffer: what comes is large, or all there is
        self._stream: IO[bytes] | None = temporary.open("xb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0

    def write(self, data: bytes) -> int:
        """Append *data*; see `append`."""
        self.count(data)
        return self.append(data)

    def count(self, data: bytes) -> None:
        """Reckon with *data* in size and MD5; another thread may `append` it meanwhile."""
        self._md5.update(data)
        self._size += len(data)

    def append(self, data: bytes) -> int:
        """Write *data* without reckoning with it.

        Raises
        ------
        NoRoom
            The disk is full.
        """
        assert self._stream is not None
        _check_room(self._stream.fileno(), len(data))
        return _write_all(self._stream.write, data)

    def finish(self) -> Blob:
        """Bring the content to disk and to its place."""
        assert self._stream is not None
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._stream = None
        _place(self._target, self._temporary.rename)
        return Blob(name=self._target.name, size=self._size, md5=self._md5.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._stream is not None:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)


def _check_room(handle: int, size: int) -> None:
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < _ROOM + size:
        raise NoRoom


def _write_all(write: Callable[[bytes | memoryview], int], data: bytes) -> int:
    written = write(data)
    while written < len(data):
        written += write(memoryview(data)[written:])
    return written


def _write_durably(target: Path, content: bytes) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _check_room(handle, len(content))
        _write_all(partial(os.write, handle), content)
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(target: Path, bring: Callable[[Path], object]) -> None:
    """Bring a content to its place for good."""
    try:
        bring(target)
    except FileNotFoundError:
        # the first content of its folder
        target.parent.mkdir(exist_ok=True)
        _fsync_folder(target.parent.parent)
        bring(target)
    _fsync_folder(target.parent)


class Blobs:
    """The tree of file contents below ``<root>/files``.

    Parameters
    ----------
    root
        The archive's folder.
    database
        Where loose names are kept.
    """

    def __init__(self, root: Path, database: Database) -> None:
        self._root = root
        self._files = root / "files"
        self._incoming = root / "incoming"
        self._database = database
        self._lock = threading.Lock()
        self._reserved: list[str] = []
        self._collect_at = 0.0
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._files.mkdir(exist_ok=True)

    def recover(self) -> int:
        """Remove what a crash left behind, and return how many files that were. Call once, before serving."""
        left = [path for path in self._incoming.iterdir() if path.is_file()]
        with self._database.write() as connection:
            names = connection.execute(select(loose.c.blob)).scalars().all()
            left += [path for name in names if (path := self.path(name)).exists()]
            for path in left:
                path.unlink()
            connection.execute(delete(loose))
        return len(left)

    def path(self, name: str) -> Path:
        """Where the content of this name lies."""
        return content_path(self._root, name)

    def stored(self, name: str) -> Path:
        """Return where a content lies that a row names.

        Raises
        ------
        Broken
            Somebody has taken it away.
        """
        path = self.path(name)
        if not path.exists():
            raise Broken("the content of this file is gone from the disk; cci archive check tells which are")
        return path

    def create(self) -> Writer:
        """Begin a new content."""
        name = self._take_name()
        return Writer(self._incoming / name, self.path(name))

    def keep(self, content: bytes) -> Blob:
        """Bring a content to disk that is all there: a `Writer` in one step, and without a temporary name.

        Nobody looks for it before a row has its name, and what a crash cuts off is found by its name.

        Raises
        ------
        NoRoom
            The disk is full.
        """
        name = self._take_name()
        target = self.path(name)
        try:
            _place(target, partial(_write_durably, content=content))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return Blob(name=name, size=len(content), md5=hashlib.md5(content, usedforsecurity=False).hexdigest())

    def release(self, names: Collection[str]) -> None:
        """Remove those of these contents that no row has got, and what was given up a while ago."""
        each = list(names)
        for begin in range(0, len(each), _PART):
            unused = select(loose.c.blob).where(loose.c.blob.in_(each[begin : begin + _PART]))
            with self._database.read() as connection:
                found = connection.execute(unused).scalars().all()
            self._remove(list(found))
        self.collect()

    def collect(self) -> None:
        """Remove contents that were given up a while ago, if nobody has looked for them just now."""
        now = time.monotonic()
        if now < self._collect_at:
            return
        # by the database's clock, which said since when
        due = select(loose.c.blob).where(loose.c.since < Epoch() - _GRACE_S).limit(_COLLECT)
        with self._database.read() as connection:
            names = connection.execute(due).scalars().all()
        if len(names) < _COLLECT:
            self._collect_at = now + _COLLECT_S
        self._remove(list(names))

    def _remove(self, names: list[str]) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)
        if names:
            with self._database.write() as connection:
                connection.execute(delete(loose).where(loose.c.blob.in_(names)))

    def _take_name(self) -> str:
        with self._lock:
            if not self._reserved:
                self._reserved = self._reserve()
            return self._reserved.pop()

    def _reserve(self) -> list[str]:
        # many at a time: one durable commit for each upload is enough; and alike, so that those that come
        # one after the other share a folder and the pages of an index
        beginning = secrets.token_hex(4)
        names = [beginning + secrets.token_hex(12) for _ in range(_RESERVE)]
        with self._database.write() as connection:
            connection.execute(insert(loose), [{"blob": name} for name in names])
        return names


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
