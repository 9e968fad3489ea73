"""One item of the archive as a value, and how to find it. Reading only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from cci.archive.store import schema
from cci.archive.store.dialects import JsonText
from cci.archive.store.prepared import Prepared
from cci.archive.types import Family

_TABLES: dict[Family, Table] = {
    Family.PROJECT: schema.project,
    Family.SUBJECT: schema.subject,
    Family.EXPERIMENT: schema.experiment,
    Family.SCAN: schema.scan,
    Family.RECONSTRUCTION: schema.reconstruction,
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """A project, subject, experiment, scan or reconstruction.

    Attributes
    ----------
    project_pk, project
        The owning project; for a project itself.
    place
        Id of the project through whose eyes the item was found; the owner's unless it is shared.
    kind
        Of an experiment: ``session``, ``image`` (assessor of a session) or ``subject``.
    session_pk
        Of an image assessor, a scan or a reconstruction: its session.
    data
        Fields: canonical path → text.
    """

    family: Family
    pk: int
    id: str
    label: str
    xsi_type: str
    project_pk: int
    project: str
    place: str
    kind: str = ""
    subject_pk: int = 0
    session_pk: int = 0
    accessibility: str = ""
    insert_date: str = ""
    insert_user: str = ""
    saved_at: str = ""
    touched_at: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """Where the item is stored."""
        return table_of(self.family)

    @property
    def shared(self) -> bool:
        """Whether it was found through a project that does not own it."""
        return self.place != self.project


def table_of(family: Family) -> Table:
    """Return the table of a family of items."""
    return _TABLES[family]


def find_project(connection: Connection, name: str) -> Item | None:
    """Find a project by its id or its alias."""
    row = _project_by_id().first(connection, name=name) or _project_by_alias().first(connection, name=name)
    if row is None:
        return None
    return _item(
        Family.PROJECT,
        {**row, "label": row["id"], "project_pk": row["pk"], "project": row["id"], "place": row["id"]},
        "xnat:projectData",
    )


def project_ids(connection: Connection, keys: frozenset[int]) -> list[str]:
    """Return the ids of projects by their keys, sorted."""
    table = schema.project
    rows = connection.execute(select(table.c.pk, table.c.id).order_by(table.c.id))
    return [row.id for row in rows if row.pk in keys]


# Statements of what every request looks up are made once: making one takes longer than running it.


@cache
def _project_by_id() -> Prepared:
    return Prepared(select(*_kept(schema.project)).where(schema.project.c.id == bindparam("name")))


@cache
def _project_by_alias() -> Prepared:
    # apart from the other: this one reads every project there is
    alias = JsonText(schema.project.c.data, "aliases/alias")
    return Prepared(select(*_kept(schema.project)).where(alias == bindparam("name", type_=Text)))


def find_subject(connection: Connection, name: str, project: Item | None = None) -> Item | None:
    """Find a subject by accession id, or inside a project by id or by the label it has there."""
    return _find_placed(connection, Family.SUBJECT, name, project)


def find_experiment(
    connection: Connection, name: str, project: Item | None = None, subject: Item | None = None
) -> Item | None:
    """Find an experiment by accession id, or inside a project by id or by the label it has there."""
    found = _find_placed(connection, Family.EXPERIMENT, name, project)
    return None if found is None or (subject is not None and found.subject_pk != subject.pk) else found


def find_assessor(connection: Connection, name: str, session: Item) -> Item | None:
    """Find an assessor of a session by accession id or label."""
    row = _assessor_query().first(connection, session=session.pk, name=name)
    return None if row is None else _item(Family.EXPERIMENT, row)


@cache
def _assessor_query() -> Prepared:
    table, name = schema.experiment, bindparam("name", type_=Text)
    mine = (table.c.session_pk == bindparam("session"), or_(table.c.id == name, table.c.label == name))
    return Prepared(_owned(table).where(*mine).order_by(table.c.id != name))


def find_part(connection: Connection, family: Family, name: str, session: Item) -> Item | None:
    """Find a scan or reconstruction of a session by its id."""
    row = _part_query(family).first(connection, session=session.pk, name=name)
    return None if row is None else part_item(family, row, session)


@cache
def _part_query(family: Family) -> Prepared:
    table = _TABLES[family]
    here = (table.c.session_pk == bindparam("session"), table.c.id == bindparam("name"))
    return Prepared(select(*_kept(table)).where(*here))


def parts_of(connection: Connection, family: Family, session: Item) -> list[Item]:
    """Return all scans or all reconstructions of a session, oldest first."""
    table = _TABLES[family]
    rows = connection.execute(
        select(table).where(table.c.session_pk == session.pk).order_by(table.c.pk)
    ).mappings()
    return [part_item(family, row, session) for row in rows]


def experiments_of(connection: Connection, parent: Item, kinds: tuple[str, ...]) -> list[Item]:
    """Return experiments of a subject, or assessors of a session, oldest first."""
    table = schema.experiment
    key = table.c.subject_pk if parent.family is Family.SUBJECT else table.c.session_pk
    owner = schema.project.c.id.label("project")
    rows = connection.execute(
        select(table, owner, owner.label("place"))
        .join(schema.project, schema.project.c.pk == table.c.project_pk)
        .where(key == parent.pk, table.c.kind.in_(kinds))
        .order_by(table.c.pk)
    ).mappings()
    return [_item(Family.EXPERIMENT, row) for row in rows]


def by_pk(connection: Connection, family: Family, pk: int) -> Item | None:
    """Find a subject or experiment by its key in the store."""
    row = _key_query(family).first(connection, key=pk)
    return None if row is None else _item(family, row, _FIXED_TYPE.get(family, ""))


@cache
def _key_query(family: Family) -> Prepared:
    table = _TABLES[family]
    return Prepared(_owned(table).where(table.c.pk == bindparam("key")))


def visible_in(connection: Connection, item: Item) -> list[tuple[str, str, str, str]]:
    """Projects that see an item, the owner first: (its label there, project id, secondary id, name)."""
    place, key = PLACES[item.family]
    project = schema.project
    rows = connection.execute(
        select(place.c.label, project.c.id, project.c.f_secondary_id, project.c.f_name)
        .join(project, project.c.pk == place.c.project_pk)
        .where(key == item.pk)
        .order_by(~place.c.owner, project.c.id)
    )
    return [(row[0], row[1], row[2] or "", row[3] or "") for row in rows]


def shares_of_assessors(connection: Connection, session: Item) -> dict[int, list[tuple[str, str]]]:
    """Return (project, label) of every share of a session's assessors, by the assessor's key."""
    place, experiment, project = schema.experiment_place, schema.experiment, schema.project
    rows = connection.execute(
        select(experiment.c.pk, project.c.id, place.c.label)
        .join(place, place.c.experiment_pk == experiment.c.pk)
        .join(project, project.c.pk == place.c.project_pk)
        .where(experiment.c.session_pk == session.pk, ~place.c.owner)
    )
    shares: dict[int, list[tuple[str, str]]] = {}
    for pk, name, label in rows:
        shares.setdefault(pk, []).append((name, label))
    return shares


def part_item(family: Family, row: Mapping[Any, Any], session: Item) -> Item:
    """Make the value of a scan, reconstruction or assessor from its row and its session."""
    inherited = {
        "label": row["label"] if family is Family.EXPERIMENT else row["id"],
        "project_pk": session.project_pk,
        "project": session.project,
        "place": session.place,
        "subject_pk": session.subject_pk,
    }
    return _item(family, {**row, **inherited})


_FIXED_TYPE = {Family.SUBJECT: "xnat:subjectData", Family.PROJECT: "xnat:projectData"}


def _kept(table: Table) -> list[Column[Any]]:
    """Columns of a table without those that only repeat a field."""
    return [column for column in table.c if column.computed is None]


def _owned(table: Table) -> Select[Any]:
    owner = schema.project.c.id.label("project")
    return select(*_kept(table), owner, owner.label("place")).join(
        schema.project, schema.project.c.pk == table.c.project_pk
    )


#: Where the labels of an item in each project are kept, and the column that names the item.
PLACES: dict[Family, tuple[Table, Column[Any]]] = {
    Family.SUBJECT: (schema.subject_place, schema.subject_place.c.subject_pk),
    Family.EXPERIMENT: (schema.experiment_place, schema.experiment_place.c.experiment_pk),
}


def _find_placed(connection: Connection, family: Family, name: str, project: Item | None) -> Item | None:
    values: dict[str, Any] = {"name": name}
    if project is not None:
        values |= {"place": project.id, "place_pk": project.pk}
    query = _id_query(family) if project is None else _seen_query(family)
    row = query.first(connection, **values)
    return None if row is None else _item(family, row, _FIXED_TYPE.get(family, ""))


@cache
def _id_query(family: Family) -> Prepared:
    table = _TABLES[family]
    return Prepared(_owned(table).where(table.c.id == bindparam("name")))


@cache
def _seen_query(family: Family) -> Prepared:
    table, (place, key) = _TABLES[family], PLACES[family]
    owner = schema.project.c.id.label("project")
    here, name = bindparam("place_pk", type_=Integer), bindparam("name", type_=Text)
    columns = [column for column in _kept(table) if column.name != "label"]
    # an id is looked up before a label; both in one statement
    by_id = select(table.c.pk).join(place, and_(key == table.c.pk, place.c.project_pk == here))
    by_label = select(key).where(place.c.project_pk == here, place.c.label == name)
    found = func.coalesce(by_id.where(table.c.id == name).scalar_subquery(), by_label.scalar_subquery())
    return Prepared(
        select(*columns, place.c.label, owner, bindparam("place", type_=Text).label("place"))
        .join(place, and_(key == table.c.pk, place.c.project_pk == here))
        .join(schema.project, schema.project.c.pk == table.c.project_pk)
        .where(table.c.pk == found)
    )


_ITEM_FIELDS = frozenset(Item.__dataclass_fields__)


def _item(family: Family, row: Mapping[Any, Any], xsi_type: str = "") -> Item:
    values = {name: value for name, value in row.items() if name in _ITEM_FIELDS and value is not None}
    return Item(**{**values, "family": family, **({"xsi_type": xsi_type} if xsi_type else {})})
