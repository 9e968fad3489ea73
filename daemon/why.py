"""Why a task is where it is: the rule, the data it saw, and what comes next. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cci.cluster.base import JobState
from cci.daemon.control import open_attempts
from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.daemon.plan import Action, Narrowing
from cci.daemon.starting import why_waiting
from cci.daemon.sweep import SweepOptions, look
from cci.daemon.workplace import Workplace
from cci.errors import ArchiveError
from cci.inputs import Assessor, Rule, Scan, SessionResource
from cci.model import Session
from cci.processor import Processor
from cci.status import QcStatus, Status
from cci.task import HELD, Move

#: What keeps a job from going on, by the cluster's own word for its state.
STANDSTILL = {
    str(JobState.HELD): "its job is held by somebody, and starts when that is lifted",
    str(JobState.SUSPENDED): (
        "its job is suspended by somebody, and goes on when that is lifted; its wall time stands still"
    ),
    str(JobState.UNKNOWN): "the cluster does not know its job now; it is asked again",
}


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a task is where it is: the rule, the data it saw, and the first condition that does not hold."""

    label: str
    status: str
    reason: str
    rule: str = ""
    saw: tuple[str, ...] = ()
    next_step: str = ""
    job: str = ""


def why(workplace: Workplace, entry: TaskEntry) -> Why:
    """Explain a task from a fresh look at the archive."""
    attempts = open_attempts(workplace, entry)
    if attempts:
        return _why_under_way(entry, attempts[0])
    try:
        action = _look_again(workplace, entry)
    except ArchiveError as error:
        return _brief(entry, f"the archive cannot be asked now: {error.message}")
    if action is None:
        return _brief(entry, "no configured processor has this task any more")
    return Why(
        label=entry.label,
        status=str(entry.status),
        reason=_reason(action, entry),
        rule=rule_of(action.configured.processor),
        saw=tuple(describe_data(action)),
        next_step=_next_step(workplace, action, entry),
    )


def _brief(entry: TaskEntry, next_step: str) -> Why:
    return Why(label=entry.label, status=str(entry.status), reason=entry.reason, next_step=next_step)


def _why_under_way(entry: TaskEntry, attempt: Attempt) -> Why:
    job = (
        f"job {attempt.job_id} on {attempt.cluster}: {attempt.job_state or 'submitted'}"
        if attempt.job_id
        else ""
    )
    waits = ""
    if attempt.retry_at is not None and attempt.retry_at > datetime.now(UTC):
        waits = (
            f"{attempt.job_message}; tried again at {attempt.retry_at:%H:%M:%S} UTC (try {attempt.tries + 1})"
        )
    stands_still = STANDSTILL.get(attempt.job_state, "") if attempt.state is Stage.SUBMITTED else ""
    words = {
        Stage.STAGING: "its inputs are being fetched",
        Stage.SUBMITTING: "its job is being handed to the cluster",
        Stage.SUBMITTED: "its job has not ended",
        Stage.COLLECTING: "its results are being stored in the archive",
    }
    return Why(
        label=entry.label,
        status=str(entry.status),
        reason="; ".join(filter(None, [entry.reason, stands_still]))
        or waits
        or attempt.job_message
        or words[attempt.state],
        next_step=waits,
        job=job,
    )


def _look_again(workplace: Workplace, entry: TaskEntry) -> Action | None:
    narrowing = Narrowing(processor=entry.processor)
    _, planned = look(workplace, entry.project, SweepOptions(narrowing=narrowing))
    return next((action for action in planned.actions if action.key == entry.key), None)


def _held(action: Action) -> bool:
    return action.facts.assessor is not None and action.facts.assessor.qc_status == QcStatus.DO_NOT_RUN


def _reason(action: Action, entry: TaskEntry) -> str:
    """Return the reason, and the hold where another reason comes before it."""
    reason = action.decision.reason or entry.reason
    if not _held(action) or HELD in reason:
        return reason
    return f"{reason}; and it is {HELD}" if reason else f"it is {HELD}"


# -- the rule -------------------------------------------------------------------------------------------


def rule_of(processor: Processor) -> str:
    """Return in words what a processor runs on."""
    if not processor.inputs:
        return "the processor decides by itself (its method can_run)"
    words = (_with_article(rule, first and processor.level == "scan") for first, rule in _numbered(processor))
    return "; and ".join(words)


def _numbered(processor: Processor) -> Iterator[tuple[bool, Rule]]:
    """Yield each rule, and whether it is the first that asks for a scan: a scan processor's target."""
    first = True
    for rule in processor.inputs:
        yield first and isinstance(rule, Scan), rule
        first = first and not isinstance(rule, Scan)


def _with_article(rule: Rule, is_target: bool) -> str:
    if isinstance(rule, Scan):
        return f"{'every' if is_target else 'the best'} {rule.description}"
    return f"{'the newest' if isinstance(rule, Assessor) else 'the'} {rule.description}"


# -- the data -------------------------------------------------------------------------------------------


def describe_data(action: Action) -> list[str]:
    """Return what the rules looked at, one line each: candidate scans, assessors, session resources."""
    session = action.target.session
    if session is None:
        return []
    lines: list[str] = []
    for is_target, rule in _numbered(action.configured.processor):
        bound = is_target and action.target.scan is not None
        lines += _target_scan(action) if bound else list(_seen(rule, session))
    return list(dict.fromkeys(lines))


def _target_scan(action: Action) -> list[str]:
    scan = action.target.scan
    return [_scan_line(scan.id, scan.type, scan.quality, sorted(scan.resources))] if scan else []


def _seen(rule: Rule, session: Session) -> Iterator[str]:
    if isinstance(rule, Scan):
        scans = [scan for scan in session.scans if rule.matches(scan)] or session.scans
        for scan in scans:
            yield _scan_line(scan.id, scan.type, scan.quality, sorted(scan.resources))
    elif isinstance(rule, Assessor):
        for assessor in filter(rule.matches, session.assessors):
            yield f"assessor {assessor.label} {assessor.procstatus} QC {assessor.qc_status or '(none)'}"
    elif isinstance(rule, SessionResource):
        yield f"session resources {', '.join(sorted(session.resources)) or '(none)'}"


def _scan_line(number: str, kind: str, quality: str, resources: list[str]) -> str:
    there = ", ".join(resources) or "(none)"
    return f"scan {number} type '{kind}' quality {quality or '(none)'} resources {there}"


# -- what comes next ------------------------------------------------------------------------------------


def _next_step(workplace: Workplace, action: Action, entry: TaskEntry) -> str:
    decision = action.decision
    if decision.startable:
        return why_waiting(workplace, entry) or "the next sweep starts it"
    if decision.move is Move.SKIP:
        return "there is no such task"
    if decision.move is not Move.NOTHING:
        return f"the next sweep will {decision.move} it"
    if entry.status.final:
        return _after_the_end(workplace, action, entry)
    if entry.status is Status.JOB_RUNNING:
        return f"nothing by itself: `cci rerun '{entry.label}'` runs it again"
    return f"it waits, also for `cci release '{entry.label}'`" if _held(action) else "it waits"


def _after_the_end(workplace: Workplace, action: Action, entry: TaskEntry) -> str:
    again = f"`cci rerun '{entry.label}'`"
    if action.decision.reason:
        return "it waits to run again"
    if entry.status is not Status.COMPLETE:
        causes = [one.cause for one in workplace.ledger.attempts(entry.id) if one.cause]
        mend = f"mend the cause (`cci explain {causes[-1]}`)" if causes else "mend the cause"
        return f"nothing by itself: {mend}, then {again}; its log: `cci logs '{entry.label}'`"
    if entry.reason:
        return f"nothing by itself: {again} runs it on what is there now"
    return "nothing: it is as it should be"
