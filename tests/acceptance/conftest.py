"""What the acceptance tests share: an archive for all that do not break it, a lab for each, batch systems."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.archive import RunningArchive, running_archive
from support.batch_systems import BATCH_SYSTEMS, BatchSystem
from support.lab import Lab, MakeLab


@pytest.fixture(scope="session")
def shared_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    """One archive with fault switches; every lab has a project of its own in it."""
    with running_archive(tmp_path_factory.mktemp("archive") / "root", faults=True) as archive:
        yield archive


@pytest.fixture
def archive(shared_archive: RunningArchive) -> Iterator[RunningArchive]:
    """The shared archive; faults end with the test."""
    yield shared_archive
    shared_archive.clear_faults()


@pytest.fixture
def make_lab(archive: RunningArchive, tmp_path: Path) -> Iterator[MakeLab]:
    """Make labs; the processes that they leave are ended with the test."""
    labs: list[Lab] = []

    def make(name: str = "home", *, project: str = "", processors: Mapping[str, str] | None = None) -> Lab:
        project = project or f"P{secrets.token_hex(4)}"
        labs.append(Lab(tmp_path / name, archive, project, processors=processors))
        return labs[-1]

    yield make
    archive.clear_faults()
    for lab in labs:
        lab.close()


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A lab with one trivial scan processor."""
    return make_lab()


@pytest.fixture(params=sorted(BATCH_SYSTEMS))
def system(request: pytest.FixtureRequest) -> BatchSystem:
    """Use one batch system; skip where it cannot be had."""
    return BATCH_SYSTEMS[request.param]()
