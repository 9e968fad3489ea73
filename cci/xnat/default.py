"""The archive that notebook calls use when none is given; set by ``cci.connect``."""

from __future__ import annotations

from cci.errors import UsageError
from cci.xnat.archive import Archive

_chosen: list[Archive] = []


def set_default_archive(archive: Archive | None) -> None:
    """Choose the archive for calls that name none; None forgets it."""
    _chosen[:] = [] if archive is None else [archive]


def default_archive(archive: Archive | None = None) -> Archive:
    """Return *archive*, or the chosen one.

    Raises
    ------
    UsageError
        If there is neither.
    """
    if archive is not None:
        return archive
    if not _chosen:
        raise UsageError("no archive was given", hint="call cci.connect(...) first, or pass archive=...")
    return _chosen[0]
