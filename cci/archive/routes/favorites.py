"""A user's favourite projects."""

from __future__ import annotations

from starlette.responses import Response

from cci.archive.address import Address
from cci.archive.call import Call, table_response, text_response
from cci.archive.errors import Missing, Unauthorized
from cci.archive.routes.site import Site
from cci.archive.store import favorites
from cci.archive.store.accounts import readable_projects
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, project_ids
from cci.archive.tree import find


def list_favorites(_site: Site, call: Call) -> Response:
    """Answer the ids of one's own favourite projects."""
    _check_kind(call)
    with call.store.database.read() as connection:
        readable = readable_projects(connection, call.user)
        found = favorites.projects_where(
            connection, lambda each: favorites.is_favorite(each, call.user.login)
        )
        names = project_ids(connection, found if readable is None else found & readable)
    return table_response(call, ["ID"], [[name] for name in names])


def put_favorite(_site: Site, call: Call) -> Response:
    """Make a project one's own favourite."""
    return _set(call, favorite=True)


def delete_favorite(_site: Site, call: Call) -> Response:
    """Make a project no favourite any more; one that is none is no error."""
    return _set(call, favorite=False)


def _set(call: Call, *, favorite: bool) -> Response:
    _check_kind(call)
    if not call.user.pk:
        raise Unauthorized
    with call.store.database.write() as connection:
        project = _project(connection, call)
        favorites.set_favorite(connection, project, call.user.login, favorite=favorite)
    return text_response()


def _project(connection: Connection, call: Call) -> Item:
    return find(connection, call.user, Address().member("projects", call.names["project"])).existing


def _check_kind(call: Call) -> None:
    if call.names["kind"].lower() not in {"project", "xnat:projectdata"}:
        raise Missing("Not Found: only projects can be favourites")
