"""A task: one processor on one target, its identity, its label, and the pure step that moves it.

`decide` looks at what is known and returns one `Decision`; it has no clock, disk or network. Whatever a
decision changes in the world is done by a `Workplace`, which ``cci.daemon`` implements.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from cci import model
from cci.inputs import OURS, Selection, ours
from cci.processor import Processor
from cci.status import QcStatus, Status, parse_status

_SAFE = re.compile(r"[A-Za-z0-9_-]+\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
#: Where a part could be taken for the joint between two: ``-x-`` inside, ``x-`` or ``-x`` at an end.
_SEAM = re.compile(r"(?:\A|-)x-|-x\Z")
MAX_LABEL = 120


@dataclass(frozen=True, kw_only=True, order=True)
class TaskKey:
    """What makes two tasks the same task. Labels are not part of it: people rename things."""

    archive: str
    accession_id: str
    scan_id: str
    proctype: str

    @property
    def digest(self) -> str:
        """Eight hex digits that stand for this identity in labels."""
        text = json.dumps([self.archive, self.accession_id, self.scan_id, self.proctype])
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def key_for(archive: str, target: model.Target, proctype: str) -> TaskKey:
    """Return the identity of the task of *proctype* on *target*."""
    scan_id = target.scan.id if target.scan else ""
    return TaskKey(archive=archive, accession_id=target.accession_id, scan_id=scan_id, proctype=proctype)


def label_parts(target: model.Target) -> list[str]:
    """Return project, subject, session and scan, as far as the target has them."""
    parts = [target.project.id]
    if target.subject is not None:
        parts.append(target.subject.label)
    if target.session is not None:
        parts.append(target.session.label)
    if target.scan is not None:
        parts.append(target.scan.id)
    return parts


def make_label(target: model.Target, key: TaskKey) -> str:
    """Build ``project-x-subject-x-session[-x-scan]-x-proctype``, safe as a file name and an archive label.

    A part with anything outside ``[A-Za-z0-9_-]``, or that would blur where the parts meet (``-x-``, or
    ``x-`` and ``-x`` at its ends), is replaced by something readable, and the label gains eight hex digits
    of the identity, so that two tasks never share one. At most 120 characters.
    """
    parts = [*label_parts(target), key.proctype]
    clean = [_clean(part) for part in parts]
    label = "-x-".join(clean)
    if clean == parts and len(label) <= MAX_LABEL:
        return label
    return distinct_label(label, key)


def distinct_label(label: str, key: TaskKey) -> str:
    """Return *label* with eight hex digits of the identity: for a task whose plain label is not its alone."""
    return f"{label[: MAX_LABEL - 9]}-{key.digest}"


def is_safe_label(label: str) -> bool:
    """Whether a label from outside could be one that `make_label` made, and may so name a folder."""
    return bool(_SAFE.match(label)) and len(label) <= MAX_LABEL


def safe_part(part: str) -> str:
    """Return a project's id or the like as something that is safe as the name of one folder."""
    return part if _SAFE.match(part) else _UNSAFE.sub("_", part) or "_"


def _clean(part: str) -> str:
    return _SEAM.sub(lambda found: found[0].replace("-", "_"), safe_part(part))


def inputs_field(key: TaskKey, fingerprints: Mapping[str, str]) -> str:
    """Return the JSON kept in the assessor's ``inputs``: the mark that it is ours, and what it ran on."""
    return json.dumps({OURS: 1, "scan": key.scan_id, "inputs": dict(fingerprints)}, sort_keys=True)


# -- what is known --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the ledger knows of a task.

    Attributes
    ----------
    acknowledged
        The status that the archive last accepted from us, None before the first time.
    writes_pending
        Whether a write for this task still waits in the outbox.
    attempt_open
        Whether an attempt is being staged, submitted, run or collected.
    fingerprints
        The inputs of the last attempt; see `Selection.fingerprints`.
    blocked
        A reason found while staging that the bulk listing cannot show (an empty resource, a bad digest).
    """

    status: Status
    reason: str = ""
    acknowledged: Status | None = None
    writes_pending: bool = False
    attempt_open: bool = False
    attempts: int = 0
    fingerprints: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    blocked: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that one decision looks at."""

    selection: Selection
    site_reason: str = ""
    record: Record | None = None
    assessor: model.Assessor | None = None
    #: The results are on the scan already, and not by this task.
    superfluous: str = ""


class Move(StrEnum):
    """What a decision asks for."""

    #: Leave it.
    NOTHING = "nothing"
    #: There is no such task: its results are there already, or the assessor is somebody else's.
    SKIP = "skip"
    #: Make the task with this status and reason.
    CREATE = "create"
    #: Write this status and reason.
    WRITE = "write"
    #: Stage and submit, as soon as there is a place.
    START = "start"
    #: A wish to run again: end what runs, open the task anew.
    REDO = "redo"
    #: The archive knows the task and the ledger does not: take it over from the evidence.
    ADOPT = "adopt"
    #: The archive's status is not what we wrote last: write ours again.
    RESTORE = "restore"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One step of one task, with the sentence that explains it."""

    move: Move
    status: Status | None = None
    reason: str = ""
    #: Whether the task may be staged and submitted once this decision is carried out.
    startable: bool = False


HELD = "held: the QC status is Do Not Run"


def decide(facts: Facts) -> Decision:
    """Return the next step of a task.

    The order is that of who is right: first what exists in the archive, then what people wish, then the
    task's own way. Watching and collecting running jobs is not decided here, but from their evidence.
    """
    if facts.record is None:
        return _first_meeting(facts)
    return _disagreement(facts, facts.record) or _wish(facts, facts.record) or _progress(facts, facts.record)


def _first_meeting(facts: Facts) -> Decision:
    if facts.assessor is None:
        if facts.superfluous:
            return Decision(move=Move.SKIP, reason=facts.superfluous)
        status, reason = _prerequisites(facts)
        return Decision(move=Move.CREATE, status=status, reason=reason, startable=not reason)
    status_there = parse_status(facts.assessor.procstatus)
    if ours(facts.assessor) is None or status_there is None:
        return Decision(move=Move.SKIP, reason=f"assessor {facts.assessor.label} was made by another system")
    return Decision(move=Move.ADOPT, status=status_there, reason=facts.assessor.note)


def _disagreement(facts: Facts, record: Record) -> Decision | None:
    """Settle a difference between the archive and our last acknowledged write."""
    if record.writes_pending or record.acknowledged is None:
        return None
    if facts.assessor is None:
        return Decision(move=Move.REDO, status=_prerequisites(facts)[0], reason="its assessor was deleted")
    if not facts.assessor.procstatus == record.acknowledged == record.status:
        there = facts.assessor.procstatus or "nothing"
        return Decision(move=Move.RESTORE, status=record.status, reason=f"the archive says {there}")
    return None


def _wish(facts: Facts, record: Record) -> Decision | None:
    """Obey a QC status that asks for another run.

    One that arrives during collection waits for its end, unless the archive refuses the results for good:
    only then does JOB_COMPLETE have a reason.
    """
    qc = facts.assessor.qc_status if facts.assessor else ""
    if qc not in {QcStatus.RERUN, QcStatus.REPROC} or record.writes_pending:
        return None
    if record.status is Status.JOB_COMPLETE and not record.reason:
        return None
    status, reason = _prerequisites(facts)
    if reason and record.status.final:
        # the old results stay until the new run can start
        return Decision(move=Move.NOTHING, reason=f"{qc} is wished, but {reason}")
    return Decision(
        move=Move.REDO,
        status=status,
        reason=f"{qc} was wished",
        startable=not reason,
    )


def _progress(facts: Facts, record: Record) -> Decision:
    """Move a task that waits; leave one that runs or has ended."""
    if record.status.final:
        return _after_the_end(facts, record)
    if record.attempt_open or record.status not in {Status.PRE_RUNNING, Status.PRE_COMPLETE}:
        return Decision(move=Move.NOTHING)
    status, reason = _prerequisites(facts)
    if not reason and (record.blocked or _overtaken(facts, record)):
        status, reason = Status.PRE_RUNNING, record.blocked or facts.superfluous
    if not reason and _held(facts, record):
        reason = HELD
    if (status, reason) != (record.status, record.reason):
        return Decision(move=Move.WRITE, status=status, reason=reason, startable=not reason)
    return Decision(move=Move.NOTHING if reason else Move.START, startable=not reason)


def _overtaken(facts: Facts, record: Record) -> bool:
    """Whether a person has put the results there while the task, which never ran, was waiting."""
    return bool(facts.superfluous) and not record.attempts and not record.fingerprints


def _held(facts: Facts, record: Record) -> bool:
    """Whether the QC status in the archive says so, or our own write that it has not accepted yet."""
    if record.writes_pending and record.reason == HELD:
        return True
    return facts.assessor is not None and facts.assessor.qc_status == QcStatus.DO_NOT_RUN


def _after_the_end(facts: Facts, record: Record) -> Decision:
    """Mark a COMPLETE task whose inputs are no longer what it ran on; nothing reruns unasked."""
    changed = outdated_inputs(record.fingerprints, facts.selection) if facts.selection.ready else []
    reason = f"outdated: {', '.join(changed)} changed since" if changed else ""
    if record.status is not Status.COMPLETE or reason == record.reason:
        return Decision(move=Move.NOTHING)
    return Decision(move=Move.WRITE, status=record.status, reason=reason)


def outdated_inputs(before: Mapping[str, str], selection: Selection) -> list[str]:
    """Return the inputs whose fingerprint differs from *before*; unknown ones are not counted."""
    now = selection.fingerprints()
    return sorted(name for name, mark in before.items() if name in now and now[name] != mark)


def _prerequisites(facts: Facts) -> tuple[Status, str]:
    """Return the status of a task that has not started, and why it waits."""
    if not facts.selection.ready:
        return Status.PRE_RUNNING, facts.selection.reason
    if facts.site_reason:
        return Status.PRE_RUNNING, facts.site_reason
    return Status.PRE_COMPLETE, ""


# -- acting ---------------------------------------------------------------------------------------------


class Workplace(Protocol):
    """Archive, ledger, clusters and settings as one object on which tasks act."""

    def project(self, project_id: str) -> model.Project:
        """Take a snapshot of a project."""

    def update(self, task: Task) -> Status:
        """Do the next step of a task: create, check, start, watch or collect it; return its status."""

    def status(self, task: Task) -> Status | None:
        """Return the task's status, None if it does not exist yet."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One processor on one target."""

    processor: Processor
    target: model.Target
    workplace: Workplace

    def update(self) -> Status:
        """Do the task's next step and return the status it is in then."""
        return self.workplace.update(self)

    @property
    def status(self) -> Status | None:
        """The present status, None if the task does not exist yet."""
        return self.workplace.status(self)
