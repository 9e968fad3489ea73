"""From the rows of bulk listings to a `cci.model.Project`; pure.

Rows are joined by accession id, never by label: labels are renamed, and differ in a project that a
session is shared into.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any, TypeVar

from cci.model import Assessor, Project, Resource, Scan, Session, Subject
from cci.xnat import listings
from cci.xnat.tables import Row, Table, resolved

Resources = Mapping[str, Resource]

_NO_RESOURCES: Resources = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ImageSession:
    """What the scan listing tells of one session: its owner, and its scans."""

    project: str
    scans: tuple[Scan, ...]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All rows of a snapshot, gathered by accession id.

    Attributes
    ----------
    experiments, subjects
        Rows as they came, without repetitions, by accession id.
    images, resources, last_modified
        By session.
    assessors
        By session.
    subject_assessors
        By subject.
    """

    experiments: Mapping[str, Row]
    subjects: Mapping[str, Row]
    images: Mapping[str, ImageSession]
    resources: Mapping[str, Resources] = field(default_factory=dict)
    last_modified: Mapping[str, str] = field(default_factory=dict)
    assessors: Mapping[str, tuple[Assessor, ...]] = field(default_factory=dict)
    subject_assessors: Mapping[str, tuple[Assessor, ...]] = field(default_factory=dict)


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the first row of each accession id: listings may repeat rows."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["id"]:
            found.setdefault(row["id"], row)
    return found


# -- resources -----------------------------------------------------------------------------------


class _ResourcesOf:
    """Makes the resources of very many things, and of what is equal one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Resource] = {}
        self._sets: dict[tuple[Resource, ...], Resources] = {}

    def of(self, found: Iterable[tuple[str, ...]]) -> Resources:
        """Return the resources of these cells of rows, which are label, count and size."""
        known = [self._known.get(cells) or self._make(cells) for cells in found if cells[0]]
        if not known:
            return _NO_RESOURCES
        by_label = {resource.label: resource for resource in known}
        ordered = tuple(by_label[label] for label in sorted(by_label))
        shared = self._sets.get(ordered)
        if shared is None:
            shared = MappingProxyType({resource.label: resource for resource in ordered})
            self._sets[ordered] = shared
        return shared

    def _make(self, cells: tuple[str, ...]) -> Resource:
        label, count, size = cells
        return self._known.setdefault(cells, _resource(resolved(label), count, size))


def _columns_of(prefix: str) -> tuple[str, str, str]:
    return f"{prefix}/label", f"{prefix}/file_count", f"{prefix}/file_size"


Cells = tuple[str, ...]


def _runs(table: Table, own: Sequence[str], resource_prefix: str) -> Iterator[tuple[Cells, list[Cells]]]:
    """Yield the cells of each thing's own columns, with those of its resources.

    The rows of one thing mostly follow each other; where they do not, it comes more than once.
    """
    take, take_resource = table.pick(*own), table.pick(*_columns_of(resource_prefix))
    last: Cells | None = None
    resources: list[Cells] = []
    for row in table.rows:
        cells = take(row)
        if cells != last:
            if last is not None:
                yield last, resources
            last, resources = cells, []
        resources.append(take_resource(row))
    if last is not None:
        yield last, resources


def _resource(label: str, count: str, size: str) -> Resource:
    return Resource(label=intern(label), file_count=_number(count), file_size=_number(size))


def _number(text: str) -> int | None:
    """Read a count; archives write integers as ``42`` or ``42.0``, and nothing where they do not know."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


# -- scans, session resources, assessors ---------------------------------------------------------


def gather_scans(table: Table) -> dict[str, ImageSession]:
    """Gather the rows session × scan × resource; sessions without a scan are there too."""
    owners: dict[str, str] = {}
    scans: defaultdict[str, dict[str, Scan]] = defaultdict(dict)
    known = _ResourcesOf()
    own = ("id", "project", *(f"{listings.SCAN}/{name}" for name in listings.SCAN_FIELDS))
    for (session_id, project, scan_id, *fields), found in _runs(table, own, f"{listings.SCAN}/file"):
        owners.setdefault(session_id, intern(resolved(project)))
        if scan_id:
            there = scans[session_id]
            earlier = there.get(scan_id)
            resources = known.of(found)
            there[scan_id] = (
                _with_resources(earlier, resources) if earlier else _scan(scan_id, fields, resources)
            )
    return {
        session_id: ImageSession(
            project=owner,
            scans=tuple(there[key] for key in sorted(there, key=natural))
            if (there := scans.get(session_id, {}))
            else (),
        )
        for session_id, owner in owners.items()
        if session_id
    }


Thing = TypeVar("Thing", Scan, Assessor)


def _with_resources(earlier: Thing, resources: Resources) -> Thing:
    """Add resources to what was met before, in the order of their labels."""
    both = {**earlier.resources, **resources}
    return replace(earlier, resources=MappingProxyType(dict(sorted(both.items()))))


def _scan(scan_id: str, fields: Sequence[str], resources: Resources) -> Scan:
    type_, quality, note, frames, description = fields
    return Scan(
        id=intern(resolved(scan_id)),
        type=intern(resolved(type_)),
        quality=intern(resolved(quality)),
        note=intern(resolved(note)),
        frames=_number(frames),
        series_description=intern(resolved(description)),
        resources=resources,
    )


@lru_cache(maxsize=4096)
def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that puts 9 before 10 and copes with any text."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text))


def gather_session_resources(table: Table) -> dict[str, Resources]:
    """Gather the rows session × resource."""
    found: defaultdict[str, list[Cells]] = defaultdict(list)
    for (session_id,), resources in _runs(table, ("id",), listings.SESSION_RESOURCE):
        found[session_id] += resources
    known = _ResourcesOf()
    return {session_id: known.of(resources) for session_id, resources in found.items()}


def gather_assessors(
    table: Table, xsi_type: str, experiments: Mapping[str, Row], *, of_subject: bool = False
) -> list[Assessor]:
    """Gather the rows assessor × resource, in the order of their labels; *experiments* tell the subject."""
    owner = "subject_id" if of_subject else "session_id"
    fields = (f"{xsi_type.lower()}/{name}" for name in listings.ASSESSOR_FIELDS)
    own = ("id", owner, "label", "xsitype", "project", "note", *fields)
    known = _ResourcesOf()
    found: dict[str, Assessor] = {}
    where = listings.assessor_resource(xsi_type, of_subject=of_subject)
    for cells, resources in _runs(table, own, where):
        earlier = found.get(cells[0])
        if earlier:
            found[cells[0]] = _with_resources(earlier, known.of(resources))
        elif cells[0]:
            subject_id = cells[1] if of_subject else experiments.get(cells[1], {}).get("subject_id", "")
            found[cells[0]] = _assessor(
                cells, xsi_type, "" if of_subject else cells[1], subject_id, known.of(resources)
            )
    return sorted(found.values(), key=lambda assessor: (assessor.label, assessor.id))


def _assessor(
    cells: Cells, xsi_type: str, session_id: str, subject_id: str, resources: Resources
) -> Assessor:
    key, _, label, type_, project, note, *own = map(resolved, cells)
    status, proctype, procversion, qc_status, jobid, inputs = own
    return Assessor(
        id=key,
        label=label,
        xsi_type=intern(type_ or xsi_type),
        project=intern(project),
        session_id=session_id,
        subject_id=subject_id,
        note=intern(note),
        procstatus=intern(status),
        proctype=intern(proctype),
        procversion=intern(procversion),
        qc_status=intern(qc_status),
        jobid=jobid,
        inputs=inputs,
        resources=resources,
    )


def gather_stamps(rows: Iterable[Row], xsi_type: str) -> dict[str, tuple[Row, str]]:
    """Gather each session of one type: its names, as in the listing of experiments, and its last change."""
    column = f"{xsi_type.lower()}/meta/last_modified"
    wanted = ("id", *(name.lower() for name in listings.SESSION_FIELDS))
    return {
        row["id"]: ({**{name: row[name] for name in wanted}, "xsitype": xsi_type}, row[column])
        for row in rows
        if row["id"]
    }


def grouped(assessors: Iterable[Assessor]) -> dict[str, tuple[Assessor, ...]]:
    """Group assessors by their session, or by their subject if they have none."""
    groups: defaultdict[str, list[Assessor]] = defaultdict(list)
    for assessor in assessors:
        groups[assessor.session_id or assessor.subject_id].append(assessor)
    return {key: tuple(group) for key, group in groups.items()}


# -- the whole -------------------------------------------------------------------------------------


def session_types(experiments: Mapping[str, Row], images: Mapping[str, ImageSession]) -> list[str]:
    """Return the types of the image sessions that there are."""
    return sorted({row["xsitype"] for key, row in experiments.items() if key in images and row["xsitype"]})


def assemble(
    project_id: str,
    parts: Parts,
    *,
    now: datetime,
    resources: Resources = _NO_RESOURCES,
    task_files: Mapping[str, Mapping[str, Any]] | None = None,
    missing_types: Iterable[str] = (),
) -> Project:
    """Make the snapshot of a project of all its parts.

    Sessions that are shared into the project keep their owner in `Session.project`. A session of a
    subject that is not in the project's own list of subjects brings its subject along.
    """
    sessions: defaultdict[str, list[Session]] = defaultdict(list)
    rows: dict[str, Row] = dict(parts.subjects)
    for key, row in parts.experiments.items():
        if key in parts.images:
            rows.setdefault(row["subject_id"], _stand_in_row(row))
            sessions[row["subject_id"]].append(_session(row, parts, rows[row["subject_id"]]["label"]))
    subjects = [
        _subject(row, sessions.get(key, []), parts.subject_assessors.get(key, ()))
        for key, row in rows.items()
    ]
    return Project(
        id=project_id,
        taken_at=now,
        subjects=tuple(sorted(subjects, key=lambda subject: (subject.label, subject.id))),
        resources=resources,
        task_files=MappingProxyType(dict(task_files or {})),
        missing_types=frozenset(missing_types),
    )


def _stand_in_row(experiment: Row) -> Row:
    return {
        "id": experiment["subject_id"],
        "label": experiment["subject_label"],
        "project": experiment["project"],
    }


def _session(row: Row, parts: Parts, subject_label: str) -> Session:
    key = row["id"]
    image = parts.images[key]
    return Session(
        id=key,
        label=row["label"],
        # the experiment listing shows the asking project for shared sessions; the typed one the owner
        project=image.project or row["project"],
        subject_id=row["subject_id"],
        subject_label=row["subject_label"] or subject_label,
        xsi_type=row["xsitype"],
        date=row["date"],
        insert_date=row["insert_date"],
        last_modified=parts.last_modified.get(key, ""),
        scans=image.scans,
        assessors=parts.assessors.get(key, ()),
        resources=parts.resources.get(key, _NO_RESOURCES),
    )


def _subject(row: Row, sessions: list[Session], assessors: tuple[Assessor, ...]) -> Subject:
    attributes = {name: row[name] for name in listings.SUBJECT_FIELDS if row.get(name)}
    return Subject(
        id=row["id"],
        label=row["label"],
        project=row["project"],
        sessions=tuple(sorted(sessions, key=lambda session: (session.label, session.id))),
        assessors=assessors,
        attributes=MappingProxyType(attributes),
    )
