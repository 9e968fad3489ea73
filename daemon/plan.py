"""The plan of one sweep: what every task of a project needs next. Pure: no network, clock or disk.

``--dry-run`` prints a plan, ``cci why`` one line of it; `cci.daemon.sweep` carries it out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cci import model
from cci.daemon.labels import Labels
from cci.daemon.ledger import TaskEntry
from cci.inputs import Selection, ours
from cci.processor import Processor, ScanProcessor
from cci.task import Decision, Facts, Move, Record, TaskKey, decide, key_for, make_label


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A processor as a site has configured it."""

    name: str
    processor: Processor
    #: Where it runs; where there is a choice, the first of *clusters*.
    cluster: str
    #: Where it may run, in the order of the settings; by default only on *cluster*.
    clusters: tuple[str, ...] = ()
    #: Where the node looks for the spider beside what is installed there; '' for nowhere else.
    search_path: str = ""
    #: Why it cannot start anything here at present, '' if it can.
    site_reason: str = ""

    def __post_init__(self) -> None:
        """Let a processor with one cluster have a choice of one."""
        object.__setattr__(self, "clusters", self.clusters or (self.cluster,))


@dataclass(frozen=True, kw_only=True)
class Action:
    """One task and its next step, with all that was looked at to decide it."""

    decision: Decision
    configured: Configured
    key: TaskKey
    label: str
    target: model.Target
    facts: Facts
    entry: TaskEntry | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A processor that raised while it looked at one target."""

    processor: str
    target: str
    error: Exception


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All actions of one sweep, in the order in which they are to be carried out."""

    actions: tuple[Action, ...] = ()
    failures: tuple[Failure, ...] = ()
    #: Tasks whose session, subject or scan is no longer in the (complete) listing.
    vanished: tuple[TaskEntry, ...] = ()

    def moving(self) -> list[Action]:
        """Return the actions that would change something."""
        return [action for action in self.actions if action.decision.move not in {Move.NOTHING, Move.SKIP}]


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """Which part of a project a sweep looks at; empty means all."""

    subject: str = ""
    session: str = ""
    processor: str = ""

    def admits(self, target: model.Target) -> bool:
        """Whether a target is in the part that was asked for, by label or accession id."""
        return target.belongs_to(subject=self.subject, session=self.session)


@dataclass(frozen=True, kw_only=True)
class View:
    """What the ledger knows of a project."""

    entries: Mapping[TaskKey, TaskEntry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[TaskEntry]) -> View:
        """Index tasks by their identity."""
        return cls(entries={entry.key: entry for entry in entries})


def plan(
    snapshot: model.Project,
    processors: Sequence[Configured],
    view: View,
    *,
    archive: str,
    now: datetime,
    narrowing: Narrowing | None = None,
) -> Plan:
    """Decide the next step of every task of a project.

    A processor that raises on a target loses that target for this sweep; nothing else is affected.
    """
    part = narrowing or Narrowing()
    labels = Labels(
        (entry.label for entry in view.entries.values()),
        lambda: (assessor.label for _, assessor in _assessors(snapshot)),
    )
    actions: list[Action] = []
    failures: list[Failure] = []
    for configured in processors:
        if part.processor and part.processor not in {configured.name, configured.processor.proctype}:
            continue
        found, failed = _plan_processor(snapshot, configured, view, archive=archive, now=now, part=part)
        actions.extend(_named(action, labels) for action in found)
        failures.extend(failed)
    whole = part == Narrowing()
    return Plan(
        actions=tuple(sorted(actions, key=lambda action: -action.configured.processor.priority)),
        failures=tuple(failures),
        vanished=tuple(_vanished(snapshot, view)) if whole else (),
    )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The assessors of a project, by accession id, and those of one proctype by what they are about."""

    by_id: Mapping[str, model.Assessor]
    by_target: Mapping[tuple[str, str], model.Assessor]

    def of(self, key: TaskKey, entry: TaskEntry | None) -> model.Assessor | None:
        """Return the task's own assessor: once we know its id, no other can take its place."""
        if entry is not None and entry.assessor_id:
            return self.by_id.get(entry.assessor_id)
        return self.by_target.get((key.accession_id, key.scan_id))


def _plan_processor(
    snapshot: model.Project,
    configured: Configured,
    view: View,
    *,
    archive: str,
    now: datetime,
    part: Narrowing,
) -> tuple[list[Action], list[Failure]]:
    actions: list[Action] = []
    failures: list[Failure] = []
    known = _known_assessors(snapshot, configured.processor.proctype)
    try:
        targets = [each for each in configured.processor.targets(snapshot) if part.admits(each)]
    except Exception as error:  # noqa: BLE001 (a lab's code may raise anything; it stops only itself)
        return [], [Failure(processor=configured.name, target=snapshot.id, error=error)]
    for target in targets:
        try:
            action = _action(configured, target, view, archive=archive, known=known, now=now)
        except Exception as error:  # noqa: BLE001 (as above)
            label = "/".join(part for part in (snapshot.id, _label(target)) if part)
            failures.append(Failure(processor=configured.name, target=label, error=error))
        else:
            actions.append(_not_yet(action, now))
    return actions, failures


def _named(action: Action, labels: Labels) -> Action:
    """Give a task that the ledger meets for the first time a label of its own; refuse a stranger's."""
    move, assessor = action.decision.move, action.facts.assessor
    if action.entry is not None or move not in {Move.CREATE, Move.ADOPT}:
        return action
    if move is Move.ADOPT and assessor is not None:
        refused = labels.adopt(assessor.label)
        return replace(action, decision=Decision(move=Move.SKIP, reason=refused)) if refused else action
    label = labels.make(action.target, action.key)
    if not label:
        reason = f"both labels that it could have are taken: {action.label}, and that with its digest"
        return replace(action, decision=Decision(move=Move.SKIP, reason=reason))
    return action if label == action.label else replace(action, label=label)


def _label(target: model.Target) -> str:
    session = target.session.label if target.session else ""
    return f"{session}/{target.scan.id}" if target.scan else session


def _action(
    configured: Configured,
    target: model.Target,
    view: View,
    *,
    archive: str,
    known: _Known,
    now: datetime,
) -> Action:
    processor = configured.processor
    key = key_for(archive, target, processor.proctype)
    entry = view.entries.get(key)
    assessor = known.of(key, entry)
    selection = processor.can_run(target)
    facts = Facts(
        selection=selection,
        site_reason=configured.site_reason,
        record=_record(entry, selection, now) if entry else None,
        assessor=assessor,
        superfluous=_superfluous(processor, target),
    )
    return Action(
        decision=_with_type(decide(facts), target),
        configured=configured,
        # the one that the ledger's view holds already: there may be very many
        key=entry.key if entry else key,
        label=entry.label if entry else assessor.label if assessor else make_label(target, key),
        target=target,
        facts=facts,
        entry=entry,
    )


def _with_type(decision: Decision, target: model.Target) -> Decision:
    """Refuse a subject task where the archive lacks its data type."""
    if target.level == "subject" and "proc:subjGenProcData" in target.project.missing_types:
        return Decision(move=Move.SKIP, reason="the archive does not have the data type proc:subjGenProcData")
    return decision


def _not_yet(action: Action, now: datetime) -> Action:
    """Leave a task alone that was put off until later."""
    entry = action.entry
    if (
        action.decision.move is not Move.START
        or entry is None
        or entry.retry_at is None
        or entry.retry_at <= now
    ):
        return action
    return replace(action, decision=Decision(move=Move.NOTHING, reason=entry.reason))


def _record(entry: TaskEntry, selection: Selection, now: datetime) -> Record:
    """Return what `decide` needs of a ledger entry."""
    return Record(
        status=entry.status,
        reason=entry.reason,
        acknowledged=entry.acknowledged,
        writes_pending=entry.writes_pending,
        attempt_open=entry.attempt_open,
        attempts=entry.attempts,
        fingerprints=entry.fingerprints,
        blocked=_blocked(entry, selection, now) if entry.blocked else "",
    )


def _blocked(entry: TaskEntry, selection: Selection, now: datetime) -> str:
    """Return what staging found missing, until the inputs' listing changes or it is time to look again."""
    same = entry.blocked_mark == mark_of(selection.fingerprints())
    early = entry.retry_at is None or entry.retry_at > now
    return entry.blocked if same and early else ""


def mark_of(fingerprints: Mapping[str, str]) -> str:
    """Return a text that changes when the bulk listing of a task's inputs does."""
    return json.dumps(dict(fingerprints), sort_keys=True)


def _superfluous(processor: Processor, target: model.Target) -> str:
    """Say that a person has put the results on the scan already."""
    if not isinstance(processor, ScanProcessor) or target.scan is None:
        return ""
    there = sorted(processor.results_on_scan() & set(target.scan.resources))
    return f"scan {target.scan.id} has {', '.join(there)} already" if there else ""


def _known_assessors(snapshot: model.Project, proctype: str) -> _Known:
    """Index the assessors; of those for one (id of the target, scan id), ours win over others'."""
    found: dict[tuple[str, str], model.Assessor] = {}
    by_id: dict[str, model.Assessor] = {}
    for owner_id, assessor in _assessors(snapshot):
        by_id[assessor.id] = assessor
        if assessor.proctype != proctype:
            continue
        mark = ours(assessor)
        key = (owner_id, str(mark.get("scan", "")) if mark else "")
        if mark or key not in found:
            found[key] = assessor
    return _Known(by_id=by_id, by_target=found)


def _assessors(snapshot: model.Project) -> Iterator[tuple[str, model.Assessor]]:
    for subject in snapshot.subjects:
        yield from ((subject.id, assessor) for assessor in subject.assessors)
        for session in subject.sessions:
            yield from ((session.id, assessor) for assessor in session.assessors)
    for label, content in snapshot.task_files.items():
        yield snapshot.id, project_assessor(snapshot, label, content)


def project_assessor(snapshot: model.Project, label: str, content: Mapping[str, object]) -> model.Assessor:
    """Read a project task's ``task.json`` as if it were an assessor."""
    return model.Assessor(
        id=label,
        label=str(content.get("label", label)),
        xsi_type="",
        project=snapshot.id,
        procstatus=str(content.get("procstatus", "")),
        proctype=str(content.get("proctype", "")),
        note=str(content.get("note", "")),
        inputs=str(content.get("inputs", "")),
        qc_status=str(content.get("validation/status", "")),
    )


def _vanished(snapshot: model.Project, view: View) -> Iterator[TaskEntry]:
    """Find tasks whose session, subject or scan is gone; the listing is complete, so that is a fact."""
    there: set[tuple[str, str]] = {(snapshot.id, "")}
    for subject in snapshot.subjects:
        there.add((subject.id, ""))
    for _, session in snapshot.sessions():
        there.add((session.id, ""))
        there.update((session.id, scan.id) for scan in session.scans)
    for entry in view.entries.values():
        if (entry.key.accession_id, entry.key.scan_id) not in there:
            yield entry


def counts(snapshot: model.Project) -> dict[str, int]:
    """Count what the shrink brake compares from sweep to sweep."""
    sessions = [session for _, session in snapshot.sessions()]
    return {
        "subjects": len(snapshot.subjects),
        "sessions": len(sessions),
        "scans": sum(len(session.scans) for session in sessions),
        "assessors": sum(len(session.assessors) for session in sessions),
    }


def shrunk(before: Mapping[str, int] | None, after: Mapping[str, int], brake: float) -> str:
    """Say what a project has lost more than *brake* of since the last sweep; '' if nothing.

    Fewer than five lost things never brake: small projects change by large parts.
    """
    for name, count in (before or {}).items():
        left = after.get(name, 0)
        if count - left >= 5 and count - left > brake * count:
            return f"{name} went from {count} to {left}"
    return ""
