"""How often a cluster is asked for its jobs. The clock is the test's."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cci.daemon.polling import Polling, least_interval, next_interval

SHORTEST, LONGEST = 20.0, 300.0


@pytest.mark.parametrize(
    ("jobs", "shortest_s", "longest_s", "expected"),
    [
        (0, 20, 300, 20),
        (500, 20, 300, 40),
        (5000, 20, 300, 220),
        (50_000, 20, 300, 300),
        (1, 400, 300, 400),
        (5000, 400, 300, 400),
    ],
)
def test_many_jobs_are_asked_for_less_often(
    jobs: int, shortest_s: float, longest_s: float, expected: float
) -> None:
    """The interval grows with the jobs up to the longest; the shortest that a site sets always holds."""
    assert expected == round(least_interval(jobs, shortest_s=shortest_s, longest_s=longest_s))


@pytest.mark.parametrize(
    ("before_s", "jobs", "changed", "expected"),
    [
        (0, 10, False, 20.4),
        (20, 0, False, 30),
        (20, 0, True, 20),
        (250, 0, False, 300),
        (300, 0, False, 300),
        (300, 0, True, 20),
        (300, 500, True, 40),
        (20, 5000, False, 220),
    ],
)
def test_the_next_interval(before_s: float, jobs: int, changed: bool, expected: float) -> None:
    """It grows by half while nothing changes, and is the shortest again when something does."""
    interval_s = next_interval(before_s, jobs=jobs, changed=changed, shortest_s=SHORTEST, longest_s=LONGEST)
    assert expected == round(interval_s, 6)


class _Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def looked(polling: Polling, clock: _Clock, jobs: list[int], *, for_s: float, changed: bool) -> list[float]:
    """Look every shortest interval; return when the cluster was asked, from the beginning on."""
    begin = clock.now
    asked = []
    while clock.now - begin < for_s:
        if polling.is_due("sge", jobs, shortest_s=SHORTEST, longest_s=LONGEST):
            polling.note("sge", jobs, changed=changed, shortest_s=SHORTEST, longest_s=LONGEST)
            asked.append(clock.now - begin)
        clock.now += SHORTEST
    return asked


def test_a_quiet_queue() -> None:
    """While nothing changes the questions come ever less often, and never less often than the longest."""
    clock = _Clock()
    polling = Polling(clock=clock)
    asked = looked(polling, clock, [1], for_s=3600, changed=False)
    gaps = [later - sooner for sooner, later in pairwise(asked)]
    assert (0, sorted(gaps), 20, 300) == (asked[0], gaps, gaps[0], gaps[-1])


def test_a_busy_queue() -> None:
    """While jobs change their state the cluster is asked at every look."""
    clock = _Clock()
    asked = looked(Polling(clock=clock), clock, [1], for_s=200, changed=True)
    assert [number * SHORTEST for number in range(10)] == asked


@pytest.mark.parametrize("jobs", [[1], [1, 2, 3], [2, 3]])
def test_jobs_that_come_or_end_wake_it(jobs: list[int]) -> None:
    """After a long quiet time a job that came or ended has the cluster asked at the next look, and often."""
    clock = _Clock()
    polling = Polling(clock=clock)
    looked(polling, clock, [1, 2], for_s=7200, changed=False)
    asked = looked(polling, clock, jobs, for_s=60, changed=False)
    assert (True, 2) == (asked[0] <= SHORTEST, len(asked))


def test_looks_that_come_a_little_early() -> None:
    """A look that jitter brought forward asks all the same: else every second one would be lost."""
    clock = _Clock()
    polling = Polling(clock=clock)
    polling.note("sge", [1], changed=True, shortest_s=SHORTEST, longest_s=LONGEST)
    clock.now += 0.9 * SHORTEST
    early = polling.is_due("sge", [1], shortest_s=SHORTEST, longest_s=LONGEST)
    clock.now -= 0.5 * SHORTEST
    too_early = polling.is_due("sge", [1], shortest_s=SHORTEST, longest_s=LONGEST)
    assert (True, False) == (early, too_early)


def test_each_cluster_by_itself() -> None:
    """A question to one cluster is none to another."""
    polling = Polling(clock=_Clock())
    polling.note("sge", [1], changed=True, shortest_s=SHORTEST, longest_s=LONGEST)
    assert (False, True) == (
        polling.is_due("sge", [1], shortest_s=SHORTEST, longest_s=LONGEST),
        polling.is_due("slurm", [1], shortest_s=SHORTEST, longest_s=LONGEST),
    )
