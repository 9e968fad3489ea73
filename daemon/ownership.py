"""One owner for each project: the instance that wrote to it first, until a person takes the project over.

The record lies in the project itself (resource ``CCI``, file ``owner.json``), so a developer's own instance
beside the service sees it and keeps its hands off.
"""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cci.daemon.workplace import Workplace
from cci.errors import Conflict, NotOwner
from cci.xnat import uris

RESOURCE = "CCI"
FILE = "owner.json"

#: How long the answer that this instance owns a project is believed, in seconds.
TRUSTED_S = 60.0


def read_owner(workplace: Workplace, project: str) -> dict[str, Any] | None:
    """Return the owner record, None if the project has none."""
    return workplace.archive.read_json(uris.project(project), RESOURCE, FILE)


def is_ours(workplace: Workplace, project: str) -> bool:
    """Whether this instance owns the project; False if nobody does. A good answer counts for a minute.

    Raises
    ------
    NotOwner
        If another instance owns it.
    """
    if time.monotonic() < workplace.owned_until.get(project, 0.0):
        return True
    workplace.foreign.discard(project)
    try:
        owned = check_owner(read_owner(workplace, project), workplace.ledger.instance, project)
    except NotOwner:
        workplace.foreign.add(project)
        raise
    if owned:
        workplace.owned_until[project] = time.monotonic() + TRUSTED_S
    return owned


def claim(workplace: Workplace, project: str) -> None:
    """Make this instance the owner of a project that nobody owns yet.

    Raises
    ------
    NotOwner
        If another instance was quicker: the archive keeps the first record.
    """
    try:
        _write(workplace, project, overwrite=False)
    except Conflict:
        check_owner(read_owner(workplace, project), workplace.ledger.instance, project)


def take_over(workplace: Workplace, project: str) -> dict[str, Any]:
    """Make this instance the owner, whoever was it before."""
    return _write(workplace, project, overwrite=True)


def demand(workplace: Workplace, project: str) -> None:
    """Refuse to act in a project that another instance owns.

    Raises
    ------
    NotOwner
        The message says who owns it.
    """
    is_ours(workplace, project)


def _write(workplace: Workplace, project: str, *, overwrite: bool) -> dict[str, Any]:
    record = {
        "instance": workplace.ledger.instance,
        "host": socket.gethostname(),
        "user": getpass.getuser(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    workplace.archive.write_json(uris.project(project), RESOURCE, FILE, record, overwrite=overwrite)
    workplace.foreign.discard(project)
    workplace.owned_until[project] = time.monotonic() + TRUSTED_S
    return record


def check_owner(record: Mapping[str, Any] | None, instance: str, project: str) -> bool:
    """Return whether *instance* owns the project; False if nobody does.

    Raises
    ------
    NotOwner
        If somebody else does; the message says who.
    """
    if record is None:
        return False
    if record.get("instance") == instance:
        return True
    who = f"{record.get('user', '?')} on {record.get('host', '?')} since {record.get('since', '?')}"
    raise NotOwner(
        f"project {project} belongs to another instance of cci ({who})",
        hint=f"stop that instance first, then `cci takeover {project}`",
    )
