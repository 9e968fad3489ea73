"""What a project has beside its data: accessibility, members, codes; and lists of what is in it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from cci.archive.access import check_accessibility, check_delete, check_edit, check_read_inside
from cci.archive.address import Address
from cci.archive.call import Call, table_response, text_response
from cci.archive.errors import BadRequest, Missing
from cci.archive.protocols import protocol_elements
from cci.archive.routes import items, words
from cci.archive.routes.remembered import REMEMBERED
from cci.archive.store import accounts, searches, writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item
from cci.archive.tree import find

AddressHandler = Callable[[Call, Address], Response]
_NOT_HERE = frozenset({"archive_spec", "automation", "config", "pars", "pipelines"})


def handlers(address: Address) -> dict[str, AddressHandler]:
    """Return the handlers for an attribute of a project; the project itself where there is no such one.

    Raises
    ------
    Missing
        XNAT has such an attribute and the archive has not: a script that sets it must not think that it did.
    """
    name = address.extra[0]
    if name in _NOT_HERE:
        raise Missing(f"Not Found: projects of this archive have no {name}")
    if name == "accessibility":
        return {"GET": get_accessibility, "PUT": put_accessibility}
    if name in REMEMBERED:
        return {"GET": get_remembered, "PUT": put_remembered}
    if name == "users":
        return {"GET": list_users, "PUT": put_user, "DELETE": delete_user}
    if name == "groups":
        return {"GET": list_groups}
    if name in _LISTS and len(address.extra) == 1:
        return {"GET": _LISTS[name]}
    read = words.get_history if name == "history" else items.get_item
    return {"GET": read, "PUT": items.put_item, "DELETE": items.delete_item}


def get_accessibility(call: Call, address: Address) -> Response:
    """Answer who may see the project: private, protected or public."""
    with call.store.database.read() as connection:
        return text_response(find(connection, call.user, address).existing.accessibility)


def put_accessibility(call: Call, address: Address) -> Response:
    """Set who may see the project."""
    level = check_accessibility(address.extra[-1].lower())
    with call.store.database.write() as connection:
        item = _owned(connection, call, address)
        writing.save(connection, item, item.data, call.stamp(), accessibility=level)
    return text_response()


def get_remembered(call: Call, address: Address) -> Response:
    """Answer a setting of the project."""
    name = address.extra[0]
    with call.store.database.read() as connection:
        settings = find(connection, call.user, address).existing.settings
    return text_response(settings.get(name, REMEMBERED[name]))


def put_remembered(call: Call, address: Address) -> Response:
    """Remember a setting of the project."""
    with call.store.database.write() as connection:
        item = _owned(connection, call, address)
        settings = {**item.settings, address.extra[0]: "/".join(address.extra[1:])}
        writing.save(connection, item, item.data, call.stamp(), settings=settings)
    return text_response()


def list_users(call: Call, address: Address) -> Response:
    """Answer to its owners who has which role in the project."""
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
        check_edit(connection, call.user, item)
        return _members(connection, call, item)


def _members(connection: Connection, call: Call, project: Item) -> Response:
    rows = [_user_row(project, role, user) for role, user in accounts.members(connection, project)]
    # as XNAT: owners, members, collaborators
    rows.sort(key=lambda row: row[0], reverse=True)
    names = ["GROUP_ID", "displayname", "login", "firstname", "lastname", "email"]
    return table_response(call, names, rows)


def _user_row(project: Item, role: str, user: accounts.User) -> list[str]:
    group = f"{project.id}_{role[:-1].lower()}"
    return [group, role, user.login, user.firstname, user.lastname, user.email]


def put_user(call: Call, address: Address) -> Response:
    """Give a user a role in the project."""
    with call.store.database.write() as connection:
        item = _owned(connection, call, address)
        role, user = _named_user(connection, address)
        accounts.set_role(connection, user, item, role)
        return _members(connection, call, item)


def delete_user(call: Call, address: Address) -> Response:
    """Take a user's role in the project away."""
    with call.store.database.write() as connection:
        item = _owned(connection, call, address)
        _, user = _named_user(connection, address)
        accounts.drop_role(connection, user, item)
        return _members(connection, call, item)


def _named_user(connection: Connection, address: Address) -> tuple[str, accounts.User]:
    if len(address.extra) != 3:
        raise BadRequest("say a role and a user: users/Members/LOGIN")
    role, user = accounts.role_name(address.extra[1]), accounts.find_user(connection, address.extra[2])
    if role is None or user is None:
        raise Missing(f"there is no role {address.extra[1]} or no user {address.extra[2]}")
    return role, user


def list_groups(call: Call, address: Address) -> Response:
    """Answer the groups that a project always has."""
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
    rows = [[f"{item.id}_{role[:-1].lower()}", role, item.id] for role in accounts.ROLES]
    return table_response(call, ["id", "displayname", "tag"], rows)


def _owned(connection: Connection, call: Call, address: Address) -> Item:
    item = find(connection, call.user, address).existing
    check_delete(connection, call.user, item)
    return item


# -- what is in a project ---------------------------------------------------------------------------


def list_scan_types(call: Call, address: Address) -> Response:
    """Answer the types of the project's scans."""
    return _words(call, address, "type", searches.scan_types)


def list_scanners(call: Call, address: Address) -> Response:
    """Answer the scanners of the project's sessions."""
    return _words(call, address, "scanner", searches.scanners)


def _words(
    call: Call, address: Address, column: str, words: Callable[[Connection, frozenset[int]], list[str]]
) -> Response:
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
        check_read_inside(connection, call.user, item, column)
        found = words(connection, frozenset({item.pk}))
    return table_response(call, [column], [[word] for word in found])


def list_protocols(call: Call, address: Address) -> Response:
    """Answer which kinds of data the project defines custom variables for."""
    with call.store.database.read() as connection:
        data = find(connection, call.user, address).existing.data
    rows = [
        [each.get("ID", ""), each.get("name", ""), each.get("data-type", "")]
        for each in protocol_elements(data)
    ]
    return table_response(call, ["ID", "name", "data-type"], rows)


def list_searches(call: Call, address: Address) -> Response:
    """Answer the searches that are saved for the project: none, they are saved for people."""
    with call.store.database.read() as connection:
        assert find(connection, call.user, address).existing
    return table_response(call, ["id", "root_element_name", "brief_description", "description"], [])


_LISTS: dict[str, AddressHandler] = {
    "scan_types": list_scan_types,
    "scanners": list_scanners,
    "protocols": list_protocols,
    "searches": list_searches,
}
