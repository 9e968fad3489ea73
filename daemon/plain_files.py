"""Open what a job left: only plain files, never through a link, never waiting at a pipe, never without end.

A job may have left anything in its directory, on purpose or not. What it means is not decided here.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath

#: Records of a job are lists of its files at most.
MOST_BYTES = 64 << 20

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_plain(path: Path | str, *, folder: int | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Parameters
    ----------
    folder
        Descriptor of the folder that *path* is relative to.

    Raises
    ------
    OSError
        If it is not there (ENOENT), a link (ELOOP), or anything else that is no file (EINVAL).
    """
    descriptor = os.open(path, _FLAGS, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def is_plain(path: Path) -> bool:
    """Whether a regular file is there, and not a link to one."""
    return path.is_file() and not path.is_symlink()


def open_below(root: Path, path: str) -> BufferedReader:
    """Open a regular file below a folder, where neither the folder nor any step on the way is a link.

    Raises
    ------
    OSError
        As `open_plain`; ENOTDIR or ELOOP if a step is a link or no folder.
    """
    *steps, name = PurePosixPath(path).parts
    folder = os.open(root, _FLAGS | os.O_DIRECTORY)
    try:
        for step in steps:
            inner = os.open(step, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        return open_plain(name, folder=folder)
    finally:
        os.close(folder)


def read_plain(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    OSError
        As `open_plain`; EFBIG if it is larger than `MOST_BYTES`.
    """
    with open_plain(path) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MOST_BYTES} bytes", str(path))
    return content


def read_end(path: Path, *, most: int) -> bytes:
    """Return the last *most* bytes of a regular file; see `open_plain`."""
    with open_plain(path) as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - most))
        return stream.read(most)


def make_anew(folder: Path) -> None:
    """Make an empty folder that only we may read, whatever lies in its place."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    folder.mkdir(mode=0o700)
