"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support import grid_engine
from support.turns import SlowFirst

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling

# A shell without job control, as on a build machine, hands SIGINT down ignored, and programs under test
# would inherit that; one that is handled here is as it should be in a program that is started from here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the whole suite understands."""
    parser.addoption(
        "--archive-store",
        choices=["sqlite", "postgresql", "all"],
        default="all",
        help="where the conformance suite's embedded archives keep their tables",
    )


# Set before anything loads numpy, and handed down to programs under test: several test processes share the
# cores, and threads of linear algebra that wait for one another there burn most of the machine.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@pytest.fixture(autouse=True)
def _grid_engine_is_for_all() -> Iterator[None]:
    """Let other tests have Grid Engine alone once a test that used it is over."""
    yield
    grid_engine.let_go()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let test processes that share the work begin with the slow tests, lest one runs alone at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Share the work as `support.turns` says, where whole files were to be shared."""
    return SlowFirst(config, log) if config.getoption("dist") == "loadfile" else None
