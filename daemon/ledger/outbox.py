"""The outbox: writes that the archive has still to accept, at most one for a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cci.daemon.ledger import rows
from cci.daemon.ledger.base import LEASE, Book, free, locked_task, now
from cci.daemon.ledger.tables import OutboxRow, TaskRow
from cci.daemon.ledger.values import TaskEntry, Write


class Outbox(Book):
    """The part of the ledger that knows pending writes."""

    def due_writes(self, archive: str) -> list[int]:
        """Return the tasks whose write may be tried now."""
        query = (
            select(OutboxRow).join(TaskRow, TaskRow.id == OutboxRow.task_id).where(TaskRow.archive == archive)
        )
        with self._reading() as session:
            due = session.scalars(query.order_by(OutboxRow.task_id)).all()
            return [row.task_id for row in due if row.retry_at is None or row.retry_at <= now()]

    def pending_writes(self, archive: str) -> int:
        """Return how many tasks have a write that the archive has not accepted."""
        query = select(func.count()).select_from(OutboxRow).join(TaskRow).where(TaskRow.archive == archive)
        with self._reading() as session:
            return session.scalar(query) or 0

    def pending_fields(self, task_id: int) -> dict[str, str]:
        """Return what a task's pending write says; empty if there is none."""
        with self._reading() as session:
            row = session.get(OutboxRow, task_id)
            return dict(row.fields) if row else {}

    def take_writes(self, task_ids: Sequence[int], holder: str) -> list[Write]:
        """Take the pending writes of tasks, as one; only those that there are, and nobody living is at."""
        with self._writing() as session:
            # in one order everywhere, so that no two processes wait for each other
            found = [session.get(OutboxRow, id_, with_for_update=True) for id_ in sorted(task_ids)]
            taken = [row for row in found if row is not None and free(row, holder)]
            for row in taken:
                row.holder, row.held_until = holder, now() + LEASE
            tasks = rows.entries(session, [session.get_one(TaskRow, row.task_id) for row in taken])
            return [_write(row, task) for row, task in zip(taken, tasks, strict=True)]

    def acknowledge_all(self, accepted: Sequence[tuple[Write, str]]) -> None:
        """Note, as one, writes that the archive has accepted, each with the id of its assessor.

        What came on top of a write meanwhile stays pending. If somebody else has taken it over, only the
        assessor's id is kept: which of the two the archive saw last is found out by the next look at it.
        """
        with self._writing() as session:
            for write, assessor_id in sorted(accepted, key=lambda one: one[0].task.id):
                _acknowledge(session, write, assessor_id)

    def write_failed(self, write: Write, error: str, retry_at: datetime) -> None:
        """Keep a write that the archive did not take, for later, unless somebody else has taken it over."""
        with self._writing() as session:
            row = session.get(OutboxRow, write.task.id, with_for_update=True)
            if row is not None and row.holder == write.holder:
                row.holder, row.held_until = "", None
                row.tries, row.retry_at, row.error = row.tries + 1, retry_at, error

    def let_go(self, writes: Sequence[Write]) -> None:
        """Give writes back that were taken and not tried, unless somebody else has taken them over."""
        with self._writing() as session:
            for write in sorted(writes, key=lambda one: one.task.id):
                row = session.get(OutboxRow, write.task.id, with_for_update=True)
                if row is not None and row.holder == write.holder:
                    row.holder, row.held_until = "", None

    def drop_write(self, task_id: int) -> None:
        """Forget a task's pending write: what it was for is gone."""
        with self._writing() as session:
            row = session.get(OutboxRow, task_id, with_for_update=True)
            if row is not None:
                locked_task(session, task_id).revision += 1
                session.delete(row)


def _write(row: OutboxRow, task: TaskEntry) -> Write:
    return Write(
        task=task,
        holder=row.holder,
        fields=dict(row.fields),
        revision=row.revision,
        tries=row.tries,
        error=row.error,
    )


def _acknowledge(session: Session, write: Write, assessor_id: str) -> None:
    task = locked_task(session, write.task.id)
    task.assessor_id = assessor_id or task.assessor_id
    task.revision += 1
    row = session.get(OutboxRow, write.task.id, with_for_update=True)
    if row is None or row.holder != write.holder:
        return
    task.acknowledged = write.fields.get("procstatus", task.acknowledged)
    if row.revision == write.revision:
        session.delete(row)
    else:
        row.holder, row.held_until, row.tries, row.retry_at, row.error = "", None, 0, None, ""
