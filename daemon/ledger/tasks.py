"""Tasks and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cci.daemon.ledger import rows
from cci.daemon.ledger.base import Book, lay, locked_task, now
from cci.daemon.ledger.tables import HistoryRow, OutboxRow, TaskRow
from cci.daemon.ledger.values import Birth, Change, NewTask, TaskEntry
from cci.status import Status
from cci.task import TaskKey


class Tasks(Book):
    """The part of the ledger that knows tasks."""

    def tasks(self, archive: str, project: str | None = None) -> list[TaskEntry]:
        """Return all tasks of an archive, or of one project of it, by label."""
        # columns and not objects: there may be a hundred thousand, and nothing of them is changed
        query = select(*TaskRow.__table__.columns).where(TaskRow.archive == archive).order_by(TaskRow.label)
        if project is not None:
            query = query.where(TaskRow.project == project)
        with self._reading() as session:
            return rows.every_entry(session, query)

    def task(self, task_id: int) -> TaskEntry:
        """Return one task."""
        with self._reading() as session:
            return rows.entries(session, [session.get_one(TaskRow, task_id)])[0]

    def with_ids(self, task_ids: Sequence[int]) -> list[TaskEntry]:
        """Return the tasks of these numbers, in the order of the numbers."""
        query = select(TaskRow).where(TaskRow.id.in_(task_ids)).order_by(TaskRow.id)
        with self._reading() as session:
            return rows.entries(session, session.scalars(query).all())

    def find(self, key: TaskKey) -> TaskEntry | None:
        """Return the task with this identity."""
        with self._reading() as session:
            row = session.scalar(rows.by_key(key))
            return rows.entries(session, [row])[0] if row else None

    def named(self, archive: str, name: str) -> list[TaskEntry]:
        """Return the tasks whose label is *name*, or begins with it."""
        with self._reading() as session:
            base = select(TaskRow).where(TaskRow.archive == archive)
            exact = session.scalars(base.where(TaskRow.label == name)).all()
            found = exact or session.scalars(
                base.where(TaskRow.label.startswith(name, autoescape=True)).order_by(TaskRow.label)
            )
            return rows.entries(session, list(found))

    def create_all(self, births: Sequence[Birth]) -> list[TaskEntry | None]:
        """Add tasks, each with its first write to the archive if there is one; None for one that is there.

        It is one transaction, which costs the disk no more than one task.
        """
        try:
            with self._writing() as session:
                return self._add(session, births)
        except IntegrityError:
            if len(births) == 1:
                return [None]
            # somebody else just added one of them: each for itself
            return [entry for birth in births for entry in self.create_all([birth])]

    def relocate(self, new: NewTask) -> TaskEntry | None:
        """Let a task follow what it runs on into another project, under the label that it is to have there.

        Returns
        -------
        TaskEntry or None
            None if there is no task of this identity, it is in that project already, or the label is taken.
        """
        try:
            with self._writing() as session:
                row = session.scalar(rows.by_key(new.key).with_for_update())
                if row is None or row.project == new.project:
                    return None
                reason = f"moved here from project {row.project}"
                self._note(session, row, before=row.status, after=row.status, reason=reason, who="")
                row.project, row.label, row.updated = new.project, new.label, now()
                row.subject, row.subject_id, row.session = new.subject, new.subject_id, new.session
                row.revision += 1
                session.flush()
                return rows.entries(session, [row])[0]
        except IntegrityError:
            return None

    def _add(self, session: Session, births: Sequence[Birth]) -> list[TaskEntry | None]:
        at = now()
        added = [rows.task_row(birth.task, at) for birth in births]
        session.add_all(added)
        session.flush()
        for birth, row in zip(births, added, strict=True):
            self._note(session, row, before="", after=birth.task.status, reason=birth.task.reason, who="")
            if birth.fields is not None:
                session.add(OutboxRow(**rows.first_write(row.id, birth.fields)))
            if birth.attempt is not None:
                session.add(rows.adopted_attempt(row.id, birth.attempt, at))
        session.flush()
        return [_newborn(row, birth) for birth, row in zip(births, added, strict=True)]

    def move(
        self,
        task_id: int,
        status: Status,
        reason: str,
        fields: Mapping[str, str] | None = None,
        *,
        who: str = "",
        planned: int | None = None,
    ) -> TaskEntry:
        """Write a task's status and reason, its history, and the archive write that follows, as one.

        Raises
        ------
        IllegalTransition
            If the status may not follow the present one; nothing is written.
        Stale
            If the task has another revision than *planned*; nothing is written.
        """
        with self._writing() as session:
            row = locked_task(session, task_id, planned)
            self._move(session, row, status, reason, fields=fields, who=who)
            return rows.entries(session, [row])[0]

    def write(self, task_id: int, fields: Mapping[str, str], *, reason: str, who: str = "") -> None:
        """Send *fields* to the archive without changing the status, and note why."""
        with self._writing() as session:
            row = locked_task(session, task_id)
            self._lay(session, row, fields, reason=reason, who=who)

    def restore(self, task_id: int, *, reason: str, planned: int) -> None:
        """Send the status and reason that the task has now to the archive once more, and note why.

        Raises
        ------
        Stale
            If the task has another revision than *planned*; nothing is written.
        """
        with self._writing() as session:
            row = locked_task(session, task_id, planned)
            self._lay(session, row, {"procstatus": row.status, "note": row.reason}, reason=reason, who="")

    def _lay(
        self, session: Session, row: TaskRow, fields: Mapping[str, str], *, reason: str, who: str
    ) -> None:
        self._note(session, row, before=row.status, after=row.status, reason=reason, who=who)
        row.revision += 1
        lay(session, row.id, fields)

    def history(self, task_id: int) -> list[Change]:
        """Return every change of a task, oldest first."""
        query = select(HistoryRow).where(HistoryRow.task_id == task_id).order_by(HistoryRow.id)
        with self._reading() as session:
            return [
                Change(at=row.at, before=row.before, after=row.after, reason=row.reason, who=row.who)
                for row in session.scalars(query)
            ]


def _newborn(row: TaskRow, birth: Birth) -> TaskEntry:
    attempts = int(birth.attempt is not None)
    return rows.entry(row, attempts, attempts, birth.fields is not None)
