"""Creating, changing, sharing and deleting items. Every function runs inside the caller's transaction.

A change stamps the item (``saved_at``) and everything above it (``touched_at``): scan → session → subject,
assessor → session → subject, as XNAT's ``meta/last_modified`` of concrete types does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from cci.archive.errors import Collision
from cci.archive.store import schema
from cci.archive.store.dialects import JsonText
from cci.archive.store.items import PLACES, Item, experiments_of, table_of
from cci.archive.store.prepared import Prepared
from cci.archive.types import Family


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Who writes, and when (as tables spell it)."""

    user: str
    now: str

    def columns(self) -> dict[str, str]:
        """Values of the stamp columns of a new row."""
        return {
            "insert_date": self.now,
            "insert_user": self.user,
            "saved_at": self.now,
            "touched_at": self.now,
        }


def next_id(connection: Connection, letter: str, site: str) -> str:
    """Give out the next accession id: ``XNAT_E00001``; never one that was given before."""
    table = schema.sequence
    counting = update(table).where(table.c.letter == letter).values(last=table.c.last + 1)
    number = connection.execute(counting.returning(table.c.last)).scalar()
    if number is None:
        number = 1
        connection.execute(insert(table).values(letter=letter, last=number))
    candidate = f"{site}_{letter}{number:05d}"
    family = Family.SUBJECT if letter == "S" else Family.EXPERIMENT
    taken = select(table_of(family).c.pk).where(table_of(family).c.id == candidate)
    # a client may have chosen this id for an item of its own
    return next_id(connection, letter, site) if connection.execute(taken).first() else candidate


def create_project(connection: Connection, name: str, data: Mapping[str, str], stamp: Stamp) -> int:
    """Create a project and return its key.

    Raises
    ------
    Collision
        Another project has, or had, this id, name, secondary id or alias.
    """
    check_project_names(connection, name, data)
    row = {"id": name, "data": dict(data), **stamp.columns()}
    return _insert(connection, Family.PROJECT, row)


def check_project_names(connection: Connection, name: str, data: Mapping[str, str], own_pk: int = 0) -> None:
    """Refuse a project whose id, name, secondary id or alias is any of those of another one.

    Raises
    ------
    Collision
        One of them is in use.
    """
    wanted = {name, *(data.get(key, "") for key in ("secondary_ID", "name", "aliases/alias"))} - {""}
    lowered = {word.lower() for word in wanted}
    table = schema.project
    alias = JsonText(table.c.data, "aliases/alias")
    columns = (table.c.id, table.c.f_secondary_id, table.c.f_name, alias)
    clash = or_(*(func.lower(column).in_(lowered) for column in columns))
    row = connection.execute(select(table.c.id).where(clash, table.c.pk != own_pk)).first()
    if row is not None:
        # not which: it may be one that the user must not know of
        raise Collision(f"another project already has the id, name or alias of project {name}")


def create_subject(
    connection: Connection, project: Item, identity: tuple[str, str], data: Mapping[str, str], stamp: Stamp
) -> int:
    """Create a subject of a project and return its key. *identity* is (accession id, label).

    Raises
    ------
    Collision
        The id or the label is in use.
    """
    row = {"id": identity[0], "label": identity[1], "project_pk": project.pk, "data": dict(data)}
    return _insert_placed(connection, Family.SUBJECT, {**row, **stamp.columns()})


def create_experiment(connection: Connection, row: Mapping[str, Any], stamp: Stamp) -> int:
    """Create an experiment and return its key; the session or subject above it is touched.

    *row* has ``id, label, project_pk, subject_pk, session_pk, kind, xsi_type, data``.

    Raises
    ------
    Collision
        The id or the label is in use.
    """
    pk = _insert_placed(connection, Family.EXPERIMENT, {**row, **stamp.columns()})
    _touch_above(connection, row["subject_pk"], row["session_pk"], stamp)
    return pk


def create_part(
    connection: Connection, family: Family, session: Item, row: Mapping[str, Any], stamp: Stamp
) -> int:
    """Create a scan or reconstruction of a session and return its key. *row* has ``id, xsi_type, data``."""
    pk = _insert(connection, family, {**row, "session_pk": session.pk, **stamp.columns()})
    touch(connection, session, stamp)
    return pk


def save(
    connection: Connection, item: Item, data: Mapping[str, str], stamp: Stamp, **columns: object
) -> None:
    """Replace an item's fields and stamp it and everything above it."""
    values = {"data": dict(data), "saved_at": stamp.now, "touched_at": stamp.now, **columns}
    _saving(item.family, tuple(values)).run(connection, key=item.pk, **values)
    _touch_above_item(connection, item, stamp)


def touch(connection: Connection, item: Item, stamp: Stamp) -> None:
    """Stamp an item and everything above it as changed below."""
    if item.kind == "image":
        both = _touching_both()
        both.run(connection, key=item.pk, session=item.session_pk, now=stamp.now)
        _touch_above(connection, item.subject_pk, None, stamp)
        return
    _touching(item.family).run(connection, key=item.pk, now=stamp.now)
    _touch_above_item(connection, item, stamp)


def _touch_above_item(connection: Connection, item: Item, stamp: Stamp) -> None:
    if item.family not in {Family.PROJECT, Family.SUBJECT}:
        _touch_above(connection, item.subject_pk, item.session_pk, stamp)


def _touch_above(connection: Connection, subject_pk: int, session_pk: int | None, stamp: Stamp) -> None:
    for family, pk in ((Family.EXPERIMENT, session_pk), (Family.SUBJECT, subject_pk)):
        if pk:
            _touching(family).run(connection, key=pk, now=stamp.now)


@cache
def _saving(family: Family, columns: tuple[str, ...]) -> Prepared:
    table = table_of(family)
    return Prepared(update(table).where(table.c.pk == bindparam("key")), columns)


@cache
def _touching(family: Family) -> Prepared:
    table = table_of(family)
    touching = update(table).where(table.c.pk == bindparam("key"))
    return Prepared(touching.values(touched_at=bindparam("now")))


@cache
def _touching_both() -> Prepared:
    table = schema.experiment
    touching = update(table).where(table.c.pk.in_((bindparam("key"), bindparam("session"))))
    return Prepared(touching.values(touched_at=bindparam("now")))


def rename(connection: Connection, item: Item, label: str, project: Item, stamp: Stamp) -> None:
    """Give a subject or experiment another label in one project.

    Raises
    ------
    Collision
        The label is in use there.
    """
    place, key = PLACES[item.family]
    _check_free(connection, item.family, project.pk, label, item.pk)
    here = and_(key == item.pk, place.c.project_pk == project.pk)
    connection.execute(update(place).where(here).values(label=label))
    if item.project_pk == project.pk:
        table = item.table
        connection.execute(update(table).where(table.c.pk == item.pk).values(label=label))
    touch(connection, item, stamp)


def share(connection: Connection, item: Item, project: Item, label: str, stamp: Stamp) -> None:
    """Let another project see a subject or experiment, under a label of its own.

    Raises
    ------
    Collision
        It sees it already, or has something else of this label.
    """
    place, key = PLACES[item.family]
    there = select(place).where(key == item.pk, place.c.project_pk == project.pk)
    if connection.execute(there).first() is not None:
        raise Collision(f"Already assigned to project:{project.id}")
    _check_free(connection, item.family, project.pk, label, item.pk)
    connection.execute(insert(place).values(_place_row(item, project, label, owner=False)))
    touch(connection, item, stamp)


def unshare(connection: Connection, item: Item, project: Item, stamp: Stamp) -> bool:
    """Take an item out of a project that it is shared into; False if it was not."""
    place, key = PLACES[item.family]
    there = and_(key == item.pk, place.c.project_pk == project.pk, ~place.c.owner)
    gone = connection.execute(delete(place).where(there)).rowcount > 0
    touch(connection, item, stamp)
    return gone


def move(connection: Connection, item: Item, project: Item, label: str, stamp: Stamp) -> None:
    """Make another project the owner of an item; a session's assessors go with it.

    Raises
    ------
    Collision
        The other project has something else of this label.
    """
    _check_free(connection, item.family, project.pk, label, item.pk)
    _move_one(connection, item, project, label)
    if item.kind == "session":
        for assessor in experiments_of(connection, item, ("image",)):
            _check_free(connection, assessor.family, project.pk, assessor.label, assessor.pk)
            _move_one(connection, assessor, project, assessor.label)
    touch(connection, item, stamp)


def _move_one(connection: Connection, item: Item, project: Item, label: str) -> None:
    place, key = PLACES[item.family]
    connection.execute(
        delete(place).where(key == item.pk, place.c.project_pk.in_((item.project_pk, project.pk)))
    )
    connection.execute(insert(place).values(_place_row(item, project, label, owner=True)))
    table = item.table
    values = {"project_pk": project.pk, "label": label}
    connection.execute(update(table).where(table.c.pk == item.pk).values(values))


def _place_row(item: Item, project: Item, label: str, *, owner: bool) -> dict[str, Any]:
    row = {"project_pk": project.pk, PLACES[item.family][1].key: item.pk, "label": label, "owner": owner}
    return {**row, "kind": item.kind} if item.family is Family.EXPERIMENT else row


def remove(connection: Connection, item: Item, stamp: Stamp) -> None:
    """Delete an item with everything below it."""
    if item.family is Family.PROJECT:
        connection.execute(insert(schema.retired_project).values(id=item.id))
    connection.execute(delete(item.table).where(item.table.c.pk == item.pk))
    if item.family not in {Family.PROJECT, Family.SUBJECT}:
        _touch_above(connection, item.subject_pk, item.session_pk, stamp)


def is_retired(connection: Connection, name: str) -> bool:
    """Whether a deleted project had this id."""
    table = schema.retired_project
    return connection.execute(select(table).where(table.c.id == name)).first() is not None


def _insert_placed(connection: Connection, family: Family, row: Mapping[str, Any]) -> int:
    table, (place, key) = table_of(family), PLACES[family]
    if connection.execute(select(table.c.pk).where(table.c.id == row["id"])).first() is not None:
        raise Collision(f"the accession id {row['id']} is in use")
    _check_free(connection, family, row["project_pk"], row["label"])
    pk = _insert(connection, family, row)
    same = {name: row[name] for name in ("project_pk", "label", "kind") if name in row}
    connection.execute(insert(place).values({**same, key.key: pk, "owner": True}))
    return pk


def _insert(connection: Connection, family: Family, row: Mapping[str, Any]) -> int:
    pk = connection.execute(insert(table_of(family)).values(dict(row))).inserted_primary_key
    assert pk is not None
    return int(pk[0])


def _check_free(connection: Connection, family: Family, project_pk: int, label: str, own_pk: int = 0) -> None:
    place, key = PLACES[family]
    taken = select(key).where(place.c.project_pk == project_pk, place.c.label == label, key != own_pk)
    if connection.execute(taken).first() is not None:
        raise Collision(f"Label already in use:{label}")
