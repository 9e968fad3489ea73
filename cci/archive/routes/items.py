"""Single items: their documents, creation and update, deletion, sharing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from starlette.responses import PlainTextResponse, Response

from cci.archive.access import check_accessibility, check_delete, check_edit
from cci.archive.address import Address
from cci.archive.call import Call, table_response, text_response
from cci.archive.changes import Changes, read_changes, type_named
from cci.archive.creation import Creator, Outcome, Wanted
from cci.archive.documents import items_json
from cci.archive.errors import BadRequest, Collision, Missing, NeedContents
from cci.archive.routes.modified import is_unchanged, last_modified, moment_of
from cci.archive.store import writing
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, find_project, visible_in
from cci.archive.tree import Found, find
from cci.archive.types import Family
from cci.archive.whole import read_document
from cci.archive.writedoc import DocumentWriter
from cci.archive.xmlread import parse_document
from cci.archive.xmlwrite import document_xml

_ID_AS_TEXT = frozenset({"subjects", "experiments", "assessors"})


def get_item(call: Call, address: Address) -> Response:
    """Answer the document of an item, as XML unless JSON is asked for."""
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
    text = document_xml(document, call.headers.get("host", ""))
    return Response(text, media_type="text/xml", headers=headers)


def put_item(call: Call, address: Address) -> Response:
    """Create or update an item, by parameters or by an XML document."""
    with call.store.database.write() as connection:
        found = find(connection, call.user, address)
        outcome = _write(connection, call, address, found)
    if _replaces(call):
        call.store.blobs.collect()
    return _put_response(address, outcome)


def _replaces(call: Call) -> bool:
    return call.flag("allowDataDeletion")


def _put_response(address: Address, outcome: Outcome) -> Response:
    if outcome.renamed or address.level not in _ID_AS_TEXT:
        return text_response()
    return text_response(outcome.item.id, 201 if outcome.created else 200)


def _write(connection: Connection, call: Call, address: Address, found: Found) -> Outcome:
    creator = Creator(connection, call.user, call.stamp(), call.store.site)
    if _is_xml(call.body):
        writer = DocumentWriter(connection, creator, call.stamp(), replace_children=_replaces(call))
        return writer.write(address, found, parse_document(call.body))
    wanted = wanted_by_parameters(call, address, found)
    outcome = creator.put(found, wanted)
    _share_by_parameters(connection, call, wanted.changes, outcome)
    return outcome


def _is_xml(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


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
        check_edit(connection, call.user, project)
        label = share.get("label", outcome.item.label)
        writing.share(connection, outcome.item, project, label, call.stamp())


def post_item(call: Call, address: Address) -> Response:
    """Create a member of a collection; its name is in the document or in the parameters."""
    with call.store.database.write() as connection:
        member = _new_member(connection, call, address)
        found = find(connection, call.user, member)
        if found.item is not None:
            raise Collision(f"{member.name} exists")
        outcome = _write(connection, call, member, found)
    location = f"/data/{call.path.removeprefix('archive/').strip('/')}/{outcome.item.id}"
    return PlainTextResponse(location, headers={"Location": location})


def _new_member(connection: Connection, call: Call, address: Address) -> Address:
    collection = address.collection
    if _is_xml(call.body):
        parsed = parse_document(call.body)
        identity, fields = parsed.changes.identity, parsed.changes.fields
    else:
        each = type_named(call.parameters, collection)
        if each is None:
            raise NeedContents
        changes = read_changes(call.parameters, collection, each)
        identity, fields = changes.identity, changes.fields
    if not address.project and not address.experiment and collection in {"subjects", "experiments"}:
        address = replace(address, project=identity.get("project", ""))
    if collection == "experiments" and not address.subject:
        address = replace(address, subject=fields.get("subject_ID") or "")
    letter = "S" if collection == "subjects" else "E"
    name = identity.get("label") or identity.get("id")
    return address.member(collection, name or writing.next_id(connection, letter, call.store.site))


def delete_item(call: Call, address: Address) -> Response:
    """Delete an item with everything below it, or un-share it where it is seen through another project."""
    if address.extra:
        raise BadRequest(f"{'/'.join(address.extra)} cannot be deleted")
    with call.store.database.write() as connection:
        found = find(connection, call.user, address)
        if found.item is None and address.level == "projects":
            raise BadRequest(f"Unable to identify project {address.project}")
        item = found.existing
        if item.shared and item.family in {Family.SUBJECT, Family.EXPERIMENT} and found.project is not None:
            check_edit(connection, call.user, found.project)
            writing.unshare(connection, item, found.project, call.stamp())
        else:
            check_delete(connection, call.user, item)
            writing.remove(connection, item, call.stamp())
    call.store.blobs.collect()
    return text_response()


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
        check_edit(connection, call.user, project)
        label = call.get("label") or item.label
        if call.flag("primary"):
            check_delete(connection, call.user, item)
            writing.move(connection, item, project, label, call.stamp())
        else:
            writing.share(connection, item, project, label, call.stamp())
        return _shares(connection, call, item)


def delete_share(call: Call, address: Address) -> Response:
    """Take an item out of a project that it is shared into."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        project = _project(connection, address.share)
        check_edit(connection, call.user, project)
        if not writing.unshare(connection, item, project, call.stamp()):
            raise Missing(f"it is not shared into {project.id}")
    return text_response()


def _project(connection: Connection, name: str) -> Item:
    project = find_project(connection, name)
    if project is None:
        raise Missing(f"Unable to identify project: {name}")
    return project
