"""What the ledger gives back: frozen values, never rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cci.status import Status
from cci.task import TaskKey


class Stage(StrEnum):
    """How far an attempt has come. Each is written before the step that it names begins."""

    #: Inputs are being fetched into the job directory.
    STAGING = "staging"
    #: The job is being handed to the cluster: it may or may not exist there.
    SUBMITTING = "submitting"
    #: The cluster gave a job id.
    SUBMITTED = "submitted"
    #: The job ended with its outputs; they are being uploaded and verified.
    COLLECTING = "collecting"
    #: Nothing remains to be done.
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class TaskEntry:
    """A task as the ledger knows it."""

    id: int
    key: TaskKey
    label: str
    level: str
    processor: str
    project: str
    subject: str
    subject_id: str
    session: str
    assessor_id: str
    status: Status
    reason: str
    acknowledged: Status | None
    fingerprints: Mapping[str, str]
    blocked: str
    blocked_mark: str
    retry_at: datetime | None
    tries: int
    revision: int
    created: datetime
    updated: datetime
    attempts: int
    attempt_open: bool
    writes_pending: bool

    @property
    def stuck(self) -> bool:
        """Whether the archive refuses the results for good; only then does JOB_COMPLETE have a reason."""
        return self.status is Status.JOB_COMPLETE and bool(self.reason)


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """What a task is made of when the ledger meets it for the first time."""

    key: TaskKey
    label: str
    level: str
    processor: str
    project: str
    subject: str = ""
    subject_id: str = ""
    session: str = ""
    assessor_id: str = ""
    status: Status
    reason: str = ""
    acknowledged: Status | None = None
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Birth:
    """A task to enter, and what is entered with it as one.

    Attributes
    ----------
    fields
        The first write to the archive; None if it knows the task.
    attempt
        Values of an open attempt that another ledger had begun; None if there is none.
    """

    task: NewTask
    fields: Mapping[str, str] | None = None
    attempt: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a task."""

    id: int
    task_id: int
    number: int
    state: Stage
    nonce: str
    directory: str
    cluster: str
    job_id: str
    job_state: str
    job_message: str
    missing_since: datetime | None
    keep_old: bool
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    use: Mapping[str, Any]
    cause: str
    tries: int
    retry_at: datetime | None
    opened: datetime
    submitted: datetime | None
    closed: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job that a cluster has taken, with what the archive is told of it."""

    job_id: str
    fields: Mapping[str, str]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenCount:
    """How many open attempts are alike in all that a cap may ask for."""

    project: str
    processor: str
    cluster: str
    state: Stage
    #: What the cluster said last of their jobs, '' before it was asked; see `cci.cluster.base.JobState`.
    job_state: str
    count: int


@dataclass(frozen=True, kw_only=True)
class SetCap:
    """A cap that a person has set at run time."""

    name: str
    value: int
    who: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Away:
    """A cluster that took no job when it was last asked, for all processors ('') or for one."""

    cluster: str
    processor: str
    reason: str
    #: How often in a row.
    tries: int
    #: Until when it gets no new attempts.
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of a task's history."""

    at: datetime
    before: str
    after: str
    reason: str
    who: str


@dataclass(frozen=True, kw_only=True)
class Write:
    """A write that waits for the archive, in hand of *holder*."""

    task: TaskEntry
    holder: str
    fields: Mapping[str, str]
    revision: int
    tries: int
    error: str
