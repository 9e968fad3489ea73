"""What an archive holds, as frozen values. A snapshot of a project is made of these; nothing here does I/O.

Names are XNAT's. ``id`` is the accession id (for a scan: its number within the session), ``label`` the
name that people see and may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of a resource. *digest* is the MD5 in lower-case hex, empty where the archive gives none."""

    path: str
    size: int
    digest: str = ""
    uri: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A labelled set of files. Counts are None where the archive's bulk listing does not tell them."""

    label: str
    file_count: int | None = None
    file_size: int | None = None

    @property
    def fingerprint(self) -> str:
        """Changes when files are added, removed or change size, as far as a bulk listing can tell."""
        return f"{self.file_count}/{self.file_size}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessor:
    """An assessor of a session, or a subject-level one; *session_id* is empty for the latter.

    Fields are as stored, with XML entities resolved; an absent field is the empty string.
    """

    id: str
    label: str
    xsi_type: str
    project: str
    subject_id: str = ""
    session_id: str = ""
    procstatus: str = ""
    proctype: str = ""
    procversion: str = ""
    qc_status: str = ""
    note: str = ""
    jobid: str = ""
    inputs: str = ""
    resources: Mapping[str, Resource] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """One scan of a session."""

    id: str
    type: str = ""
    quality: str = ""
    note: str = ""
    frames: int | None = None
    series_description: str = ""
    xsi_type: str = ""
    resources: Mapping[str, Resource] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An imaging experiment. *project* is the owner's id, also in a project it is shared into."""

    id: str
    label: str
    project: str
    subject_id: str
    subject_label: str
    xsi_type: str = ""
    date: str = ""
    insert_date: str = ""
    #: Changes with every change below the session; empty where the archive does not tell.
    last_modified: str = ""
    scans: tuple[Scan, ...] = ()
    assessors: tuple[Assessor, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=lambda: _NOTHING)

    def scan(self, scan_id: str) -> Scan | None:
        """Return the scan with this number, or None."""
        return next((scan for scan in self.scans if scan.id == scan_id), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One subject with its sessions and subject-level assessors."""

    id: str
    label: str
    project: str
    sessions: tuple[Session, ...] = ()
    assessors: tuple[Assessor, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """Everything that one sweep knows of a project: the snapshot."""

    id: str
    taken_at: datetime
    subjects: tuple[Subject, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=lambda: _NOTHING)
    #: Content of ``task.json`` for each project-level task resource, by resource label.
    task_files: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NOTHING)
    #: Assessor types that the archive does not have installed.
    missing_types: frozenset[str] = frozenset()

    def sessions(self) -> Iterator[tuple[Subject, Session]]:
        """Yield every session with its subject, in the order of the snapshot."""
        for subject in self.subjects:
            for session in subject.sessions:
                yield subject, session


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a task runs on. *session* is None for a subject or project, *scan* only set for a scan."""

    project: Project
    subject: Subject | None = None
    session: Session | None = None
    scan: Scan | None = None

    @property
    def level(self) -> str:
        """One of ``scan``, ``session``, ``subject``, ``project``."""
        if self.scan is not None:
            return "scan"
        if self.session is not None:
            return "session"
        return "subject" if self.subject is not None else "project"

    def belongs_to(self, *, subject: str = "", session: str = "") -> bool:
        """Whether it lies in this subject and session, by label or accession id; empty admits all."""
        return _goes_by(self.subject, subject) and _goes_by(self.session, session)

    @property
    def accession_id(self) -> str:
        """The accession id of the session, subject or project; a scan has none of its own."""
        if self.session is not None:
            return self.session.id
        return self.subject.id if self.subject is not None else self.project.id


def _goes_by(thing: Subject | Session | None, name: str) -> bool:
    return not name or (thing is not None and name in {thing.label, thing.id})
