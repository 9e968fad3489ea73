"""Files to a resource: one zip in one request, streamed from the disk, unpacked by the archive.

A success here means that the archive took the zip; whether the files are there is for
`cci.xnat.files.verify` to say.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from cci.errors import Conflict, Malformed, UsageError
from cci.model import File
from cci.xnat import uris
from cci.xnat.answers import read_text
from cci.xnat.connection import Connection
from cci.xnat.disk import files_below, is_safe, md5_of, writing
from cci.xnat.files import list_files, remote_md5

_ZIP_NAME = "cci-upload.zip"
#: Compressing these again costs time and saves nothing.
_COMPRESSED = frozenset({".gz", ".mgz", ".zip", ".bz2", ".xz", ".png", ".jpg", ".jpeg", ".pdf"})
_FASTEST = 1


def upload(
    connection: Connection, parent_uri: str, label: str, directory: Path, *, overwrite: bool = False
) -> None:
    """Upload a folder's files into a resource, which is made if missing; see `upload_files`.

    Raises
    ------
    UsageError
        If the folder holds a link or a device.
    """
    spool = directory if os.access(directory, os.W_OK) else None
    upload_files(connection, parent_uri, label, files_below(directory), overwrite=overwrite, spool=spool)


def upload_files(
    connection: Connection,
    parent_uri: str,
    label: str,
    files: Mapping[str, Path],
    *,
    overwrite: bool = False,
    spool: Path | None = None,
) -> None:
    """Upload files into a resource in one request; empty files travel so too.

    Parameters
    ----------
    connection
        The archive.
    parent_uri
        Whose resource.
    label
        The resource; made if missing.
    files
        Local files by their path inside the resource.
    overwrite
        Whether files of the same path are replaced. If not, those of the same content are left alone.
    spool
        Folder for the zip while it is sent; the system's temporary folder if left out.

    Raises
    ------
    Conflict
        If the archive has another file under one of the paths, and *overwrite* is off.
    UsageError
        If a path cannot be the name of a file.
    DiskFull
        If there is no room for the zip.
    Unreachable, Malformed, Forbidden, NotFound, Refused
        As the archive answers.
    """
    if not files:
        return
    with tempfile.TemporaryFile(dir=spool) as packed:
        with writing(spool or Path(tempfile.gettempdir())):
            write_zip(packed, files)
        answer = _send(connection, uris.file(parent_uri, label, _ZIP_NAME), packed, overwrite=overwrite)
    duplicates = parse_duplicates(answer)
    if duplicates:
        _check_duplicates(connection, parent_uri, label, files, duplicates)


def _send(connection: Connection, uri: str, packed: IO[bytes], *, overwrite: bool) -> str:
    size = packed.seek(0, os.SEEK_END)

    def from_the_start() -> IO[bytes]:
        packed.seek(0)
        return packed

    return connection.put(
        uri,
        read_text,
        params={"extract": "true", "inbody": "true", "overwrite": "true" if overwrite else "false"},
        headers={"Content-Type": "application/zip"},
        body=from_the_start,
        size=size,
        patient=True,
    )


def write_zip(target: IO[bytes], files: Mapping[str, Path]) -> None:
    """Write a zip of these files; what is compressed already is only stored.

    Raises
    ------
    UsageError
        If a path cannot be the name of a file.
    """
    with zipfile.ZipFile(target, "w", strict_timestamps=False) as archive:
        for name, path in files.items():
            if not is_safe(name) or not name.isprintable():
                raise UsageError(f"{name!r} cannot be the name of a file in an archive", hint="rename it")
            stored = path.suffix.lower() in _COMPRESSED
            method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.write(path, name, compress_type=method, compresslevel=_FASTEST)


def parse_duplicates(answer: str) -> tuple[str, ...]:
    """Read what an archive answers to an upload: nothing, or the paths that it had already.

    Raises
    ------
    Malformed
        If it is something else, as a login page.
    """
    if not answer.strip():
        return ()
    try:
        return tuple(str(path) for path in json.loads(answer)["duplicates"])
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed(
            "the archive's answer to an upload is neither empty nor a list of duplicates"
        ) from error


def _check_duplicates(
    connection: Connection,
    parent_uri: str,
    label: str,
    files: Mapping[str, Path],
    duplicates: Sequence[str],
) -> None:
    listed = {file.path: file for file in list_files(connection, parent_uri, [label])[label]}
    for name in duplicates:
        local, there = files.get(name), listed.get(name)
        if local is None or there is None or not _same(connection, parent_uri, label, there, local):
            raise Conflict(
                f"resource {label} has another file under the name {name!r}",
                hint="the file in the archive was left as it is; move one of the two away",
            )


def _same(connection: Connection, parent_uri: str, label: str, there: File, local: Path) -> bool:
    if there.size != local.stat().st_size:
        return False
    return (there.digest or remote_md5(connection, parent_uri, label, there)) == md5_of(local)


def put_bytes(
    connection: Connection, parent_uri: str, label: str, name: str, content: bytes, *, overwrite: bool = True
) -> None:
    """Write one small file into a resource; without *overwrite* only if there is none of that name.

    Raises
    ------
    Conflict
        If there is one and *overwrite* is off; it may be our own, of a request whose answer was lost.
    UsageError
        If it is empty: archives take no empty bodies.
    """
    if not content:
        raise UsageError(f"file {name} of resource {label} would be empty")
    params = {"inbody": "true", "overwrite": "true" if overwrite else "false"}
    headers = {"Content-Type": "application/octet-stream"}
    uri = uris.file(parent_uri, label, name)
    answer = connection.put(uri, read_text, params=params, headers=headers, body=lambda: content)
    if parse_duplicates(answer):
        raise Conflict(f"the archive did not replace file {name} of resource {label}")


def measure(files: Mapping[str, Path]) -> tuple[File, ...]:
    """Return path, size and MD5 of local files, as they should be in the archive."""
    return tuple(
        File(path=name, size=path.stat().st_size, digest=md5_of(path)) for name, path in files.items()
    )


def as_json(value: object) -> bytes:
    """Return a JSON text for people and programs."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
