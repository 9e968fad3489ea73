"""The middleware that holds the rules and decides which requests are harmed; `actions` harms them."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cci.archive.faults.actions import FAULTS, Exchange
from cci.archive.faults.awkward import Awkward

_RULE_KEYS = frozenset({"match", "fault", "times", "after", "delay_s"})


@dataclass(kw_only=True)
class Rule:
    """One rule, with how many requests it has matched (*seen*) and harmed (*hits*)."""

    fault: str
    match: str = ""
    times: int | None = None
    after: int = 0
    delay_s: float = 1.0
    seen: int = 0
    hits: int = 0

    def strikes(self, line: str) -> bool:
        """Count a request and say whether this rule harms it."""
        if not re.search(self.match, line):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


def parse_rule(values: Any) -> Rule:
    """Read a rule.

    Raises
    ------
    ValueError
        It is not an object, has unknown keys, an unknown fault, or a wrong regular expression.
    """
    if not isinstance(values, dict) or values.get("fault") not in FAULTS:
        raise ValueError(f"a rule is an object with a fault out of {', '.join(sorted(FAULTS))}")
    if unknown := set(values) - _RULE_KEYS:
        raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
    rule = Rule(**values)
    try:
        re.compile(rule.match)
    except re.error as error:
        raise ValueError(f"the regular expression {rule.match} is wrong: {error}") from error
    return rule


def request_line(scope: Scope) -> str:
    """Return ``METHOD path?query``, percent-decoded, without the question mark where there is no query."""
    query = unquote_plus(scope["query_string"].decode("latin-1"))
    return f"{scope['method']} {scope['path']}" + (f"?{query}" if query else "")


class Faults:
    """ASGI middleware that harms requests as its rules say; without rules it is not noticed."""

    def __init__(self, app: ASGIApp, control_path: str = "/cci/faults") -> None:
        self._app = app
        self._awkward_app = Awkward(app)
        self._control_path = control_path
        self._rules: list[Rule] = []
        self._awkward = False
        self._released = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, harmed or not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == self._control_path:
            await (await self._control(Request(scope, receive)))(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._awkward_app if self._awkward else self._app
        line = request_line(scope)
        # every rule sees every request, so that "after" counts do not depend on other rules
        struck = [rule for rule in self._rules if rule.strikes(line)]
        if not struck:
            await app(scope, receive, send)
            return
        exchange = Exchange(
            app=app,
            scope=scope,
            receive=receive,
            send=send,
            delay_s=struck[0].delay_s,
            released=self._released,
        )
        await FAULTS[struck[0].fault](exchange)

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._add(request)
        if request.method == "DELETE":
            self._clear()
        return JSONResponse({"rules": [asdict(rule) for rule in self._rules], "awkward": self._awkward})

    async def _add(self, request: Request) -> Response:
        try:
            values = json.loads(await request.body())
            if isinstance(values, dict) and set(values) == {"awkward"}:
                self._awkward = bool(values["awkward"])
            else:
                self._rules.append(parse_rule(values))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"rules": len(self._rules), "awkward": self._awkward})

    def _clear(self) -> None:
        self._rules.clear()
        self._awkward = False
        self._released.set()
        self._released = asyncio.Event()
