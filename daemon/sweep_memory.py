"""What a sweep sees of a project: the whole of it, or what is remembered with what changed since.

A memory is a convenience and no evidence: it is in this process alone, grows old, and what a decision would
undo or start over because of it is read again first. The whole is looked at after a start, at a stated
interval, and whenever anything does not add up.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from cci.daemon.plan import Plan
from cci.daemon.workplace import Workplace
from cci.task import Move
from cci.xnat import Known, Scope, Unclear
from cci.xnat.known import few_enough

log = structlog.get_logger()

#: Most sessions, scans and assessors that are remembered of all projects together; about a kilobyte each.
BOUND = 250_000

#: What a memory may lead to: it changes nothing that the archive itself tells of a task.
_HARMLESS = frozenset({Move.NOTHING, Move.SKIP, Move.START, Move.WRITE})


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What the last look at a project has found, and when its last whole look was, on the monotonic clock."""

    known: Known
    whole_at: float


def see(
    workplace: Workplace, project: str, levels: Collection[str], *, now: datetime, remember: bool
) -> Known:
    """Look at a project: only at what changed if that is enough, else at the whole.

    Parameters
    ----------
    levels
        The levels of the processors that run there: some need more requests.
    remember
        Whether to remember what is found, and to use what is remembered.
    """
    scope = _scope(levels)
    if not remember:
        return workplace.archive.look(project, now=now, scope=scope)
    before = workplace.remembered.get(project)
    why = reason_for_whole(before, time.monotonic(), workplace.settings.timing.whole_sweep_s)
    if before is not None and not why:
        narrow = scope if "subject" in levels else replace(scope, subject_assessors=())
        try:
            known = workplace.archive.refresh(before.known, now=now, scope=narrow)
        except Unclear as unclear:
            why = str(unclear)
        else:
            return _keep(workplace, known, before.whole_at)
    log.debug("looking at the whole", action="sweep", project=project, reason=why)
    del before
    return _see_whole(workplace, project, scope, now=now)


def _scope(levels: Collection[str]) -> Scope:
    return Scope(project_tasks="project" in levels)


def reason_for_whole(before: Remembered | None, now_s: float, interval_s: float) -> str:
    """Say why a look at the whole is due; '' if what changed is enough."""
    if before is None:
        return "nothing is remembered"
    return "it is time" if now_s - before.whole_at >= interval_s else ""


def _see_whole(workplace: Workplace, project: str, scope: Scope, *, now: datetime) -> Known:
    # the old goes before the new is read, so that two are never held
    workplace.remembered.pop(project, None)
    gc.unfreeze()
    began = time.monotonic()
    known = workplace.archive.look(project, now=now, scope=scope)
    if workplace.settings.timing.whole_sweep_s <= 0 or not _has_room(workplace, known):
        return known
    try:
        workplace.archive.check(known)
    except Unclear as unclear:
        log.info("nothing is remembered", action="sweep", project=project, reason=str(unclear))
        return known
    # it lasts, and has no cycles: searches for some would only visit its million values again and again
    gc.freeze()
    return _keep(workplace, known, began)


def _has_room(workplace: Workplace, known: Known) -> bool:
    others = sum(one.known.size for name, one in workplace.remembered.items() if name != known.project.id)
    return known.size + others <= BOUND


def _keep(workplace: Workplace, known: Known, whole_at: float) -> Known:
    workplace.remembered[known.project.id] = Remembered(known=known, whole_at=whole_at)
    return known


def settle(
    workplace: Workplace,
    known: Known,
    plan: Callable[[Known], Plan],
    levels: Collection[str],
    *,
    now: datetime,
) -> tuple[Known, Plan]:
    """Plan, and read sessions again that the plan would treat otherwise than as they are remembered.

    Parameters
    ----------
    plan
        Plans on what is known.
    levels
        As for `see`.

    Returns
    -------
    Known, Plan
        The plan, and what it was made on.
    """
    planned = plan(known)
    before = workplace.remembered.get(known.project.id)
    doubted = doubtful(planned, known)
    if not doubted or before is None:
        return known, planned
    log.debug("reading again", action="sweep", project=known.project.id, sessions=len(doubted))
    again = _reread(workplace, known, doubted, now=now)
    if again is None:
        again = _see_whole(workplace, known.project.id, _scope(levels), now=now)
    else:
        _keep(workplace, again, before.whole_at)
    return again, plan(again)


def _reread(workplace: Workplace, known: Known, sessions: Collection[str], *, now: datetime) -> Known | None:
    """Read sessions again; None if only the whole can tell."""
    if not few_enough(len(sessions), known):
        return None
    try:
        return workplace.archive.reread(known, sessions, now=now)
    except Unclear:
        return None


def doubtful(planned: Plan, known: Known) -> frozenset[str]:
    """Return sessions of which a decision rests on memory, and would make, undo or repeat something."""
    if known.whole:
        return frozenset()
    sessions = (
        action.target.session.id
        for action in planned.actions
        if action.target.session is not None and action.decision.move not in _HARMLESS
    )
    return frozenset(sessions) - known.read
