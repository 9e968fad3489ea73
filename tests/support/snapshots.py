"""Small snapshots of a project as frozen values, for tests of what is decided on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cci import model
from cci.model import Assessor, Project, Resource, Scan, Session, Subject, Target
from cci.task import TaskKey, inputs_field

ARCHIVE = "https://xnat.example.org"
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def resources(*labels: str, files: int | None = 1) -> Mapping[str, Resource]:
    """Make resources with this many files of ten bytes each; None: the listing does not tell."""
    size = None if files is None else 10 * files
    return {label: Resource(label=label, file_count=files, file_size=size) for label in labels}


def a_scan(scan_id: str = "3", scan_type: str = "DTI", *labels: str, **values: Any) -> Scan:
    """Make a usable scan with these resources; NIFTI if none is named."""
    present = values.pop("resources", resources(*(labels or ("NIFTI",))))
    return Scan(id=scan_id, type=scan_type, resources=present, **{"quality": "usable", **values})


def an_assessor(proctype: str = "Dti_v1", **values: Any) -> Assessor:
    """Make a COMPLETE session assessor that nobody has looked at, as another system would leave it."""
    defaults: dict[str, Any] = {
        "id": f"A_{proctype}",
        "label": f"P-x-S-x-E-x-{proctype}",
        "xsi_type": "proc:genProcData",
        "project": "P",
        "session_id": "E1",
        "procstatus": "COMPLETE",
        "proctype": proctype,
        "qc_status": "Needs QA",
    }
    return Assessor(**{**defaults, **values})


def mark(scan_id: str = "") -> str:
    """Return the ``inputs`` field of an assessor that cci made for a session, or for one of its scans."""
    return inputs_field(TaskKey(archive="", accession_id="", scan_id=scan_id, proctype=""), {})


def a_session(*scans: Scan, session_id: str = "E1", **values: Any) -> Session:
    """Make a session of project P with these scans."""
    defaults: dict[str, Any] = {
        "id": session_id,
        "label": session_id.replace("E", "session"),
        "project": "P",
        "subject_id": "S1",
        "subject_label": "subject1",
        "scans": scans,
    }
    return Session(**{**defaults, **values})


def a_subject(*sessions: Session, subject_id: str = "S1", **values: Any) -> Subject:
    """Make a subject of project P with these sessions."""
    defaults = {"id": subject_id, "label": subject_id.replace("S", "subject"), "project": "P"}
    return Subject(**{**defaults, "sessions": sessions, **values})


def a_project(*subjects: Subject, **values: Any) -> Project:
    """Make the snapshot of project P."""
    return Project(**{"id": "P", "taken_at": NOW, "subjects": subjects, **values})


def project_of(*sessions: Session) -> Project:
    """Make project P with one subject that has these sessions."""
    return a_project(a_subject(*sessions))


def with_assessors(session: Session, *assessors: Assessor) -> Session:
    """Return the session with these assessors instead of its own."""
    return replace(session, assessors=assessors)


def target_of(session: Session, scan: Scan | None = None) -> Target:
    """Return the target that is this session, or a scan of it."""
    subject = a_subject(session)
    return model.Target(project=a_project(subject), subject=subject, session=session, scan=scan)


def targets_labels(targets: Iterable[Target]) -> list[str]:
    """Return ``session/scan`` of each target, for comparing."""
    return [
        "/".join(part for part in (_label(target), target.scan.id if target.scan else "") if part)
        for target in targets
    ]


def _label(target: Target) -> str:
    if target.session is not None:
        return target.session.label
    return target.subject.label if target.subject is not None else target.project.id
