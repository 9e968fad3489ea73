"""What is kept beside every result: inputs with their digests, command, versions, node and times (PROV)."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from cci.daemon import jobdir, plain_files
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.order import from_json
from cci.daemon.outages import is_outage
from cci.model import File

RESOURCE = "PROV"
RECORD = "provenance.json"
#: Of a longer log only the end is kept in the archive, in bytes.
MOST_LOG = 64 << 20


def write_provenance(entry: TaskEntry, attempt: Attempt, archive: str) -> dict[str, tuple[File, ...]]:
    """Fill the attempt's ``prov`` folder and return its files as a resource.

    What lies there is kept only if it is what this attempt is known to have brought: the job could write
    there too.
    """
    directory = JobDirectory(Path(attempt.directory))
    known = recorded(attempt)
    if not known or _lying(directory.provenance) != known:
        _write(entry, attempt, archive, directory)
    return {RESOURCE: _lying(directory.provenance)}


def recorded(attempt: Attempt) -> tuple[File, ...]:
    """Return the files of PROV that an attempt is known to have brought."""
    return from_rows(attempt.outputs.get("provenance", []))


def from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[File, ...]:
    """Read files as the ledger and the record keep them."""
    return tuple(File(path=row["path"], size=row["size"], digest=row["md5"]) for row in rows)


def _end_of(source: Path) -> bytes | None:
    try:
        return plain_files.read_end(source, most=MOST_LOG)
    except OSError as error:
        if is_outage(error):
            raise
        return None


def as_rows(files: Iterable[File]) -> list[dict[str, Any]]:
    """Return files as the ledger and the record keep them."""
    return [{"path": file.path, "size": file.size, "md5": file.digest} for file in files]


def _lying(folder: Path) -> tuple[File, ...]:
    try:
        return tuple(_file(path) for path in sorted(folder.iterdir()))
    except OSError:
        return ()


def _write(entry: TaskEntry, attempt: Attempt, archive: str, directory: JobDirectory) -> None:
    """Write anew, whatever the job left in its place."""
    folder = directory.provenance
    plain_files.make_anew(folder)
    for source in (directory.script, directory.output_log):
        content = _end_of(source)
        if content is not None:
            (folder / source.name).write_bytes(content)
    beside = as_rows(_lying(folder))
    record = {**describe(entry, attempt, archive, staged=_staged(directory)), "beside": beside}
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
    jobdir.write_file(folder / RECORD, text)


def describe(
    entry: TaskEntry, attempt: Attempt, archive: str, *, staged: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the provenance record of an attempt."""
    order = from_json(attempt.inputs)
    return {
        "format": 1,
        "task": entry.label,
        "archive": archive,
        "identity": {**vars(entry.key)},
        "attempt": attempt.number,
        "processor": {"proctype": entry.key.proctype, "version": order.version, "spider": order.spider},
        "command": list(order.command),
        "parameters": dict(order.parameters),
        "inputs": staged,
        "outputs": attempt.outputs.get("files", {}),
        "job": {"cluster": attempt.cluster, "id": attempt.job_id, **attempt.use},
        "asked": {"walltime_s": order.walltime_s, "memory_mb": order.memory_mb, "cores": order.cores},
        "cci": metadata.version("cci-spiders"),
        "daemon_python": platform.python_version(),
    }


def _staged(directory: JobDirectory) -> dict[str, Any]:
    try:
        value = json.loads(plain_files.read_plain(directory.path / "staged.json"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _file(path: Path) -> File:
    with plain_files.open_plain(path) as stream:
        digest = hashlib.file_digest(stream, "md5").hexdigest()
        return File(path=path.name, size=stream.tell(), digest=digest)
