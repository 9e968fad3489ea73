"""XNAT's event service, as it is where it is switched off: it tells what it knows, and takes no orders.

For administrators (``/xapi/events``) and for owners of a project (``/xapi/projects/{project}/events``).
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from cci.archive.access import check_delete
from cci.archive.address import Address
from cci.archive.call import Call
from cci.archive.errors import NoRight, NoService
from cci.archive.routes.site import Site, SiteHandler
from cci.archive.tree import find

_PACKAGE = "org.nrg.xnat.eventservice.events"
#: What can happen on an XNAT, and in which states.
_EVENTS = {
    "ProjectEvent": ("CREATED", "DELETED"),
    "SubjectEvent": ("CREATED", "DELETED"),
    "SessionEvent": ("CREATED", "MERGED", "DELETED"),
    "SubjectAssessorEvent": ("CREATED", "DELETED"),
    "ScanEvent": ("CREATED",),
    "ImageAssessorEvent": ("CREATED", "UPDATED"),
    "ResourceEvent": ("CREATED", "UPDATED"),
    "ProjectAssetEvent": ("CREATED",),
    "ScheduledEvent": ("CRON",),
}


def event_types() -> list[dict[str, Any]]:
    """Return the kinds of events with their states."""
    return [{"type": f"{_PACKAGE}.{name}", "statuses": list(states)} for name, states in _EVENTS.items()]


def _told(answer: Any) -> SiteHandler:
    def handler(_site: Site, call: Call) -> Response:
        _check(call)
        return JSONResponse(answer)

    return handler


def refuse(_site: Site, call: Call) -> Response:
    """Refuse a subscription: nothing would be delivered.

    Raises
    ------
    NoService
        Always, to those who may ask.
    """
    _check(call)
    raise NoService("the event service is switched off: poll instead")


def _check(call: Call) -> None:
    project = call.names.get("project", "")
    if not project:
        if not call.user.admin:
            raise NoRight
        return
    with call.store.database.read() as connection:
        item = find(connection, call.user, Address().member("projects", project)).existing
        check_delete(connection, call.user, item)


#: Words behind ``…/events`` → method → handler.
EVENT_ROUTES: dict[str, dict[str, SiteHandler]] = {
    "events": {"GET": _told(event_types())},
    "actions": {"GET": _told([])},
    "subscriptions": {"GET": _told([])},
    "subscription": {"POST": refuse},
    "prefs": {"GET": _told({"enabled": False})},
    "delivered": {"POST": _told([])},
    "delivered/count": {"GET": _told(0)},
    "delivered/summary": {"GET": _told([])},
}
