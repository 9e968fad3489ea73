"""The filters that the list of projects has of its own: by role, right, time, setting. Queries; no HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cci.archive.call import Call
from cci.archive.errors import BadRequest
from cci.archive.routes.remembered import REMEMBERED
from cci.archive.store import accounts, favorites
from cci.archive.store.accounts import ROLES, User
from cci.archive.store.database import Connection
from cci.archive.values import timestamp

Keys = frozenset[int]
#: Words of ``data=``, ``restrict=`` and ``permissions=``, and the roles that have the right.
_RIGHTS: dict[str, tuple[str, ...]] = {
    "readable": ROLES,
    "read": ROLES,
    "writable": ("Owners", "Members"),
    "edit": ("Owners", "Members"),
    "create": ("Owners", "Members"),
    "delete": ("Owners",),
}
_SINCE = ("%m/%d/%Y", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S")


def narrowed(connection: Connection, call: Call, readable: Keys | None) -> Keys | None:
    """Return the keys of those readable projects that pass the filters; None for all there are.

    Raises
    ------
    BadRequest
        A filter has a value that means nothing.
    """
    for each in (_by_role, _by_access, _by_right, _by_time, _by_favorite, _by_prearchive):
        found = each(connection, call)
        if found is not None:
            readable = found if readable is None else readable & found
    return readable


def _by_role(connection: Connection, call: Call) -> Keys | None:
    words = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
    roles = tuple(role for word, role in words.items() if call.flag(word))
    return accounts.projects_with_role(connection, call.user, roles) if roles else None


def _by_access(connection: Connection, call: Call) -> Keys | None:
    # what a user has a role in, or may see anyway; to an administrator everything is accessible
    if not call.flag("accessible") or call.user.admin:
        return None
    return accounts.readable_projects(connection, call.user)


def _by_right(connection: Connection, call: Call) -> Keys | None:
    word = call.get("data") or call.get("restrict") or call.get("permissions")
    if not word:
        return None
    roles = _RIGHTS.get(word.lower())
    if roles is None:
        raise BadRequest(f"{word!r} is no right; rights are {', '.join(_RIGHTS)}")
    return _with_right(connection, call.user, roles)


def _with_right(connection: Connection, user: User, roles: tuple[str, ...]) -> Keys | None:
    if user.admin:
        return None
    if roles == ROLES:
        return accounts.readable_projects(connection, user)
    return accounts.projects_with_role(connection, user, roles)


def _by_time(connection: Connection, call: Call) -> Keys | None:
    since = _moment(call)
    return None if since is None else accounts.projects_changed_since(connection, since)


def _by_favorite(connection: Connection, call: Call) -> Keys | None:
    if not call.flag("favorite"):
        return None
    return favorites.projects_where(connection, lambda each: favorites.is_favorite(each, call.user.login))


def _by_prearchive(connection: Connection, call: Call) -> Keys | None:
    wanted = set(call.get("prearc_code").split(",")) - {""}
    if not wanted:
        return None
    default = REMEMBERED["prearchive_code"]
    return favorites.projects_where(connection, lambda each: each.get("prearchive_code", default) in wanted)


def _moment(call: Call) -> str | None:
    days, since = call.get("recent"), call.get("activeSince")
    if days:
        if not days.isdecimal() or len(days) > 5:
            raise BadRequest("recent= is a number of days")
        return timestamp(datetime.now(UTC) - timedelta(days=int(days)))
    return _date(since) if since else None


def _date(text: str) -> str:
    found = next(filter(None, (_read(text, form) for form in _SINCE)), None)
    if found is None:
        raise BadRequest("activeSince= is a date: 12/31/2026 or 2026-12-31")
    return timestamp(found)


def _read(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
