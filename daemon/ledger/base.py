"""What all parts of the ledger share: transactions, locks on rows, and the one place that writes a status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, insert, select, update
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import InstrumentedAttribute, Session

from cci.daemon import holder as holders
from cci.daemon.ledger import rows
from cci.daemon.ledger.tables import AttemptRow, Base, HistoryRow, OutboxRow, TaskRow
from cci.errors import CciError
from cci.status import Status, check_transition

AnyColumn = ColumnElement[Any] | InstrumentedAttribute[Any]

#: How long a lease lasts that is not renewed.
LEASE = timedelta(minutes=5)


class LeaseLost(CciError):
    """Another process has taken over this piece of work."""

    code = "E-LEASE"
    transient = True


class Stale(CciError):
    """The task has changed since it was looked at; what was decided on that look is not carried out."""

    code = "E-STALE"
    transient = True
    default_hint = "nothing was changed; ask again, or leave it to the next sweep"


class LedgerUnavailable(CciError):
    """The ledger's database does not answer, or its disk is full."""

    code = "E-LEDGER"
    exit_code = 6
    transient = True
    default_hint = "nothing was changed; work goes on by itself when the ledger can be written again"


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InternalError, InterfaceError, PoolTimeout) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerUnavailable(f"the ledger cannot be used: {reason}") from error


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class Book:
    """A part of the ledger; every public method of one is one transaction.

    Parameters
    ----------
    engine
        Of a migrated database; see `cci.daemon.ledger.open_ledger`.
    who
        Written into the history beside every change.
    """

    def __init__(self, engine: Engine, *, who: str = "cci") -> None:
        self._engine = engine
        self._who = who

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with _typed_errors(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with (
            _typed_errors(),
            self._engine.connect().execution_options(reading=True) as connection,
            Session(connection) as session,
        ):
            yield session

    def _move(
        self,
        session: Session,
        row: TaskRow,
        status: Status,
        reason: str,
        *,
        fields: Mapping[str, str] | None = None,
        who: str = "",
    ) -> None:
        """Write one status, and what the archive is told of it."""
        move = move_of(row, status, reason, fields=fields, who=who or self._who)
        for name, value in move.task.items():
            setattr(row, name, value)
        if move.history:
            session.add(HistoryRow(**move.history))
        if move.write is not None:
            lay(session, row.id, move.write)
        session.flush()

    def _note(
        self, session: Session, row: TaskRow, *, before: str, after: str, reason: str, who: str
    ) -> None:
        who = who or self._who
        step = rows.step(row.id, before=before, after=after, reason=reason, who=who, at=now())
        session.add(HistoryRow(**step))


@dataclass(frozen=True, kw_only=True)
class Move:
    """What one new status changes.

    Attributes
    ----------
    task
        New values of the task's columns.
    history
        The row that its history gets; empty if it has that status with that reason already.
    write
        What the archive is told; None for nothing.
    """

    task: Mapping[str, Any]
    history: Mapping[str, Any]
    write: Mapping[str, str] | None


def move_of(
    row: TaskRow | Row[Any], status: Status, reason: str, *, fields: Mapping[str, str] | None, who: str
) -> Move:
    """Decide what a status changes: the only place where one is given. *row* has at least what is read here.

    Raises
    ------
    IllegalTransition
        The task cannot get there from where it is.
    """
    at, before = now(), Status(row.status)
    check_transition(before, status)
    task = {"status": str(status), "reason": reason, "updated": at, "revision": row.revision + 1}
    if status is not Status.PRE_RUNNING:
        task |= {"blocked": "", "blocked_mark": ""}
    step = rows.step(row.id, before=before, after=status, reason=reason, who=who, at=at)
    return Move(
        task=task,
        history=step if (before, row.reason) != (status, reason) else {},
        write=None if fields is None else {"procstatus": str(status), "note": reason, **fields},
    )


def free(row: AttemptRow | OutboxRow, holder: str) -> bool:
    """Whether *holder* may take this row: nobody has it, or whoever had it is late or dead."""
    if row.holder in {"", holder}:
        return True
    return (row.held_until is not None and row.held_until < now()) or holders.is_dead(row.holder)


def locked_task(session: Session, task_id: int, planned: int | None = None) -> TaskRow:
    """Return a task's row, locked until the transaction ends.

    Raises
    ------
    Stale
        If its revision is not the one that was *planned* on.
    """
    row = session.get_one(TaskRow, task_id, with_for_update=True)
    if planned is not None and row.revision != planned:
        raise Stale(f"{row.label} has changed meanwhile")
    return row


def lay(session: Session, task_id: int, fields: Mapping[str, str]) -> None:
    """Lay a write over the one that is pending for the task, if any."""
    row = session.get(OutboxRow, task_id, with_for_update=True)
    if row is None:
        session.add(OutboxRow(**rows.first_write(task_id, fields)))
    else:
        row.fields, row.revision = {**row.fields, **fields}, row.revision + 1


# -- many rows with few statements: as columns, which are a fraction of the work that objects are ----------


def locked_columns(
    session: Session, key: InstrumentedAttribute[int], keys: Iterable[int], *columns: AnyColumn
) -> Sequence[Row[Any]]:
    """Return columns of the rows with these keys, locked in one order, so that no two wait for each other."""
    query = select(key, *columns).where(key.in_(list(keys))).order_by(key)
    return session.execute(query.with_for_update()).all()


def update_all(session: Session, table: type[Base], changes: Sequence[Mapping[str, Any]]) -> None:
    """Change columns of many rows; each mapping holds its row's primary key too."""
    if changes:
        session.execute(update(table), changes)


def insert_all(session: Session, table: type[Base], new: Sequence[Mapping[str, Any]]) -> None:
    """Add many rows."""
    if new:
        session.execute(insert(table), new)


def lay_all(session: Session, writes: Mapping[int, Mapping[str, str]]) -> None:
    """Do for many tasks what `lay` does for one; *writes* has fields by the task's number."""
    columns = OutboxRow.fields, OutboxRow.revision
    pending = {row.task_id: row for row in locked_columns(session, OutboxRow.task_id, writes, *columns)}
    laid_over = [
        {"task_id": task_id, "fields": {**row.fields, **writes[task_id]}, "revision": row.revision + 1}
        for task_id, row in pending.items()
    ]
    update_all(session, OutboxRow, laid_over)
    first = [
        rows.first_write(task_id, fields) for task_id, fields in writes.items() if task_id not in pending
    ]
    insert_all(session, OutboxRow, first)
