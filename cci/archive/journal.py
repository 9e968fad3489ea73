"""Around every request: counting, the log of writes, the cookies and the guard on each answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cci.archive import audit
from cci.archive.auth import IDLE_S

#: Where a request's user and new session id are left, in the ASGI scope.
USER, COOKIE = "cci.user", "cci.cookie"
#: Addresses of the archive's own, which are neither counted nor logged; the counters are among them.
CONTROL = "/cci/"
COUNTERS = f"{CONTROL}requests"
#: On every answer that does not say it itself, as pages do. Names, values and documents come from people: a
#: browser must not run them in the name of the archive, whatever it takes them for, nor show them in a frame.
_GUARD = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'none'",
}


@dataclass(kw_only=True)
class Journal:
    """What happened since the start: counters in memory, writes in the log below *root*."""

    root: Path
    by_method: Counter[str] = field(default_factory=Counter)
    _log: audit.Log = field(init=False)

    def __post_init__(self) -> None:
        self._log = audit.Log(self.root)

    def counts(self) -> dict[str, Any]:
        """Return the number of requests, in all and by method."""
        return {"total": self.by_method.total(), "by_method": dict(self.by_method)}

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line to the log of writes."""
        self._log.append(entry)

    def close(self) -> None:
        """Give the log back."""
        self._log.close()


class Journaled:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and keep what is to be known of it."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        self._journal.by_method[scope["method"]] += 1
        seen = {"status": 0, "bytes": 0}
        noted = audit.begin()

        def answered(status: int) -> None:
            seen["status"] = status
            if audit.is_write(scope["method"], scope["path"]):
                for item in noted.items:
                    self._journal.write(_entry(scope, seen, item))

        try:
            await self._app(scope, _counting(receive, seen), _decorating(send, scope, answered))
        finally:
            if not seen["status"]:
                answered(0)


def _counting(receive: Receive, seen: dict[str, int]) -> Receive:
    async def counting() -> Message:
        message = await receive()
        seen["bytes"] += len(message.get("body", b""))
        return message

    return counting


def _decorating(send: Send, scope: Scope, answered: Callable[[int], None]) -> Send:
    async def decorating(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = list(message.get("headers", ()))
            message["headers"] = [*said, *_unsaid(said), *_cookies(scope)]
            # before the answer leaves: a client that has it finds the line in the log
            answered(message["status"])
        await send(message)

    return decorating


def _unsaid(said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in said}
    return [header for header in _GUARD.items() if header[0] not in names]


def _cookies(scope: Scope) -> list[tuple[bytes, bytes]]:
    # the quotes are part of the value: clients parse them
    expiry = f'SESSION_EXPIRATION_TIME="{int(time.time() * 1000)},{IDLE_S * 1000}"; Path=/'
    cookies = [expiry]
    if scope.get(COOKIE):
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookies.append(f"JSESSIONID={scope[COOKIE]}; Path=/; HttpOnly; SameSite=Lax{secure}")
    return [(b"set-cookie", cookie.encode()) for cookie in cookies]


def _entry(scope: Scope, seen: dict[str, int], item: str) -> dict[str, Any]:
    query = scope.get("query_string", b"").decode("latin-1")
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "user": scope.get(USER, ""),
        "method": scope["method"],
        "path": audit.spelt(scope["path"], query),
        "item": item,
        **seen,
    }
