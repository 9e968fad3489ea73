"""A scripted server and quick connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.scripted_server import ScriptedServer

from cci.xnat import Connection, Deadlines


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture
def connect(server: ScriptedServer) -> Iterator[Callable[..., Connection]]:
    """Make quick connections to the scripted server, closed at the end."""
    made: list[Connection] = []

    def make(**options: Any) -> Connection:
        quick = {"backoff_s": 0.001, "longest_backoff_s": 0.01, "attempts": 2}
        limits = Deadlines(connect_s=2, read_s=0.5, first_byte_s=0.5, total_s=2)
        made.append(Connection(server.url, "user", "secret", **{"deadlines": limits, **quick, **options}))
        return made[-1]

    yield make
    for connection in made:
        connection.close()
