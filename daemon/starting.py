"""Start what waits for a place: choose over all projects that were swept, open attempts, stage and submit.

What may start is chosen by `cci.daemon.caps`; here are only the ledger and the workers. The ledger asks once
more when an attempt is opened, beside all other processes, so that together they keep the caps.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from cci.daemon import caps as places
from cci.daemon.acting import keep_old, order_for
from cci.daemon.caps import PENDING, TOTAL, Candidate, Cap, caps_of, in_use, values_of
from cci.daemon.handing_over import begin_all
from cci.daemon.jobdir import numbered, task_folder
from cci.daemon.ledger import Attempt, LedgerUnavailable, OpenCount, Stale, TaskEntry
from cci.daemon.plan import Action
from cci.daemon.refusals import refusing
from cci.daemon.workplace import Workplace
from cci.status import Status
from cci.task import HELD, Move

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A task that waits for a place only, with its orders: it needs the project's snapshot no more.

    Attributes
    ----------
    planned
        The revision that was decided on; None for a task that this sweep itself has made or moved.
    orders
        The order of the next attempt, by the cluster on which it would run.
    waited
        Whether it has waited for a place since before this sweep: then its start is a move.
    """

    entry: TaskEntry
    candidate: Candidate
    planned: int | None
    orders: Mapping[str, Mapping[str, Any]]
    keep_old: bool
    waited: bool


@dataclass(frozen=True, kw_only=True)
class Manners:
    """What is open now, what may be, and which clusters take nothing."""

    caps: Mapping[str, Cap]
    used: Counter[str]
    unwell: Mapping[str, str]

    def free(self) -> int:
        """Return how many attempts could be opened at most."""
        values = values_of(self.caps)
        return max(0, min(values[name] - self.used[name] for name in (TOTAL, PENDING)))

    def choose(self, candidates: Iterable[Candidate]) -> places.Choice:
        """Choose which candidates start now; see `cci.daemon.caps.choose`."""
        return places.choose(candidates, self.used, values_of(self.caps), self.unwell)


def manners(workplace: Workplace) -> Manners:
    """Ask the ledger how things are."""
    ledger = workplace.ledger
    now = datetime.now(UTC)
    return Manners(
        caps=caps_of(workplace.settings, ledger.set_caps()),
        used=in_use(ledger.open_counts(workplace.url)),
        unwell={
            **{places.unwell_name(*one): reason for one, reason in refusing(workplace).items()},
            **{
                places.unwell_name(one.cluster, one.processor): one.reason
                for one in ledger.away()
                if one.until > now
            },
        },
    )


#: How many times the cap on pending jobs is kept ready beyond the places that are free.
AHEAD = 2


def make_ready(workplace: Workplace, startable: Sequence[tuple[Action, TaskEntry]]) -> list[Ready]:
    """Write the orders of tasks that could start.

    Of each processor the oldest: as many as there are places at all, for those of one processor and project
    are alike, so no others can be chosen; and some more, for places that become free before the next sweep.
    """
    now = manners(workplace)
    places_left = now.free() + AHEAD * values_of(now.caps)[PENDING]
    by_processor: defaultdict[str, list[tuple[Action, TaskEntry]]] = defaultdict(list)
    for action, entry in sorted(startable, key=lambda one: (one[1].created, one[1].id)):
        by_processor[action.configured.name].append((action, entry))
    found: list[Ready] = []
    for pairs in by_processor.values():
        # one that cannot be ordered does not take the place of the next
        made = (_ready(workplace, action, entry) for action, entry in pairs)
        good = (one for one in made if one is not None)
        found += [one for one, _ in zip(good, range(places_left), strict=False)]
    return found


def _ready(workplace: Workplace, action: Action, entry: TaskEntry) -> Ready | None:
    """Write the orders of one task; None if its processor fails, which stops no other."""
    try:
        return Ready(
            entry=entry,
            candidate=candidate_of(
                entry, action.configured.clusters, priority=action.configured.processor.priority
            ),
            planned=entry.revision if entry is action.entry else None,
            orders={
                cluster: order_for(workplace, action, entry, cluster)
                for cluster in action.configured.clusters
            },
            keep_old=keep_old(workplace, entry),
            waited=action.decision.move is Move.START,
        )
    except LedgerUnavailable:
        raise
    except Exception:
        log.exception("task failed", action="order", task=entry.label)
        return None


def candidate_of(entry: TaskEntry, clusters: tuple[str, ...], *, priority: int) -> Candidate:
    """Return a task as the choice sees it."""
    return Candidate(
        task=entry.id,
        project=entry.project,
        processor=entry.processor,
        clusters=clusters,
        priority=priority,
        since=entry.created,
    )


def open_chosen(workplace: Workplace, ready: Sequence[Ready]) -> tuple[list[Attempt], list[Ready]]:
    """Open attempts while there are places.

    A task that has changed meanwhile gives its place to the next one.

    Returns
    -------
    list of Attempt, list of Ready
        In the order in which they are to be submitted, and what still waits.
    """
    opened: list[Attempt] = []
    waiting = {one.entry.id: one for one in ready}
    while waiting and not workplace.stopping.is_set():
        now = manners(workplace)
        starts = now.choose(one.candidate for one in waiting.values()).starts
        if not starts:
            break
        for candidate, cluster in starts:
            attempt = _open(workplace, waiting.pop(candidate.task), cluster, now.caps)
            opened += [attempt] if attempt else []
    return opened, list(waiting.values())


def keep_ready(workplace: Workplace, left: Sequence[Ready]) -> None:
    """Remember what still waits after a sweep, for `refill`; as it is now that the sweep's news are told."""
    now = {entry.id: entry for entry in workplace.ledger.with_ids([one.entry.id for one in left])}
    workplace.ready = [
        replace(one, entry=now[one.entry.id], planned=now[one.entry.id].revision)
        for one in left
        if one.entry.id in now and _waits_for_a_place(now[one.entry.id])
    ]


def refill(workplace: Workplace) -> Counter[str]:
    """Start tasks that the last sweep left waiting, if places are free; return how many of each project.

    A task of which anything was written since is left to the next sweep.
    """
    ready, workplace.ready = workplace.ready, ()
    if not ready:
        return Counter()
    opened, left = open_chosen(workplace, ready)
    # a sweep that has ended meanwhile knows better
    workplace.ready = workplace.ready or left
    projects = {one.entry.id: one.entry.project for one in ready}
    return Counter(projects[task_id] for task_id, good in start(workplace, opened).items() if good)


def _open(workplace: Workplace, ready: Ready, cluster: str, caps: Mapping[str, Cap]) -> Attempt | None:
    """Write the attempt into the ledger; None if the task has changed, or its place is taken."""
    entry = ready.entry
    folder = task_folder(workplace.settings.work_dir, entry.project, entry.label)
    try:
        return workplace.ledger.open_attempt(
            entry.id,
            cluster=cluster,
            directory=str(folder),
            inputs=ready.orders[cluster],
            keep_old=ready.keep_old,
            after=max(numbered(folder), default=0),
            planned=ready.planned,
            admit=_admit(ready.candidate, cluster, caps),
        )
    except Stale as error:
        log.info("left for the next time", action="open", task=entry.label, reason=error.message)
    except LedgerUnavailable:
        raise
    except Exception:
        log.exception("task failed", action="open", task=entry.label)
    return None


def _admit(
    candidate: Candidate, cluster: str, caps: Mapping[str, Cap]
) -> Callable[[Sequence[OpenCount]], bool]:
    """Return the question that the ledger asks when nobody else can open an attempt."""

    def admit(counts: Sequence[OpenCount]) -> bool:
        return places.admits(candidate, cluster, in_use(counts), values_of(caps))

    return admit


#: Called with (what, done, total) as attempts are staged.
Progress = Callable[[str, int, int], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""
    del what, done, total


def start(
    workplace: Workplace, attempts: Sequence[Attempt], progress: Progress = no_progress
) -> dict[int, bool]:
    """Stage and submit attempts, a few at a time; return for each one's task whether it has a job now."""
    number = len(attempts)
    begun = begin_all(workplace, attempts, lambda done: progress("staging", done, number))
    return {attempt.task_id: attempt.id in begun for attempt in attempts}


def why_waiting(workplace: Workplace, entry: TaskEntry) -> str:
    """Say why a task that could start does not; '' if the next sweep starts it.

    Its rivals are all tasks that wait for nothing but a place, as far as the ledger knows.
    """
    rivals = [one for one in workplace.ledger.tasks(workplace.url) if _waits_for_a_place(one)]
    others = {one.id: one for one in [*rivals, entry]}.values()
    choice = manners(workplace).choose(_known_candidates(workplace, others))
    return choice.waits.get(entry.id, "")


def _waits_for_a_place(entry: TaskEntry) -> bool:
    return entry.status is Status.PRE_COMPLETE and not entry.attempt_open and entry.reason != HELD


def _known_candidates(workplace: Workplace, entries: Collection[TaskEntry]) -> Iterable[Candidate]:
    for entry in entries:
        listed = {configured.name: configured for configured in workplace.for_project(entry.project)}
        if entry.processor in listed and entry.project not in workplace.foreign:
            configured = listed[entry.processor]
            yield candidate_of(entry, configured.clusters, priority=configured.processor.priority)
