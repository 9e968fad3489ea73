"""Giving an experiment to another subject. It runs inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, or_, update

from cci.archive.store import schema, writing
from cci.archive.store.items import Item
from cci.archive.store.writing import Stamp


def give_to_subject(connection: Connection, item: Item, subject: Item, stamp: Stamp) -> None:
    """Make a session, with its assessors, or another experiment belong to another subject.

    Both subjects are touched.
    """
    writing.touch(connection, item, stamp)
    table = schema.experiment
    mine = or_(table.c.pk == item.pk, table.c.session_pk == item.pk)
    connection.execute(update(table).where(mine).values(subject_pk=subject.pk))
    writing.touch(connection, subject, stamp)
