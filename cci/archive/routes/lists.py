"""Listings of projects, subjects, experiments, scans, assessors and reconstructions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from itertools import chain, islice
from typing import Any

from starlette.responses import Response

from cci.archive import aliases
from cci.archive.access import check_read_inside
from cci.archive.address import Address
from cci.archive.aliases import ListKind
from cci.archive.call import Call, table_response
from cci.archive.errors import BadRequest, Broken, Missing, NoRight
from cci.archive.filters import query_filters
from cci.archive.listing import Listing, plan
from cci.archive.routes.projectlist import narrowed
from cci.archive.routes.recent import list_recent
from cci.archive.store.accounts import readable_projects
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, find_project
from cci.archive.store.query import Scope, headers, run, unnamed_headers
from cci.archive.tables import Row, table_format
from cci.archive.tree import Found, find
from cci.archive.types import Kind

_PAGED = frozenset({"subjects", "experiments"})
_DEFAULT_LIMIT = 100
_NUMBER = re.compile("[0-9]{1,12}")


def list_items(call: Call, address: Address) -> Response:
    """Answer a listing. Rows are streamed from one consistent view of the store."""
    kind = _kind(address)
    if "fields" in dict(call.parameters):
        return table_response(call, ["key", "xpath"], list(kind.aliases.items()))
    if kind is aliases.SITE_EXPERIMENTS and call.get("recent"):
        return list_recent(call)
    connection = call.store.database.connect()
    try:
        found = _found(connection, call, address)
        scope = _scope(connection, call, address, found)
        try:
            listing = _listing(call, address, kind, found)
        except Broken:
            return _broken(address, connection)
        return _answer(call, kind, listing, _rows(connection, listing, scope))
    except BaseException:
        connection.close()
        raise


def _found(connection: Connection, call: Call, address: Address) -> Found:
    """Find the parent of a listing, which must exist: without one the listing would be that of the site."""
    try:
        found = find(connection, call.user, address)
    except Missing:
        unread = address.level == "projects" and address.collection == "experiments"
        if unread and find_project(connection, address.project) is not None:
            raise NoRight("Unable to read experiments for Project") from None
        raise
    if address.level and found.item is None:
        raise Missing(f"Not Found: there is no such {address.level.removesuffix('s')}")
    if address.level == "projects":
        check_read_inside(connection, call.user, found.existing, address.collection)
    return found


def _kind(address: Address) -> ListKind:
    if address.collection == "experiments":
        return aliases.EXPERIMENTS if address.level else aliases.SITE_EXPERIMENTS
    kinds = (
        aliases.PROJECTS,
        aliases.SUBJECTS,
        aliases.SCANS,
        aliases.ASSESSORS,
        aliases.RECONSTRUCTIONS,
    )
    return next(kind for kind in kinds if kind.name == address.collection)


def _scope(connection: Connection, call: Call, address: Address, found: Found) -> Scope:
    readable = readable_projects(connection, call.user)
    if found.session is not None:
        # its parts are its own, through whichever project it is seen
        return Scope(parent=found.session, readable=readable)
    if address.collection == "projects":
        readable = narrowed(connection, call, readable)
    return Scope(project=found.project, parent=_parent(found), readable=readable)


def _parent(found: Found) -> Item | None:
    if found.item is None or found.item.family.value == "project":
        return None
    return found.item


def _listing(call: Call, address: Address, kind: ListKind, found: Found) -> Listing:
    resolver, columns = plan(kind, dict(call.parameters))
    where = query_filters(resolver, call.parameters)
    listing = Listing(
        root=resolver.root,
        root_node=resolver.root_node,
        columns=columns,
        where=where,
        types=resolver.types(),
        uri_prefix=_uri_prefix(address.collection, found),
        order=_order(call),
    )
    return _paged(call, listing) if kind.name in _PAGED else listing


def _uri_prefix(collection: str, found: Found) -> str:
    if collection in {"scans", "reconstructions"}:
        return f"/data/experiments/{found.existing.id}/{collection}/"
    return f"/data/{'experiments' if collection == 'assessors' else collection}/"


def _order(call: Call) -> tuple[tuple[str, bool], ...]:
    names = (name.strip() for name in call.get("sortBy").split(","))
    descending = call.get("sortOrder").upper() == "DESC"
    return tuple((name, descending) for name in names if name)


def _paged(call: Call, listing: Listing) -> Listing:
    if not (call.get("limit") or call.get("offset")):
        return listing
    limit, offset = call.get("limit") or str(_DEFAULT_LIMIT), call.get("offset") or "0"
    if not _NUMBER.fullmatch(offset) or not (limit == "*" or _NUMBER.fullmatch(limit)):
        raise BadRequest("limit and offset are numbers, or * for no limit")
    return replace(listing, limit=-1 if limit == "*" else int(limit), offset=int(offset))


def _answer(call: Call, kind: ListKind, listing: Listing, rows: Iterator[Row]) -> Response:
    # the first row is asked for here, so that a statement that fails is an error and not half an answer
    first = list(islice(rows, 1))
    renamed = bool(first) or kind.name != "experiments"
    names = headers(listing) if renamed else unnamed_headers(listing)
    rows = _spelt(call, listing, chain(first, rows))
    return table_response(call, names, rows, total=listing.limit is None, ordered=True)


def _spelt(call: Call, listing: Listing, rows: Iterator[Row]) -> Iterator[Row]:
    """Spell times of day with milliseconds where XNAT 1.8 does so, in JSON alone."""
    places = {place for place, column in enumerate(listing.columns) if column.kind is Kind.TIME}
    if not places or table_format(call.get("format"), call.headers.get("accept", "")) != "json":
        return rows
    return (
        [_milliseconds(cell) if place in places else cell for place, cell in enumerate(row)] for row in rows
    )


def _milliseconds(cell: Any) -> str:
    return time.fromisoformat(cell).isoformat("milliseconds") if cell else ""


def _rows(connection: Connection, listing: Listing, scope: Scope) -> Iterator[Row]:
    try:
        yield from run(connection, listing, scope)
    finally:
        connection.close()


def _broken(address: Address, connection: Connection) -> Response:
    connection.close()
    # a known element with an unknown field: XNAT's project lists say nothing at all, the others fail
    if address.level and address.collection in {"experiments", "assessors"}:
        return Response(b"", status_code=200)
    raise Broken
