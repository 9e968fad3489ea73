"""Which errors are outages, of a disk, the archive or the ledger; the task that met one is not to blame."""

from __future__ import annotations

import errno

from cci.errors import CciError, DiskFull, Forbidden, LoginRefused, NotOwner

#: A full, lost or locked disk, and a process with too many open files; a person or time mends them.
_DISK = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.EACCES,
        errno.ENODEV,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
    }
)


def is_outage(error: BaseException) -> bool:
    """Whether waiting can mend it; a refused login or a lost right is a person's to mend, not the task's."""
    if isinstance(error, CciError):
        return error.transient or isinstance(error, (LoginRefused, Forbidden, NotOwner))
    return isinstance(error, OSError) and error.errno in _DISK


def is_full(error: BaseException) -> bool:
    """Whether there is no room on a disk."""
    full = {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in full)
