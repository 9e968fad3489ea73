"""The archive without its kindnesses: what it does better than a real XNAT, it does as badly.

A layer around the application, for ``--strict``. What is unkind: two writes to one resource at the same time
(500 for the second), no parts of files (no Range, no ETag). What XNAT may do beyond that, and what a network
does, is in `faults`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FILES = re.compile(r"(?P<resource>.*/resources/[^/]+)/files(/.*)?")
_WRITES = frozenset({"PUT", "POST", "DELETE"})
_UPLOADS = frozenset({"PUT", "POST"})
#: Of a request, and of an answer: what Restlet 1.1 knows nothing of.
_UNKNOWN = frozenset({b"range", b"if-range", b"if-none-match", b"if-match"})
_UNSAID = frozenset({b"etag", b"accept-ranges"})


class Strict:
    """ASGI application around the archive's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._writing: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # in place: what is noted in the scope further in is read further out
        scope["headers"] = _without(scope["headers"], _UNKNOWN)
        files = _FILES.fullmatch(scope["path"])
        if files and scope["method"] in _WRITES:
            await self._write(files["resource"], scope, receive, _plain(send))
        else:
            await self._app(scope, receive, _plain(send))

    async def _write(self, resource: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _UPLOADS and _has_no_body(Headers(scope=scope)):
            await Response("empty body", status_code=500)(scope, receive, send)
            return
        if self._writing[resource]:
            await Response("the catalog was modified meanwhile", status_code=500)(scope, receive, send)
            return
        self._writing[resource] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._writing[resource] -= 1
            # zero counts are dropped, or every resource would stay here for ever
            self._writing += Counter()


def _has_no_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


def _without(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if header[0].lower() not in names]


def _plain(send: Send) -> Send:
    async def plain(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _without(message.get("headers", ()), _UNSAID)}
        await send(message)

    return plain
