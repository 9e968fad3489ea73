"""Reads an item with everything below it: a few queries a session, however much it holds."""

from __future__ import annotations

from cci.archive.documents import Document
from cci.archive.store.catalog import ResourceRow, resources_of, resources_of_parts
from cci.archive.store.database import Connection
from cci.archive.store.items import (
    PLACES,
    Item,
    by_pk,
    experiments_of,
    parts_of,
    shares_of_assessors,
    visible_in,
)
from cci.archive.types import Family


def read_document(connection: Connection, item: Item) -> Document:
    """Read an item, its resources, shares, scans, reconstructions, assessors and experiments.

    It is called as its owner calls it, through whichever project it was found.
    """
    if item.shared and item.family in PLACES:
        item = by_pk(connection, item.family, item.pk) or item
    if item.family is Family.SUBJECT:
        return _subject(connection, item)
    if item.kind == "session":
        return _session(connection, item)
    session = by_pk(connection, Family.EXPERIMENT, item.session_pk) if item.session_pk else None
    return Document(
        item=item,
        subject_id=_subject_id(connection, item),
        session_id=session.id if session is not None else "",
        shares=_shares(connection, item),
        resources=resources_of(connection, item),
    )


def _subject(connection: Connection, item: Item) -> Document:
    experiments = experiments_of(connection, item, ("session", "subject"))
    return Document(
        item=item,
        shares=_shares(connection, item),
        resources=resources_of(connection, item),
        experiments=[read_document(connection, each) for each in experiments],
    )


def _session(connection: Connection, item: Item) -> Document:
    subject_id = _subject_id(connection, item)
    return Document(
        item=item,
        subject_id=subject_id,
        shares=_shares(connection, item),
        resources=resources_of(connection, item),
        scans=_parts(connection, item, Family.SCAN),
        reconstructions=_parts(connection, item, Family.RECONSTRUCTION),
        assessors=_assessors(connection, item, subject_id),
    )


def _parts(connection: Connection, session: Item, family: Family) -> list[Document]:
    resources = _resources(connection, session, family)
    return [
        Document(item=part, session_id=session.id, resources=resources.get(part.pk, ()))
        for part in parts_of(connection, family, session)
    ]


def _assessors(connection: Connection, session: Item, subject_id: str) -> list[Document]:
    resources = _resources(connection, session, Family.EXPERIMENT)
    shares = shares_of_assessors(connection, session)
    return [
        Document(
            item=each,
            subject_id=subject_id,
            session_id=session.id,
            shares=shares.get(each.pk, ()),
            resources=resources.get(each.pk, ()),
        )
        for each in experiments_of(connection, session, ("image",))
    ]


def _resources(connection: Connection, session: Item, family: Family) -> dict[int, list[ResourceRow]]:
    resources: dict[int, list[ResourceRow]] = {}
    for row in resources_of_parts(connection, session, family):
        resources.setdefault(row.owner.pk, []).append(row)
    return resources


def _subject_id(connection: Connection, item: Item) -> str:
    subject = by_pk(connection, Family.SUBJECT, item.subject_pk) if item.subject_pk else None
    return subject.id if subject is not None else ""


def _shares(connection: Connection, item: Item) -> list[tuple[str, str]]:
    if item.family not in PLACES:
        return []
    return [(row[1], row[0]) for row in visible_in(connection, item) if row[1] != item.project]
