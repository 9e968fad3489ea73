"""Which projects are whose favourites, and which have a setting; both are kept with the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, select, update

from cci.archive.store import schema
from cci.archive.store.items import Item

_KEY = "favorite_of"


def is_favorite(settings: Mapping[str, str], login: str) -> bool:
    """Whether a project of these settings is a favourite of this user."""
    return login in settings.get(_KEY, "").split()


def set_favorite(connection: Connection, project: Item, login: str, *, favorite: bool) -> None:
    """Make a project a favourite of a user, or none; it counts as no change of the project."""
    others = [name for name in project.settings.get(_KEY, "").split() if name != login]
    names = [*others, login] if favorite else others
    table = schema.project
    settings = {**project.settings, _KEY: " ".join(names)}
    connection.execute(update(table).where(table.c.pk == project.pk).values(settings=settings))


def projects_where(connection: Connection, takes: Callable[[Mapping[str, str]], bool]) -> frozenset[int]:
    """Return the keys of the projects whose settings are taken."""
    table = schema.project
    rows = connection.execute(select(table.c.pk, table.c.settings))
    return frozenset(row.pk for row in rows if takes(row.settings or {}))
