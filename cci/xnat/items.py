"""Creating, updating and deleting items by their fields, as XNAT's parameters want them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from cci.errors import Malformed, NotFound, UsageError
from cci.xnat.answers import Kind, read_json, read_word
from cci.xnat.connection import Connection
from cci.xnat.tables import Row, csv_reader

#: Longer parameters go into the body: servers bound the length of a request line (8 KiB by default).
LONGEST_QUERY = 4000

_ACCESSION_ID = re.compile(r"[A-Za-z0-9_.-]+")
#: Fields that keep their own name; all others belong to the item's type.
_ALIASES = frozenset({"ID", "note", "date"})


def parameters(xsi_type: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a PUT.

    Parameters
    ----------
    xsi_type
        The item's type, such as ``proc:genProcData``; empty for a project or subject.
    fields
        Values by the name of the field below its type (``procstatus``, ``validation/status``), by alias, or
        by whole path (with a colon). An empty value clears the field.

    Raises
    ------
    UsageError
        If ``label`` is among them: beside it an archive ignores all other fields.
    """
    if any(name.rpartition("/")[2].lower() == "label" for name in fields):
        raise UsageError("a label is part of the address and cannot be written with other fields")
    named = {_path(xsi_type, name): value or "NULL" for name, value in fields.items()}
    return {"xsiType": xsi_type, **named} if xsi_type else named


def _path(xsi_type: str, name: str) -> str:
    return name if ":" in name or name in _ALIASES or not xsi_type else f"{xsi_type}/{name}"


def put_item(connection: Connection, uri: str, xsi_type: str, fields: Mapping[str, str]) -> str:
    """Create or update an item in one request; return what the archive answers, often its accession id.

    Raises
    ------
    Conflict, Refused, Forbidden, NotFound, Unreachable, Malformed
        As the archive answers.
    """
    named = parameters(xsi_type, fields)
    if len(urlencode(named)) <= LONGEST_QUERY:
        return connection.put(uri, read_word, params=named)
    return connection.put(
        uri,
        read_word,
        params={"xsiType": xsi_type, "req_format": "form"},
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=lambda: urlencode(named).encode(),
    )


def put_assessor(connection: Connection, uri: str, xsi_type: str, fields: Mapping[str, str]) -> str:
    """Create or update an assessor in one request and return its accession id.

    Some archives answer the creation with an empty body; then the listing above tells the id.

    Raises
    ------
    Malformed
        If the archive tells no id.
    """
    answer = put_item(connection, uri, xsi_type, fields)
    found = answer or _id_from_listing(connection, uri)
    if not _ACCESSION_ID.fullmatch(found):
        raise Malformed(f"the archive gave no accession id for {uri}")
    return found


def _id_from_listing(connection: Connection, uri: str) -> str:
    parent, _, last = uri.rpartition("/")
    params = {"columns": "ID,label,xsiType", "format": "csv"}
    rows: list[Row] = connection.get(
        parent, csv_reader(("id", "label"), list), kind=Kind.CSV, params=params, patient=True
    )
    name = unquote(last)
    return next((row["id"] for row in rows if name in {row["label"], row["id"]}), "")


def read_fields(connection: Connection, uri: str) -> dict[str, str]:
    """Return the fields of an item by their path below its type, such as ``validation/status``.

    Raises
    ------
    NotFound
        If there is no such item.
    Malformed
        If the answer is no item.
    """
    content = connection.get(uri, read_json, kind=Kind.JSON, params={"format": "json"})
    try:
        return dict(_fields(content["items"][0], ""))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Malformed(f"the archive's answer for {uri} is no item") from error


def _fields(item: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{prefix}{name}", str(value)) for name, value in item["data_fields"].items())
    for child in item.get("children", []):
        for inner in child["items"]:
            yield from _fields(inner, f"{prefix}{child['field']}/")


def delete(connection: Connection, uri: str) -> None:
    """Delete an item, resource or file with its files; what is not there is deleted already."""
    try:
        connection.delete(uri, params={"removeFiles": "true"})
    except NotFound:
        return
