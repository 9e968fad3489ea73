"""The files of resources: listings, single files, and whether what is there is what should be there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from cci.errors import Malformed, NotFound, Refused
from cci.model import File, Resource
from cci.xnat import uris
from cci.xnat.answers import Answer, Kind
from cci.xnat.connection import Connection
from cci.xnat.tables import Row, result_set

Files = dict[str, tuple[File, ...]]

_JSON = {"format": "json"}


def list_resources(connection: Connection, parent_uri: str) -> dict[str, Resource]:
    """List the resources of one thing by label.

    Raises
    ------
    NotFound
        If the thing is not there.
    """
    rows = connection.get(f"{parent_uri}/resources", result_set, kind=Kind.JSON, params=_JSON, patient=True)
    found = (
        Resource(label=row["label"], file_count=_count(row, "file_count"), file_size=_count(row, "file_size"))
        for row in rows
        if row.get("label")
    )
    return {resource.label: resource for resource in sorted(found, key=lambda resource: resource.label)}


def _count(row: Row, column: str) -> int | None:
    text = row.get(column, "")
    return int(text) if text.isdecimal() else None


def measured(label: str, files: Sequence[File]) -> Resource:
    """Return the resource that these files make."""
    return Resource(label=label, file_count=len(files), file_size=sum(file.size for file in files))


def list_files(connection: Connection, parent_uri: str, labels: Iterable[str] | None = None) -> Files:
    """List the files of several resources in one request.

    Parameters
    ----------
    connection
        The archive.
    parent_uri
        Whose resources: a project, subject, session or scan, or an assessor with ``/out``.
    labels
        Which resources; all of them if left out.

    Returns
    -------
    dict
        Files by resource label, in the order of their paths. Each label asked for is a key: a resource
        that is not there, or is empty, has no files.

    Raises
    ------
    NotFound
        If all resources are asked for and the thing is not there.
    """
    if labels is None:
        return _grouped(_file_rows(connection, uris.files(parent_uri)), ())
    wanted = tuple(dict.fromkeys(labels))
    return _grouped(_rows_of(connection, parent_uri, wanted), wanted)


def _rows_of(connection: Connection, parent_uri: str, labels: tuple[str, ...]) -> list[Row]:
    if not labels:
        return []
    try:
        if len(labels) == 1 or not any("," in label for label in labels):
            return _file_rows(connection, uris.files(parent_uri, labels))
    except NotFound:
        if len(labels) == 1:
            return []
    except Refused:
        if len(labels) == 1:
            raise
    # an archive may answer 400 or 404 to a list of labels as soon as one of them is not there
    return [row for label in labels for row in _rows_of(connection, parent_uri, (label,))]


def _file_rows(connection: Connection, uri: str) -> list[Row]:
    return connection.get(uri, result_set, kind=Kind.JSON, params=_JSON, patient=True)


def _grouped(rows: Iterable[Row], labels: Iterable[str]) -> Files:
    found: dict[str, dict[str, File]] = {label: {} for label in labels}
    for row in rows:
        file = parse_file(row)
        found.setdefault(row.get("collection", ""), {})[file.path] = file
    return {label: tuple(files[path] for path in sorted(files)) for label, files in found.items()}


def parse_file(row: Row) -> File:
    """Read one row of a file listing.

    The path inside the resource is what follows ``/files/`` in the URI. Whether the archive quotes it is
    seen from ``Name``, which is never quoted.

    Raises
    ------
    Malformed
        If the row has no such URI, or no size.
    """
    uri, name, size = row.get("URI", ""), row.get("Name", ""), row.get("Size", "")
    _, found, path = uri.partition("/files/")
    if not found or not path:
        raise Malformed(f"a file listing has a row without a path: {uri!r}")
    if not size.isdecimal():
        raise Malformed(f"a file listing gives no size for {uri!r}")
    literal = bool(name) and path.endswith(name) and unquote(name) != name
    path = path if literal else unquote(path)
    return File(path=path, size=int(size), digest=row.get("digest", "").lower(), uri=uri)


# -- single files -------------------------------------------------------------------------------


def remote_md5(connection: Connection, parent_uri: str, label: str, file: File) -> str:
    """Read a file back and return the MD5 of what came, in lower-case hex; for archives without digests."""

    def read(answer: Answer) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in answer.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    return connection.get(uris.file(parent_uri, label, file.path), read, size=file.size)


def verify(connection: Connection, parent_uri: str, expected: Mapping[str, Iterable[File]]) -> list[str]:
    """Compare resources with the files they should have, by size and MD5, from one listing.

    A file for which the archive gives no digest is read back. Further files in the archive are nobody's
    business.

    Parameters
    ----------
    connection
        The archive.
    parent_uri
        Whose resources.
    expected
        Files with size and digest, by resource label.

    Returns
    -------
    list of str
        One sentence for each file that is missing or different; empty if all is well.
    """
    listed = list_files(connection, parent_uri, list(expected))
    problems: list[str] = []
    for label, files in expected.items():
        there = {file.path: file for file in listed[label]}
        for file in files:
            found = there.get(file.path)
            if found is not None and not found.digest and found.size == file.size:
                found = _read_back(connection, parent_uri, label, found)
            problems += problems_of(label, file, found)
    return problems


def _read_back(connection: Connection, parent_uri: str, label: str, file: File) -> File:
    digest = remote_md5(connection, parent_uri, label, file)
    return File(path=file.path, size=file.size, digest=digest, uri=file.uri)


def problems_of(label: str, expected: File, found: File | None) -> Sequence[str]:
    """Say how a file in the archive differs from what it should be; empty if it does not."""
    name = f"file {expected.path!r} of resource {label}"
    if found is None:
        return [f"{name} is not in the archive"]
    if found.size != expected.size:
        return [f"{name} has {found.size} bytes in the archive instead of {expected.size}"]
    if expected.digest and found.digest != expected.digest:
        return [f"{name} has another content in the archive (MD5 {found.digest}, not {expected.digest})"]
    return []


def read_value(connection: Connection, parent_uri: str, label: str, name: str) -> dict[str, Any] | None:
    """Return a JSON object that is kept as a file; None if the archive says that it is not there.

    Raises
    ------
    Malformed
        If it is not a JSON object.
    """
    try:
        value = connection.get(uris.file(parent_uri, label, name), Answer.json, kind=Kind.JSON)
    except NotFound:
        return None
    if not isinstance(value, dict):
        raise Malformed(f"file {name} of resource {label} at {parent_uri} is not a JSON object")
    return value
