"""One sweep: of each project snapshot, plan, act; then start, over all of them. The ledger is written first.

A sweep decides and begins; running jobs are watched and collected in other steps (`cci.daemon.steps`). What
can start waits until every project was looked at, for all of them share the places (`cci.daemon.caps`).
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from cci import model
from cci.daemon import ownership
from cci.daemon.acting import act, enter, retire
from cci.daemon.ledger import LedgerUnavailable, TaskEntry
from cci.daemon.parts import demand_part
from cci.daemon.places import SESSION_TYPE
from cci.daemon.plan import Action, Configured, Failure, Narrowing, Plan, View, counts, plan, shrunk
from cci.daemon.posting import post_all
from cci.daemon.starting import Progress, Ready, keep_ready, make_ready, no_progress, open_chosen, start
from cci.daemon.sweep_memory import see, settle
from cci.daemon.workplace import Workplace
from cci.errors import CciError, NeedsConsent, Refused
from cci.task import Move, TaskKey
from cci.xnat import Known

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What a person asked of a sweep.

    Attributes
    ----------
    consent
        Whether a project may be written to for the first time.
    accept_shrinking
        Whether to go on although the project lost more than the brake allows.
    told
        Whether a person is told what the report says, so that the log need not say it too.
    remember
        Whether to remember what is found, and ask only for what changed; see `cci.daemon.sweep_memory`.
    """

    narrowing: Narrowing = field(default_factory=Narrowing)
    consent: bool = False
    accept_shrinking: bool = False
    progress: Progress = no_progress
    told: bool = False
    remember: bool = False


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """What one sweep of one project did; without the plan, which is large and holds the whole snapshot."""

    project: str
    tasks: int = 0
    moved: int = 0
    started: int = 0
    waiting: int = 0
    #: Tasks that could start, and wait for a place under the caps.
    without_place: int = 0
    failures: tuple[Failure, ...] = ()
    error: CciError | None = None
    busy: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    #: Whether all sessions were read, and how many were.
    whole: bool = True
    read: int = 0

    def after(self, earlier: SweepReport | None) -> SweepReport:
        """Return this report with what an earlier sweep of the same project did counted in."""
        if earlier is None:
            return self
        return replace(self, moved=self.moved + earlier.moved, started=self.started + earlier.started)


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """What was decided on one project, and its tasks that wait for a place."""

    report: SweepReport
    ready: tuple[Ready, ...] = ()


def sweep(workplace: Workplace, project: str, options: SweepOptions) -> SweepReport:
    """Sweep one project; see `sweep_all`."""
    reports = sweep_all(workplace, [project], options)
    return reports[0] if reports else SweepReport(project=project)


def sweep_all(workplace: Workplace, projects: Sequence[str], options: SweepOptions) -> list[SweepReport]:
    """Sweep projects: decide on one after the other, then start what there are places for, over all of them.

    An error of the archive is in the project's report, and nothing was changed in it because of the error.
    """
    decided = []
    for project in projects:
        if workplace.stopping.is_set():
            break
        decided.append(_decide_alone(workplace, project, options))
    ready = [one for each in decided for one in each.ready]
    attempts, left = open_chosen(workplace, ready)
    started = start(workplace, attempts, options.progress)
    reports = [_with_starts(each, started) for each in decided]
    for report in reports:
        _summarise(report, told=options.told)
    post_all(workplace)
    keep_ready(workplace, left)
    return reports


def _with_starts(decided: _Decided, started: Mapping[int, bool]) -> SweepReport:
    """Count in what was started of a project: tasks with an attempt now, and those of them with a job."""
    ours = [one for one in decided.ready if one.entry.id in started]
    return replace(
        decided.report,
        moved=decided.report.moved + sum(one.waited for one in ours),
        started=sum(started[one.entry.id] for one in ours),
        without_place=decided.report.without_place - len(ours),
    )


def _decide_alone(workplace: Workplace, project: str, options: SweepOptions) -> _Decided:
    """Decide on one project, beside no other sweep of it."""
    with workplace.ledger.lease(f"sweep {workplace.url} {project}") as free:
        if not free:
            log.info("another process sweeps", action="sweep", project=project)
            return _Decided(report=SweepReport(project=project, busy=True))
        try:
            with _without_search_for_cycles():
                return _decide(workplace, project, options)
        except CciError as error:
            return _Decided(report=SweepReport(project=project, error=error))


def _decide(workplace: Workplace, project: str, options: SweepOptions) -> _Decided:
    known, planned = _look(workplace, project, options)
    snapshot = known.project
    _brake(workplace, project, snapshot, options)
    # where nothing is to be written, nobody need be asked whose project it is
    idle = not known.whole and not planned.moving() and not planned.vanished
    if not idle and not ownership.is_ours(workplace, project):
        _first_contact(workplace, project, planned, options)
    for failure in planned.failures:
        (log.info if options.told else log.error)(
            "processor failed",
            action="plan",
            processor=failure.processor,
            target=failure.target,
            exc_info=failure.error,
        )
    moved, startable = _act_on_all(workplace, planned, options)
    moved += sum(retire(workplace, entry) for entry in planned.vanished)
    ready = make_ready(workplace, startable)
    workplace.ledger.save_counts(workplace.url, project, counts(snapshot))
    report = SweepReport(
        project=project,
        tasks=len(planned.actions),
        moved=moved,
        waiting=sum(_waits(action) for action in planned.actions),
        without_place=len(startable),
        failures=planned.failures,
        counts=counts(snapshot),
        whole=known.whole,
        read=len(known.read),
    )
    return _Decided(report=report, ready=tuple(ready))


def look(workplace: Workplace, project: str, options: SweepOptions) -> tuple[model.Project, Plan]:
    """Take a snapshot and plan on it; nothing is written anywhere. This is the whole of a dry run."""
    with _without_search_for_cycles():
        known, planned = _look(workplace, project, options)
    return known.project, planned


def _look(workplace: Workplace, project: str, options: SweepOptions) -> tuple[Known, Plan]:
    options.progress(f"reading {project}", 0, 0)
    processors = [_with_site_reason(configured) for configured in workplace.for_project(project)]
    levels = {configured.processor.level for configured in processors}
    now = datetime.now(UTC)
    # the ledger first: what it learns while the archive is read makes the plan stale, and never wrong
    view = View.of(workplace.ledger.tasks(workplace.url, project))

    def planning(known: Known) -> Plan:
        demand_types(known.project, levels)
        demand_part(known.project, options.narrowing)
        return plan(
            known.project, processors, view, archive=workplace.url, now=now, narrowing=options.narrowing
        )

    known = see(workplace, project, levels, now=now, remember=options.remember)
    return settle(workplace, known, planning, levels, now=now)


#: So many new objects come before a search of the young ones, and so many of those before one of all: never.
_SELDOM, _NEVER = 50_000, 1_000_000_000


@contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """Keep the garbage collector from old objects: each search visits the million values of a snapshot.

    On a large project that is a third of the time. Young ones are searched, if seldom: other threads go on.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(max(young, _SELDOM), middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def demand_types(snapshot: model.Project, levels: set[str]) -> None:
    """Stop where the archive does not know our assessors: their absence would say nothing about tasks."""
    if SESSION_TYPE in snapshot.missing_types and levels & {"scan", "session"}:
        raise Refused(
            f"the archive does not have the data type {SESSION_TYPE}; nothing was changed",
            hint="an administrator of the archive installs the proc plugin and sets the data type up",
        )


def _with_site_reason(configured: Configured) -> Configured:
    """Ask a processor once whether it can start anything here."""
    try:
        reason = configured.processor.ready_here()
    except Exception as error:  # noqa: BLE001 (a lab's code may raise anything; its tasks wait and say so)
        reason = f"the processor failed: {type(error).__name__}: {error}"
    return replace(configured, site_reason=reason)


def _brake(workplace: Workplace, project: str, snapshot: model.Project, options: SweepOptions) -> None:
    lost = shrunk(
        workplace.ledger.last_counts(workplace.url, project),
        counts(snapshot),
        workplace.settings.limits.shrink_brake,
    )
    if lost and not options.accept_shrinking:
        raise Refused(
            f"project {project} shrank since the last sweep: {lost}; nothing was changed",
            hint="if that is right, sweep it once with --accept-shrinking",
        )


def _first_contact(workplace: Workplace, project: str, planned: Plan, options: SweepOptions) -> None:
    """Say what would be made in a project that nobody owns yet, and make this instance its owner."""
    if not options.consent:
        kinds = Counter(
            action.configured.processor.proctype
            for action in planned.actions
            if action.decision.move is Move.CREATE
        )
        would = ", ".join(f"{count} {proctype}" for proctype, count in sorted(kinds.items())) or "no"
        raise NeedsConsent(f"cci never wrote to project {project}; it would make {would} assessors there")
    ownership.claim(workplace, project)


def _act_on_all(workplace: Workplace, planned: Plan, options: SweepOptions) -> tuple[int, Startable]:
    """Carry the plan out in the ledger; return how many tasks moved, and those that could start."""
    moved = 0
    startable: Startable = []
    moving = planned.moving()
    for done in range(0, len(moving), BATCH):
        batch = moving[done : done + BATCH]
        entered = _enter(workplace, [action for action in batch if action.entry is None])
        for action in batch:
            if workplace.stopping.is_set():
                return moved, startable
            has_moved, entry = _act(workplace, action, entered.get(action.key))
            moved += has_moved
            startable += [(action, entry)] if entry else []
        options.progress("deciding", done + len(batch), len(moving))
    return moved, startable


#: Actions whose tasks wait for a place only, each with the task as it is now.
Startable = list[tuple[Action, TaskEntry]]

#: How many new tasks are entered into the ledger by one transaction.
BATCH = 500


def _enter(workplace: Workplace, new: Sequence[Action]) -> dict[TaskKey, TaskEntry]:
    """Enter new tasks, many as one; if something is wrong with one of them, each for itself."""
    try:
        return {entry.key: entry for entry in enter(workplace, new) if entry is not None}
    except LedgerUnavailable:
        raise
    except Exception:
        if len(new) == 1:
            log.exception("task failed", action="enter", task=new[0].label)
            return {}
        return {key: entry for action in new for key, entry in _enter(workplace, [action]).items()}


def _act(workplace: Workplace, action: Action, entered: TaskEntry | None) -> tuple[bool, TaskEntry | None]:
    """Act on one task; whatever goes wrong with it is logged and stops nothing else."""
    if action.entry is None and entered is None:
        return False, None
    try:
        return act(workplace, action, entered=entered)
    except LedgerUnavailable:
        raise
    except Exception:
        log.exception("task failed", action="act", task=action.label)
        return False, None


def _waits(action: Action) -> bool:
    """Whether the task stays where it is, for a reason that a person may want to know."""
    return action.decision.move is not Move.SKIP and bool(action.decision.reason)


def _summarise(report: SweepReport, *, told: bool) -> None:
    """Write the one line that tells of a whole sweep."""
    facts = {
        "action": "sweep",
        "project": report.project,
        "tasks": report.tasks,
        "moved": report.moved,
        "started": report.started,
        "waiting": report.waiting,
        "without_place": report.without_place,
        "failures": len(report.failures),
        "whole": report.whole,
        "read": report.read,
        **report.counts,
    }
    if report.error is not None:
        write = log.info if told else log.error
        write("sweep stopped", error=report.error.message, hint=report.error.hint, **facts)
    else:
        log.info("sweep done", **facts)
