"""Long counts with ``--soak`` (``make soak``) or ``CCI_SOAK=1``, short ones in every other run."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archive import running_archive
from support.lab import Lab


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="take the long counts")


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the long counts are wanted."""
    return bool(request.config.getoption("--soak", default=False)) or bool(os.environ.get("CCI_SOAK"))


@pytest.fixture
def chance() -> random.Random:
    """A source of chance whose seed is printed; ``CCI_SEED`` repeats a run as far as time allows."""
    seed = os.environ.get("CCI_SEED") or secrets.token_hex(4)
    print(f"CCI_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab with an archive of its own, which may be killed."""
    with running_archive(tmp_path / "archive", faults=True) as archive:
        made = Lab(tmp_path / "home", archive, "P1")
        yield made
        archive.clear_faults()
        made.close()
