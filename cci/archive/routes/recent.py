"""The list of recent imaging sessions, ``/experiments?recent=DAYS``, which has columns of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from cci.archive.call import Call, table_response
from cci.archive.listing import Column, Compare, Group, Listing, Node, Source
from cci.archive.store.accounts import readable_projects
from cci.archive.store.query import Scope, run
from cci.archive.tables import Row
from cci.archive.typedefs import REGISTRY
from cci.archive.values import timestamp

#: Path of each column's value; columns without one are about workflows, of which the archive has none.
_COLUMNS = {
    "id": "ID", "label": "label", "project": "project", "date": "date", "status": "_status",
    "workflow_status": "", "element_name": "meta/element_name", "type_desc": "",
    "insert_date": "meta/insert_date", "activation_date": "", "last_modified": "meta/saved_at",
    "workflow_date": "", "pipeline_name": "", "action_date": "meta/saved_at",
}  # fmt: skip
_DAYS = re.compile("[0-9]{1,5}")
#: Without a number of days: so many days, and so many rows.
_MOST = 60


def list_recent(call: Call) -> Response:
    """Answer the imaging sessions that were made or changed lately, the latest first."""
    days = call.get("recent")
    known = bool(_DAYS.fullmatch(days))
    since = datetime.now(UTC) - timedelta(days=int(days) if known else _MOST)
    listing = recent_listing(timestamp(since), limit=None if known else _MOST)
    with call.store.database.read() as connection:
        scope = Scope(readable=readable_projects(connection, call.user))
        rows = list(_rows(listing, run(connection, listing, scope)))
    return table_response(call, list(_COLUMNS), rows)


def recent_listing(since: str, *, limit: int | None = None) -> Listing:
    """Return the listing of sessions that were made or changed since a moment, as tables spell it."""
    source = Source(node=Node.SESSION)
    columns = tuple(Column(source=source, path=path, header=name) for name, path in _COLUMNS.items() if path)
    changed = Compare(
        column=Column(source=source, path="meta/saved_at", header=""), operator=">", values=(since,)
    )
    return Listing(
        root=REGISTRY.get("xnat:imageSessionData"),
        root_node=Node.SESSION,
        columns=columns,
        where=Group(members=(changed,)),
        order=(("action_date", True),),
        limit=limit,
    )


def _rows(listing: Listing, rows: Iterator[Row]) -> Iterator[list[str]]:
    names = [column.header for column in listing.columns]
    for row in rows:
        known = dict(zip(names, row, strict=True))
        known["status"] = known["status"] or "active"
        known["type_desc"] = REGISTRY.get(known["element_name"]).singular
        yield [known.get(name) or "" for name in _COLUMNS]
