"""What is waited for while a request comes in."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from cci.archive import requestbody
from cci.archive.errors import TooSlow
from cci.archive.requestbody import read_whole


async def read(parts: list[bytes]) -> bytes:
    """Read a body of which so much comes, and no more."""

    async def receive() -> Message:
        if not parts:
            await asyncio.Event().wait()
        body = parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": body != b"end"}

    headers = [(b"content-length", b"9")]
    return await read_whole(Request({"type": "http", "headers": headers}, receive))


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a"] * 5000], ids=["nothing", "little", "a lot"])
def test_what_never_comes(monkeypatch: pytest.MonkeyPatch, parts: list[bytes]) -> None:
    """A client that does not go on is given up, whatever it has sent already."""
    monkeypatch.setattr(requestbody, "_PATIENCE_S", 0.2)
    with pytest.raises(TooSlow):
        asyncio.run(read(parts))


def test_what_comes() -> None:
    """A body that comes is read to its end."""
    assert b"a begin end" == asyncio.run(read([b"a begin ", b"end"]))
