"""The embedded archive made as unkind as a real XNAT, for tests of our own client. Not used in production.

Beyond what `strict` does, a real XNAT may have no digests, and may answer a creation with 200 and no body.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cci.archive.faults.bodies import blank_digests
from cci.archive.strict import Strict

_LISTING = re.compile(r".*/files/?")
_ITEM = re.compile(r".*/(subjects|experiments|assessors)/[^/]+/?")


class Awkward:
    """ASGI application around the archive's own that answers like the least convenient XNAT."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = Strict(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] == "GET" and _LISTING.fullmatch(scope["path"]):
            await self._app(scope, receive, _WithoutDigests(send))
        elif scope["method"] == "PUT" and _ITEM.fullmatch(scope["path"]):
            await self._app(scope, receive, _Blank(send))
        else:
            await self._app(scope, receive, send)


class _Blank:
    """Turns an answer of success into 200 without a body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._blank = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in {200, 201}:
            self._blank = True
            headers = [header for header in message["headers"] if header[0].lower() != b"content-length"]
            message = {**message, "status": 200, "headers": [*headers, (b"content-length", b"0")]}
        elif self._blank and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


class _WithoutDigests:
    """Holds a listing back until it is whole, and sends it with empty digests; other answers pass."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_listing(message):
            self._start = message
        elif self._start is not None and message["type"] == "http.response.body":
            self._body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                await self._flush(self._start)
        else:
            await self._send(message)

    async def _flush(self, start: Message) -> None:
        body = blank_digests(bytes(self._body))
        headers = [header for header in start["headers"] if header[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**start, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})


def _is_listing(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return any(b"json" in kind or b"csv" in kind for kind in kinds)
