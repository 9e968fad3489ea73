"""How often a cluster is asked for its jobs: often while things change, seldom while nothing does.

Exit records are looked at every time, which is cheap; only the question to the cluster is spared. The
decision is pure; `Polling` keeps what it needs from one look to the next, and is for one thread at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

#: For so many jobs more the shortest interval grows by itself once: a listing of very many costs the cluster.
MANY_JOBS = 500
#: By how much the interval grows when nothing has changed.
GROWTH = 1.5
#: A question that is due within this part of the shortest interval is asked now: looks come with jitter.
SLACK = 0.25


def least_interval(jobs: int, *, shortest_s: float, longest_s: float) -> float:
    """Return the interval while things change: longer for very many jobs, in seconds."""
    return min(max(shortest_s, longest_s), shortest_s * (1 + jobs / MANY_JOBS))


def next_interval(before_s: float, *, jobs: int, changed: bool, shortest_s: float, longest_s: float) -> float:
    """Return how long to wait with the next question, in seconds.

    Parameters
    ----------
    before_s
        How long was waited last; 0 for the first question.
    jobs
        Of how many jobs the cluster was asked.
    changed
        Whether any of them is in another state than at the last question.
    shortest_s, longest_s
        ``timing.watch_s`` and ``timing.watch_max_s``.
    """
    least_s = least_interval(jobs, shortest_s=shortest_s, longest_s=longest_s)
    if changed or not before_s:
        return least_s
    return min(max(shortest_s, longest_s), max(least_s, before_s * GROWTH))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The last question to a cluster: when, of which jobs, and how long to wait with the next."""

    at: float
    jobs: frozenset[int]
    interval_s: float


@dataclass
class Polling:
    """Knows when each cluster was asked last."""

    clock: Callable[[], float] = time.monotonic
    asked: dict[str, Asked] = field(default_factory=dict)

    def is_due(self, cluster: str, jobs: Collection[int], *, shortest_s: float, longest_s: float) -> bool:
        """Whether the cluster is to be asked for these jobs now; jobs that came or ended make it sooner."""
        last = self.asked.get(cluster)
        if last is None:
            return True
        least_s = least_interval(len(jobs), shortest_s=shortest_s, longest_s=longest_s)
        interval_s = last.interval_s if last.jobs == frozenset(jobs) else min(last.interval_s, least_s)
        return self.clock() - last.at >= interval_s - SLACK * shortest_s

    def note(
        self, cluster: str, jobs: Collection[int], *, changed: bool, shortest_s: float, longest_s: float
    ) -> None:
        """Note that the cluster was asked just now, whether or not it answered."""
        last = self.asked.get(cluster)
        known = frozenset(jobs)
        interval_s = next_interval(
            last.interval_s if last else 0,
            jobs=len(known),
            changed=changed or last is None or last.jobs != known,
            shortest_s=shortest_s,
            longest_s=longest_s,
        )
        self.asked[cluster] = Asked(at=self.clock(), jobs=known, interval_s=interval_s)
