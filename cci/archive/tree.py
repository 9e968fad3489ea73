"""From an address to the items that it names, with the right to see them checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cci.archive import audit
from cci.archive.access import check_read
from cci.archive.address import Address
from cci.archive.errors import Missing
from cci.archive.store.accounts import User
from cci.archive.store.database import Connection
from cci.archive.store.items import (
    Item,
    by_pk,
    find_assessor,
    find_experiment,
    find_part,
    find_project,
    find_subject,
)
from cci.archive.types import Family

_PARTS = {"scans": Family.SCAN, "reconstructions": Family.RECONSTRUCTION}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The items that an address names; None for those it does not name.

    Attributes
    ----------
    item
        The innermost one; None if it does not exist, for an address where that is allowed.
    """

    project: Item | None = None
    subject: Item | None = None
    session: Item | None = None
    item: Item | None = None

    @property
    def existing(self) -> Item:
        """The innermost item.

        Raises
        ------
        Missing
            It does not exist.
        """
        if self.item is None:
            raise Missing
        return self.item


def find(connection: Connection, user: User, address: Address) -> Found:
    """Find what an address names.

    The innermost item may be missing (a PUT creates it), and so may the subject of an experiment.

    Raises
    ------
    Missing
        An outer item does not exist, or the user may not see it.
    """
    found = Found()
    if address.project:
        project = _outer(connection, user, find_project(connection, address.project), address, "projects")
        found = replace(found, project=project, item=project)
    if address.subject:
        subject = _subject(connection, user, address, found.project)
        found = replace(found, subject=subject, item=subject)
    if address.experiment:
        found = _experiment(connection, user, address, found)
    if address.level in {"scans", "assessors", "reconstructions"}:
        assert found.session is not None
        found = replace(found, item=_inner(connection, found.session, address))
    if found.item is not None:
        audit.note(name_in_log(found.item, found.session))
    return found


def find_to_write(connection: Connection, user: User, address: Address) -> Found:
    """Find what a PUT is for: as `find`, but an experiment is known in its project whatever subject is named.

    Raises
    ------
    Missing
        As in `find`.
    """
    found = find(connection, user, address)
    if found.item is not None or address.level != "experiments" or found.project is None:
        return found
    there = find_experiment(connection, address.experiment, found.project)
    if there is None or there.kind == "image" or there.shared:
        return found
    return replace(found, session=there, item=there)


def name_in_log(item: Item, session: Item | None) -> str:
    """Return what the log of writes calls an item: its id; of a scan or reconstruction the session's, too."""
    part = session is not None and item.family in {Family.SCAN, Family.RECONSTRUCTION}
    return f"{session.id}/{item.family}s/{item.id}" if part and session is not None else item.id


def _subject(connection: Connection, user: User, address: Address, project: Item | None) -> Item | None:
    subject = find_subject(connection, address.subject, project)
    if subject is None and address.level == "experiments":
        return None
    return _outer(connection, user, subject, address, "subjects")


def _experiment(connection: Connection, user: User, address: Address, found: Found) -> Found:
    if address.subject and found.subject is None:
        return replace(found, item=None)
    experiment = find_experiment(connection, address.experiment, found.project, found.subject)
    session = _outer(connection, user, experiment, address, "experiments")
    subject = found.subject
    if session is not None and subject is None:
        subject = by_pk(connection, Family.SUBJECT, session.subject_pk)
    return replace(found, subject=subject, session=session, item=session)


def _inner(connection: Connection, session: Item, address: Address) -> Item | None:
    if address.level == "assessors":
        return find_assessor(connection, address.assessor, session)
    return find_part(connection, _PARTS[address.level], address.name, session)


def _outer(
    connection: Connection, user: User, item: Item | None, address: Address, level: str
) -> Item | None:
    if item is None:
        if address.level != level:
            raise Missing(f"Not Found: there is no such {level.removesuffix('s')}")
        return None
    check_read(connection, user, item)
    return item
