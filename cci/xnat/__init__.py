"""Access to an XNAT archive: snapshots, files, assessors; the notebook's JobHandler and ResourceSyncer.

It is a client only; the embedded server is `cci.archive`.
"""

from __future__ import annotations

from typing import Any

from cci.xnat.archive import Archive
from cci.xnat.connection import Connection
from cci.xnat.default import default_archive, set_default_archive
from cci.xnat.doctor import Check
from cci.xnat.job_handler import JobHandler
from cci.xnat.known import Known, Unclear
from cci.xnat.objects import pyxnat_interface
from cci.xnat.snapshot import Scope
from cci.xnat.syncer import ResourceSyncer
from cci.xnat.transport import Deadlines

__all__ = [
    "Archive",
    "Check",
    "Connection",
    "Deadlines",
    "JobHandler",
    "Known",
    "ResourceSyncer",
    "Scope",
    "Unclear",
    "default_archive",
    "open_archive",
    "pyxnat_interface",
    "set_default_archive",
]


def open_archive(url: str, user: str, password: str, **options: Any) -> Archive:
    """Return an archive that nothing was sent to yet; *options* are those of `Connection`.

    Raises
    ------
    SettingsError
        If the address is none, or user or password is missing.
    """
    return Archive(Connection(url, user, password, **options))
