"""Gathers what is known of a job's end: its exit record, its claim, its outputs, the cluster's books.

It reads and asks; what the evidence means is decided in ``verdict``.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cci.cluster.base import Accounting, JobReport, JobState
from cci.daemon import jobdir, plain_files
from cci.daemon.jobdir import ExitRecord, JobDirectory
from cci.daemon.ledger import Attempt
from cci.daemon.order import from_json
from cci.daemon.outages import is_outage
from cci.daemon.staging import job_ref
from cci.daemon.verdict import Evidence, is_unsure
from cci.daemon.workplace import Workplace
from cci.errors import ClusterError
from cci.model import File

#: Where an attempt's outputs say since when some of the listed files have not been seen here.
UNSEEN_SINCE = "unseen_since"
#: Where they say since when the cluster has said that the job runs, by our clock: a node's may be wrong.
RUNNING_SINCE = "running_since"
#: So much of a batch log is searched for what the batch system wrote there last.
LOG_BYTES = 8192


def read_record(attempt: Attempt) -> ExitRecord | None:
    """Return the attempt's exit record, None if there is none (yet)."""
    return jobdir.read_exit_record(JobDirectory(Path(attempt.directory)), attempt.nonce)


def gather(
    workplace: Workplace, attempt: Attempt, record: ExitRecord | None, report: JobReport | None
) -> Evidence:
    """Return everything that is known of how *attempt* ended."""
    directory, timing = JobDirectory(Path(attempt.directory)), workplace.settings.timing
    missing_s = seconds_since(attempt.missing_since)
    claim = jobdir.read_claim(directory)
    accounting = (
        ask_books(workplace, attempt) if _may_be_asked(attempt, record, timing.exit_grace_s) else None
    )
    accounting = _with_log(workplace, attempt, accounting, directory)
    found = hash_outputs(directory) if _needs_listing(record, accounting) else {}
    log = directory.output_log if claim else directory.batch_log
    return Evidence(
        required=from_json(attempt.inputs).required,
        job_id=attempt.job_id,
        record=record,
        report=report,
        accounting=accounting,
        claimed_by=claim,
        place_seen=bool(claim) or jobdir.sees_claim(directory),
        missing_s=missing_s,
        grace_s=timing.exit_grace_s,
        last_line=jobdir.last_line(log),
        found=found,
        problems=jobdir.odd_outputs(directory, record.outputs) if record else jobdir.bad_outputs(found),
        unseen=unseen_outputs(directory, record),
        unseen_s=seconds_since(unseen_since(attempt)),
        give_up_s=timing.late_output_s,
        overdue_s=_overdue_s(attempt) if record is None else 0.0,
    )


def _overdue_s(attempt: Attempt) -> float:
    """Return for how long a job has run beyond its wall time; its own runner would have ended it by then."""
    if attempt.job_state != JobState.RUNNING:
        return 0.0
    ran_s = seconds_since(_moment(attempt, RUNNING_SINCE))
    return max(0.0, ran_s - from_json(attempt.inputs).walltime_s)


def seconds_since(at: datetime | None) -> float:
    """Return how long ago that was; 0 if it has not been."""
    return (datetime.now(UTC) - at).total_seconds() if at else 0.0


def unseen_since(attempt: Attempt) -> datetime | None:
    """Return since when files that the exit record lists have not been seen here; None if they have."""
    return _moment(attempt, UNSEEN_SINCE)


def _moment(attempt: Attempt, name: str) -> datetime | None:
    """Return a moment that an attempt's outputs keep."""
    text = attempt.outputs.get(name)
    return datetime.fromisoformat(text) if text else None


def unseen_outputs(directory: JobDirectory, record: ExitRecord | None) -> list[str]:
    """Return the files of a good end that this host does not see whole."""
    if record is None or record.cause or record.exit_status != 0:
        return []
    return jobdir.not_yet_visible(directory, record.outputs)


def _may_be_asked(attempt: Attempt, record: ExitRecord | None, grace_s: float) -> bool:
    """Whether the books are worth asking: the record is overdue, or may not know who killed the job."""
    if attempt.missing_since is None:
        return False
    return is_unsure(record) if record else seconds_since(attempt.missing_since) >= grace_s


def _needs_listing(record: ExitRecord | None, accounting: Accounting | None) -> bool:
    """Whether the outputs have to be looked at from here, for a good end without a record."""
    return record is None and accounting is not None and accounting.exit_status == 0


def ask_books(workplace: Workplace, attempt: Attempt) -> Accounting | None:
    """Return the books' entry of an attempt's job; None if there is none, or they cannot be asked."""
    try:
        return workplace.clusters[attempt.cluster].accounting(job_ref(attempt))
    except (ClusterError, KeyError):
        return None


def _with_log(
    workplace: Workplace, attempt: Attempt, books: Accounting | None, directory: JobDirectory
) -> Accounting | None:
    """Let what the batch system wrote into the job's log say why a job was killed, where its books do not."""
    if books is None or books.cause not in {"", "killed"} or not (books.cause or books.signal):
        return books
    try:
        written = plain_files.read_end(directory.batch_log, most=LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return books
    cause = workplace.clusters[attempt.cluster].cause_in_log(written)
    return replace(books, cause=cause) if cause else books


def hash_outputs(directory: JobDirectory) -> dict[str, tuple[File, ...]]:
    """List ``outputs/`` from here, for the rare end that no exit record tells of; links lead nowhere."""
    if directory.outputs.is_symlink():
        return {}
    found: defaultdict[str, list[File]] = defaultdict(list)
    for folder, _, names in os.walk(directory.outputs, followlinks=False):
        for path in sorted(Path(folder, name).relative_to(directory.outputs) for name in names):
            if len(path.parts) > 1:
                found[path.parts[0]] += _hashed(directory, path)
    return {resource: tuple(sorted(files, key=_path)) for resource, files in sorted(found.items()) if files}


def _hashed(directory: JobDirectory, path: Path) -> list[File]:
    """Return the file as listed; nothing if it is reached through a link, or is no file."""
    try:
        with plain_files.open_below(directory.path, f"outputs/{path}") as stream:
            digest = hashlib.file_digest(stream, "md5").hexdigest()
            size = stream.tell()
    except OSError as error:
        if is_outage(error):
            raise  # nothing is concluded from a file that only cannot be read now
        return []
    return [File(path=str(path.relative_to(path.parts[0])), size=size, digest=digest)]


def _path(file: File) -> str:
    return file.path


def outputs_of(evidence: Evidence) -> Mapping[str, tuple[File, ...]]:
    """Return the files that the job left, from the best witness."""
    return evidence.record.outputs if evidence.record else evidence.found
