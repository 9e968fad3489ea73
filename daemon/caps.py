"""Which tasks start now, where, and why the others wait: caps, turns, and the choice of a cluster.

Pure: values in, values out. What is open is counted by the ledger; what may be, by the settings and by caps
that were set at run time (``cci limit``), which win.

A cap has a name: ``total``, ``pending`` (jobs that do not run yet: staged, or queued), ``project:P``,
``processor:X``, ``cluster:C``, and ``pending:C`` for one cluster. A job is *open* from the moment its inputs
are staged until its end is known. One that is held on its cluster is open, and not pending: people may hold
many for long.

The order of starts: the higher priority first, over all projects; among equals the project with the fewest
open jobs has its turn, and of several such the one whose task is older; within a project the oldest task
first. So projects that always want more share the places evenly, and a place that one cannot use, because
another cap is full, goes to the next one at once: no place is kept for anybody.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cci.cluster.base import JobState
from cci.daemon.ledger import OpenCount, SetCap, Stage
from cci.settings import Settings

TOTAL, PENDING = "total", "pending"

#: The job state of an attempt that its cluster refuses: it has no job, and takes no place from others.
REFUSED = "refused"

#: An attempt in one of these is open.
OPEN = frozenset({Stage.STAGING, Stage.SUBMITTING, Stage.SUBMITTED})


@dataclass(frozen=True, kw_only=True)
class Cap:
    """A cap: at most so many; None for no cap. Set by *who* at *at*, or by the settings if *who* is ''."""

    name: str
    value: int | None = None
    who: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A task that could start, if there were a place.

    Attributes
    ----------
    task
        Its number in the ledger.
    clusters
        Where it may run, in the order of the settings; at least one.
    since
        When the ledger met it first.
    """

    task: int
    project: str
    processor: str
    clusters: tuple[str, ...]
    priority: int
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which candidates start, each with its cluster, in their order; and a sentence for each that waits."""

    starts: tuple[tuple[Candidate, str], ...] = ()
    waits: Mapping[int, str] = field(default_factory=dict)


# -- caps -----------------------------------------------------------------------------------------------


def caps_of(settings: Settings, at_run_time: Iterable[SetCap] = ()) -> dict[str, Cap]:
    """Return every cap that there can be, by name, in the order in which people look for them."""
    limits = settings.limits
    values: dict[str, int | None] = {
        TOTAL: limits.max_running,
        PENDING: min(limits.max_staged, limits.max_pending or limits.max_staged),
    }
    values |= {f"project:{name}": one.max_running for name, one in settings.projects.items()}
    values |= {f"processor:{name}": one.max_running for name, one in settings.processors.items()}
    values |= {f"cluster:{name}": one.max_running for name, one in settings.clusters.items()}
    values |= {f"pending:{name}": one.max_pending for name, one in settings.clusters.items()}
    caps = {name: Cap(name=name, value=value) for name, value in values.items()}
    return caps | {
        one.name: Cap(name=one.name, value=one.value, who=one.who, at=one.at) for one in at_run_time
    }


def values_of(caps: Mapping[str, Cap]) -> dict[str, int]:
    """Return the value of each cap that is one."""
    return {name: cap.value for name, cap in caps.items() if cap.value is not None}


def in_use(counts: Iterable[OpenCount]) -> Counter[str]:
    """Count how much of each cap is in use, by its name."""
    used: Counter[str] = Counter()
    for one in counts:
        if one.state in OPEN and one.job_state != REFUSED:
            pending = is_pending(one.state, one.job_state)
            for name in _names(one.project, one.processor, one.cluster, pending=pending):
                used[name] += one.count
    return used


def is_pending(state: Stage, job_state: str) -> bool:
    """Whether an open attempt does not run yet, as far as the cluster has told."""
    return state in {Stage.STAGING, Stage.SUBMITTING} or (
        state is Stage.SUBMITTED and job_state in {"", JobState.QUEUED}
    )


def _names(project: str, processor: str, cluster: str, *, pending: bool) -> list[str]:
    """Return the caps that an attempt counts under."""
    names = [TOTAL, f"project:{project}", f"processor:{processor}", f"cluster:{cluster}"]
    return [*names, PENDING, f"pending:{cluster}"] if pending else names


def unwell_name(cluster: str, processor: str = "") -> str:
    """Return by what name a cluster that takes nothing, or nothing of one processor, is known."""
    return f"{cluster}/{processor}" if processor else cluster


def admits(candidate: Candidate, cluster: str, used: Mapping[str, int], caps: Mapping[str, int]) -> bool:
    """Whether there still is a place for a candidate on the cluster that was chosen for it."""
    names = _names(candidate.project, candidate.processor, cluster, pending=True)
    return all(used.get(name, 0) < caps[name] for name in names if name in caps)


# -- the choice -----------------------------------------------------------------------------------------


def choose(
    candidates: Iterable[Candidate],
    used: Mapping[str, int],
    caps: Mapping[str, int],
    unwell: Mapping[str, str] | None = None,
) -> Choice:
    """Choose which candidates start now.

    Parameters
    ----------
    used, caps
        By the names of the caps; see `in_use` and `values_of`.
    unwell
        Clusters that take nothing at present, by `unwell_name`, with the reason.
    """
    room = _Room(caps=caps, before=used, used=Counter(used), unwell=unwell or {})
    starts: list[tuple[Candidate, str]] = []
    waits: dict[int, str] = {}
    by_priority: defaultdict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_priority[candidate.priority].append(candidate)
    for priority in sorted(by_priority, reverse=True):
        for candidate in _Turns(by_priority[priority], room.used):
            cluster, why_not = room.place_for(candidate)
            if cluster:
                room.take(candidate, cluster)
                starts.append((candidate, cluster))
            else:
                waits[candidate.task] = why_not
    return Choice(starts=tuple(starts), waits=waits)


class _Turns:
    """Gives the candidates of one priority in their turn, which what was started meanwhile decides."""

    def __init__(self, candidates: Sequence[Candidate], used: Mapping[str, int]) -> None:
        self._used = used
        self._waiting: defaultdict[str, deque[Candidate]] = defaultdict(deque)
        for candidate in sorted(candidates, key=lambda one: (one.since, one.task)):
            self._waiting[candidate.project].append(candidate)

    def __iter__(self) -> _Turns:
        return self

    def __next__(self) -> Candidate:
        if not self._waiting:
            raise StopIteration
        project = min(self._waiting, key=self._precedence)
        first = self._waiting[project].popleft()
        if not self._waiting[project]:
            del self._waiting[project]
        return first

    def _precedence(self, project: str) -> tuple[int, datetime, int]:
        first = self._waiting[project][0]
        return self._used.get(f"project:{project}", 0), first.since, first.task


@dataclass(frozen=True, kw_only=True)
class _Room:
    """The places that are left while starts are chosen."""

    caps: Mapping[str, int]
    before: Mapping[str, int]
    used: Counter[str]
    unwell: Mapping[str, str]

    def place_for(self, candidate: Candidate) -> tuple[str, str]:
        """Return the cluster for a candidate, or '' and why it waits."""
        everywhere = (TOTAL, PENDING, f"project:{candidate.project}", f"processor:{candidate.processor}")
        full = list(filter(self._is_full, everywhere))
        if full:
            # rather what is full already than what others come first for
            return "", self._why_full(next(filter(self._was_full, full), full[0]))
        refusals = {cluster: self._refusal(cluster, candidate.processor) for cluster in candidate.clusters}
        willing = [cluster for cluster, refusal in refusals.items() if not refusal]
        if not willing:
            return "", "; ".join(dict.fromkeys(refusals.values()))
        # the first of those that are equally busy: min keeps the order
        return min(willing, key=self._business), ""

    def take(self, candidate: Candidate, cluster: str) -> None:
        """Give a place away."""
        self.used.update(_names(candidate.project, candidate.processor, cluster, pending=True))

    def _is_full(self, name: str) -> bool:
        return name in self.caps and self.used[name] >= self.caps[name]

    def _was_full(self, name: str) -> bool:
        return self.before.get(name, 0) >= self.caps[name]

    def _refusal(self, cluster: str, processor: str) -> str:
        """Say why a cluster gets no more jobs of a processor now; '' if it may."""
        for name in (cluster, unwell_name(cluster, processor)):
            if name in self.unwell:
                return f"waits for cluster {cluster}: {self.unwell[name]}"
        full = next(filter(self._is_full, (f"cluster:{cluster}", f"pending:{cluster}")), "")
        return self._why_full(full) if full else ""

    def _business(self, cluster: str) -> float:
        """Return how busy a cluster is, by its cap; one without a cap could take all that may be open."""
        cap = self.caps.get(f"cluster:{cluster}") or self.caps.get(TOTAL) or 1
        return self.used[f"cluster:{cluster}"] / cap

    def _why_full(self, name: str) -> str:
        cap, what = self.caps[name], what_of(name)
        if cap == 0:
            return f"waits: {what} may not start, the cap {name} is 0"
        if self._was_full(name):
            return f"waits for a place: {self.before[name]} of {cap} {what} are open"
        return f"waits for its turn: tasks before it take the last of {cap} places for {what}"


def what_of(name: str) -> str:
    """Return in words what a cap counts."""
    kind, _, of = name.partition(":")
    if kind == PENDING:
        return f"jobs that do not run yet on cluster {of}" if of else "jobs that do not run yet"
    return {"cluster": f"jobs on cluster {of}", TOTAL: "jobs"}.get(kind, f"jobs of {kind} {of}")
