"""One request as the handlers see it, and the answers they give. The edge between HTTP and the archive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from cci.archive.auth import Login
from cci.archive.errors import BadRequest
from cci.archive.store.accounts import User
from cci.archive.store.blobs import Blob
from cci.archive.store.store import Store
from cci.archive.store.writing import Stamp
from cci.archive.tables import MEDIA_TYPES, Row, encode_table, sorted_rows, table_format
from cci.archive.values import timestamp

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_TRUE = frozenset({"true", "1", "yes"})
#: Streamed answers are sent in pieces of about so many bytes.
_PIECE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that came in a request and is on disk, loose."""

    name: str
    blob: Blob


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, its body read.

    Attributes
    ----------
    path
        Below ``/data``, without a leading slash, decoded.
    parameters
        Of the query string and of a form body, in order.
    body
        A document or form in the body; empty when the body is a file.
    uploads
        Files in the body.
    secure
        Whether it came over TLS.
    names
        Variable parts of the address, for addresses outside the tree.
    """

    store: Store
    login: Login
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    uploads: tuple[Upload, ...] = ()
    secure: bool = False
    names: dict[str, str] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """Who is asking."""
        return self.login.user

    @property
    def site_url(self) -> str:
        """Where the client says that the archive is, without a slash at the end; empty if it does not say."""
        host = self.headers.get("host", "")
        # it is written into documents
        return f"http{'s' if self.secure else ''}://{host}" if _HOST.fullmatch(host) else ""

    def get(self, name: str, default: str = "") -> str:
        """Return a parameter's (last) value."""
        return dict(self.parameters).get(name, default)

    def flag(self, name: str) -> bool:
        """Return a parameter as yes or no."""
        return self.get(name).lower() in _TRUE

    def stamp(self) -> Stamp:
        """Return who writes and when: now."""
        return Stamp(user=self.user.login, now=timestamp(datetime.now(UTC)))


def table_response(
    call: Call,
    headers: list[str],
    rows: Iterable[Row],
    *,
    extra: str = "",
    total: bool = True,
    ordered: bool = False,
) -> Response:
    """Answer with a table in the form that the client asks for. *rows* may be an iterator: it is streamed.

    With *ordered* the rows are in the order of ``sortBy`` already.
    """
    # what comes by POST is answered in some form to everybody
    accept = call.headers.get("accept", "") if call.method in {"GET", "HEAD"} else ""
    form = table_format(call.get("format"), accept)
    places = [headers.index(name) for name in call.get("sortBy").split(",") if name in headers]
    if places and not ordered:
        rows = sorted_rows(rows, places, descending=call.get("sortOrder").upper() == "DESC")
    encoded = encode_table(form, headers, rows, extra=extra, total=total)
    return StreamingResponse(_coalesce(encoded), media_type=MEDIA_TYPES[form])


def _coalesce(chunks: Iterator[bytes]) -> Iterator[bytes]:
    # each piece costs a hop between threads: send few, large ones
    pending: list[bytes] = []
    for chunk in chunks:
        pending.append(chunk)
        if sum(map(len, pending)) >= _PIECE:
            yield b"".join(pending)
            pending = []
    if pending:
        yield b"".join(pending)


def created_response(call: Call, name: str) -> Response:
    """Answer with the address of a new member of the list that was asked, as text and as ``Location``."""
    host = call.headers.get("host", "")
    site = f"{'https' if call.secure else 'http'}://{host}" if host else ""
    location = f"{site}/data/{call.path.removeprefix('archive/').strip('/')}/{name}"
    return PlainTextResponse(location, headers={"Location": location})


def text_response(text: str = "", status: int = 200) -> Response:
    """Answer with plain text."""
    return PlainTextResponse(text, status_code=status)


def attachment(name: str) -> str:
    """Return the header that names a download; where it can be, in the spelling that ``curl -OJ`` reads."""
    if name.isascii() and name.isprintable() and not {'"', "\\"} & set(name):
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=utf-8''{quote(name)}"


def checked_path(request: Request) -> str:
    """Return the decoded path below ``/data``; empty for addresses elsewhere.

    Raises
    ------
    BadRequest
        The path has encoded slashes or NUL, which Tomcat refuses too.
    """
    raw = request.scope.get("raw_path", b"").lower()
    if any(forbidden in raw for forbidden in (b"%2f", b"%5c", b"%00")) or "\0" in request.scope["path"]:
        raise BadRequest("encoded slashes are not allowed in an address")
    return str(request.path_params.get("path", ""))
