"""What all parts of the ledger share: transactions, locks on rows, and the one place that writes a status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from cci.daemon import holder as holders
from cci.daemon.ledger import rows
from cci.daemon.ledger.tables import AttemptRow, HistoryRow, OutboxRow, TaskRow
from cci.errors import CciError
from cci.status import Status, check_transition

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
        write = self._change(session, row, status, reason, fields=fields, who=who)
        if write is not None:
            lay(session, row.id, write)
        session.flush()

    def _change(
        self,
        session: Session,
        row: TaskRow,
        status: Status,
        reason: str,
        *,
        fields: Mapping[str, str] | None = None,
        who: str = "",
    ) -> dict[str, str] | None:
        """Set one status: the only place where it is done. Return the write that follows, if any."""
        before = Status(row.status)
        check_transition(before, status)
        if (before, row.reason) != (status, reason):
            self._note(session, row, before=before, after=status, reason=reason, who=who)
        row.status, row.reason, row.updated = status, reason, now()
        row.revision += 1
        if status is not Status.PRE_RUNNING:
            row.blocked = row.blocked_mark = ""
        return None if fields is None else {"procstatus": str(status), "note": reason, **fields}

    def _note(
        self, session: Session, row: TaskRow, *, before: str, after: str, reason: str, who: str
    ) -> None:
        session.add(
            HistoryRow(
                task_id=row.id,
                at=now(),
                before=str(before),
                after=str(after),
                reason=reason,
                who=who or self._who,
            )
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
    lay_over(session, session.get(OutboxRow, task_id, with_for_update=True), task_id, fields)


def lay_over(session: Session, row: OutboxRow | None, task_id: int, fields: Mapping[str, str]) -> None:
    """Lay a write over a pending one, which is locked; None if none is pending."""
    if row is None:
        session.add(rows.first_write(task_id, fields))
    else:
        row.fields, row.revision = {**row.fields, **fields}, row.revision + 1
