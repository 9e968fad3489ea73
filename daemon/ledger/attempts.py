"""Attempts: each is held by one process at a time, and only its holder may change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cci.daemon import holder as holders
from cci.daemon.ledger import rows
from cci.daemon.ledger.base import (
    LEASE,
    AnyColumn,
    Book,
    LeaseLost,
    LedgerUnavailable,
    free,
    insert_all,
    lay_all,
    locked_columns,
    locked_task,
    move_of,
    now,
    update_all,
)
from cci.daemon.ledger.manners import one_by_one, open_counts
from cci.daemon.ledger.tables import AttemptRow, HistoryRow, TaskRow
from cci.daemon.ledger.values import Attempt, NewJob, OpenCount, Stage, TaskEntry
from cci.status import Status

#: Says whether one more attempt may be opened beside those that are.
Admit = Callable[[Sequence[OpenCount]], bool]
#: What says whether an attempt is held.
_HELD = (AttemptRow.holder, AttemptRow.open_task)
#: What a task's next status is decided on.
_MOVED = (TaskRow.status, TaskRow.reason, TaskRow.revision)
#: Everything of an attempt but its number, which is asked for anyway.
_ALL = tuple(column for column in AttemptRow.__table__.columns if column.name != "id")


class Attempts(Book):
    """The part of the ledger that knows attempts."""

    def open_attempt(
        self,
        task_id: int,
        *,
        cluster: str,
        directory: str,
        inputs: Mapping[str, Any],
        keep_old: bool = False,
        after: int = 0,
        planned: int | None = None,
        admit: Admit | None = None,
    ) -> Attempt | None:
        """Begin an attempt, which nobody holds yet; None if the task has an open one, which ends every race.

        Parameters
        ----------
        directory
            The task's folder; that of the attempt is its number below it.
        after
            The highest number that is taken there already, by attempts that this ledger may not know.
        planned
            The task's revision that was decided on.
        admit
            Asked with the open attempts of the archive while no other process opens one; None if it says no.

        Raises
        ------
        Stale
            If the task's revision is another than *planned* now.
        """
        try:
            with self._writing() as session:
                task = locked_task(session, task_id, planned)
                if admit is not None:
                    one_by_one(session)
                    if not admit(open_counts(session, task.archive)):
                        return None
                task.revision += 1
                query = select(func.max(AttemptRow.number)).where(AttemptRow.task_id == task_id)
                number = max(session.scalar(query) or 0, after) + 1
                row = rows.attempt_row(task_id, number, f"{directory}/{number}", cluster, now())
                row.keep_old, row.inputs = keep_old, dict(inputs)
                session.add(row)
                session.flush()
                return rows.attempt(row)
        except IntegrityError:
            return None

    def attempts(self, task_id: int) -> list[Attempt]:
        """Return a task's attempts, oldest first."""
        query = select(AttemptRow).where(AttemptRow.task_id == task_id).order_by(AttemptRow.number)
        with self._reading() as session:
            return [rows.attempt(row) for row in session.scalars(query)]

    def open_attempts(self, archive: str, *states: Stage) -> list[Attempt]:
        """Return every attempt that is not closed, or those in the given states, oldest first."""
        query = (
            select(AttemptRow)
            .join(TaskRow, TaskRow.id == AttemptRow.task_id)
            .where(AttemptRow.open_task.is_not(None), TaskRow.archive == archive)
            .order_by(AttemptRow.id)
        )
        if states:
            query = query.where(AttemptRow.state.in_([str(state) for state in states]))
        with self._reading() as session:
            return [rows.attempt(row) for row in session.scalars(query)]

    def ended_attempts(self, archive: str, since: datetime | None = None) -> list[Attempt]:
        """Return every attempt that ended, with a job or without, at *since* or later; oldest first."""
        # columns and not objects: there may be a hundred thousand, and nothing of them is changed
        query = (
            select(*AttemptRow.__table__.columns)
            .join(TaskRow, TaskRow.id == AttemptRow.task_id)
            .where(
                AttemptRow.state.in_([str(Stage.COLLECTING), str(Stage.CLOSED)]), TaskRow.archive == archive
            )
            .order_by(AttemptRow.id)
        )
        if since is not None:
            # results that are being brought home have just come
            query = query.where(or_(AttemptRow.closed.is_(None), AttemptRow.closed >= since))
        with self._reading() as session:
            return [rows.attempt(row) for row in session.execute(query)]

    def take(self, attempt_id: int, holder: str, *, planned: int | None = None) -> Attempt | None:
        """Take an open attempt to work on it; None if somebody living holds it, or it is closed.

        With *planned*, the task's revision that was decided on, `Stale` is raised if it is another now.
        """
        with self._writing() as session:
            row = session.get(AttemptRow, attempt_id, with_for_update=True)
            if row is None or row.open_task is None or not free(row, holder):
                return None
            if planned is not None:
                locked_task(session, row.task_id, planned)
            row.holder, row.held_until = holder, now() + LEASE
            return rows.attempt(row)

    @contextmanager
    def in_hand(self, attempt_id: int, *, planned: int | None = None) -> Iterator[tuple[Attempt | None, str]]:
        """Hold an open attempt while inside; yields it, None if it cannot be taken, and who holds it.

        A ledger that is away at the end leaves nothing held: the holder is at work no more; see `take`.
        """
        with holders.holding() as holder:
            taken = self.take(attempt_id, holder, planned=planned)
            try:
                yield taken, holder
            finally:
                if taken is not None:
                    with suppress(LedgerUnavailable):
                        self.release(attempt_id, holder)

    def release(self, attempt_id: int, holder: str) -> None:
        """Let others take the attempt; no error if the lease was lost, or it is gone."""
        with self._writing() as session:
            row = session.get(AttemptRow, attempt_id, with_for_update=True)
            if row is not None and row.holder == holder:
                row.holder, row.held_until = "", None

    def advance(self, attempt_id: int, holder: str, **changes: Any) -> Attempt:
        """Change an attempt that *holder* holds.

        Raises
        ------
        LeaseLost
            If somebody else holds it now; nothing is written.
        """
        with self._writing() as session:
            row = _held_attempt(session, attempt_id, holder)
            _assign(row, changes)
            session.flush()
            return rows.attempt(row)

    def advance_all(self, holder: str, changes: Mapping[int, Mapping[str, Any]]) -> dict[int, Attempt]:
        """Change attempts as `advance` does, in one transaction; return those that *holder* still held."""
        with self._writing() as session:
            held = _all_held(session, changes, holder, *_ALL)
            update_all(session, AttemptRow, [{"id": row.id, **changes[row.id]} for row in held])
            return {row.id: _changed(rows.attempt(row), changes[row.id]) for row in held}

    def submitted_all(self, holder: str, jobs: Mapping[int, NewJob]) -> set[int]:
        """Note jobs that clusters took, and that their tasks run, as one; let others take the attempts.

        Returns
        -------
        set of int
            The attempts that *holder* still held; of the others nothing is written.
        """
        with self._writing() as session:
            held = _all_held(session, jobs, holder, *_HELD, AttemptRow.task_id, AttemptRow.inputs)
            update_all(session, AttemptRow, [_with_job(row.id, jobs[row.id]) for row in held])
            self._run(session, {row.task_id: (jobs[row.id], row.inputs) for row in held})
            return {row.id for row in held}

    def _run(self, session: Session, jobs: Mapping[int, tuple[NewJob, Mapping[str, Any]]]) -> None:
        """Let tasks run: *jobs* has, by the task's number, its job and the inputs of that attempt."""
        moves, changes = {}, []
        for task in locked_columns(
            session, TaskRow.id, jobs, TaskRow.status, TaskRow.reason, TaskRow.revision
        ):
            job, inputs = jobs[task.id]
            move = move_of(task, Status.JOB_RUNNING, job.reason, fields=job.fields, who=self._who)
            begun = {"fingerprints": dict(inputs.get("fingerprints", {})), "tries": 0, "retry_at": None}
            changes.append({"id": task.id, **move.task, **begun})
            moves[task.id] = move
        update_all(session, TaskRow, changes)
        insert_all(session, HistoryRow, [move.history for move in moves.values() if move.history])
        lay_all(session, {task_id: move.write or {} for task_id, move in moves.items()})

    def collecting(self, attempt_id: int, holder: str, fields: Mapping[str, str], **changes: Any) -> Attempt:
        """Note that the job ended with its outputs, which are now to be brought home."""
        with self._writing() as session:
            row = _held_attempt(session, attempt_id, holder)
            row.state, row.tries, row.retry_at = Stage.COLLECTING, 0, None
            _assign(row, changes)
            self._move(session, locked_task(session, row.task_id), Status.JOB_COMPLETE, "", fields=fields)
            return rows.attempt(row)

    def withdraw(
        self,
        attempt_id: int,
        holder: str,
        reason: str,
        *,
        mark: str,
        until: datetime,
        fields: Mapping[str, str],
    ) -> None:
        """Take back an attempt that never reached a cluster, and let its task wait for *reason*."""
        with self._writing() as session:
            task = _taken_back(session, attempt_id, holder)
            self._move(session, task, Status.PRE_RUNNING, reason, fields=fields)
            task.blocked, task.blocked_mark, task.retry_at = reason, mark, until

    def put_back(self, attempt_id: int, holder: str) -> None:
        """Take back an attempt that never reached a cluster; its task waits as if there had been none."""
        with self._writing() as session:
            _taken_back(session, attempt_id, holder).revision += 1

    def reopen(
        self,
        task_id: int,
        status: Status,
        reason: str,
        fields: Mapping[str, str] | None,
        *,
        ended: tuple[int, str] | None = None,
        forget: bool = False,
        planned: int | None = None,
    ) -> TaskEntry:
        """Begin a task anew, as one with the end of its open attempt.

        Parameters
        ----------
        ended
            The open attempt and who holds it.
        forget
            The archive no longer has the assessor.
        planned
            The task's revision that was decided on.

        Raises
        ------
        Stale
            If the task has another revision than *planned*; nothing is written.
        """
        with self._writing() as session:
            task = locked_task(session, task_id, planned)
            if ended is not None:
                row = _held_attempt(session, *ended)
                _close(row, {"cause": "abandoned"})
            if forget:
                task.assessor_id = task.acknowledged = ""
            self._move(session, task, status, reason, fields=fields)
            return rows.entries(session, [task])[0]

    def close_attempt(
        self,
        attempt_id: int,
        holder: str,
        status: Status,
        reason: str,
        fields: Mapping[str, str] | None,
        **changes: Any,
    ) -> TaskEntry:
        """End an attempt and move its task, as one."""
        with self._writing() as session:
            row = _held_attempt(session, attempt_id, holder)
            _close(row, changes)
            task = locked_task(session, row.task_id)
            self._move(session, task, status, reason, fields=fields)
            return rows.entries(session, [task])[0]


def _held_attempt(session: Session, attempt_id: int, holder: str) -> AttemptRow:
    row = session.get_one(AttemptRow, attempt_id, with_for_update=True)
    if row.holder != holder or row.open_task is None:
        raise LeaseLost(f"attempt {attempt_id} was taken over by another process")
    return row


def _all_held(
    session: Session, attempt_ids: Iterable[int], holder: str, *columns: AnyColumn
) -> list[Row[Any]]:
    """Return columns, `_HELD` among them, of those attempts that are open and held so; locked, in order."""
    found = locked_columns(session, AttemptRow.id, attempt_ids, *columns)
    return [row for row in found if row.holder == holder and row.open_task is not None]


def _changed(attempt: Attempt, changes: Mapping[str, Any]) -> Attempt:
    return replace(attempt, **{**changes, "state": Stage(changes.get("state", attempt.state))})


def _with_job(attempt_id: int, job: NewJob) -> dict[str, Any]:
    """Return what changes of an attempt whose job a cluster has taken; it is in nobody's hand then."""
    return {
        "id": attempt_id,
        "state": str(Stage.SUBMITTED),
        "job_id": job.job_id,
        "submitted": now(),
        "tries": 0,
        "retry_at": None,
        # what a cluster refused before it has taken now
        "cause": "",
        "job_message": "",
        "holder": "",
        "held_until": None,
    }


def _taken_back(session: Session, attempt_id: int, holder: str) -> TaskRow:
    row = _held_attempt(session, attempt_id, holder)
    task = locked_task(session, row.task_id)
    session.delete(row)
    return task


def _close(row: AttemptRow, changes: Mapping[str, Any]) -> None:
    row.state, row.open_task, row.closed = Stage.CLOSED, None, now()
    row.holder, row.held_until = "", None
    _assign(row, changes)


def _assign(row: AttemptRow, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(row, name, value)
