"""Filters of a listing as they stand in a query string: ``date=2020-01-01-2020-02-01``, ``label=MR*,CT*``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cci.archive.errors import Broken
from cci.archive.listing import RESERVED, Column, Compare, Condition, Group, Resolver
from cci.archive.types import Kind

_NUMBER_RANGE = re.compile(r"(-?[\d.]+)-(-?[\d.]+)")
_DATE = r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4}"
_DAY = re.compile(_DATE)
_DATE_RANGE = re.compile(rf"({_DATE})-({_DATE})")


def query_filters(resolver: Resolver, parameters: Iterable[tuple[str, str]]) -> Group:
    """Read the filters; parameters that name no column are no filters. All must hold."""
    found = (
        _one(column, value)
        for name, value in parameters
        if name not in RESERVED and (column := _column(resolver, name)) is not None
    )
    return Group(members=tuple(found))


def _column(resolver: Resolver, name: str) -> Column | None:
    try:
        return resolver.column(name)
    except Broken:
        return None


def _one(column: Column, value: str) -> Condition:
    choices = tuple(_choice(column, part.strip()) for part in value.split(","))
    return choices[0] if len(choices) == 1 else Group(method="OR", members=choices)


def _choice(column: Column, value: str) -> Compare:
    if value.upper() == "NULL":
        return Compare(column=column, operator="IS NULL")
    between = _range(column.kind, value)
    if between is not None:
        return Compare(column=column, operator="BETWEEN", values=between)
    if "*" in value or "%" in value:
        return Compare(column=column, operator="LIKE", values=(value.replace("*", "%"),))
    if column.kind is Kind.DATE and _DAY.fullmatch(value):
        value = _iso(value)
    return Compare(column=column, operator="=", values=(value,))


def _range(kind: Kind, value: str) -> tuple[str, ...] | None:
    if kind in {Kind.INT, Kind.FLOAT}:
        match = _NUMBER_RANGE.fullmatch(value)
    elif kind in {Kind.DATE, Kind.DATETIME}:
        match = _DATE_RANGE.fullmatch(value)
    else:
        match = None
    return (_iso(match[1]), _iso(match[2])) if match is not None else None


def _iso(text: str) -> str:
    if "/" not in text:
        return text
    month, day, year = text.split("/")
    return f"{year}-{int(month):02d}-{int(day):02d}"
