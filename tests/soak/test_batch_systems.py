"""The daemon killed at random moments while its jobs run on real batch systems, and their controllers too."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from support.batch_systems import BATCH_SYSTEMS, BatchSystem, kill_all, ran_once, use
from support.lab import Lab
from support.waiting import wait_until

pytestmark = pytest.mark.slow
#: Longer than all of it takes.
PATIENCE_S = 3600.0


@pytest.fixture(params=["drmaa", "slurm"])
def system(request: pytest.FixtureRequest) -> BatchSystem:
    """Use one batch system, as its only user; skip where it cannot be had."""
    return BATCH_SYSTEMS[request.param](alone=True)


@pytest.fixture
def site(lab: Lab, system: BatchSystem) -> Iterator[Lab]:
    """A lab whose jobs run there; those that a failed test leaves are killed."""
    use(lab, system)
    yield lab
    kill_all(lab)


def fill(lab: Lab, number: int) -> None:
    """Make sessions whose tasks take a moment."""
    for index in range(number):
        lab.scan(f"E{index}", behave="sleep 0.2", subject=f"S{index % 7}")


def all_complete(lab: Lab, number: int) -> bool:
    """Whether every task is complete."""
    statuses = lab.statuses()
    return len(statuses) == number and {"COMPLETE"} == set(statuses.values())


def every_attempt_ran_once(lab: Lab, system: BatchSystem, number: int) -> None:
    """Check the daemon's words against the books of the batch system."""
    assert [1] * number == [row["attempts"] for row in lab.tasks()]
    assert ran_once(lab, system)
    assert [] == list((lab.home / "work").rglob("refused-*.json"))


def test_daemon_killed(site: Lab, system: BatchSystem, chance: random.Random, *, long: bool) -> None:
    """Every task is complete after one job, however often the daemon was killed meanwhile."""
    number, kills = (200, 100) if long else (20, 5)
    fill(site, number)
    for _ in range(kills):
        daemon = site.run_daemon()
        time.sleep(chance.uniform(0.5, 4.0))
        daemon.kill()
        daemon.wait()
    daemon = site.run_daemon()
    wait_until(lambda: all_complete(site, number), "all is done", patience_s=PATIENCE_S)
    daemon.terminate()
    daemon.wait(300)

    every_attempt_ran_once(site, system, number)


def test_controller_restarted(site: Lab, system: BatchSystem, *, long: bool) -> None:
    """A controller that stops and comes back while jobs run, end and wait changes no outcome."""
    number = 40 if long else 12
    fill(site, number)
    daemon = site.run_daemon()
    wait_until(lambda: "JOB_RUNNING" in site.statuses().values(), "the first jobs are there")
    system.stop_controller()
    time.sleep(5)
    during = set(site.statuses().values())
    system.start_controller()
    wait_until(lambda: all_complete(site, number), "all is done", patience_s=PATIENCE_S)
    daemon.terminate()
    daemon.wait(300)

    assert during <= {"PRE_COMPLETE", "JOB_RUNNING", "JOB_COMPLETE", "COMPLETE"}
    every_attempt_ran_once(site, system, number)
