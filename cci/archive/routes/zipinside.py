"""What lies inside of a stored zip: its list, and single entries. Nothing is unpacked on disk."""

from __future__ import annotations

import mimetypes
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from cci.archive.archives import open_zip
from cci.archive.call import Call, attachment, table_response
from cci.archive.errors import BadRequest, Missing
from cci.archive.limits import Limits

_COPY = 1 << 20
_HEADERS = ["Name", "Size", "URI"]


def split_entry(path: str) -> tuple[str, str]:
    """Split ``a/x.zip!b/c.txt`` into the file and the entry; the entry is empty for any other path."""
    file, mark, entry = path.partition(".zip!")
    return (f"{file}.zip", entry.lstrip("/")) if mark else (path, "")


def list_entries(call: Call, path: Path, uri: str) -> Response:
    """Answer the list of a zip's entries; *uri* is the zip's own.

    Raises
    ------
    BadRequest
        The file is no zip.
    """
    with _opened(path, call.store.limits) as archive:
        rows = [
            [info.filename.rpartition("/")[2], info.file_size, f"{uri}!{info.filename}"]
            for info in archive.infolist()
            if not info.is_dir()
        ]
    return table_response(call, _HEADERS, rows, total=False)


def send_entry(call: Call, path: Path, entry: str) -> Response:
    """Answer one entry of a zip.

    Raises
    ------
    BadRequest
        The file is no zip, or the entry cannot be read.
    Missing
        The zip has no such entry.
    """
    limits = call.store.limits
    with _opened(path, limits) as archive:
        try:
            size = archive.getinfo(entry).file_size
        except KeyError:
            raise Missing(f"Not Found: there is no {entry} in the zip") from None
        # said now, before the answer has begun
        archive.open(entry).close()
    name = entry.rpartition("/")[2]
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": attachment(name),
    }
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StreamingResponse(_content(path, entry, limits), headers=headers, media_type=kind)


def _content(path: Path, entry: str, limits: Limits) -> Iterator[bytes]:
    # a damaged entry ends here, with less than was announced: the client sees it is cut
    with open_zip(path, limits) as archive, archive.open(entry) as stream:
        while part := stream.read(_COPY):
            yield part


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    try:
        with open_zip(path, limits) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadRequest(f"the zip cannot be read: {error}") from error
    except OSError as error:
        # of a damaged directory, too; in full it would tell where the file lies
        raise BadRequest(f"the zip cannot be read: {error.strerror}") from error
