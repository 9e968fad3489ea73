"""What this process remembers of jobs, as DRMAA 1.0 is asked for one job at a time and by its id only.

It remembers which name an id belongs to, what was reported last and how jobs ended, and it decides which jobs
the library is asked for next. It asks nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import Lock

from cci.cluster.base import Accounting, JobRef, JobReport, JobState

#: Most jobs that are remembered after their end.
MOST_ENDED = 10_000


@dataclass(frozen=True, kw_only=True)
class Known:
    """One job.

    Attributes
    ----------
    asked
        The number of the question with which the library was asked for it last; later ones are greater.
    ran
        Whether it was ever reported to run.
    ended
        When it was first seen to be over, in seconds of the cluster's clock; None while it is not.
    told
        What the library told of its end, if anything.
    """

    name: str
    report: JobReport
    asked: int
    ran: bool = False
    ended: float | None = None
    told: Accounting | None = None


class Memory:
    """Jobs by their ids. Several threads may use it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._questions = count()
        self._jobs: dict[str, Known] = {}
        #: The ids of those that are over, the first that ended first.
        self._over: dict[str, None] = {}

    def of(self, job: JobRef) -> Known | None:
        """Return what is known of exactly this job: None also where its id belongs to another name here."""
        known = self._jobs.get(job.id)
        return known if known and job.name in {"", known.name} else None

    def named(self, name: str) -> JobRef | None:
        """Return the job with this name, if it is known."""
        with self._lock:
            return next((JobRef(id_, name) for id_, known in self._jobs.items() if known.name == name), None)

    def note(self, job: JobRef, report: JobReport, *, told: Accounting | None = None) -> None:
        """Remember what a job's state is now; whoever had its id before is forgotten."""
        now = self._clock()
        with self._lock:
            before = self.of(job)
            over = report.state is JobState.ENDED
            since = before.ended if before else None
            self._jobs[job.id] = Known(
                name=before.name if before else job.name,
                report=report,
                asked=next(self._questions),
                ran=bool(before and before.ran) or report.state in {JobState.RUNNING, JobState.SUSPENDED},
                ended=(now if since is None else since) if over else None,
                told=told or (before.told if before else None),
            )
            self._over.pop(job.id, None)
            if over:
                self._over[job.id] = None
            while len(self._over) > MOST_ENDED:
                self._drop(next(iter(self._over)))

    def asked(self, job_id: str) -> None:
        """Remember that a job was asked for in vain."""
        with self._lock:
            if job_id in self._jobs:
                self._jobs[job_id] = replace(self._jobs[job_id], asked=next(self._questions))

    def forget(self, job_id: str) -> None:
        """Forget a job that the library does not know any more."""
        with self._lock:
            self._drop(job_id)

    def living(self) -> Mapping[str, Known]:
        """Return the jobs that are not known to be over."""
        with self._lock:
            return {id_: known for id_, known in self._jobs.items() if known.ended is None}

    def _drop(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._over.pop(job_id, None)


def longest_ago(living: Mapping[str, Known], ids: Collection[str], most: int) -> Sequence[str]:
    """Return at most this many of *ids* that are living, those first that were asked for longest ago."""
    wanted: Iterable[str] = (id_ for id_ in ids if id_ in living)
    return sorted(wanted, key=lambda id_: living[id_].asked)[: max(most, 0)]


class Allowance:
    """How many questions may be asked: so many a second on the average, saved up for a while.

    Parameters
    ----------
    per_s
        What is added in a second.
    saved_s
        For how long it is saved up; what is not used by then is lost.
    """

    def __init__(self, per_s: float, clock: Callable[[], float], *, saved_s: float = 60.0) -> None:
        self._per_s = per_s
        self._most = max(per_s * saved_s, 1.0)
        self._clock = clock
        self._left = max(per_s, 1.0)
        self._since = clock()

    def left(self) -> int:
        """Return how many questions may be asked now."""
        now = self._clock()
        self._left = min(self._left + (now - self._since) * self._per_s, self._most)
        self._since = now
        return int(self._left)

    def use(self) -> None:
        """Use up one."""
        self._left -= 1.0
