"""Files of resources: lists, downloads, uploads, deletion."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from cci.archive.access import check_edit
from cci.archive.address import Address
from cci.archive.archives import Entry, is_archive, pack, unpack
from cci.archive.call import Call, attachment, table_response, text_response
from cci.archive.errors import BadRequest, Broken, Missing
from cci.archive.routes.entrynames import Place, folder_name
from cci.archive.routes.resources import ensure_label, find_resources, labels
from cci.archive.routes.zipinside import list_entries, send_entry, split_entry
from cci.archive.store.catalog import (
    FileRow,
    NewFile,
    ResourceRow,
    add_files,
    create_resource,
    delete_files,
    files_of,
    find_file,
    find_resource,
)
from cci.archive.store.database import Connection
from cci.archive.store.items import Item, by_pk
from cci.archive.tree import find
from cci.archive.typedefs import REGISTRY
from cci.archive.types import Family
from cci.archive.values import safe_path

_HEADERS = [
    *("Name", "Size", "URI", "collection", "file_tags", "file_format", "file_content", "cat_ID", "digest"),
]
#: JSON lists of files name their columns, which other lists do not.
_COLUMNS = f'"Columns":{json.dumps([{"key": name} for name in _HEADERS])},'
_ARCHIVE_FORMS = {"zip": "application/zip", "tar": "application/x-tar", "tar.gz": "application/x-gzip"}


def get_files(call: Call, address: Address) -> Response:
    """Answer one file, a list of files, or an archive of them."""
    with call.store.database.read() as connection:
        if address.file and not address.file.endswith("/"):
            return _download(connection, call, address)
        return _several(connection, call, address, list(_listed(connection, call, address)))


def _several(
    connection: Connection, call: Call, address: Address, pairs: list[tuple[ResourceRow, FileRow]]
) -> Response:
    form = call.get("format").rpartition("/")[2]
    if form in _ARCHIVE_FORMS:
        return _packed(connection, call, address, pairs, form)
    uris = {resource.pk: resource_uri(connection, resource) for resource, _ in pairs}
    rows = [_row(uris[resource.pk], resource, row) for resource, row in pairs]
    return table_response(call, _HEADERS, rows, extra=_COLUMNS, total=False)


def _listed(connection: Connection, call: Call, address: Address) -> Iterator[tuple[ResourceRow, FileRow]]:
    shallow = call.get("recursive").lower() == "false"
    resources = find_resources(connection, call, address)
    for resource in resources:
        for row in files_of(connection, resource):
            below = row.path.removeprefix(address.file)
            inside = row.path.startswith(address.file) and not (shallow and "/" in below)
            if inside and _matches(call, row):
                yield resource, row


def _matches(call: Call, row: FileRow) -> bool:
    wanted = {"file_format": row.labels.format, "file_content": row.labels.content}
    return all(not call.get(name) or call.get(name) == value for name, value in wanted.items())


def _row(uri: str, resource: ResourceRow, row: FileRow) -> list[object]:
    words = row.labels
    return [
        *(row.path.rpartition("/")[2], row.size, f"{uri}/files/{_as_listed(row.path)}", resource.label),
        *(words.tags, words.format, words.content, resource.pk, row.md5),
    ]


def _as_listed(path: str) -> str:
    # clients take the path from here without decoding it; only what would end an address is encoded
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def resource_uri(connection: Connection, resource: ResourceRow) -> str:
    """Return the address of a resource in its short form, with its number."""
    return f"/data/{_owner_path(connection, resource.owner, resource.grouping)}/resources/{resource.pk}"


def _owner_path(connection: Connection, owner: Item, grouping: str) -> str:
    if owner.family in {Family.PROJECT, Family.SUBJECT}:
        return f"{owner.family}s/{owner.id}"
    group = f"/{grouping}" if grouping else ""
    session = by_pk(connection, Family.EXPERIMENT, owner.session_pk) if owner.session_pk else None
    if session is None:
        return f"experiments/{owner.id}{group}"
    collection = "assessors" if owner.family is Family.EXPERIMENT else f"{owner.family}s"
    return f"experiments/{session.id}/{collection}/{quote(owner.id)}{group}"


# -- downloads --------------------------------------------------------------------------------------


def _download(connection: Connection, call: Call, address: Address) -> Response:
    path = safe_path(address.file)
    resources = find_resources(connection, call, address)
    for resource in resources:
        row = find_file(connection, resource, path)
        if row is not None and call.flag("listContents"):
            uri = f"{resource_uri(connection, resource)}/files/{_as_listed(path)}"
            return list_entries(call, call.store.blobs.stored(row.blob), uri)
        if row is not None:
            return _file_response(call, row)
    packed, entry = split_entry(path)
    for resource in resources if entry else ():
        row = find_file(connection, resource, packed)
        if row is not None:
            return send_entry(call, call.store.blobs.stored(row.blob), entry)
    folder = list(_listed(connection, call, replace(address, file=f"{path}/")))
    if folder:
        return _several(connection, call, address, folder)
    if call.flag("accept-not-found"):
        return Response(status_code=204)
    raise Missing(f"Not Found: there is no file {path}")


def _file_response(call: Call, row: FileRow) -> Response:
    path = call.store.blobs.stored(row.blob)
    stat = path.stat()
    headers = {"Cache-Control": "must-revalidate"}
    if _unchanged(call.headers.get("if-modified-since", ""), stat.st_mtime):
        modified = formatdate(stat.st_mtime, usegmt=True)
        return Response(status_code=304, headers={**headers, "Last-Modified": modified})
    name = row.path.rpartition("/")[2]
    headers["Content-Disposition"] = attachment(name)
    return FileResponse(path, headers=headers, filename=name, stat_result=stat)


def _unchanged(since: str, modified: float) -> bool:
    if not since:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(since).timestamp()
    except (ValueError, TypeError):
        return False


def _packed(
    connection: Connection,
    call: Call,
    address: Address,
    pairs: list[tuple[ResourceRow, FileRow]],
    form: str,
) -> Response:
    structure = call.get("structure").lower()
    folders = {row.pk: folder_name(_place(connection, row), structure, form) for row, _ in pairs}
    stored = call.store.blobs.stored
    entries = [
        Entry(name=f"{folders[resource.pk]}/{row.path}", size=row.size, path=stored(row.blob))
        for resource, row in pairs
    ]
    name = f"{address.resource or address.name}.{form}"
    headers = {"Content-Disposition": attachment(name)}
    return StreamingResponse(pack(form, entries), media_type=_ARCHIVE_FORMS[form], headers=headers)


def _place(connection: Connection, resource: ResourceRow) -> Place:
    owner = resource.owner
    label = resource.label or str(resource.pk)
    session = by_pk(connection, Family.EXPERIMENT, owner.session_pk) if owner.session_pk else None
    if session is None:
        return Place(top=owner.label, grouping=resource.grouping, label=label)
    assessor = owner.family is Family.EXPERIMENT
    return Place(
        top=session.label,
        category="assessors" if assessor else f"{owner.family}s",
        name=owner.label if assessor else owner.id,
        kind=REGISTRY.get(owner.xsi_type).singular if assessor else owner.data.get("type", ""),
        grouping=resource.grouping,
        label=label,
    )


# -- uploads ----------------------------------------------------------------------------------------


def put_files(call: Call, address: Address) -> Response:
    """Store the files of a request. What was there already stays, unless ``overwrite=true``, and is told."""
    if not call.uploads:
        raise BadRequest("the request has no file in it")
    new: list[NewFile] = []
    kept: set[str] = set()
    try:
        if call.flag("extract"):
            # unpacking takes long: not for those who may not write, and not while others wait to write
            with call.store.database.read() as connection:
                check_edit(connection, call.user, find(connection, call.user, address).existing)
            new.extend(_new_files(call, address))
        duplicates = _catalogue(call, address, new)
        kept.update(each.blob.name for each in new if each.path not in duplicates)
    finally:
        # what no row has by now: unpacked archives, duplicates, everything after a refusal
        names = {each.blob.name for each in call.uploads} | {each.blob.name for each in new}
        call.store.blobs.release(names - kept)
    return _told(duplicates) if duplicates else text_response()


def _told(duplicates: list[str]) -> Response:
    # as on XNAT the status says nothing of it, and the JSON calls itself HTML
    return HTMLResponse(json.dumps({"duplicates": duplicates}, separators=(",", ":")))


def _catalogue(call: Call, address: Address, new: list[NewFile]) -> list[str]:
    """Give files to their resource; what came as it is, is added to *new*. Returns what was there already."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        check_edit(connection, call.user, item)
        if not call.flag("extract"):
            new.extend(_new_files(call, address))
        resource = _resource(connection, call, address, item)
        return add_files(connection, resource, new, call.stamp(), overwrite=call.flag("overwrite"))


def _resource(connection: Connection, call: Call, address: Address, item: Item) -> ResourceRow:
    label = address.resource
    found = find_resource(connection, item, address.grouping, label)
    if found is not None:
        return found
    # an address without a resource means the item's one without a label
    place = (address.grouping, ensure_label(label) if label else "")
    return create_resource(connection, item, place, labels(call), call.stamp())


def _new_files(call: Call, address: Address) -> Iterator[NewFile]:
    words = labels(call)
    for upload in call.uploads:
        path = safe_path(address.file.strip("/") or upload.name)
        if upload.name and address.file.endswith("/"):
            path = safe_path(address.file + upload.name)
        # as on XNAT what is no archive by its name is stored as it is
        if call.flag("extract") and is_archive(path):
            yield from _extracted(call, path, upload.blob.name)
        elif upload.blob.size == 0:
            raise Broken("the file is empty")
        elif path.endswith("_catalog.xml"):
            raise BadRequest("names that end in _catalog.xml are the archive's own")
        else:
            yield NewFile(path=path, blob=upload.blob, labels=words)


def _extracted(call: Call, path: str, blob: str) -> Iterator[NewFile]:
    blobs, words = call.store.blobs, labels(call)
    folder = path.rpartition("/")[0]
    for name, stream in unpack(blobs.path(blob), path, call.store.limits):
        with blobs.create() as writer:
            while part := stream.read(1 << 20):
                writer.write(part)
            if not name.endswith("_catalog.xml"):
                inside = f"{folder}/{name}" if folder else name
                yield NewFile(path=inside, blob=writer.finish(), labels=words)


# -- deletion ---------------------------------------------------------------------------------------


def remove_files(call: Call, address: Address) -> Response:
    """Delete a file, a folder, or what matches a pattern."""
    with call.store.database.write() as connection:
        item = find(connection, call.user, address).existing
        check_edit(connection, call.user, item)
        gone = 0
        for resource in find_resources(connection, call, address):
            paths = [row.path for row in files_of(connection, resource) if _named(address.file, row.path)]
            delete_files(connection, resource, paths, call.stamp())
            gone += len(paths)
        if not gone:
            raise Missing("Not Found: No matched files")
    call.store.blobs.collect()
    return text_response()


def _named(names: str, path: str) -> bool:
    if path == names:
        return True
    return any(
        path == name or path.startswith(name.rstrip("/") + "/") or fnmatch.fnmatchcase(path, name)
        for name in names.split(",")
        if name
    )
