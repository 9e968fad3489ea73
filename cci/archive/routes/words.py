"""Words behind an item that mean something: ``…/status`` and ``…/history``; and a session's quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from cci.archive import audit
from cci.archive.access import check_delete
from cci.archive.address import Address
from cci.archive.audit import Entry
from cci.archive.call import Call, text_response
from cci.archive.store import writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, experiments_of
from cci.archive.tree import find, name_in_log
from cci.archive.types import Family

#: Kept beside the fields, and no field: no document shows it.
_STATUS = "_status"
_ACTIVE, _QUARANTINED = "active", "quarantine"
_DONE = {"PUT": "Modified", "POST": "Modified", "DELETE": "Removed"}


def get_status(call: Call, address: Address) -> Response:
    """Answer whether an experiment or subject is ``active`` or in ``quarantine``."""
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
    return text_response(item.data.get(_STATUS, _ACTIVE))


def wants_status(call: Call) -> str:
    """Return the state that a PUT asks for by ``activate=true`` or ``quarantine=true``; empty for none."""
    if call.flag("activate"):
        return _ACTIVE
    return _QUARANTINED if call.flag("quarantine") else ""


def put_status(call: Call, address: Address, wanted: str) -> None:
    """Remember an item's state, for those who may delete it. It hides the item from nobody."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        check_delete(connection, call.user, item)
        others = {path: text for path, text in item.data.items() if path != _STATUS}
        state = {_STATUS: wanted} if wanted != _ACTIVE else {}
        writing.save(connection, item, {**others, **state}, call.stamp())


def get_history(call: Call, address: Address) -> Response:
    """Answer who wrote an item and what it holds, and when: what the log of writes has of it."""
    with call.store.database.read() as connection:
        found = find(connection, call.user, address)
        names = frozenset(_names(connection, found.existing))
        own = name_in_log(found.existing, found.session)
    part = "/" in own
    entries = audit.entries_of(call.store.root, frozenset({own.partition("/")[0]}) if part else names)
    if part:
        entries = filter(lambda entry: entry["item"] == own, entries)
    return JSONResponse({"events": events(entries, call.get("dateFormat"))})


def _names(connection: Connection, item: Item) -> Iterable[str]:
    yield item.id
    if item.family is Family.SUBJECT:
        yield from (each.id for each in experiments_of(connection, item, ("session", "subject", "image")))
    if item.kind == "session":
        yield from (each.id for each in experiments_of(connection, item, ("image",)))


def events(entries: Iterable[Entry], date_format: str = "") -> list[dict[str, Any]]:
    """Return the events of a history: one for each write that succeeded.

    Parameters
    ----------
    date_format
        Empty for milliseconds of the epoch, else the date is spelt as in tables.
    """
    done = (entry for entry in entries if 200 <= int(entry.get("status", 0)) < 300)
    return [_event(number, entry, date_format) for number, entry in enumerate(done, start=1)]


def _event(number: int, entry: Entry, date_format: str) -> dict[str, Any]:
    moment = datetime.fromisoformat(entry["time"])
    spelt: int | str = int(moment.timestamp() * 1000)
    if date_format:
        spelt = moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    given = _given(entry["path"])
    return {
        "event_id": number,
        "event_action": given.get("event_action") or _action(entry),
        "event_date": spelt,
        "event_user": entry["user"],
        "event_type": given.get("event_type", "REST"),
        "event_reason": given.get("event_reason", ""),
        "event_category": "DATA",
        "event_status": "Complete",
        "changesets": [],
    }


def _given(path: str) -> dict[str, str]:
    return dict(parse_qsl(path.partition("?")[2]))


def _action(entry: Entry) -> str:
    path = str(entry["path"]).partition("?")[0]
    if path.endswith("/services/import"):
        return "Transferred"
    if "/files" in path:
        return "Removed File" if entry["method"] == "DELETE" else "Uploaded File"
    if entry["status"] == 201:
        return "Added"
    return _DONE.get(entry["method"], "Modified")
