"""The headers of a scan's first DICOM file (``/data/services/dicomdump``)."""

from __future__ import annotations

from starlette.responses import Response

from cci.archive.call import Call, table_response
from cci.archive.errors import BadRequest, Missing
from cci.archive.headerdump import HEADERS, dump, tag_of
from cci.archive.routes.chains import item_at
from cci.archive.routes.site import Site
from cci.archive.store.catalog import FileRow, files_of, resources_of
from cci.archive.store.database import Connection
from cci.archive.store.items import Item
from cci.archive.tree import find

_LABELS = ("DICOM", "secondary")


def dump_headers(_site: Site, call: Call) -> Response:
    """Answer the headers of the scan that ``src=`` names; with ``field=``, keyword or number, only some."""
    words = [word for word in call.get("src").split("/") if word]
    if words[:1] != ["archive"]:
        raise BadRequest("src= is a scan in the archive: /archive/experiments/{id}/scans/{scan}")
    address = item_at(words[1:])
    if address.level != "scans":
        raise BadRequest("src= names a scan: /archive/experiments/{id}/scans/{scan}")
    tags = frozenset(tag_of(value) for name, value in call.parameters if name == "field")
    with call.store.database.read() as connection:
        row = _first_file(connection, find(connection, call.user, address).existing)
    return table_response(call, HEADERS, dump(call.store.blobs.stored(row.blob), tags))


def _first_file(connection: Connection, scan: Item) -> FileRow:
    resources = resources_of(connection, scan, None)
    chosen = [each for each in resources if each.label in _LABELS or each.labels.format == "DICOM"]
    for resource in chosen:
        rows = sorted(files_of(connection, resource), key=lambda row: row.path)
        if rows:
            return rows[0]
    raise Missing("Not Found: the scan has no DICOM file")
