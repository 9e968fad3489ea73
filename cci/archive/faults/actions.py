"""What each fault does to a request. Which requests are harmed is decided in `middleware`.

Connections are cut below the server, at the socket of this process that belongs to the client, so that no
layer can tidy up what the client sees. This needs Linux (``/proc/self/fd``).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cci.archive.faults.bodies import alter_content, blank_digests, duplicates

LOGIN_PAGE = (
    b'<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">\n<html><head><title>XNAT</title></head>'
    b'<body><form name="form1" method="post" action="/login"><input name="username" type="text">'
    b'<input name="password" type="password"></form></body></html>\n'
)
BAD_GATEWAY_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n"
    b"</body>\r\n</html>\r\n"
)
SERVER_ERROR_PAGE = (
    b"<!doctype html><html><head><title>HTTP Status 500</title></head><body>Error</body></html>"
)
UNAVAILABLE_PAGE = b"<!doctype html><html><head><title>HTTP Status 503</title></head><body>Busy</body></html>"
_HTML = (b"content-type", b"text/html;charset=utf-8")
#: Long enough for bytes that were handed to the server to leave the machine before a connection is cut.
_FLUSH_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request on its way through the archive, with what a rule says of the delay."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    delay_s: float
    released: asyncio.Event


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer, in memory."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def with_body(self, body: bytes) -> Answer:
        """Return the answer with another body and the length that fits it."""
        length = (b"content-length", str(len(body)).encode())
        return replace(self, headers=(*self._headers_without_length, length), body=body)

    def chunked(self) -> Answer:
        """Return the answer without its length, so that the server sends it in chunks."""
        return replace(self, headers=self._headers_without_length)

    @property
    def _headers_without_length(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(header for header in self.headers if header[0].lower() != b"content-length")


async def ask(exchange: Exchange) -> Answer:
    """Let the archive answer, and keep its answer here."""
    start: Message = {"status": 500, "headers": ()}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    # the answer is wanted in memory, so the archive may not hand a file to the server
    extensions = {
        name: value
        for name, value in (exchange.scope.get("extensions") or {}).items()
        if name != "http.response.pathsend"
    }
    await exchange.app({**exchange.scope, "extensions": extensions}, exchange.receive, keep)
    return Answer(status=start["status"], headers=tuple(start["headers"]), body=bytes(body))


async def tell(exchange: Exchange, answer: Answer) -> None:
    """Send an answer as it is."""
    await _begin(exchange, answer)
    await exchange.send({"type": "http.response.body", "body": answer.body})


async def _begin(exchange: Exchange, answer: Answer) -> None:
    start = {"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)}
    await exchange.send(start)


async def _more(exchange: Exchange, body: bytes) -> None:
    await exchange.send({"type": "http.response.body", "body": body, "more_body": True})


def _sockets() -> list[socket.socket]:
    """Return a copy of every socket of this process; the caller closes them."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                found.append(socket.socket(fileno=os.dup(int(entry.name))))
    return found


def cut(exchange: Exchange) -> None:
    """Cut the client's connection, whatever was sent on it."""
    host, port = exchange.scope["client"]
    for connection in _sockets():
        with connection, suppress(OSError):
            if connection.getpeername()[:2] == (host, int(port)):
                connection.shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def _let_go(exchange: Exchange) -> AsyncIterator[asyncio.Task[None]]:
    """Offer a task that is done once the rules are cleared or the client has gone."""
    task = asyncio.create_task(_released_or_gone(exchange))
    try:
        yield task
    finally:
        task.cancel()


async def _released_or_gone(exchange: Exchange) -> None:
    async with asyncio.TaskGroup() as group:
        ends = {group.create_task(_gone(exchange.receive)), group.create_task(_cleared(exchange.released))}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()


async def _cleared(released: asyncio.Event) -> None:
    await released.wait()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# -- the archive is not asked at all ---------------------------------------------------------------


def _page(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Callable[[Exchange], Awaitable[None]]:
    answer = Answer(status=status, headers=(_HTML, *headers), body=b"").with_body(body)

    async def act(exchange: Exchange) -> None:
        await tell(exchange, answer)

    return act


async def _hang(exchange: Exchange) -> None:
    """Say nothing until the rules are cleared or the client gives up, then cut the connection."""
    async with _let_go(exchange) as let_go:
        await let_go
    cut(exchange)


async def _reset(exchange: Exchange) -> None:
    """Cut the connection before anything is done."""
    cut(exchange)


async def _duplicate(exchange: Exchange) -> None:
    """Refuse an upload as one whose files are all there already: 200, and the old files stay."""
    body = await duplicates(exchange.scope, exchange.receive)
    await tell(exchange, Answer(status=200, headers=(_HTML,), body=b"").with_body(body))


# -- the archive does what it is asked, and the answer is harmed ----------------------------------


async def _late(exchange: Exchange) -> None:
    """Do it, and let the first byte of the answer wait, unless the rules are cleared meanwhile."""
    answer = await ask(exchange)
    async with _let_go(exchange) as let_go:
        await asyncio.wait({let_go}, timeout=exchange.delay_s)
    await tell(exchange, answer)


async def _lost(exchange: Exchange) -> None:
    """Do it, and cut the connection instead of saying so."""
    await ask(exchange)
    cut(exchange)


async def _empty(exchange: Exchange) -> None:
    """Do it, and answer 200 with nothing."""
    answer = await ask(exchange)
    await tell(exchange, replace(answer, status=200).with_body(b""))


async def _drip(exchange: Exchange) -> None:
    """Do it, and send the answer byte by byte, until the rules are cleared or the client gives up."""
    answer = await ask(exchange)
    await _begin(exchange, answer.with_body(answer.body))
    async with _let_go(exchange) as let_go:
        for position in range(len(answer.body)):
            await asyncio.wait({let_go}, timeout=exchange.delay_s)
            if let_go.done():
                cut(exchange)
                return
            await _more(exchange, answer.body[position : position + 1])
    await exchange.send({"type": "http.response.body", "body": b""})


async def _truncate(exchange: Exchange) -> None:
    """Do it, announce the right length, send half of it, and cut the connection."""
    answer = await ask(exchange)
    await _send_half(exchange, answer.with_body(answer.body))


async def _half_listing(exchange: Exchange) -> None:
    """Do it, and cut the connection in the middle of an answer that has no length."""
    answer = await ask(exchange)
    await _send_half(exchange, answer.chunked())


async def _send_half(exchange: Exchange, answer: Answer) -> None:
    await _begin(exchange, answer)
    await _more(exchange, answer.body[: len(answer.body) // 2])
    await asyncio.sleep(_FLUSH_S)
    cut(exchange)


async def _wrong_digest(exchange: Exchange) -> None:
    """Do it, and alter the content of the file, or of each file of the zip, in a well-formed answer."""
    answer = await ask(exchange)
    await tell(exchange, answer.with_body(alter_content(answer.body)))


async def _no_digest(exchange: Exchange) -> None:
    """Do it, and leave out the digests of a listing of files."""
    answer = await ask(exchange)
    await tell(exchange, answer.with_body(blank_digests(answer.body)))


FAULTS: Mapping[str, Callable[[Exchange], Awaitable[None]]] = MappingProxyType(
    {
        "500": _page(500, SERVER_ERROR_PAGE),
        "503": _page(503, UNAVAILABLE_PAGE, (b"retry-after", b"120")),
        "401": _page(401, b"", (b"www-authenticate", b'Basic realm="XNAT"')),
        "403": _page(403, b"<html>\n<head>\n<title>Status page</title>\n</head><h3>Forbidden</h3><br>\n"),
        "login-page": _page(200, LOGIN_PAGE),
        "html-502": _page(502, BAD_GATEWAY_PAGE),
        "hang": _hang,
        "reset": _reset,
        "duplicate": _duplicate,
        "late": _late,
        "lost": _lost,
        "empty": _empty,
        "drip": _drip,
        "truncate": _truncate,
        "half-listing": _half_listing,
        "wrong-digest": _wrong_digest,
        "no-digest": _no_digest,
    }
)
