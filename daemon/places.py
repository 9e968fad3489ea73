"""Where a task, its results and inputs are in an archive, and which fields its assessor is given. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cci.daemon.ledger import TaskEntry
from cci.daemon.order import StagedSource
from cci.status import QcStatus
from cci.xnat import uris

SESSION_TYPE = "proc:genProcData"
SUBJECT_TYPE = "proc:subjGenProcData"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The address of a task's assessor, or for a project task of its resource."""

    uri: str
    xsi_type: str
    #: Below this address the result resources are made.
    results: str
    #: Put before the labels of result resources; only project tasks need it.
    prefix: str = ""


def place_of(entry: TaskEntry) -> Place:
    """Return where the task lives; by accession id once it is known, for labels can be changed."""
    name = entry.assessor_id or entry.label
    if entry.level in {"scan", "session"}:
        uri = uris.assessor(uris.session(entry.key.accession_id), name)
        return Place(uri=uri, xsi_type=SESSION_TYPE, results=uris.results(uri))
    if entry.level == "subject":
        uri = uris.subject_assessor(entry.project, entry.key.accession_id, name)
        return Place(uri=uri, xsi_type=SUBJECT_TYPE, results=uri)
    project = uris.project(entry.project)
    resource = project_resource(entry.key.proctype)
    return Place(uri=uris.resource(project, resource), xsi_type="", results=project, prefix=f"{resource}_")


def project_resource(proctype: str) -> str:
    """Return the project resource that holds a project task's ``task.json``."""
    return f"CCI_{proctype}"


def scan_of(entry: TaskEntry) -> str:
    """Return the address of the scan that a scan task runs on."""
    return uris.scan(uris.session(entry.key.accession_id), entry.key.scan_id)


def source_uri(source: StagedSource, entry: TaskEntry) -> str:
    """Return the address below which a source's resources are."""
    if source.kind == "assessor" and source.subject_level:
        return uris.subject_assessor(entry.project, entry.subject_id, source.assessor_id)
    session = uris.session(source.session_id)
    if source.kind == "scan":
        return uris.scan(session, source.scan_id)
    if source.kind == "assessor":
        return uris.results(uris.assessor(session, source.assessor_id))
    return session


def birth_fields(*, proctype: str, version: str, inputs: str, at: datetime) -> dict[str, str]:
    """Return the fields that an assessor is made with, beside its status and note."""
    return {
        "proctype": proctype,
        "procversion": version,
        "inputs": inputs,
        "date": at.astimezone(UTC).date().isoformat(),
        "validation/status": str(QcStatus.JOB_PENDING),
    }
