"""Between rows and values: the ledger's own translation, without a decision in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from sys import intern
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from cci.daemon.ledger.tables import AttemptRow, OutboxRow, TaskRow
from cci.daemon.ledger.values import Attempt, NewTask, Stage, TaskEntry
from cci.status import Status, parse_status
from cci.task import TaskKey


def by_key(key: TaskKey) -> Select[TaskRow]:
    """Return the query for one identity."""
    return select(TaskRow).where(
        TaskRow.archive == key.archive,
        TaskRow.accession_id == key.accession_id,
        TaskRow.scan_id == key.scan_id,
        TaskRow.proctype == key.proctype,
    )


#: So many tasks are asked for by their numbers; more of them are faster found among all.
FEW = 200
#: So many rows of all tasks are held at once.
AT_ONCE = 1000


_COUNTED = select(AttemptRow.task_id, func.count(), func.count(AttemptRow.open_task)).group_by(
    AttemptRow.task_id
)
_PENDING = select(OutboxRow.task_id)


def entries(session: Session, found: Sequence[TaskRow | Row[Any]]) -> list[TaskEntry]:
    """Turn task rows into values, with what the other tables say of them, by two further queries."""
    counted, pending = _COUNTED, _PENDING
    if len(found) <= FEW:
        ids = [row.id for row in found]
        counted, pending = (
            counted.where(AttemptRow.task_id.in_(ids)),
            pending.where(OutboxRow.task_id.in_(ids)),
        )
    return _with_others(session, found, counted, pending)


def every_entry(session: Session, query: Select[Any]) -> list[TaskEntry]:
    """Turn the rows of very many tasks into values while they come, so that never all of both are held."""
    return _with_others(session, session.execute(query).yield_per(AT_ONCE), _COUNTED, _PENDING)


def _with_others(
    session: Session,
    found: Iterable[TaskRow | Row[Any]],
    counted: Select[int, int, int],
    pending: Select[int],
) -> list[TaskEntry]:
    attempts = {task_id: (total, still_open) for task_id, total, still_open in session.execute(counted)}
    waiting = set(session.scalars(pending))
    return [entry(row, *attempts.get(row.id, (0, 0)), row.id in waiting) for row in found]


def entry(row: TaskRow | Row[Any], attempts: int, still_open: int, pending: bool) -> TaskEntry:
    """Turn a task's row into a value.

    Parameters
    ----------
    attempts, still_open
        How many attempts it had, and how many of them are open.
    pending
        Whether a write for it waits for the archive.
    """
    return TaskEntry(
        id=row.id,
        # interned: a hundred thousand tasks share these few texts
        key=TaskKey(
            archive=intern(row.archive),
            accession_id=row.accession_id,
            scan_id=intern(row.scan_id),
            proctype=intern(row.proctype),
        ),
        label=row.label,
        level=intern(row.level),
        processor=intern(row.processor),
        project=intern(row.project),
        subject=row.subject,
        subject_id=row.subject_id,
        session=row.session,
        assessor_id=row.assessor_id,
        status=Status(row.status),
        reason=row.reason,
        acknowledged=parse_status(row.acknowledged),
        fingerprints=dict(row.fingerprints),
        blocked=row.blocked,
        blocked_mark=row.blocked_mark,
        retry_at=row.retry_at,
        tries=row.tries,
        revision=row.revision,
        created=row.created,
        updated=row.updated,
        attempts=attempts,
        attempt_open=still_open > 0,
        writes_pending=pending,
    )


def task_row(new: NewTask, at: datetime) -> TaskRow:
    """Make the row of a new task."""
    return TaskRow(
        archive=new.key.archive,
        accession_id=new.key.accession_id,
        scan_id=new.key.scan_id,
        proctype=new.key.proctype,
        label=new.label,
        level=new.level,
        processor=new.processor,
        project=new.project,
        subject=new.subject,
        subject_id=new.subject_id,
        session=new.session,
        assessor_id=new.assessor_id,
        status=str(new.status),
        reason=new.reason,
        acknowledged=str(new.acknowledged or ""),
        fingerprints=dict(new.fingerprints),
        blocked="",
        blocked_mark="",
        retry_at=None,
        tries=0,
        revision=1,
        created=at,
        updated=at,
    )


def attempt_row(task_id: int, number: int, directory: str, cluster: str, at: datetime) -> AttemptRow:
    """Make the row of a new attempt, with a fresh nonce."""
    return AttemptRow(
        task_id=task_id,
        open_task=task_id,
        number=number,
        state=str(Stage.STAGING),
        nonce=secrets.token_hex(6),
        directory=directory,
        cluster=cluster,
        job_id="",
        job_state="",
        job_message="",
        missing_since=None,
        keep_old=False,
        inputs={},
        outputs={},
        use={},
        cause="",
        tries=0,
        retry_at=None,
        holder="",
        held_until=None,
        opened=at,
        submitted=None,
        closed=None,
    )


def adopted_attempt(task_id: int, values: Mapping[str, Any], at: datetime) -> AttemptRow:
    """Make the row of an attempt that another ledger had begun."""
    row = attempt_row(task_id, values["number"], values["directory"], values["cluster"], at)
    row.submitted = at
    for name, value in values.items():
        setattr(row, name, value)
    return row


def step(task_id: int, *, before: str, after: str, reason: str, who: str, at: datetime) -> dict[str, Any]:
    """Return the columns of one change of a task, for its history."""
    return {
        "task_id": task_id,
        "at": at,
        "before": str(before),
        "after": str(after),
        "reason": reason,
        "who": who,
    }


def first_write(task_id: int, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a write where none is pending."""
    return {
        "task_id": task_id,
        "fields": dict(fields),
        "revision": 1,
        "tries": 0,
        "retry_at": None,
        "error": "",
        "holder": "",
        "held_until": None,
    }


def attempt(row: AttemptRow | Row[Any]) -> Attempt:
    """Turn an attempt's row into a value."""
    return Attempt(
        id=row.id,
        task_id=row.task_id,
        number=row.number,
        state=Stage(row.state),
        nonce=row.nonce,
        directory=row.directory,
        cluster=row.cluster,
        job_id=row.job_id,
        job_state=row.job_state,
        job_message=row.job_message,
        missing_since=row.missing_since,
        keep_old=row.keep_old,
        inputs=dict(row.inputs),
        outputs=dict(row.outputs),
        use=dict(row.use),
        cause=row.cause,
        tries=row.tries,
        retry_at=row.retry_at,
        opened=row.opened,
        submitted=row.submitted,
        closed=row.closed,
    )
