"""The steps that the daemon repeats and a waiting sweep runs in turn: plain functions, callable by tests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from cci.daemon.collection import collect, due
from cci.daemon.handing_over import begin_all
from cci.daemon.ledger import Attempt, Stage
from cci.daemon.posting import post_all
from cci.daemon.refusals import is_refused, reconsider
from cci.daemon.starting import refill
from cci.daemon.sweep import SweepOptions, SweepReport, sweep_all
from cci.daemon.watching import watch
from cci.daemon.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Open:
    """What still has to be done, counted."""

    staging: int = 0
    running: int = 0
    collecting: int = 0
    writes: int = 0
    #: Results that the archive refuses for good: they wait for a person, and nobody for them.
    refused: int = 0
    #: Jobs that a cluster refuses: they are tried again ever more rarely, and wait for other settings.
    not_taken: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.staging + self.running + self.collecting + self.writes


def sweep_step(workplace: Workplace, projects: Sequence[str], options: SweepOptions) -> list[SweepReport]:
    """Sweep the given projects; they share the places that there are."""
    return sweep_all(workplace, projects, options)


def fill_step(workplace: Workplace) -> Counter[str]:
    """Start tasks that the last sweep left waiting, if places are free; return how many of each project."""
    return refill(workplace)


def begin_step(workplace: Workplace) -> int:
    """Take up attempts that were cut or put off on the way to a cluster; return how many now are."""
    reconsider(workplace)
    waiting = workplace.ledger.open_attempts(workplace.url, Stage.STAGING, Stage.SUBMITTING)
    return len(begin_all(workplace, due(waiting, datetime.now(UTC))))


def watch_step(workplace: Workplace) -> int:
    """Look at running jobs; return how many ended."""
    return watch(workplace)


def collect_step(workplace: Workplace) -> int:
    """Bring ended jobs' results home; return how many tasks are COMPLETE now."""
    waiting = workplace.ledger.open_attempts(workplace.url, Stage.COLLECTING)
    workers = workplace.settings.limits.collect_workers
    return _in_parallel(workplace, partial(collect, workplace), waiting, workers)


def outbox_step(workplace: Workplace) -> int:
    """Bring pending writes to the archive; return how many it accepted."""
    return post_all(workplace).sent


def count_open(workplace: Workplace) -> Open:
    """Count what still has to be done, in projects that are not known to be another instance's."""
    ledger = workplace.ledger
    others = [entry for project in workplace.foreign for entry in ledger.tasks(workplace.url, project)]
    not_ours = {entry.id for entry in others}
    attempts = [one for one in ledger.open_attempts(workplace.url) if one.task_id not in not_ours]
    states = [attempt.state for attempt in attempts]
    refused = sum(_refused(workplace, attempt) for attempt in attempts)
    not_taken = sum(is_refused(attempt) for attempt in attempts)
    return Open(
        staging=sum(state in {Stage.STAGING, Stage.SUBMITTING} for state in states) - not_taken,
        running=states.count(Stage.SUBMITTED),
        collecting=states.count(Stage.COLLECTING) - refused,
        writes=ledger.pending_writes(workplace.url) - sum(entry.writes_pending for entry in others),
        refused=refused,
        not_taken=not_taken,
    )


def count_jobs(workplace: Workplace) -> dict[str, int]:
    """Count the jobs on clusters by their own state, as last told; 'submitted' before that."""
    jobs = workplace.ledger.open_attempts(workplace.url, Stage.SUBMITTED)
    return dict(sorted(Counter(job.job_state or "submitted" for job in jobs).items()))


def _refused(workplace: Workplace, attempt: Attempt) -> bool:
    """Whether the archive refuses an attempt's results for good."""
    if attempt.state is not Stage.COLLECTING or attempt.tries == 0:
        return False
    return workplace.ledger.task(attempt.task_id).stuck


def _in_parallel(
    workplace: Workplace, work: Callable[[Attempt], bool], waiting: Sequence[Attempt], workers: int
) -> int:
    """Do what is due, a few at a time, until somebody wants to stop; return how often it succeeded."""

    def unless_stopping(attempt: Attempt) -> bool:
        return not workplace.stopping.is_set() and work(attempt)

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(unless_stopping, due(waiting, datetime.now(UTC))))


def _with_filled(reports: dict[str, SweepReport], filled: Counter[str]) -> dict[str, SweepReport]:
    """Count what was begun between two sweeps into the reports."""
    return {
        project: replace(
            report, moved=report.moved + filled[project], started=report.started + filled[project]
        )
        for project, report in reports.items()
    }


#: Called after each round with what is still open.
Watcher = Callable[[Open], None]


#: A waiting sweep looks for what finished tasks make possible no more often than this, in seconds.
RESWEEP_S = 10.0


def run_until_quiet(
    workplace: Workplace,
    projects: Sequence[str],
    options: SweepOptions,
    *,
    pause_s: float,
    shown: Watcher | None = None,
) -> list[SweepReport]:
    """Sweep, watch and collect until nothing moves any more; return a report over all sweeps of a project.

    It sweeps again after tasks were completed, for others may have waited for them, and at the end when
    nothing is open; it is over when that sweep moves nothing.
    """
    reports = sweep_step(workplace, projects, options)
    over_all = {report.project: report for report in reports}
    swept, completed = time.monotonic(), 0
    while not workplace.stopping.is_set():
        over_all = _with_filled(over_all, fill_step(workplace))
        begin_step(workplace)
        watch_step(workplace)
        completed += collect_step(workplace)
        outbox_step(workplace)
        still_open = count_open(workplace)
        if shown:
            shown(still_open)
        worth_it = completed > 0 and time.monotonic() - swept > RESWEEP_S
        if still_open.total and not worth_it:
            workplace.stopping.wait(pause_s)
            continue
        reports = sweep_step(workplace, projects, options)
        over_all |= {report.project: report.after(over_all.get(report.project)) for report in reports}
        swept, completed = time.monotonic(), 0
        if still_open.total or any(report.busy for report in reports):
            workplace.stopping.wait(pause_s)
        elif not any(report.moved for report in reports):
            break
    return list(over_all.values())
