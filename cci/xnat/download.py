"""Resources from an archive to a folder: one streamed zip for several resources, every file checked.

What arrives is hostile until proved otherwise: only files of the listing are written, nowhere but below
the folder, and never more bytes than the listing says.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from cci.errors import DigestMismatch, Malformed, NotFound, Refused
from cci.model import File
from cci.xnat import uris
from cci.xnat.answers import Answer, Kind
from cci.xnat.connection import Connection
from cci.xnat.disk import ARRIVING_PREFIX, inside, writing
from cci.xnat.files import list_files

_CHUNK_BYTES = 1 << 20
#: A zip of files that do not compress is larger than they are: headers, names twice, block overhead.
_ZIP_BYTES, _ZIP_BYTES_PER_FILE, _ZIP_FACTOR = 1 << 16, 1 << 13, 1.01

#: What a corrupt, encrypted or oddly packed entry makes zipfile raise, and our own check.
_BROKEN_ENTRY = (DigestMismatch, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)

#: A file of a resource and where it goes.
_Places = dict[tuple[str, str], tuple[File, Path]]


def download(
    connection: Connection,
    parent_uri: str,
    labels: Iterable[str],
    destination: Path,
    expected: Mapping[str, Sequence[File]] | None = None,
) -> list[Path]:
    """Download resources to ``destination/<RESOURCE>/<path>`` and check each file by size and MD5.

    One request moves all files; those that did not arrive as listed are asked for once more by
    themselves.

    Parameters
    ----------
    connection
        The archive.
    parent_uri
        Whose resources.
    labels
        Which resources.
    destination
        The folder; made if missing. Each resource has its folder in it afterwards, an empty one too.
    expected
        The listing, if the caller has it; asked for if left out.

    Returns
    -------
    list of Path
        The files written, in the order of the listing.

    Raises
    ------
    DigestMismatch
        If a file still has another size or MD5 than the listing says.
    DiskFull
        If there is no room.
    Refused
        If a file's name is not safe to store.
    """
    wanted = tuple(dict.fromkeys(labels))
    listing = expected if expected is not None else list_files(connection, parent_uri, wanted)
    places = _places(destination, {label: listing.get(label, ()) for label in wanted})
    with writing(destination):
        for label in wanted:
            (destination / label).mkdir(parents=True, exist_ok=True)
    waiting = dict(places)
    if len(places) > 1:
        for arrived in _by_zip(connection, parent_uri, places, destination):
            del waiting[arrived]
    for (label, _), (file, path) in waiting.items():
        fetch_file(connection, parent_uri, label, file, path)
    return [path for _, path in places.values()]


def _places(destination: Path, listing: Mapping[str, Sequence[File]]) -> _Places:
    # every name is checked before the first byte is asked for
    return {
        (label, file.path): (file, inside(destination, label, file.path))
        for label, files in listing.items()
        for file in files
    }


# -- one by one ----------------------------------------------------------------------------------


def fetch_file(connection: Connection, parent_uri: str, label: str, file: File, path: Path) -> None:
    """Download one file to *path* and check it; what was there is replaced only by a good file.

    Raises
    ------
    DigestMismatch
        If it does not have the size and MD5 that *file* says, at any attempt.
    """

    def read(answer: Answer) -> None:
        with writing(path):
            _store(answer.chunks(), file, path)

    connection.get(uris.file(parent_uri, label, file.path), read, size=file.size)


def _store(chunks: Iterable[bytes], file: File, path: Path) -> None:
    """Write a file under a temporary name, and give it its name once it is known to be right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=ARRIVING_PREFIX)
    try:
        with open(handle, "wb") as target:  # noqa: PTH123 -- it is a descriptor
            _copy(chunks, target, file)
            os.fchmod(target.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _copy(chunks: Iterable[bytes], target: IO[bytes], file: File) -> None:
    """Copy at most the listed size, and check size and MD5."""
    digest, came = hashlib.md5(usedforsecurity=False), 0
    for chunk in chunks:
        came += len(chunk)
        if came > file.size:
            raise DigestMismatch(f"file {file.path!r} is larger than the {file.size} bytes it is listed with")
        digest.update(chunk)
        target.write(chunk)
    if came != file.size:
        raise DigestMismatch(f"file {file.path!r} came with {came} bytes instead of {file.size}")
    if file.digest and digest.hexdigest() != file.digest:
        raise DigestMismatch(f"file {file.path!r} came with another MD5 than the archive lists")


# -- many at once --------------------------------------------------------------------------------


def _by_zip(
    connection: Connection, parent_uri: str, places: _Places, destination: Path
) -> list[tuple[str, str]]:
    """Download and unpack everything at once; return what arrived as listed."""
    labels = tuple(dict.fromkeys(label for label, _ in places))
    if len(labels) == 1 or not any("," in label for label in labels):
        with tempfile.TemporaryFile(dir=destination) as spool, suppress(NotFound, Refused):
            _fetch_zip(connection, uris.files(parent_uri, labels), places, spool, destination)
            with zipfile.ZipFile(spool) as archive:
                return _unpack(archive, places)
    if len(labels) == 1:
        return []
    # this archive takes no list of labels: one request for each resource
    alone = ({key: place for key, place in places.items() if key[0] == label} for label in labels)
    return [key for some in alone for key in _by_zip(connection, parent_uri, some, destination)]


def _fetch_zip(
    connection: Connection, uri: str, places: _Places, spool: IO[bytes], destination: Path
) -> None:
    size = sum(file.size for file, _ in places.values())
    most = int(size * _ZIP_FACTOR) + _ZIP_BYTES + _ZIP_BYTES_PER_FILE * len(places)

    def read(answer: Answer) -> None:
        with writing(destination):
            _spool(answer, spool, most)

    headers, params = {"Accept-Encoding": "identity"}, {"format": "zip"}
    connection.get(uri, read, kind=Kind.ZIP, params=params, headers=headers, size=size, patient=True)


def _spool(answer: Answer, spool: IO[bytes], most: int) -> None:
    spool.seek(0)
    spool.truncate()
    for chunk in answer.chunks():
        if spool.tell() + len(chunk) > most:
            raise Malformed(f"the answer to {answer.what} is larger than all its files together")
        spool.write(chunk)
    spool.flush()
    if not zipfile.is_zipfile(spool):
        raise Malformed(f"the answer to {answer.what} is not a zip archive")


def _unpack(archive: zipfile.ZipFile, places: _Places) -> list[tuple[str, str]]:
    arrived = []
    for entry in archive.infolist():
        key = find_place(entry.filename, places)
        if key is not None and not entry.is_dir() and _unpack_entry(archive, entry, *places[key]):
            arrived.append(key)
    return list(dict.fromkeys(arrived))


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: File, path: Path) -> bool:
    with writing(path):
        try:
            with archive.open(entry) as source:
                _store(iter(lambda: source.read(_CHUNK_BYTES), b""), file, path)
        except _BROKEN_ENTRY:
            return False
    return True


def find_place(name: str, places: Mapping[tuple[str, str], object]) -> tuple[str, str] | None:
    """Say which listed file an entry of a zip is, or None.

    Archives put ``<session>/scans/<scan>/resources/<RESOURCE>/files/<path>`` and variations of it; what
    counts is that a listed resource's label is followed by one of its paths, with or without ``files``.
    """
    parts = name.split("/")
    for index, label in enumerate(parts):
        rest = parts[index + 1 :]
        for path in ("/".join(rest[1:]) if rest[:1] == ["files"] else None, "/".join(rest)):
            if path is not None and (label, path) in places:
                return label, path
    return None
