"""SQL of single columns and comparisons, for listings. Joins are in `query`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, func, literal, select, true

from cci.archive.listing import Compare
from cci.archive.store import schema
from cci.archive.store.dialects import TEXT, AsInteger, AsNumber, JsonText, Like
from cci.archive.types import Kind

Sql = ColumnElement[Any]

_META = {
    "meta/insert_date": "insert_date",
    "meta/insert_user": "insert_user",
    "meta/last_modified": "touched_at",
    "meta/saved_at": "saved_at",
    "meta/element_name": "xsi_type",
    "meta/accessibility": "accessibility",
    "key": "pk",
    "ID": "id",
    "label": "label",
}

_SQL_OPERATORS = {"=": "=", "!=": "<>", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


#: Imaging sessions of a project that are counted: path → type; ``ut`` is for all others.
_COUNTED = {
    "meta/mr_count": "xnat:mrSessionData",
    "meta/ct_count": "xnat:ctSessionData",
    "meta/pet_count": "xnat:petSessionData",
    "meta/ut_count": "xnat:otherDicomSessionData",
}


def value_of(table: Any, path: str) -> Sql:
    """Return the SQL of a field or of what the archive itself knows of a row (``meta/…``)."""
    name = _META.get(path, "")
    if name in table.c:
        column: Sql = table.c[name]
        return column
    return _computed(table, path) if path.startswith("meta/") else _field(table, path)


def comparison(column: Sql, condition: Compare) -> Sql:
    """Return the SQL of a comparison; numbers are compared as numbers."""
    text = column if isinstance(column.type, String) else cast(column, TEXT)
    left, values = _comparable(text, condition.column.kind, condition.values)
    result: Sql
    match condition.operator:
        case "IS NULL":
            result = func.coalesce(text, "") == ""
        case "IS NOT NULL":
            result = func.coalesce(text, "") != ""
        case "BETWEEN":
            result = and_(left >= values[0], left <= values[1])
        case "IN":
            result = left.in_(values)
        case "LIKE":
            result = Like(text, literal(condition.values[0]))
        case operator:
            result = left.op(_SQL_OPERATORS[operator])(values[0])
    return result


def _computed(table: Any, path: str) -> Sql:
    role, user, experiment = schema.role, schema.user, schema.experiment
    if path in _COUNTED and "accessibility" in table.c:
        sessions = select(func.nullif(func.count(), 0)).select_from(experiment)
        here = (experiment.c.project_pk == table.c.pk, experiment.c.xsi_type == _COUNTED[path])
        return sessions.where(*here).correlate(table).scalar_subquery()
    if path == "meta/owners" and "accessibility" in table.c:
        names = select(func.aggregate_strings(user.c.login, " <br/> "))
        names = names.join(role, role.c.user_pk == user.c.pk)
        here = (role.c.project_pk == table.c.pk, role.c.name == "Owners")
        return names.where(*here).correlate(table).scalar_subquery()
    return literal("active" if path == "meta/status" else "")


def _field(table: Any, path: str) -> Sql:
    hot = schema.hot_column(path)
    if hot in table.c:
        column: Sql = table.c[hot]
        return column
    return JsonText(table.c.data, path)


def _comparable(text: Sql, kind: Kind, values: tuple[str, ...]) -> tuple[Sql, tuple[Any, ...]]:
    if kind not in {Kind.INT, Kind.FLOAT}:
        return text, values
    try:
        return (AsInteger if kind is Kind.INT else AsNumber)(text), tuple(float(each) for each in values)
    except ValueError:
        return text, values


def of_types(table: Any, names: tuple[str, ...] | None) -> Sql:
    """Return the condition that a row is of one of these types; None for any."""
    return true() if names is None else table.c.xsi_type.in_(names)
