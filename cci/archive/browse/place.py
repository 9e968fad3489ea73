"""Where a page is: the items that its address names, the way back, and a better address if there is one.

The items are found as for the REST interface, with the same refusals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cci.archive.access import may_read_inside
from cci.archive.address import Address, parse_address
from cci.archive.browse import links
from cci.archive.browse.links import Crumb
from cci.archive.browse.words import plain
from cci.archive.errors import Missing
from cci.archive.store.accounts import User
from cci.archive.store.catalog import ResourceRow, find_resource
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, by_pk, find_project, find_subject, visible_in
from cci.archive.tree import Found, find
from cci.archive.types import Family

_PARTS = frozenset({"scans", "assessors", "reconstructions"})


@dataclass(frozen=True, kw_only=True)
class Place:
    """An item that the user may see, by an address that its page may stay at.

    Attributes
    ----------
    link
        Of the item's page.
    crumbs
        The way to the item, which is the last one.
    """

    address: Address
    found: Found
    item: Item
    link: str
    crumbs: tuple[Crumb, ...]


def find_place(connection: Connection, user: User, path: str) -> Place | str:
    """Find what a path below ``/browse/`` names, or say under which path it is found instead.

    Raises
    ------
    Missing
        There is nothing there that the user may see.
    """
    address = parse_address(path)
    found = find(connection, user, replace(address, collection="", resource="", file="", share=""))
    better = _better(connection, user, found, address, path)
    if better is not None:
        return better
    if address.extra or address.collection == "shares" or not address.level:
        raise Missing
    bare = replace(address, grouping="", collection="", resource="", file="")
    return Place(
        address=address,
        found=found,
        item=found.existing,
        link=links.item(bare),
        crumbs=tuple(_crumbs(bare, found)),
    )


def find_place_resource(connection: Connection, place: Place) -> ResourceRow:
    """Return the resource that the address of a place names.

    Raises
    ------
    Missing
        The item has no such resource.
    """
    address = place.address
    found = find_resource(connection, place.item, address.grouping, address.resource)
    if found is None:
        raise Missing(f"there is no resource {address.resource[:80]} here")
    return found


# -- better addresses -------------------------------------------------------------------------------


def _better(connection: Connection, user: User, found: Found, address: Address, path: str) -> str | None:
    if address.collection in {"projects", "subjects", "experiments", *_PARTS}:
        return links.item(replace(address, collection=""))
    target = found.session or found.subject
    if (
        target is None
        or found.item is None
        or (address.project and address.subject)
        or address.level == "projects"
    ):
        return None
    if address.project and target.family is Family.SUBJECT:
        return None
    tail = _tail(path, address)
    if target.kind == "image":
        session = by_pk(connection, Family.EXPERIMENT, target.session_pk)
        if session is None:
            return None
        target, tail = session, ["assessors", found.existing.id, *tail]
    start = _home(connection, user, target, address)
    return None if start is None else links.below(start, *tail)


def _tail(path: str, address: Address) -> list[str]:
    named = (address.project, address.subject, address.experiment)
    return [step for step in path.split("/") if step][2 * sum(map(bool, named)) :]


def _home(connection: Connection, user: User, target: Item, address: Address) -> str | None:
    """Return the address of a subject or session below a project through which the user may see it."""
    subject = target if target.family is Family.SUBJECT else None
    subject = subject or by_pk(connection, Family.SUBJECT, target.subject_pk)
    for _, project_id, *_ in visible_in(connection, target):
        project = find_project(connection, project_id)
        wanted = project is not None and address.project in {"", project.id}
        if project is None or subject is None or not wanted or not may_read_inside(connection, user, project):
            continue
        if find_subject(connection, subject.id, project) is not None:
            link = links.below(links.ROOT, "projects", project.id, "subjects", subject.id)
            return link if target is subject else links.below(link, "experiments", target.id)
    # a session that a project sees without its subject has no address below one
    return links.below(links.ROOT, "experiments", target.id) if address.project else None


# -- the way back -----------------------------------------------------------------------------------


def _crumbs(address: Address, found: Found) -> Iterator[Crumb]:
    yield Crumb(label="Projects", link=links.ROOT)
    steps = (("project", found.project), ("subject", found.subject), ("experiment", found.session))
    kept = Address()
    for name, item in steps:
        named = getattr(address, name)
        if item is not None and named:
            kept = replace(kept, **{name: named})
            yield Crumb(label=plain(item.label), link=links.item(kept))
    if address.level in _PARTS and found.item is not None:
        label = f"{address.level.removesuffix('s')} {found.item.id}"
        if address.level == "assessors":
            label = found.item.data.get("proctype", "") or found.item.label
        yield Crumb(label=plain(label), link=links.item(address))
