"""Zip and tar, in and out. It knows streams and names; not where anything is stored."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cci.archive.errors import BadRequest, TooLarge
from cci.archive.limits import Limits
from cci.archive.values import safe_path

_COPY = 1 << 20
#: What a tar may say about one member, and a zip about one entry on average, in bytes.
_MAX_HEADER = 1 << 24
_ENTRY = 320
_ENTRY_MARK = b"PK\x01\x02"
#: What a damaged archive raises; RuntimeError is an encrypted one.
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, ValueError, struct.error),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file to be packed: its name in the archive, its size in bytes, where it lies."""

    name: str
    size: int
    path: Path


def is_archive(name: str) -> bool:
    """Whether a file of this name can be unpacked."""
    return name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def unpack(path: Path, name: str, limits: Limits) -> Iterator[tuple[str, Content]]:
    """Yield (relative path, stream) of every file in an archive; each stream is read before the next.

    Raises
    ------
    BadRequest
        It is no archive, is damaged, has links or devices, or names that leave the folder.
    TooLarge
        It unfolds to more than the limits allow. The streams raise this too.
    """
    members = _unzip(path, limits) if name.lower().endswith(".zip") else _untar(path, limits)
    left = limits.unpacked(path.stat().st_size)
    try:
        for number, (inside, stream) in enumerate(members):
            if number >= limits.members:
                raise TooLarge(f"{name} has more than {limits.members} files in it")
            counted = Content(stream, left, name)
            yield inside, counted
            left = counted.left
    except _DAMAGED as error:
        raise BadRequest(f"{name} cannot be unpacked: {error}") from error


def _unzip(path: Path, limits: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    with open_zip(path, limits) as archive:
        for info in archive.infolist():
            # the upper half holds the Unix mode: links are refused, not followed
            if (info.external_attr >> 16) & 0o170000 == 0o120000:
                raise BadRequest(f"{info.filename!r} is a link")
            if not info.is_dir():
                with archive.open(info) as stream:
                    yield safe_path(info.filename.removeprefix("./")), stream


class Content:
    """What is in one file of an archive; reading more than *left* bytes is an error."""

    def __init__(self, stream: IO[bytes], left: int, name: str) -> None:
        self._stream = stream
        self._name = name
        self.left = left

    def read(self, size: int = -1) -> bytes:
        """Read up to *size* bytes.

        Raises
        ------
        BadRequest
            The archive is damaged here.
        TooLarge
            This is more than the archive may unfold to.
        """
        try:
            part = self._stream.read(size)
        except _DAMAGED as error:
            raise BadRequest(f"{self._name} cannot be unpacked: {error}") from error
        self.left -= len(part)
        if self.left < 0:
            raise TooLarge(f"{self._name} unfolds to more than this archive takes")
        return part


class _Source(io.BufferedIOBase):
    """An archive's own bytes, of which not more is read at once than is fit to be kept in memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


class _ZipSource(_Source):
    """A file for `zipfile`, which begins by reading the whole directory, and keeps all of it."""

    def __init__(self, stream: IO[bytes], limits: Limits) -> None:
        super().__init__(stream)
        self._limits = limits
        self.opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.opening:
            return self._stream.read(-1 if size is None else size)
        most = self._limits.members * _ENTRY
        data = self._stream.read(most + 1 if size is None or size < 0 else min(size, most + 1))
        if len(data) > most or data.count(_ENTRY_MARK) > self._limits.members:
            raise TooLarge(f"the zip has more than {self._limits.members} files in it")
        return data


@contextmanager
def open_zip(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Lend a zip, opened for reading.

    Raises
    ------
    TooLarge
        Its directory is larger than that of so many files as the limits allow.
    """
    with path.open("rb") as raw:
        source = _ZipSource(raw, limits)
        with zipfile.ZipFile(cast("IO[bytes]", source)) as archive:
            source.opening = False
            yield archive


class _TarSource(_Source):
    """A file for `tarfile`, which reads headers of any announced length into memory: not from here."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._left = _MAX_HEADER

    def allow(self, size: int) -> None:
        """Let no more than so many bytes be read from now on."""
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > self._left:
            raise tarfile.ReadError("it has a header of more than 16 MB")
        self._left -= size
        return self._stream.read(size)


def _untar(path: Path, limits: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        source = _TarSource(cast("IO[bytes]", stream))
        with tarfile.open(fileobj=source, mode="r:") as archive:
            for info in _members(archive, source, limits):
                with closing(_content(archive, info)) as content:
                    yield safe_path(info.name.removeprefix("./")), content


def _members(archive: tarfile.TarFile, source: _TarSource, limits: Limits) -> Iterator[tarfile.TarInfo]:
    """Yield the members but folders; these count, too: a bomb can be made of nothing else."""
    number = 0
    while (info := archive.next()) is not None:
        number += 1
        if number > limits.members:
            raise TooLarge(f"the tar has more than {limits.members} files and folders in it")
        # what it would keep until the end
        archive.members.clear()  # type: ignore[attr-defined]  # of the library's inner life
        archive.pax_headers = {}
        if not info.isdir():
            source.allow(info.size)
            yield info
        source.allow(_MAX_HEADER)


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info) if info.isfile() else None
    if stream is None:
        raise BadRequest(f"{info.name!r} is neither a file nor a folder")
    return stream


class _Pipe(io.RawIOBase):
    """Collects what is written, for a generator to pass on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        part = bytes(data)  # type: ignore[call-overload]  # any buffer
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def pack(form: str, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Pack files, piece by piece: *form* is ``zip``, ``tar`` or ``tar.gz``."""
    return _zip(entries) if form == "zip" else _tar(entries, "w|gz" if form == "tar.gz" else "w|")


def _zip(entries: Iterable[Entry]) -> Iterator[bytes]:
    pipe = _Pipe()
    # images are compressed already: storing costs nothing
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)
            info.external_attr = 0o644 << 16
            info.file_size = entry.size
            with entry.path.open("rb") as source, archive.open(info, "w") as target:
                while part := source.read(_COPY):
                    target.write(part)
                    yield pipe.take()
    yield pipe.take()


def _tar(entries: Iterable[Entry], mode: str) -> Iterator[bytes]:
    pipe = _Pipe()
    with tarfile.open(fileobj=pipe, mode=mode) as archive:  # type: ignore[call-overload]  # mode is a variable
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.size = entry.size
            with entry.path.open("rb") as source:
                archive.addfile(info, source)
            yield pipe.take()
    yield pipe.take()
