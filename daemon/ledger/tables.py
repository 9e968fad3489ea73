"""The ledger's tables. Nothing outside ``cci.daemon.ledger`` sees these classes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite keeps no zone, so it is put back when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, and keep UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger keeps aware times only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, str: String}  # noqa: RUF012 (SQLAlchemy)


class Meta(Base):
    """Single facts, such as the instance's id, and when the next turn of a sequence is."""

    __tablename__ = "meta"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class CapRow(Base):
    """A cap that was set at run time, in place of the one that the settings have."""

    __tablename__ = "cap"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
    who: Mapped[str]
    at: Mapped[datetime]


class AwayRow(Base):
    """A cluster that took no job when it was last asked, for all processors ('') or for one."""

    __tablename__ = "away"
    cluster: Mapped[str] = mapped_column(primary_key=True)
    processor: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    tries: Mapped[int]
    until: Mapped[datetime]


class ProjectRow(Base):
    """What the last good sweep saw of a project."""

    __tablename__ = "project"
    archive: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    counts: Mapped[dict[str, Any]]
    swept: Mapped[datetime]


class TaskRow(Base):
    """One task."""

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("archive", "accession_id", "scan_id", "proctype", name="task_identity"),
        # a label names the assessor and the folder: two tasks with one would overwrite each other
        UniqueConstraint("archive", "project", "label", name="task_label"),
        Index("task_project", "archive", "project"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    archive: Mapped[str]
    accession_id: Mapped[str]
    scan_id: Mapped[str]
    proctype: Mapped[str]
    label: Mapped[str] = mapped_column(index=True)
    level: Mapped[str]
    processor: Mapped[str]
    project: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str]
    session: Mapped[str]
    assessor_id: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    acknowledged: Mapped[str]
    fingerprints: Mapped[dict[str, Any]]
    blocked: Mapped[str]
    blocked_mark: Mapped[str]
    retry_at: Mapped[datetime | None]
    tries: Mapped[int]
    #: Counts every change, so that a decision on an earlier look is known to be one.
    revision: Mapped[int]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class AttemptRow(Base):
    """One attempt. *open_task* equals the task while the attempt is open: at most one can be."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("task_id", "number", name="attempt_number"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), index=True)
    open_task: Mapped[int | None] = mapped_column(unique=True)
    number: Mapped[int]
    state: Mapped[str]
    nonce: Mapped[str]
    directory: Mapped[str]
    cluster: Mapped[str]
    job_id: Mapped[str]
    job_state: Mapped[str]
    job_message: Mapped[str]
    missing_since: Mapped[datetime | None]
    keep_old: Mapped[bool]
    inputs: Mapped[dict[str, Any]]
    outputs: Mapped[dict[str, Any]]
    use: Mapped[dict[str, Any]]
    cause: Mapped[str]
    tries: Mapped[int]
    retry_at: Mapped[datetime | None]
    holder: Mapped[str]
    held_until: Mapped[datetime | None]
    opened: Mapped[datetime]
    submitted: Mapped[datetime | None]
    closed: Mapped[datetime | None]


class HistoryRow(Base):
    """One change of a task, with who and why; rows are only ever added."""

    __tablename__ = "history"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), index=True)
    at: Mapped[datetime]
    before: Mapped[str]
    after: Mapped[str]
    reason: Mapped[str]
    who: Mapped[str]


class OutboxRow(Base):
    """The one write that the archive has still to accept for a task; later writes are laid over it."""

    __tablename__ = "outbox"
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    fields: Mapped[dict[str, Any]]
    revision: Mapped[int]
    tries: Mapped[int]
    retry_at: Mapped[datetime | None]
    error: Mapped[str]
    holder: Mapped[str]
    held_until: Mapped[datetime | None]


class LeaseRow(Base):
    """A right that one process has at a time, such as sweeping a project."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]
