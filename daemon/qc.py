"""The QC status that the archive has for a task: what people wish, or have said of its results."""

from __future__ import annotations

from cci.daemon.ledger import TaskEntry
from cci.daemon.places import place_of, project_resource
from cci.daemon.workplace import Workplace
from cci.status import QcStatus
from cci.xnat.items import read_fields

#: What cci itself writes; over anything else, which a person wrote, it lays nothing.
OURS = frozenset({"", QcStatus.JOB_PENDING, QcStatus.NEEDS_QA})


def read_qc(workplace: Workplace, entry: TaskEntry) -> str:
    """Return the QC status that the archive has for a task; empty where it has none."""
    place = place_of(entry)
    if entry.level == "project":
        resource = project_resource(entry.key.proctype)
        content = workplace.archive.read_json(place.results, resource, "task.json") or {}
        return str(content.get("validation/status", ""))
    return read_fields(workplace.archive.connection, place.uri).get("validation/status", "")


def fields_of_new_results(workplace: Workplace, entry: TaskEntry) -> dict[str, str]:
    """Return the write that asks people to look at new results; empty if one has a wish or verdict there.

    Our own write that the archive has not accepted yet is newer than what it says.
    """
    pending = workplace.ledger.pending_fields(entry.id)
    present = pending.get("validation/status")
    if present is None:
        present = read_qc(workplace, entry)
    return {"validation/status": str(QcStatus.NEEDS_QA)} if present in OURS else {}
