"""Resources as such: their lists, catalogs, creation and deletion. Their files are in `files`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree
from starlette.responses import Response

from cci.archive.access import check_edit, check_read_inside
from cci.archive.address import Address
from cci.archive.call import Call, created_response, table_response, text_response
from cci.archive.errors import BadRequest, Missing, NoRight, Unprocessable
from cci.archive.store.catalog import (
    FileRow,
    Labels,
    ResourceRow,
    create_resource,
    delete_resource,
    files_of,
    find_resource,
    resource_exists,
    resources_of,
    resources_of_parts,
)
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, experiments_of, parts_of
from cci.archive.tree import find
from cci.archive.typedefs import NAMESPACES, REGISTRY
from cci.archive.types import Family
from cci.archive.xmlread import parse_document
from cci.archive.xmlsafe import is_xml

_HEADERS = [
    *("xnat_abstractresource_id", "label", "element_name", "category", "cat_id", "cat_desc"),
    *("file_count", "file_size", "tags", "content", "format"),
]
#: Collections whose members an address may name together, by a list, ``ALL`` or a type.
_SELECTED = {
    "scans": Family.SCAN,
    "reconstructions": Family.RECONSTRUCTION,
    "assessors": Family.EXPERIMENT,
}
_ALL = frozenset({"ALL", "*"})
#: What parameters that describe a new resource are called, or begin with.
_OWN = frozenset(
    {"label", "format", "content", "description", "tags"}
    | {"xnat:resourceCatalog", "xnat:resource", "xnat:abstractResource"}
)
_CATEGORIES = {Family.SCAN: "scans", Family.RECONSTRUCTION: "reconstructions"}


@dataclass(frozen=True, kw_only=True)
class Owner:
    """An item whose resources are meant, and which group of them (None: all)."""

    item: Item
    grouping: str | None


def list_resources(call: Call, address: Address) -> Response:
    """Answer the resources of an item, with ``all=true`` also those of everything below a session."""
    with call.store.database.read() as connection:
        owners = list(find_owners(connection, call, address))
        several = len(owners) > 1
        rows = [
            _row(resource, several=several)
            for owner in owners
            for resource in _resources(connection, owner, below=call.flag("all"))
        ]
    return table_response(call, _HEADERS, rows)


def _resources(connection: Connection, owner: Owner, *, below: bool) -> Iterator[ResourceRow]:
    item = owner.item
    if below and item.kind == "session":
        for family in (*_CATEGORIES, Family.EXPERIMENT):
            yield from resources_of_parts(connection, item, family)
    yield from resources_of(connection, item, owner.grouping)


def _row(resource: ResourceRow, *, several: bool) -> list[object]:
    owner = resource.owner
    category, cat_id, cat_desc = _category(owner, several=several)
    words = resource.labels
    return [
        *(resource.pk, resource.label, "xnat:resourceCatalog", category, cat_id, cat_desc),
        *(resource.file_count, resource.file_size, words.tags, words.content, words.format),
    ]


def _category(owner: Item, *, several: bool) -> tuple[str, str, str]:
    if owner.family in _CATEGORIES:
        return _CATEGORIES[owner.family], owner.id, owner.data.get("type", "")
    if owner.kind == "image":
        return "assessors", owner.id, REGISTRY.get(owner.xsi_type).singular
    return "resources", owner.id if several else "", ""


def find_owners(connection: Connection, call: Call, address: Address) -> Iterator[Owner]:
    """Yield the items whose resources an address means: one, or several by a list, ``ALL`` or a scan type.

    Raises
    ------
    Missing
        There is none.
    """
    if address.level == "experiments" and "," in address.name:
        for name in address.name.split(","):
            yield from find_owners(connection, call, replace(address, experiment=name))
    elif address.level in _SELECTED:
        yield from _parts(connection, call, address)
    else:
        item = find(connection, call.user, address).existing
        if item.family is Family.PROJECT:
            check_read_inside(connection, call.user, item, "files")
        yield Owner(item=item, grouping=None)


def _parts(connection: Connection, call: Call, address: Address) -> Iterator[Owner]:
    grouping = address.grouping if address.level != "scans" else None
    found = find(connection, call.user, address)
    if found.item is not None:
        yield Owner(item=found.item, grouping=grouping)
        return
    assert found.session is not None
    wanted = {_unescape(part) for part in address.name.split(",")}
    chosen = [part for part in _all_parts(connection, found.session, address.level) if wanted & _names(part)]
    if not chosen and not wanted & _ALL:
        raise Missing(f"Not Found: there is no such {address.level.removesuffix('s')}")
    yield from (Owner(item=part, grouping=grouping) for part in chosen)


def _all_parts(connection: Connection, session: Item, level: str) -> list[Item]:
    if level == "assessors":
        return experiments_of(connection, session, ("image",))
    return parts_of(connection, _SELECTED[level], session)


def _names(part: Item) -> frozenset[str]:
    """Return what a part of a session can be selected by: all, its id, label, type."""
    if part.family is Family.EXPERIMENT:
        return _ALL | {part.id, part.label, part.xsi_type}
    return _ALL | {part.id, part.data.get("type", "NULL")}


def _unescape(word: str) -> str:
    return word.replace("[SLASH]", "/").replace("[COMMA]", ",")


def find_resources(connection: Connection, call: Call, address: Address) -> list[ResourceRow]:
    """Return the resources that an address names: those of its items, or the ones of a given label or number.

    Raises
    ------
    Missing
        A resource is named and does not exist.
    NoRight
        A number is given that is another item's.
    """
    owners = list(find_owners(connection, call, address))
    if not address.resource:
        return [row for owner in owners for row in resources_of(connection, owner.item, owner.grouping)]
    names = address.resource.split(",")
    found = (
        find_resource(connection, owner.item, address.grouping, name) for owner in owners for name in names
    )
    rows = [row for row in found if row is not None]
    if not rows:
        _refuse_foreign(connection, names)
        raise Missing(f"Not Found: there is no resource {address.resource}")
    return rows


def _refuse_foreign(connection: Connection, names: list[str]) -> None:
    if any(resource_exists(connection, name) for name in names):
        raise NoRight("this resource belongs to another item")


def get_resource(call: Call, address: Address) -> Response:
    """Answer the catalog of a resource; always XML, whatever is asked for."""
    with call.store.database.read() as connection:
        resource = find_resources(connection, call, address)[0]
        body = _catalog(resource, files_of(connection, resource))
    return Response(body, media_type="text/xml")


def _catalog(resource: ResourceRow, files: list[FileRow]) -> bytes:
    dicom = resource.labels.format == "DICOM" or resource.label == "DICOM"
    cat = NAMESPACES["cat"]
    root = etree.Element(f"{{{cat}}}{'DCMCatalog' if dicom else 'Catalog'}", nsmap={"cat": cat})
    root.set("ID", resource.label)
    entries = etree.SubElement(root, f"{{{cat}}}entries")
    for row in files:
        attributes = {
            "URI": row.path,
            "ID": row.path,
            "name": row.path.rpartition("/")[2],
            "digest": row.md5,
            "createdBy": row.created_by,
            "createdTime": row.created_at.replace(" ", "T"),
            "format": row.labels.format,
            "content": row.labels.content,
        }
        etree.SubElement(entries, f"{{{cat}}}entry", {key: text for key, text in attributes.items() if text})
    # clients look for exactly this beginning
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + bytes(etree.tostring(root, pretty_print=True))


def put_resource(call: Call, address: Address) -> Response:
    """Create an empty resource."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        check_edit(connection, call.user, item)
        ensure_label(address.resource)
        place = (address.grouping, address.resource)
        create_resource(connection, item, place, labels(call), call.stamp())
    return text_response()


def post_resource(call: Call, address: Address) -> Response:
    """Create an empty resource; its label is in the parameters or in a document, or it has none."""
    label, words = _described(call)
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        check_edit(connection, call.user, item)
        place = (address.grouping, ensure_label(label) if label else "")
        resource = create_resource(connection, item, place, words, call.stamp())
    return created_response(call, str(resource.pk))


def _described(call: Call) -> tuple[str, Labels]:
    given: dict[str, str | None] = {}
    if is_xml(call.body):
        parsed = parse_document(call.body)
        if parsed.data_type.name != "xnat:resourceCatalog":
            raise Unprocessable("Only ResourceCatalog documents can be PUT to this address.")
        given = {**parsed.changes.fields, **parsed.changes.identity}
    own = (pair for pair in call.parameters if pair[0].partition("/")[0] in _OWN)
    given.update((name.rpartition("/")[2], value) for name, value in own)
    words = {word: given.get(word) or "" for word in ("label", "format", "content", "description", "tags")}
    return words.pop("label"), Labels(**words)


def ensure_label(label: str) -> str:
    """Return *label* if a resource may be called so.

    Raises
    ------
    BadRequest
        It may not.
    """
    odd = not label or len(label) > 255 or any(ord(char) < 32 or char in "\"'\\/," for char in label)
    # a step up is no folder: in a zip it would leave the one that the zip is unpacked in
    if odd or label in {".", ".."}:
        raise BadRequest(f"{label[:80]!r} cannot be the label of a resource")
    return label


def labels(call: Call) -> Labels:
    """Read the words on a resource or file from the parameters."""
    return Labels(
        format=call.get("format"),
        content=call.get("content"),
        description=call.get("description"),
        tags=call.get("tags"),
    )


def remove_resource(call: Call, address: Address) -> Response:
    """Delete a resource; an unknown label is no error, an unknown number is."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, replace(address, resource="")).existing
        check_edit(connection, call.user, item)
        for name in address.resource.split(","):
            resource = find_resource(connection, item, address.grouping, name)
            if resource is not None:
                delete_resource(connection, resource, call.stamp())
            elif name.isdecimal():
                raise NoRight("there is no such resource here")
    call.store.blobs.collect()
    return text_response()
