"""The job directory: the only contract between daemon and node (docs/reference/job-directory.md).

Here are its paths and the reading of what the node left in it; what that means is decided in ``verdict``.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from cci.daemon import plain_files
from cci.model import File
from cci.processor import RESERVED_RESOURCES
from cci.task import is_safe_label, safe_part
from cci.xnat.uris import is_literal

MODE = 0o700
#: What an attempt's folder is called.
NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")
_NOT_SEEN, _ODD = -1, -2
#: Where the last line of a log is looked for.
_LAST_BYTES = 8192


@dataclass(frozen=True)
class JobDirectory:
    """The paths of one attempt."""

    path: Path

    @property
    def inputs(self) -> Path:
        """Staged inputs: ``inputs/<input>/<RESOURCE>/…``."""
        return self.path / "inputs"

    @property
    def outputs(self) -> Path:
        """Results: ``outputs/<RESOURCE>/…``."""
        return self.path / "outputs"

    @property
    def keep(self) -> Path:
        """What a later attempt may go on from; moved there when this one failed."""
        return self.path / "keep"

    @property
    def provenance(self) -> Path:
        """Files of the PROV resource."""
        return self.path / "prov"

    @property
    def script(self) -> Path:
        """The batch script."""
        return self.path / "script.sh"

    @property
    def runner(self) -> Path:
        """The attempt's own copy of the job runner."""
        return self.path / "runner.py"

    @property
    def job(self) -> Path:
        """What the runner is to do."""
        return self.path / "job.json"

    @property
    def output_log(self) -> Path:
        """What the command printed."""
        return self.path / "output.log"

    @property
    def batch_log(self) -> Path:
        """What the batch system and the runner printed."""
        return self.path / "batch.log"


@dataclass(frozen=True, kw_only=True)
class ExitRecord:
    """What the runner left in ``exit.json``. Times in seconds, memory in MB (2**20 bytes)."""

    nonce: str
    job_id: str = ""
    exit_status: int | None = None
    signal: int | None = None
    cause: str = ""
    error_code: str = ""
    error_message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    node: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    outputs: Mapping[str, tuple[File, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def task_folder(work_dir: Path, project: str, label: str) -> Path:
    """Return the folder of a task, in which each attempt has one; *label* is one that we have given.

    Raises
    ------
    ValueError
        If the label is not safe as the name of a folder.
    """
    if not is_safe_label(label):
        raise ValueError(f"{label!r} is no label of a task")
    return work_dir / safe_part(project) / label


def numbered(folder: Path) -> set[int]:
    """Return the numbers of the attempts that have left something in a task's folder."""
    try:
        return {int(path.name) for path in folder.iterdir() if NUMBER.match(path.name)}
    except OSError:
        return set()


def write_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8"
    ) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def read_exit_record(directory: JobDirectory, nonce: str) -> ExitRecord | None:
    """Read ``exit.json``; None if it is not there (yet), of another attempt, or makes no sense."""
    record = _read_json(directory.path / "exit.json")
    if record is None or record.get("nonce") != nonce:
        return None
    try:
        found = _exit_record(record, nonce)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        # what a node wrote is data: one senseless record must not keep the others from being read
        return None
    tells = found.cause or found.exit_status is not None or found.signal is not None
    return found if tells else None


def _exit_record(record: Mapping[str, Any], nonce: str) -> ExitRecord:
    error = record.get("error") or {}
    outputs, refused = _outputs(record.get("outputs") or [])
    return ExitRecord(
        nonce=nonce,
        job_id=plain(str(record.get("job_id") or "")),
        exit_status=_number(record.get("exit_status")),
        signal=_number(record.get("signal")),
        cause=plain(str(record.get("cause") or "")),
        error_code=plain(str(error.get("code", ""))),
        error_message=plain(str(error.get("message", ""))),
        started=_time(record.get("started")),
        ended=_time(record.get("ended")),
        node=plain(str(record.get("node") or "")),
        wall_s=_amount(record.get("wall_s")),
        cpu_s=_amount(record.get("cpu_s")),
        peak_memory_mb=_amount(record.get("peak_memory_mb")),
        outputs=outputs,
        problems=(*(plain(str(problem)) for problem in record.get("problems") or ()), *refused),
    )


def plain(text: str) -> str:
    """Return one line that every database and archive takes: no control characters, no half characters."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text.strip()
    )


def read_claim(directory: JobDirectory) -> str:
    """Return the id of the job that claimed the attempt, '' if none did."""
    claim = _read_json(directory.path / "claim")
    return plain(str(claim.get("job_id", ""))) if claim else ""


def sees_claim(directory: JobDirectory) -> bool:
    """Whether this host can tell if the attempt is claimed: a file system may be away, or not mounted.

    A directory that somebody deleted leaves the task's folder; without that, the place itself is not here.
    """
    try:
        plain_files.read_plain(directory.path / "claim")
    except FileNotFoundError:
        return directory.path.parent.is_dir()
    except OSError:
        return False
    return True


def last_line(path: Path) -> str:
    """Return the last line of a log that is not blank, at most 300 characters of it; '' if there is none."""
    try:
        lines = plain_files.read_end(path, most=_LAST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((plain(line)[:300] for line in reversed(lines) if line.strip()), "")


def not_yet_visible(directory: JobDirectory, outputs: Mapping[str, tuple[File, ...]]) -> list[str]:
    """Return the listed output files that this host does not see whole: shared file systems are late."""
    return [
        f"{resource}/{file.path}"
        for resource, files in outputs.items()
        for file in files
        if _size(directory, resource, file) != file.size
    ]


def odd_outputs(directory: JobDirectory, outputs: Mapping[str, tuple[File, ...]]) -> list[str]:
    """Say which listed outputs are no plain files here, or lie behind a link: nothing follows them."""
    return [
        f"outputs/{resource}/{file.path} is a link or no plain file"
        for resource, files in outputs.items()
        for file in files
        if _size(directory, resource, file) == _ODD
    ]


def stays_inside(path: str) -> bool:
    """Whether a relative path from the node or the archive stays below the folder it is joined to."""
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and "\0" not in path


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _amount(value: object) -> float:
    amount = float(str(value or 0))
    if not isfinite(amount):
        raise ValueError(f"{value} is no amount")
    return amount


def _outputs(rows: list[dict[str, Any]]) -> tuple[dict[str, tuple[File, ...]], list[str]]:
    """Return the listed files by resource, and what is wrong with those that cannot be taken."""
    found: dict[str, list[File]] = {}
    problems = []
    for row in rows:
        path, resource = str(row["path"]), str(row["resource"])
        wrong = bad_output(resource, path)
        if wrong:
            problems.append(wrong)
            continue
        file = File(path=path, size=int(row["size"]), digest=str(row["md5"]))
        found.setdefault(resource, []).append(file)
    return {resource: tuple(files) for resource, files in found.items()}, problems


def bad_output(resource: str, path: str) -> str:
    """Say why a listed output cannot be stored, wherever it is; '' if it can."""
    shown = plain(f"outputs/{resource}/{path}")
    if not stays_inside(path) or not stays_inside(resource) or len(PurePosixPath(resource).parts) != 1:
        return f"{shown} lies outside its resource folder"
    if resource in RESERVED_RESOURCES:
        return f"{shown} lies in a resource that only cci or a person writes"
    return "" if is_literal(resource + path) else f"{shown} has a name that archives read as a pattern"


def bad_outputs(outputs: Mapping[str, tuple[File, ...]]) -> list[str]:
    """Say of each listed output that cannot be stored why; see `bad_output`."""
    told = (bad_output(resource, file.path) for resource, files in outputs.items() for file in files)
    return [problem for problem in told if problem]


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(plain_files.read_plain(path))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _size(directory: JobDirectory, resource: str, file: File) -> int:
    try:
        with plain_files.open_below(directory.path, f"outputs/{resource}/{file.path}") as stream:
            return os.fstat(stream.fileno()).st_size
    except OSError as error:
        return _ODD if error.errno in {errno.ELOOP, errno.EINVAL, errno.ENOTDIR, errno.ENXIO} else _NOT_SEEN
