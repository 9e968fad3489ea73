"""Saved searches, and how many items there are of each type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from cci.archive.store import schema
from cci.archive.store.dialects import JsonText


@dataclass(frozen=True, kw_only=True)
class SavedSearch:
    """A search that a user has saved; *document* is its XML."""

    id: str
    owner: str
    name: str
    root_type: str
    document: str


def saved(connection: Connection) -> list[SavedSearch]:
    """Return all saved searches, by id."""
    table = schema.saved_search
    rows = connection.execute(select(table).order_by(table.c.id)).mappings()
    return [SavedSearch(**row) for row in rows]


def find(connection: Connection, name: str) -> SavedSearch | None:
    """Return the saved search of this id."""
    table = schema.saved_search
    row = connection.execute(select(table).where(table.c.id == name)).mappings().first()
    return None if row is None else SavedSearch(**row)


def save(connection: Connection, search: SavedSearch) -> None:
    """Save a search, in place of one of the same id."""
    forget(connection, search.id)
    connection.execute(insert(schema.saved_search).values(asdict(search)))


def forget(connection: Connection, name: str) -> None:
    """Remove a saved search."""
    connection.execute(delete(schema.saved_search).where(schema.saved_search.c.id == name))


def count_types(connection: Connection) -> dict[str, int]:
    """Return the number of items of each concrete type."""
    counts: dict[str, int] = {}
    for table in (schema.experiment, schema.scan, schema.reconstruction):
        query = select(table.c.xsi_type, func.count()).group_by(table.c.xsi_type)
        counts.update((row[0], row[1]) for row in connection.execute(query))
    for name, table in (("xnat:projectData", schema.project), ("xnat:subjectData", schema.subject)):
        counts[name] = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return counts


def scan_types(connection: Connection, readable: frozenset[int] | None) -> list[str]:
    """Return the types that scans in these projects (None: in all) have, sorted."""
    scan, session = schema.scan, schema.experiment
    kind = scan.c[schema.hot_column("type")]
    query = select(kind).distinct().join(session, session.c.pk == scan.c.session_pk).where(kind != "")
    return _words(connection, query, readable)


def scanners(connection: Connection, readable: frozenset[int] | None) -> list[str]:
    """Return the scanners that sessions in these projects (None: in all) name, sorted."""
    scanner = JsonText(schema.experiment.c.data, "scanner")
    return _words(connection, select(scanner).distinct().where(scanner != ""), readable)


def _words(connection: Connection, query: Select[Any], readable: frozenset[int] | None) -> list[str]:
    if readable is not None:
        query = query.where(schema.experiment.c.project_pk.in_(readable))
    return sorted(connection.execute(query).scalars())
