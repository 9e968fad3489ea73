"""Our access to an archive, held against the embedded archive as a real process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.archive import RunningArchive, running_archive
from support.fill import Fill

from cci.xnat import Archive, Deadlines, open_archive

QUICK = Deadlines(connect_s=5, read_s=0.4, first_byte_s=0.4, total_s=0.8)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    with running_archive(tmp_path_factory.mktemp("archive") / "root", faults=True) as running:
        yield running


@pytest.fixture
def fill(server: RunningArchive) -> Iterator[Fill]:
    with Fill(server.url, server.auth) as filler:
        yield filler


@pytest.fixture
def connect(server: RunningArchive) -> Iterator[Callable[..., Archive]]:
    """Open archives with two quick attempts, closed at the end."""
    opened: list[Archive] = []

    def make(**options: Any) -> Archive:
        quick = {"deadlines": QUICK, "attempts": 2, "backoff_s": 0.01, "longest_backoff_s": 0.05}
        opened.append(open_archive(server.url, server.user, server.password, **{**quick, **options}))
        return opened[-1]

    yield make
    server.clear_faults()
    for archive in opened:
        archive.close()


@pytest.fixture(params=[False, True], ids=["kind", "awkward"])
def awkward(request: pytest.FixtureRequest) -> bool:
    """Whether the archive is as awkward as a real XNAT can be; without digests, among other things."""
    return bool(request.param)


@pytest.fixture
def archive(connect: Callable[..., Archive], server: RunningArchive, awkward: bool) -> Archive:
    if awkward:
        server.fault(awkward=True)
    return connect(deadlines=Deadlines())


@pytest.fixture
def kind_archive(connect: Callable[..., Archive]) -> Archive:
    return connect(deadlines=Deadlines())
