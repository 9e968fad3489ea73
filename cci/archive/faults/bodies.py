"""What a harmed answer holds. Pure functions, but for `duplicates`, which reads the request."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Receive, Scope

_ZIP_MAGIC = b"PK\x03\x04"


def _flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 0xFF]) + content[1:] if content else b"not empty"


def alter_content(body: bytes) -> bytes:
    """Alter a file, or each file of a zip; the result is a well-formed file or zip again."""
    return _alter_zip(body) if body.startswith(_ZIP_MAGIC) else _flip(body)


def _alter_zip(body: bytes) -> bytes:
    altered = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(altered, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, _flip(source.read(entry)))
    return altered.getvalue()


def blank_digests(body: bytes) -> bytes:
    """Empty the column ``digest`` of a JSON or CSV table; anything else stays as it is."""
    try:
        return _blank_json(json.loads(body), body)
    except ValueError:
        return _blank_csv(body)


def _blank_json(document: Any, body: bytes) -> bytes:
    if not isinstance(document, dict) or "ResultSet" not in document:
        return body
    for row in document["ResultSet"]["Result"]:
        row["digest"] = ""
    return json.dumps(document).encode()


def _blank_csv(body: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(body.decode("utf-8"))))
    if not rows or "digest" not in rows[0]:
        return body
    column = rows[0].index("digest")
    blanked = io.StringIO()
    writer = csv.writer(blanked, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([*row[:column], "", *row[column + 1 :]] for row in rows[1:])
    return blanked.getvalue().encode()


async def duplicates(scope: Scope, receive: Receive) -> bytes:
    """Return what XNAT answers to an upload of files that are all there: their paths, as JSON."""
    content = await Request(scope, receive).body()
    path = scope["path"].partition("/files/")[2]
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if query.get("extract") == ["true"] and content.startswith(_ZIP_MAGIC):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return json.dumps({"duplicates": archive.namelist()}).encode()
    return json.dumps({"duplicates": [path]}).encode()
