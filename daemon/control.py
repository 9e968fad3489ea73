"""What a person can ask of tasks: every action is a function here, which the command line and pages call."""

from __future__ import annotations

import getpass
from contextlib import suppress

from cci.daemon import ownership
from cci.daemon.acting import job_ended, redo
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.posting import post
from cci.daemon.qc import read_qc
from cci.daemon.refusals import give_up, is_refused
from cci.daemon.staging import job_ref
from cci.daemon.workplace import Workplace
from cci.errors import ArchiveError, UsageError
from cci.status import QcStatus, Status
from cci.task import HELD

#: How a hold and its end are called in a task's history.
HOLD_WISHED = "a hold was asked for"
HOLD_LIFTED = "the hold was lifted"


def person() -> str:
    """Return who asks."""
    return getpass.getuser()


def is_held(workplace: Workplace, entry: TaskEntry) -> bool:
    """Whether a person wished that the task does not start.

    The archive is asked, where people may have changed the QC status; while our own write waits for it, or it
    is away, our history says.
    """
    if not entry.writes_pending:
        with suppress(ArchiveError):
            return read_qc(workplace, entry) == QcStatus.DO_NOT_RUN
    if entry.status is Status.PRE_COMPLETE:
        return entry.reason == HELD
    reasons = [change.reason for change in workplace.ledger.history(entry.id)]
    wishes = [reason for reason in reasons if reason in {HOLD_WISHED, HOLD_LIFTED}]
    return wishes[-1:] == [HOLD_WISHED]


def _at_hand(workplace: Workplace, entry: TaskEntry) -> TaskEntry:
    """Return the task as it is now, if this instance may act on it.

    Raises
    ------
    NotOwner
        If its project belongs to another instance.
    """
    ownership.demand(workplace, entry.project)
    return workplace.ledger.task(entry.id)


def _demand_not_storing(entry: TaskEntry) -> None:
    if entry.status is Status.JOB_COMPLETE and not entry.stuck:
        raise UsageError(
            f"the results of {entry.label} are being stored", hint="ask again when it is COMPLETE"
        )


def rerun(workplace: Workplace, entry: TaskEntry, *, keep_old: bool = False) -> TaskEntry:
    """Run a task again; with *keep_old* its old results are kept in the resource ``OLD``.

    Raises
    ------
    UsageError
        If it is held, or waits anyway, or its results are being brought home at this moment.
    NotOwner
        If its project belongs to another instance; so in all that follow.
    KillNotConfirmed
        If its job may still run; nothing is changed.
    """
    entry = _at_hand(workplace, entry)
    if is_held(workplace, entry):
        raise UsageError(
            f"{entry.label} is held (QC status {QcStatus.DO_NOT_RUN})",
            hint=f"`cci release '{entry.label}'` first",
        )
    refused = [attempt for attempt in open_attempts(workplace, entry) if is_refused(attempt)]
    if entry.status in {Status.PRE_RUNNING, Status.PRE_COMPLETE} and not refused:
        raise UsageError(f"{entry.label} has not run yet: {entry.reason or 'it is about to'}")
    _demand_not_storing(entry)
    wish = QcStatus.REPROC if keep_old else QcStatus.RERUN
    again = redo(workplace, entry, Status.PRE_COMPLETE, f"{wish} was wished")
    if again is None:
        raise UsageError(f"{entry.label} is in hand at this moment", hint="ask again in a minute")
    for attempt in refused:
        workplace.ledger.set_back(attempt.cluster, entry.processor)
    post(workplace, entry.id)
    return again


def hold(workplace: Workplace, entry: TaskEntry) -> None:
    """Keep a task from starting, and its job too while it is queued; a running job is left alone.

    Raises
    ------
    UsageError
        If it has ended: what people say of results is their QC status.
    """
    entry = _at_hand(workplace, entry)
    if entry.status.final:
        raise UsageError(
            f"{entry.label} has ended: it is {entry.status}", hint="a hold is for tasks that have not run"
        )
    for attempt in open_attempts(workplace, entry):
        if attempt.job_id:
            workplace.clusters[attempt.cluster].hold(job_ref(attempt))
        elif is_refused(attempt):
            # or it would be submitted as soon as the cluster takes it
            give_up(workplace, entry, attempt, HOLD_WISHED)
    fields = {"validation/status": str(QcStatus.DO_NOT_RUN)}
    if entry.status is Status.PRE_COMPLETE:
        workplace.ledger.move(entry.id, Status.PRE_COMPLETE, HELD, fields, who=person())
    else:
        workplace.ledger.write(entry.id, fields, reason=HOLD_WISHED, who=person())
    post(workplace, entry.id)


def release(workplace: Workplace, entry: TaskEntry) -> None:
    """Lift a hold.

    Raises
    ------
    UsageError
        If there is none.
    """
    entry = _at_hand(workplace, entry)
    if not is_held(workplace, entry):
        raise UsageError(f"{entry.label} is not held: it is {entry.status}")
    for attempt in open_attempts(workplace, entry):
        if attempt.job_id:
            workplace.clusters[attempt.cluster].release(job_ref(attempt))
    ended = entry.status is Status.COMPLETE
    fields = {"validation/status": str(QcStatus.NEEDS_QA if ended else QcStatus.JOB_PENDING)}
    if entry.status is Status.PRE_COMPLETE:
        workplace.ledger.move(entry.id, Status.PRE_COMPLETE, "", fields, who=person())
    else:
        workplace.ledger.write(entry.id, fields, reason=HOLD_LIFTED, who=person())
    post(workplace, entry.id)


def kill(workplace: Workplace, entry: TaskEntry) -> None:
    """End a task's job; the task becomes JOB_ERROR, and runs again only when somebody wishes it.

    Raises
    ------
    UsageError
        If no job runs, or its results are being brought home at this moment.
    KillNotConfirmed
        If the cluster does not say that it killed the job; the task keeps its status.
    """
    entry = _at_hand(workplace, entry)
    _demand_not_storing(entry)
    with job_ended(workplace, entry) as (busy, ended):
        if ended is None or busy:
            raise UsageError(f"{entry.label} has no job to kill ({entry.status})")
        reason = f"killed by {person()}"
        workplace.ledger.close_attempt(*ended, Status.JOB_ERROR, reason, {}, cause="killed-by-user")
    post(workplace, entry.id)


def takeover(workplace: Workplace, project: str) -> dict[str, str]:
    """Make this instance the owner of a project."""
    return ownership.take_over(workplace, project)


def open_attempts(workplace: Workplace, entry: TaskEntry) -> list[Attempt]:
    """Return the task's attempt that is still open, if any."""
    return [attempt for attempt in workplace.ledger.attempts(entry.id) if attempt.closed is None]
