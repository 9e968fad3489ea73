"""Carry out one decision: in the ledger first, and through it, by the outbox, in the archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog

from cci.daemon import retrying
from cci.daemon.adoption import adopt
from cci.daemon.asking import asked_for
from cci.daemon.ledger import Attempt, Birth, NewTask, Stage, Stale, TaskEntry
from cci.daemon.order import make_order
from cci.daemon.places import birth_fields
from cci.daemon.plan import Action
from cci.daemon.staging import job_ref
from cci.daemon.workplace import Workplace, node_python
from cci.errors import ClusterError
from cci.status import QcStatus, Status
from cci.task import Move, inputs_field, label_parts

log = structlog.get_logger()


def act(
    workplace: Workplace, action: Action, *, entered: TaskEntry | None = None
) -> tuple[bool, TaskEntry | None]:
    """Carry out the decision on one task; return whether it moved, and the task if it could start now.

    A task that has changed since it was decided on is left for the next time. None is started here: see
    `cci.daemon.starting`.

    Parameters
    ----------
    entered
        The task, where `enter` has just made it; if left out, a new task is made here.
    """
    decision = action.decision
    if decision.move in {Move.NOTHING, Move.SKIP}:
        return False, None
    try:
        if decision.move is Move.RESTORE and action.entry is not None:
            return _restore(workplace, action.entry, decision.reason)
        return _go_on(action, entered or _carry_out(workplace, action))
    except Stale as error:
        log.info("left for the next time", action="act", task=action.label, reason=error.message)
    except KillNotConfirmed as error:
        log.warning("wish put off", action="act", task=action.label, error=error.message)
    return False, None


def _go_on(action: Action, entry: TaskEntry | None) -> tuple[bool, TaskEntry | None]:
    decision = action.decision
    if entry is None:
        # another process, or another step of this one, is at it in this moment
        return False, None
    could_start = decision.startable and not entry.attempt_open
    return decision.move is not Move.START, entry if could_start else None


def _carry_out(workplace: Workplace, action: Action) -> TaskEntry | None:
    decision, entry = action.decision, action.entry
    if entry is None:
        return enter(workplace, [action])[0]
    if decision.move is Move.REDO:
        return redo(workplace, entry, decision.status or Status.PRE_COMPLETE, decision.reason)
    if decision.move is Move.WRITE:
        assert decision.status is not None
        return workplace.ledger.move(entry.id, decision.status, decision.reason, {}, planned=entry.revision)
    return entry


def _restore(workplace: Workplace, entry: TaskEntry, reason: str) -> tuple[bool, None]:
    log.warning("status restored", action="restore", task=entry.label, reason=reason)
    workplace.ledger.restore(entry.id, reason=reason, planned=entry.revision)
    return True, None


def enter(workplace: Workplace, actions: Sequence[Action]) -> list[TaskEntry | None]:
    """Enter tasks that the ledger does not know, as one.

    None for those that another process just entered, and for those of a session that came from another
    project: they are moved, and the next plan knows them.
    """
    births = [_birth(workplace, action) for action in actions]
    made = workplace.ledger.create_all(births)
    for birth, entry in zip(births, made, strict=True):
        moved = workplace.ledger.relocate(birth.task) if entry is None else None
        if moved is not None:
            log.info("task followed its session", action="relocate", task=moved.label, project=moved.project)
    for action, entry in zip(actions, made, strict=True):
        if entry is not None:
            status = str(entry.status)
            log.info(
                "task entered",
                action=str(action.decision.move),
                task=entry.label,
                status=status,
                reason=entry.reason,
            )
    return made


def _birth(workplace: Workplace, action: Action) -> Birth:
    new = new_task(action)
    if action.decision.move is Move.ADOPT:
        return adopt(workplace, action, new)
    processor = action.configured.processor
    fields = birth_fields(
        proctype=processor.proctype,
        version=str(processor.version),
        inputs=inputs_field(action.key, {}),
        at=datetime.now(UTC),
    )
    return Birth(task=new, fields={**fields, "procstatus": str(new.status), "note": new.reason})


def new_task(action: Action) -> NewTask:
    """Return the ledger's first entry of a task."""
    parts = [*label_parts(action.target), "", ""]
    subject = action.target.subject
    return NewTask(
        key=action.key,
        label=action.label,
        level=action.target.level,
        processor=action.configured.name,
        project=action.target.project.id,
        subject=parts[1],
        subject_id=subject.id if subject else "",
        session=parts[2],
        status=action.decision.status or Status.PRE_RUNNING,
        reason=action.decision.reason,
        fingerprints={},
    )


def order_for(workplace: Workplace, action: Action, entry: TaskEntry, cluster: str) -> dict[str, Any]:
    """Return the order of a new attempt that would run on a cluster, as the ledger keeps it."""
    python, runner_python = node_python(workplace.settings, cluster)
    wishes, email = asked_for(workplace.settings, action.configured, cluster)
    again = retrying.decided(workplace.ledger.attempts(entry.id)) if entry.attempts else None
    order = make_order(
        retrying.with_request(action.configured.processor, again),
        action.target,
        action.facts,
        python=python,
        runner_python=runner_python,
        search_path=action.configured.search_path,
        wishes=wishes,
        email=email,
    )
    return retrying.as_inputs(order, again)


def keep_old(workplace: Workplace, entry: TaskEntry) -> bool:
    """Whether the last wish for this task was to keep the old results."""
    wishes = [
        change.reason for change in workplace.ledger.history(entry.id) if change.reason.endswith(WISHED)
    ]
    return bool(wishes) and wishes[-1].startswith(QcStatus.REPROC)


#: How the reason of a wish ends in the history; see `cci.task.decide`.
WISHED = "was wished"


def redo(workplace: Workplace, entry: TaskEntry, status: Status, reason: str) -> TaskEntry | None:
    """Open a task anew: end its job if one runs, and reset the QC status in the same write.

    Returns
    -------
    TaskEntry or None
        None if another step has the attempt in hand at this moment; the wish is found again.

    Raises
    ------
    KillNotConfirmed
        If its job may still run; nothing is changed.
    Stale
        If the task has changed since *entry* was read; nothing is changed.
    """
    gone = reason == GONE
    fields: dict[str, Any] = {"validation/status": str(QcStatus.JOB_PENDING)}
    if gone:
        fields |= {"proctype": entry.key.proctype, "inputs": inputs_field(entry.key, {})}
    with job_ended(workplace, entry) as (busy, ended):
        if busy:
            return None
        log.info("task opened anew", action="redo", task=entry.label, reason=reason)
        return workplace.ledger.reopen(
            entry.id,
            status,
            reason,
            fields,
            ended=ended,
            forget=gone,
            planned=None if ended else entry.revision,
        )


#: The reason of a task whose assessor was deleted; see `cci.task.decide`.
GONE = "its assessor was deleted"
#: The reason of a task whose session or scan was deleted.
TARGET_GONE = "what it ran on is no longer in the archive"


def retire(workplace: Workplace, entry: TaskEntry) -> bool:
    """Put a task to rest whose session or scan is gone, and end its job; return whether it moved."""
    if entry.reason == TARGET_GONE and not entry.attempt_open:
        return False
    status = entry.status if entry.status.final else Status.PRE_RUNNING
    try:
        with job_ended(workplace, entry) as (busy, ended):
            if busy:
                return False
            planned = None if ended else entry.revision
            workplace.ledger.reopen(entry.id, status, TARGET_GONE, None, ended=ended, planned=planned)
            workplace.ledger.drop_write(entry.id)
    except (KillNotConfirmed, Stale) as error:
        log.warning("left for the next time", action="retire", task=entry.label, error=error.message)
        return False
    log.info("task put to rest", action="retire", task=entry.label)
    return True


class KillNotConfirmed(ClusterError):
    """The cluster did not say that a job was killed: it may still run."""

    code = "E-KILL"
    transient = True
    default_hint = "the task keeps its status; ask again when the cluster answers"


@contextmanager
def job_ended(workplace: Workplace, entry: TaskEntry) -> Iterator[tuple[bool, tuple[int, str] | None]]:
    """Kill a task's job, and keep its attempt in hand while inside.

    Yields whether another step is at it, and the open attempt with who holds it now, None if there is none.

    Raises
    ------
    KillNotConfirmed
        If the cluster did not confirm it; the attempt is in nobody's hand then.
    Stale
        If the task has changed since *entry* was read; nothing was killed.
    """
    attempts = [attempt for attempt in workplace.ledger.attempts(entry.id) if attempt.closed is None]
    if not attempts:
        yield False, None
        return
    with workplace.ledger.in_hand(attempts[0].id, planned=entry.revision) as (taken, holder):
        if taken is not None and taken.state in {Stage.SUBMITTING, Stage.SUBMITTED}:
            _kill(workplace, entry, taken)
        yield taken is None, (taken.id, holder) if taken else None


def _kill(workplace: Workplace, entry: TaskEntry, attempt: Attempt) -> None:
    if attempt.cluster not in workplace.clusters:
        raise KillNotConfirmed(
            f"{entry.label} is not killed: the cluster {attempt.cluster} is not in the settings"
        )
    cluster = workplace.clusters[attempt.cluster]
    try:
        # a job may have been handed over by a process that was cut before it could note its id
        job = job_ref(attempt) if attempt.job_id else cluster.find(job_ref(attempt).name)
        if job:
            cluster.kill(job)
    except ClusterError as error:
        raise KillNotConfirmed(f"the kill of {entry.label} is not confirmed: {error.message}") from error
