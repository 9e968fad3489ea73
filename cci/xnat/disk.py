"""What can go wrong on this side's disk, and names from an archive that may become paths here.

It does not talk to the archive.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cci.errors import DiskFull, Refused, UsageError

_CHUNK_BYTES = 1 << 20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BAD_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL}
)
_LONGEST_NAME_BYTES = 255

#: Files begin so while they arrive, and have their own name once they are whole.
ARRIVING_PREFIX = ".arriving-"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what it means that something below *path* cannot be written.

    Raises
    ------
    DiskFull
        If there is no room.
    Refused
        If the name cannot be used on this disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(f"there is no room left for {path}") from error
        if error.errno in _BAD_NAME:
            raise Refused(f"{str(path)!r} cannot be written here: {error.strerror}") from error
        raise


def is_safe(path: str) -> bool:
    """Whether a path from an archive stays below the folder that it is put into.

    Odd characters are no danger; ``..``, absolute paths, empty parts, NUL and names longer than any file
    system takes are.
    """
    parts = path.split("/")
    return "\0" not in path and all(
        part not in {"", ".", ".."} and len(os.fsencode(part)) <= _LONGEST_NAME_BYTES for part in parts
    )


def inside(folder: Path, label: str, path: str) -> Path:
    """Return where a file of a resource belongs below *folder*.

    Raises
    ------
    Refused
        If label or path would lead out of *folder*.
    """
    if "/" in label or not is_safe(label) or not is_safe(path):
        hint = "rename it in the archive"
        raise Refused(f"file {path!r} of resource {label!r} has a name that is not safe to store", hint=hint)
    return folder / label / path


def md5_of(path: Path) -> str:
    """Return a file's MD5 in lower-case hex."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def files_below(directory: Path) -> dict[str, Path]:
    """Return every regular file below *directory* by its relative path with slashes.

    Raises
    ------
    UsageError
        If *directory* is none, or something in it is a link or a device: what it points to may be anywhere.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is a link or a device; put a copy of the file there")
        if path.is_file():
            found[str(PurePosixPath(path.relative_to(directory)))] = path
    return found
