"""What a user may do: read, edit, delete, by the role in the project. What may not be read looks missing."""

from __future__ import annotations

from cci.archive.errors import BadRequest, Missing, NoRight
from cci.archive.store.accounts import User, role_in
from cci.archive.store.database import Connection
from cci.archive.store.items import PLACES, Item, find_project, visible_in

_EDITORS = frozenset({"Owners", "Members"})
_LEVELS = ("private", "protected", "public")
_OWNERS = frozenset({"Owners"})
_NO_RIGHT = "Specified user account has insufficient {0} privileges for this {1}."


def check_accessibility(level: str) -> str:
    """Return *level* if a project's accessibility can be that.

    Raises
    ------
    BadRequest
        It is none of private, protected, public.
    """
    if level not in _LEVELS:
        raise BadRequest(f"{level[:80]!r} is none of {', '.join(_LEVELS)}")
    return level


def may_read(connection: Connection, user: User, item: Item) -> bool:
    """Whether the user may see an item through the project it was found in, or any other that has it."""
    whole = item.family.value == "project"
    if user.admin or _reads(connection, user, item.place, whole=whole):
        return True
    places = _projects_of(connection, item) if item.family in PLACES else []
    return any(_reads(connection, user, place, whole=False) for place in places)


def _projects_of(connection: Connection, item: Item) -> list[str]:
    return [row[1] for row in visible_in(connection, item)]


def _reads(connection: Connection, user: User, place: str, *, whole: bool) -> bool:
    project = find_project(connection, place)
    if project is None:
        return False
    # of a protected project everyone sees that it is there, and nothing of what it holds
    allowed = {"public", "protected"} if whole else {"public"}
    return project.accessibility in allowed or bool(role_in(connection, user, project.pk))


def check_read(connection: Connection, user: User, item: Item) -> None:
    """Refuse a reader.

    Raises
    ------
    Missing
        Always this, so that private items do not show that they exist.
    """
    if not may_read(connection, user, item):
        raise Missing


def may_read_inside(connection: Connection, user: User, project: Item) -> bool:
    """Whether the user may see what a project holds; that a protected one is there is seen by everyone."""
    return user.admin or _reads(connection, user, project.place, whole=False)


def check_read_inside(connection: Connection, user: User, project: Item, what: str) -> None:
    """Refuse a reader of what a project holds: its subjects, its experiments, its files.

    Raises
    ------
    NoRight
        The user may see that the project is there, and no more.
    """
    if not may_read_inside(connection, user, project):
        raise NoRight(f"Unable to read {what} for Project")


def check_edit(connection: Connection, user: User, item: Item) -> None:
    """Refuse a writer who is neither owner nor member of the project that owns the item.

    A project itself, with its resources, is written by its owners alone.

    Raises
    ------
    Missing
        The user may not even read it.
    NoRight
        The user may read it only.
    """
    _check_role(connection, user, item, _OWNERS if item.family.value == "project" else _EDITORS, "edit")


def check_add(connection: Connection, user: User, project: Item) -> None:
    """Refuse someone who is neither owner nor member of a project that something is to be added to.

    Errors are as in `check_edit`.
    """
    _check_role(connection, user, project, _EDITORS, "create")


def check_delete(connection: Connection, user: User, item: Item) -> None:
    """Refuse a delete by anyone but an owner; errors as in `check_edit`."""
    _check_role(connection, user, item, _OWNERS, "delete")


def _check_role(connection: Connection, user: User, item: Item, roles: frozenset[str], what: str) -> None:
    if user.admin or role_in(connection, user, item.project_pk) in roles:
        return
    check_read(connection, user, item)
    raise NoRight(_NO_RIGHT.format(what, item.family.value))
