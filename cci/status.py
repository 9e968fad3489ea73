"""The status of a task and the QC status of its results: the words, and the one table of allowed moves.

A job state (queued, running, held …) is something else and lives in ``cci.cluster.base``.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from cci.errors import IllegalTransition


class Status(StrEnum):
    """A task's ``procstatus``: the literal text in the archive."""

    #: A prerequisite is not complete; the reason names it.
    PRE_RUNNING = "PRE_RUNNING"
    #: All prerequisites are there; waits for staging, for a place under the caps, or for a hold to be lifted.
    PRE_COMPLETE = "PRE_COMPLETE"
    #: A job was submitted; its own state is kept beside.
    JOB_RUNNING = "JOB_RUNNING"
    #: The job ended with its required outputs; they are being uploaded and verified.
    JOB_COMPLETE = "JOB_COMPLETE"
    #: The job ended normally and left no output, or not the required output.
    XVFB_ERROR = "XVFB_ERROR"
    #: The job, or staging it, failed; the reason has the cause.
    JOB_ERROR = "JOB_ERROR"
    #: Every output file is in the archive, verified by size and MD5.
    COMPLETE = "COMPLETE"

    @property
    def final(self) -> bool:
        """Whether the task stays here until a person wishes otherwise."""
        return self in _FINAL


_FINAL = frozenset({Status.COMPLETE, Status.JOB_ERROR, Status.XVFB_ERROR})


class QcStatus(StrEnum):
    """The QC status (``validation/status``) that we write, or obey when a person writes it."""

    #: No result yet.
    JOB_PENDING = "Job Pending"
    #: Results are there and nobody has looked at them.
    NEEDS_QA = "Needs QA"
    #: A wish: run again, and replace the results once new ones are verified.
    RERUN = "Rerun"
    #: A wish: run again, and keep the old results in the resource ``OLD``.
    REPROC = "Reproc"
    #: A wish: do not start this task; a running job is left alone.
    DO_NOT_RUN = "Do Not Run"


#: QC statuses that disqualify an assessor as an input, compared without regard to case.
BAD_QC = frozenset({"failed", "bad", "poor", "failed-needs reprocessing", "do not run"})

#: Where a task may go from each status; the diagram in docs/explanation/states.md shows the same arrows.
TRANSITIONS: MappingProxyType[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.PRE_RUNNING: frozenset({Status.PRE_COMPLETE}),
        # JOB_ERROR: staging fails for good, or the cluster refuses a retry of our own
        Status.PRE_COMPLETE: frozenset({Status.PRE_RUNNING, Status.JOB_RUNNING, Status.JOB_ERROR}),
        # back to PRE_…: the cluster is proved to have lost the job, or a person wishes another run
        Status.JOB_RUNNING: frozenset(
            {
                Status.JOB_COMPLETE,
                Status.XVFB_ERROR,
                Status.JOB_ERROR,
                Status.PRE_COMPLETE,
                Status.PRE_RUNNING,
            }
        ),
        # JOB_ERROR: the archive refuses the results for good, and a person gives them up
        Status.JOB_COMPLETE: frozenset(
            {Status.COMPLETE, Status.JOB_ERROR, Status.PRE_COMPLETE, Status.PRE_RUNNING}
        ),
        # a final status is left only through a person's wish to run again
        Status.COMPLETE: frozenset({Status.PRE_COMPLETE, Status.PRE_RUNNING}),
        Status.XVFB_ERROR: frozenset({Status.PRE_COMPLETE, Status.PRE_RUNNING}),
        Status.JOB_ERROR: frozenset({Status.PRE_COMPLETE, Status.PRE_RUNNING}),
    }
)

#: The status a task may be born with.
INITIAL = frozenset({Status.PRE_RUNNING, Status.PRE_COMPLETE})


def check_transition(before: Status | None, after: Status) -> None:
    """Refuse a move that the table does not have; staying is always allowed.

    Raises
    ------
    IllegalTransition
        If *after* may not follow *before* (None: the task is new).
    """
    if before == after:
        return
    allowed = INITIAL if before is None else TRANSITIONS[before]
    if after not in allowed:
        origin = "a new task" if before is None else str(before)
        raise IllegalTransition(f"{origin} cannot become {after}")


def parse_status(text: str) -> Status | None:
    """Read a ``procstatus``; None for words that are not ours (DAX's, a person's)."""
    try:
        return Status(text)
    except ValueError:
        return None
