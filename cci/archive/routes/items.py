"""Single items: their documents, creation and update, deletion, sharing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from starlette.responses import Response

from cci.archive.access import check_accessibility, check_add, check_delete
from cci.archive.address import Address
from cci.archive.call import Call, created_response, table_response, text_response
from cci.archive.changes import Changes, read_changes, type_named
from cci.archive.creation import Creator, Outcome, Wanted
from cci.archive.documents import items_json
from cci.archive.errors import BadRequest, Collision, Missing, NeedContents, NoRight
from cci.archive.negotiation import ITEM_FORMS, negotiate
from cci.archive.routes.modified import is_unchanged, last_modified, moment_of
from cci.archive.store import writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, find_project, parts_of, visible_in
from cci.archive.tree import Found, find, find_to_write
from cci.archive.typedefs import REGISTRY
from cci.archive.types import Family
from cci.archive.whole import read_document
from cci.archive.writedoc import DocumentWriter
from cci.archive.xmlread import Parsed, parse_document
from cci.archive.xmlsafe import is_xml
from cci.archive.xmlwrite import document_xml

_ID_AS_TEXT = frozenset({"subjects", "experiments", "assessors"})
_PARTS = {"scans": Family.SCAN, "reconstructions": Family.RECONSTRUCTION}


def get_item(call: Call, address: Address) -> Response:
    """Answer the document of an item, as XML unless JSON is asked for."""
    negotiate(call.headers.get("accept", ""), ITEM_FORMS)
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
        if is_unchanged(moment_of(item.touched_at), call.headers.get("if-modified-since", "")):
            return Response(status_code=304)
        document = read_document(connection, item)
    modified = last_modified(moment_of(item.touched_at), datetime.now(UTC))
    headers = {"Last-Modified": modified} if modified else {}
    form = call.get("format", "xml").rpartition("/")[2]
    if form == "json":
        body = json.dumps(items_json(document))
        return Response(body, media_type="application/json", headers=headers)
    text = document_xml(document, call.site_url)
    return Response(text, media_type="text/xml", headers=headers)


def put_item(call: Call, address: Address) -> Response:
    """Create or update an item, by parameters, by an XML document, or by both."""
    if address.extra:
        raise BadRequest(f"{'/'.join(address.extra)} cannot be set here")
    with call.store.database.write() as connection:
        address, found = _target(connection, call, address)
        outcome = _write(connection, call, address, found)
    if _replaces(call):
        call.store.blobs.collect()
    return _put_response(address, outcome)


def _target(connection: Connection, call: Call, address: Address) -> tuple[Address, Found]:
    """Find what a PUT is for: something new below no project belongs to the one that the request names."""
    try:
        found = find_to_write(connection, call.user, address)
    except Missing:
        if address.level == "projects":
            # somebody else's project, which the user may not see, has this id
            raise NoRight(f"User {call.user.login} doesn't have permission to edit this project") from None
        raise
    if found.item is not None or address.project or address.level not in {"subjects", "experiments"}:
        return address, found
    project = said(call, address.level).identity.get("project", "")
    if find_project(connection, project) is None:
        return address, found
    address = replace(address, project=project)
    return address, find_to_write(connection, call.user, address)


def said(call: Call, collection: str) -> Changes:
    """Return what a request says of an item: its document, and over it its parameters.

    Raises
    ------
    NeedContents
        It does not even say of which type the item is.
    """
    if is_document(call):
        return _document(call, collection).changes
    each = type_named(call.parameters, collection)
    if each is None:
        raise NeedContents
    return read_changes(call.parameters, collection, each)


def _document(call: Call, collection: str) -> Parsed:
    parsed = parse_document(call.body)
    by_parameters = read_changes(call.parameters, collection, parsed.data_type)
    return replace(parsed, changes=parsed.changes.below(by_parameters))


def _replaces(call: Call) -> bool:
    return call.flag("allowDataDeletion")


def _put_response(address: Address, outcome: Outcome) -> Response:
    if outcome.renamed or address.level not in _ID_AS_TEXT:
        return text_response()
    return text_response(outcome.item.id, 201 if outcome.created else 200)


def _write(connection: Connection, call: Call, address: Address, found: Found) -> Outcome:
    creator = Creator(connection, call.user, call.stamp(), call.store.site)
    if is_document(call):
        parsed = _document(call, address.level)
        writer = DocumentWriter(connection, creator, call.stamp(), replace_children=_replaces(call))
        return writer.write(address, found, parsed, accessibility=_accessibility(call, address))
    wanted = wanted_by_parameters(call, address, found)
    outcome = creator.put(found, wanted)
    _share_by_parameters(connection, call, wanted.changes, outcome)
    return outcome


def is_document(call: Call) -> bool:
    """Whether the body of a request is an XML document."""
    return is_xml(call.body)


def wanted_by_parameters(call: Call, address: Address, found: Found) -> Wanted:
    """Read what the parameters of a request say of the item that its address names."""
    parameters = call.parameters
    if not call.get("xsiType") and found.item is not None:
        parameters = (*parameters, ("xsiType", found.item.xsi_type))
    each = type_named(parameters, address.level)
    fields_of = type_named((("xsiType", found.item.xsi_type),), "") if found.item is not None else each
    if fields_of is None:
        raise NeedContents
    return Wanted(
        address=address,
        name=address.name,
        data_type=each,
        changes=read_changes(parameters, address.level, fields_of),
        accessibility=_accessibility(call, address),
    )


def _accessibility(call: Call, address: Address) -> str:
    # of other items the parameter says nothing, and is ignored like any other
    level = call.get("accessibility").lower() if address.level == "projects" else ""
    return check_accessibility(level) if level else ""


def _share_by_parameters(connection: Connection, call: Call, changes: Changes, outcome: Outcome) -> None:
    share = changes.share
    project = find_project(connection, share["project"]) if "project" in share else None
    if project is not None and project.pk != outcome.item.project_pk:
        check_add(connection, call.user, project)
        label = share.get("label", outcome.item.label)
        writing.share(connection, outcome.item, project, label, call.stamp())


def post_item(call: Call, address: Address) -> Response:
    """Create a member of a collection; its name is in the document or in the parameters."""
    with call.store.database.write() as connection:
        above = find(connection, call.user, address).item
        call = _with_type(call, address, above)
        call, member = _new_member(connection, call, address, above)
        found = find_to_write(connection, call.user, member)
        if found.item is not None:
            raise Collision(f"{member.name} exists")
        outcome = _write(connection, call, member, found)
    return created_response(call, outcome.item.id)


def _with_type(call: Call, address: Address, above: Item | None) -> Call:
    """Return the call with the type of a new scan in it: that of its session, unless it says another."""
    session_type = above.xsi_type if above is not None and address.collection == "scans" else ""
    each = REGISTRY.find(session_type.replace("SessionData", "ScanData"))
    if each is None or is_document(call) or type_named(call.parameters, "scans") is not None:
        return call
    return replace(call, parameters=(*call.parameters, ("xsiType", each.name)))


def _new_member(
    connection: Connection, call: Call, address: Address, above: Item | None
) -> tuple[Call, Address]:
    """Return the address of a new member; the call names it, too, where it did not."""
    collection = address.collection
    changes = said(call, collection)
    if not address.project and not address.experiment and collection in {"subjects", "experiments"}:
        address = replace(address, project=changes.identity.get("project", ""))
    if collection == "experiments" and not address.subject:
        address = replace(address, subject=changes.fields.get("subject_ID") or "")
    name = changes.identity.get("label") or changes.identity.get("id")
    if name:
        return call, address.member(collection, name)
    name = _free_name(connection, call, collection, above)
    return replace(call, parameters=(*call.parameters, ("ID", name))), address.member(collection, name)


def _free_name(connection: Connection, call: Call, collection: str, above: Item | None) -> str:
    """Return what a new member without a name is called: a number in its session, else its accession id."""
    if collection == "projects":
        raise NeedContents("Requires XNAT ProjectData ID")
    if collection in _PARTS and above is not None:
        taken = {part.id for part in parts_of(connection, _PARTS[collection], above)}
        return next(str(number) for number in count(1) if str(number) not in taken)
    return writing.next_id(connection, "S" if collection == "subjects" else "E", call.store.site)


def delete_item(call: Call, address: Address) -> Response:
    """Delete an item with everything below it, or un-share it where it is seen through another project."""
    if address.extra:
        raise BadRequest(f"{'/'.join(address.extra)} cannot be deleted")
    with call.store.database.write() as connection:
        found = _to_delete(connection, call, address)
        item = found.existing
        if item.shared and item.family in {Family.SUBJECT, Family.EXPERIMENT} and found.project is not None:
            check_add(connection, call.user, found.project)
            writing.unshare(connection, item, found.project, call.stamp())
        else:
            check_delete(connection, call.user, item)
            writing.remove(connection, item, call.stamp())
    call.store.blobs.collect()
    return text_response()


def _to_delete(connection: Connection, call: Call, address: Address) -> Found:
    if address.level != "projects":
        return find(connection, call.user, address)
    try:
        found = find(connection, call.user, address)
    except Missing:
        found = Found()
    if found.item is None:
        raise BadRequest(f"Unable to identify project {address.project}")
    return found


def list_shares(call: Call, address: Address) -> Response:
    """Answer the projects that an item is visible in."""
    with call.store.database.read() as connection:
        item = find(connection, call.user, address).existing
        return _shares(connection, call, item)


def _shares(connection: Connection, call: Call, item: Item) -> Response:
    rows = visible_in(connection, item)
    return table_response(call, ["label", "ID", "Secondary_ID", "Name"], rows)


def put_share(call: Call, address: Address) -> Response:
    """Share an item into a project, or with ``primary=true`` move it there."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        project = _project(connection, address.share)
        check_add(connection, call.user, project)
        label = call.get("label") or item.label
        if call.flag("primary"):
            check_delete(connection, call.user, item)
            writing.move(connection, item, project, label, call.stamp())
        elif call.get("label") and _other_label(connection, item, project) not in {"", label}:
            writing.rename(connection, item, label, project, call.stamp())
        else:
            writing.share(connection, item, project, label, call.stamp())
        return _shares(connection, call, item)


def _other_label(connection: Connection, item: Item, project: Item) -> str:
    """Return the label of an item in a project that it is shared into; empty if it is not."""
    labels = {row[1]: row[0] for row in visible_in(connection, item)}
    return labels.get(project.id, "") if project.pk != item.project_pk else ""


def delete_share(call: Call, address: Address) -> Response:
    """Take an item out of a project that it is shared into."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        project = _project(connection, address.share)
        check_add(connection, call.user, project)
        if not writing.unshare(connection, item, project, call.stamp()):
            raise Missing(f"it is not shared into {project.id}")
    return text_response()


def _project(connection: Connection, name: str) -> Item:
    project = find_project(connection, name)
    if project is None:
        raise Missing(f"Unable to identify project: {name}")
    return project
