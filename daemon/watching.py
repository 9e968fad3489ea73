"""Watching: find out which submitted jobs have ended, from the evidence, and move their tasks.

One look at the job directories, then at most one question to each cluster for the jobs without an exit
record. Nothing is concluded from a live state, and nothing from silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from cci.cluster.base import JobReport, JobState
from cci.daemon import absence, retrying
from cci.daemon.jobdir import ExitRecord
from cci.daemon.ledger import Attempt, LeaseLost, LedgerUnavailable, Stage
from cci.daemon.order import from_json
from cci.daemon.resource_use import use_fields, use_of
from cci.daemon.retrying import Again
from cci.daemon.staging import job_ref
from cci.daemon.verdict import End, Evidence, Verdict, is_unsure, judge
from cci.daemon.witnesses import RUNNING_SINCE, UNSEEN_SINCE, gather, outputs_of, read_record
from cci.daemon.workplace import Workplace
from cci.errors import ClusterError
from cci.model import File
from cci.status import Status

log = structlog.get_logger()

#: The operator is told of files that are late after so many times the grace of exit records.
LATE_GRACES = 5


def watch(workplace: Workplace) -> int:
    """Look once at every submitted job; conclude those whose end is proved, and return how many they are."""
    attempts = workplace.ledger.open_attempts(workplace.url, Stage.SUBMITTED)
    records = {attempt.id: read_record(attempt) for attempt in attempts}
    silent = [attempt for attempt in attempts if records[attempt.id] is None]
    reports = _ask_clusters(workplace, silent)
    ended = 0
    for attempt in attempts:
        if workplace.stopping.is_set():
            break
        ended += _examine_alone(workplace, attempt, records[attempt.id], reports.get(attempt.id))
    return ended


def _ask_clusters(workplace: Workplace, attempts: Sequence[Attempt]) -> dict[int, JobReport]:
    """Ask each cluster once, if that is due; one that does not answer leaves its jobs without a report."""
    by_cluster: defaultdict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_cluster[attempt.cluster].append(attempt)
    reports: dict[int, JobReport] = {}
    timing = workplace.settings.timing
    pace = {"shortest_s": timing.watch_s, "longest_s": timing.watch_max_s}
    for name, group in by_cluster.items():
        jobs = [attempt.id for attempt in group]
        if workplace.polling.is_due(name, jobs, **pace):
            told = _ask(workplace, name, group)
            before = {attempt.id: attempt.job_state for attempt in group}
            changed = any(report.state != before[id_] for id_, report in told.items())
            workplace.polling.note(name, jobs, changed=changed, **pace)
            reports.update(told)
    return reports


def _ask(workplace: Workplace, name: str, group: Sequence[Attempt]) -> dict[int, JobReport]:
    """Ask one cluster. The operator is told once that it is away, and once that it is back.

    Whatever goes wrong with one cluster stops neither the others nor the look at exit records.
    """
    facts: dict[str, Any] = {"action": "watch", "cluster": name}
    if name not in workplace.clusters:
        workplace.alerts.tell(("no cluster", name), "cluster is not configured", jobs=len(group), **facts)
        return {}
    jobs = {attempt.id: job_ref(attempt) for attempt in group}
    try:
        with absence.noted(workplace, name):
            states = workplace.clusters[name].states(list(jobs.values()))
    except ClusterError as error:
        facts |= {"error": error.message, "jobs": len(group)}
        workplace.alerts.tell(("asked", name), "cluster does not answer", unless=("cluster", name), **facts)
        return {}
    except LedgerUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (told with its traceback, once)
        facts |= {"error": f"{type(error).__name__}: {error}", "jobs": len(group), "exc_info": error}
        workplace.alerts.tell(("asked", name), "cluster cannot be asked", **facts)
        return {}
    workplace.alerts.over(("asked", name), "cluster answers again", **facts)
    return {id_: states[job] for id_, job in jobs.items() if job in states}


def _examine_alone(
    workplace: Workplace, attempt: Attempt, record: ExitRecord | None, report: JobReport | None
) -> bool:
    """Examine one job; whatever goes wrong with it is logged and stops no other."""
    try:
        return _examine(workplace, attempt, record, report)
    except Exception:
        log.exception("job could not be examined", action="watch", job_id=attempt.job_id)
        return False


def _examine(
    workplace: Workplace, attempt: Attempt, record: ExitRecord | None, report: JobReport | None
) -> bool:
    """Judge one job; return whether it was concluded."""
    if record is None:
        attempt = _note_state(workplace, attempt, report)
    elif is_unsure(record):
        attempt = _note_state(workplace, attempt, JobReport(state=JobState.ENDED))
    evidence = gather(workplace, attempt, record, report)
    verdict = judge(evidence)
    if verdict.end is End.NOT_PROVED:
        _note_lateness(workplace, attempt, evidence, verdict)
        return False
    return conclude(workplace, attempt, evidence, verdict)


def _note_state(workplace: Workplace, attempt: Attempt, report: JobReport | None) -> Attempt:
    """Keep the job's own state beside the task's status, when it changed."""
    if report is None:
        return attempt
    gone = report.state in {JobState.ENDED, JobState.UNKNOWN}
    since = (attempt.missing_since or datetime.now(UTC)) if gone else None
    changes = {
        "job_state": str(report.state),
        "job_message": report.message,
        "missing_since": since,
        "outputs": attempt.outputs if gone else _with_start(attempt.outputs, report.state),
    }
    if all(getattr(attempt, name) == value for name, value in changes.items()):
        return attempt
    return _change(workplace, attempt, changes) or attempt


def _with_start(outputs: Mapping[str, Any], state: JobState) -> dict[str, Any]:
    """Keep since when a job runs, without a pause: time in which it is held or suspended is not its own."""
    if state is JobState.RUNNING:
        return {RUNNING_SINCE: datetime.now(UTC).isoformat(), **outputs}
    return {name: value for name, value in outputs.items() if name != RUNNING_SINCE}


def _note_lateness(workplace: Workplace, attempt: Attempt, evidence: Evidence, verdict: Verdict) -> None:
    """Keep since when files are late, and tell the operator once of what lasts."""
    facts: dict[str, Any] = {"action": "watch", "job_id": attempt.job_id, "directory": attempt.directory}
    timing = workplace.settings.timing
    if evidence.unseen:
        _note_unseen(workplace, attempt, verdict.message)
        if evidence.unseen_s > LATE_GRACES * timing.exit_grace_s:
            workplace.alerts.tell(("unseen", attempt.id), "outputs are late", error=verdict.message, **facts)
    elif attempt.missing_since is None:
        workplace.alerts.over(("unknown", attempt.id), "job is known again", **facts)
        if evidence.overdue_s > timing.unknown_alert_s:
            # of a dead node some systems say for ever that its jobs run; that alone ends none
            workplace.alerts.tell(
                ("overdue", attempt.id),
                "job runs long after its wall time",
                seconds=int(evidence.overdue_s),
                **facts,
            )
    elif evidence.missing_s > timing.unknown_alert_s:
        facts |= {"seconds": int(evidence.missing_s), "error": verdict.message}
        workplace.alerts.tell(("unknown", attempt.id), "job is unknown for long", **facts)


def _note_unseen(workplace: Workplace, attempt: Attempt, message: str) -> None:
    if UNSEEN_SINCE in attempt.outputs and attempt.job_message == message:
        return
    since = attempt.outputs.get(UNSEEN_SINCE, datetime.now(UTC).isoformat())
    changes = {"job_message": message, "outputs": {**attempt.outputs, UNSEEN_SINCE: since}}
    _change(workplace, attempt, changes)


def _change(workplace: Workplace, attempt: Attempt, changes: Mapping[str, Any]) -> Attempt | None:
    """Change an attempt if nobody else has it in hand."""
    with workplace.ledger.in_hand(attempt.id) as (taken, holder):
        if taken is None:
            return None
        try:
            return workplace.ledger.advance(attempt.id, holder, **changes)
        except LeaseLost:
            return None


# -- the end --------------------------------------------------------------------------------------------


def conclude(workplace: Workplace, attempt: Attempt, evidence: Evidence, verdict: Verdict) -> bool:
    """Write down how a job ended; False if another does it."""
    with workplace.ledger.in_hand(attempt.id) as (taken, holder):
        if taken is None:
            return False
        try:
            _write_down(workplace, attempt, holder, evidence, verdict)
        except LeaseLost:
            return False
    log.info(
        "job ended",
        action="job_ended",
        job_id=attempt.job_id,
        end=str(verdict.end),
        cause=verdict.cause,
        reason=verdict.message,
    )
    return True


def _write_down(
    workplace: Workplace, attempt: Attempt, holder: str, evidence: Evidence, verdict: Verdict
) -> None:
    use = use_of(evidence.record, evidence.accounting)
    if verdict.end is not End.SUCCEEDED:
        _close(workplace, attempt, holder, verdict, use)
        return
    manifest = {**attempt.outputs, "files": _manifest(outputs_of(evidence))}
    workplace.ledger.collecting(
        attempt.id, holder, use_fields(use), outputs=manifest, use=use, job_state="ended"
    )


def _close(
    workplace: Workplace, attempt: Attempt, holder: str, verdict: Verdict, use: dict[str, Any]
) -> None:
    """End an attempt that failed: its task waits for the next one, or for a person."""
    again = _next(workplace, attempt, verdict, node=str(use.get("node") or ""))
    left = {retrying.KEY: retrying.to_json(again)} if isinstance(again, Again) else {}
    status, reason = after_failure(verdict, again)
    # resource use is written for failures too: it is what the next request for memory is judged by
    workplace.ledger.close_attempt(
        attempt.id,
        holder,
        status,
        reason,
        use_fields(use),
        cause=verdict.cause,
        use=use,
        job_state="ended",
        outputs={**attempt.outputs, **left},
    )


def _next(workplace: Workplace, attempt: Attempt, verdict: Verdict, *, node: str) -> Again | str:
    """Decide whether another attempt follows by itself."""
    settings = workplace.settings
    return retrying.next_attempt(
        verdict.cause,
        retrying.asked_by(from_json(attempt.inputs)),
        settings.retry,
        number=attempt.number,
        node=node,
        earlier=retrying.causes_before(attempt),
        never_began=verdict.end is End.LOST,
        max_restarts=settings.limits.max_restarts,
    )


def after_failure(verdict: Verdict, again: Again | str) -> tuple[Status, str]:
    """Return what becomes of the task, and the reason."""
    if isinstance(again, Again):
        return Status.PRE_COMPLETE, f"{again.words}: {verdict.message}"
    reason = "; ".join(filter(None, [verdict.message, again]))
    return (Status.XVFB_ERROR if verdict.end is End.EMPTY else Status.JOB_ERROR), reason


def _manifest(outputs: Mapping[str, tuple[File, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {
        resource: [{"path": file.path, "size": file.size, "md5": file.digest} for file in files]
        for resource, files in outputs.items()
    }
