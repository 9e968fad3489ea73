"""What earlier attempts of a task brought: from the ledger, or where it never saw them, from the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cci.daemon import provenance
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.places import Place, place_of
from cci.daemon.workplace import Workplace
from cci.model import File
from cci.status import INITIAL
from cci.xnat.files import remote_md5

Files = dict[str, tuple[File, ...]]


def manifest(outputs: Mapping[str, Any]) -> Files:
    """Read the files of an attempt's results from the ledger."""
    return {label: provenance.from_rows(rows) for label, rows in outputs.get("files", {}).items()}


def earlier_results(workplace: Workplace, attempt: Attempt) -> list[Files]:
    """Return what earlier attempts of the task brought to the archive; nothing for the first."""
    before = [one for one in workplace.ledger.attempts(attempt.task_id) if one.number < attempt.number]
    brought = [_brought(one.outputs) for one in before if one.outputs.get("begun")]
    told = manifest({"files": attempt.outputs.get("told", {})})
    return [*brought, told] if told else brought


def _brought(outputs: Mapping[str, Any]) -> Files:
    return {**manifest(outputs), provenance.RESOURCE: provenance.from_rows(outputs.get("provenance", []))}


def told(workplace: Workplace, entry: TaskEntry, attempt: Attempt) -> dict[str, list[dict[str, Any]]]:
    """Return what the provenance in the archive lists, for a task that had run when this ledger met it.

    It is asked for once, before anything is replaced, and kept with the attempt: later it may be gone.
    """
    if not _was_adopted(workplace, attempt):
        return {}
    place = place_of(entry)
    label = place.prefix + provenance.RESOURCE
    record = workplace.archive.read_json(place.results, label, provenance.RECORD) or {}
    if record.get("task") != entry.label:
        return {}
    own = provenance.as_rows(_record_file(workplace, place, label))
    return _sane({**record.get("outputs", {}), provenance.RESOURCE: [*record.get("beside", []), *own]})


def _sane(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that list files: others can write to the archive too."""
    names = ("path", "size", "md5")
    return {
        str(label): [{name: row[name] for name in names} for row in listed if set(names) <= set(row)]
        for label, listed in rows.items()
    }


def _record_file(workplace: Workplace, place: Place, label: str) -> list[File]:
    """Return the provenance record itself, which cannot hold its own digest."""
    listed = workplace.archive.list_files(place.results, [label])[label]
    found = [file for file in listed if file.path == provenance.RECORD]
    connection = workplace.archive.connection
    return [
        file if file.digest else replace(file, digest=remote_md5(connection, place.results, label, file))
        for file in found
    ]


def _was_adopted(workplace: Workplace, attempt: Attempt) -> bool:
    """Whether the task had already run when this ledger met it."""
    born = workplace.ledger.history(attempt.task_id)[0].after
    return born not in {str(status) for status in INITIAL}
