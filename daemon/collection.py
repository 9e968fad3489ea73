"""Collection: bring results home, prove that the archive has them, and only then call the task COMPLETE.

Every step may be cut and repeated: what the archive already holds is not sent again. When results replace
older ones, the older stay until the new lie verified in the resource ``CCI_NEW`` beside them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from cci.daemon import jobdir, ownership
from cci.daemon.earlier import Files, earlier_results, manifest, told
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, LeaseLost, LedgerUnavailable, Stage, TaskEntry
from cci.daemon.order import from_json
from cci.daemon.outages import is_outage
from cci.daemon.places import Place, place_of, scan_of
from cci.daemon.posting import post
from cci.daemon.provenance import RESOURCE as PROVENANCE
from cci.daemon.provenance import as_rows, write_provenance
from cci.daemon.qc import fields_of_new_results
from cci.daemon.replacing import replace_results
from cci.daemon.workplace import Workplace
from cci.errors import ArchiveError, CciError, Conflict, Refused
from cci.model import File
from cci.status import Status

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Results that go below one address: expected files by resource, and the folder that each lies in."""

    uri: str
    files: Mapping[str, tuple[File, ...]]
    folders: Mapping[str, Path]
    #: Begins the labels of everything that the task has there; see `Place.prefix`.
    prefix: str = ""
    nonces: Sequence[str] = ()


def collect(workplace: Workplace, attempt: Attempt) -> bool:
    """Bring one ended attempt home; return whether it is COMPLETE now. A failure never escapes."""
    with workplace.ledger.in_hand(attempt.id) as (taken, holder):
        if taken is None or taken.state is not Stage.COLLECTING:
            return False
        return _try(workplace, taken, holder)


def _try(workplace: Workplace, attempt: Attempt, holder: str) -> bool:
    try:
        _collect(workplace, attempt, holder)
    except LeaseLost:
        return False
    except Exception as error:  # noqa: BLE001 (one bad attempt never stops the others; it is logged whole)
        # where even that cannot be written down, it is taken up again as it stands in the ledger
        with suppress(LeaseLost, LedgerUnavailable):
            _put_off(workplace, attempt, holder, error)
        return False
    return True


def _collect(workplace: Workplace, attempt: Attempt, holder: str) -> None:
    ownership.demand(workplace, workplace.ledger.task(attempt.task_id).project)
    entry = _existing(workplace, attempt)
    directory = JobDirectory(Path(attempt.directory))
    bundles = _bundles(workplace, entry, attempt, directory)
    begun = bool(attempt.outputs.get("begun"))
    if not begun:
        attempt = _begin(workplace, entry, attempt, holder, bundles[-1])
    earlier = earlier_results(workplace, attempt)
    odd = jobdir.odd_outputs(directory, manifest(attempt.outputs))
    if odd:
        raise Refused(f"what the job left was changed after its end: {'; '.join(odd[:3])}")
    for bundle in bundles:
        if earlier:
            replace_results(
                workplace.archive, bundle, earlier, directory.path / "old", keep_old=_label_of_old(attempt)
            )
        else:
            _upload(workplace, bundle, look_first=begun)
    problems = [
        problem for bundle in bundles for problem in workplace.archive.verify(bundle.uri, bundle.files)
    ]
    if problems:
        raise Refused(f"the archive does not hold the results: {'; '.join(problems[:5])}")
    fields = fields_of_new_results(workplace, entry)
    workplace.ledger.close_attempt(attempt.id, holder, Status.COMPLETE, "", fields)
    log.info("task complete", action="collect", task=entry.label, attempt=attempt.number)
    _clean(directory)


def _begin(workplace: Workplace, entry: TaskEntry, attempt: Attempt, holder: str, bundle: Bundle) -> Attempt:
    """Note what is going to be brought beside the results, and what was there before, while it is there."""
    prov = as_rows(bundle.files[bundle.prefix + PROVENANCE])
    known = {"begun": True, "provenance": prov, "told": told(workplace, entry, attempt)}
    return workplace.ledger.advance(attempt.id, holder, outputs={**attempt.outputs, **known})


def _existing(workplace: Workplace, attempt: Attempt) -> TaskEntry:
    """Return the task once the archive has its assessor; results need a place to go to."""
    entry = workplace.ledger.task(attempt.task_id)
    if entry.assessor_id:
        return entry
    error = post(workplace, entry.id)
    entry = workplace.ledger.task(attempt.task_id)
    if not entry.assessor_id:
        raise error or ArchiveError("the assessor is not in the archive yet")
    return entry


def _bundles(
    workplace: Workplace, entry: TaskEntry, attempt: Attempt, directory: JobDirectory
) -> list[Bundle]:
    """Sort results by where they go: to the scan itself, or to the assessor with the provenance."""
    order = from_json(attempt.inputs)
    results = manifest(attempt.outputs)
    to_scan = {label: files for label, files in results.items() if label in order.on_scan}
    to_assessor = {label: files for label, files in results.items() if label not in order.on_scan}
    place = place_of(entry)
    folders = {label: directory.outputs / label for label in results}
    prov = write_provenance(entry, attempt, workplace.url)
    folders.update(dict.fromkeys(prov, directory.provenance))
    nonces = [one.nonce for one in workplace.ledger.attempts(entry.id) if one.number <= attempt.number]
    bundles = [_bundle(place, {**to_assessor, **prov}, folders, nonces)]
    if to_scan:
        bundles.insert(0, Bundle(uri=scan_of(entry), files=to_scan, folders=folders, nonces=nonces))
    return bundles


def _bundle(place: Place, files: Files, folders: Mapping[str, Path], nonces: Sequence[str]) -> Bundle:
    return Bundle(
        uri=place.results,
        nonces=nonces,
        files={place.prefix + label: listed for label, listed in files.items()},
        folders={place.prefix + label: folders[label] for label in files},
        prefix=place.prefix,
    )


def _label_of_old(attempt: Attempt) -> str:
    return f"before-attempt-{attempt.number}" if attempt.keep_old else ""


def _upload(workplace: Workplace, bundle: Bundle, *, look_first: bool) -> None:
    """Send each resource once; after a cut, only what is not there yet."""
    there = workplace.archive.list_files(bundle.uri, bundle.files) if look_first else {}
    for label, files in bundle.files.items():
        lacking = missing_files(files, there.get(label, ()))
        if lacking:
            paths = {file.path: bundle.folders[label] / file.path for file in lacking}
            workplace.archive.upload_files(bundle.uri, label, paths)


def missing_files(wanted: Iterable[File], there: Iterable[File]) -> list[File]:
    """Return the files that are not in the archive by this path; others' content is for `verify` to find."""
    present = {file.path for file in there}
    return [file for file in wanted if file.path not in present]


def _put_off(workplace: Workplace, attempt: Attempt, holder: str, error: Exception) -> None:
    """Keep the results here and try again later; a refusal is told to people, an outage is not."""
    reason = error.message if isinstance(error, CciError) else f"{type(error).__name__}: {error}"
    expected = isinstance(error, CciError) or is_outage(error)
    entry = workplace.ledger.task(attempt.task_id)
    log.warning(
        "collection put off",
        action="collect",
        task=entry.label,
        error=reason,
        exc_info=None if expected else error,
    )
    later = workplace.later(attempt.tries)
    workplace.ledger.advance(attempt.id, holder, tries=attempt.tries + 1, retry_at=later, job_message=reason)
    told = f"the results could not be stored: {reason}"
    permanent = isinstance(error, (Refused, Conflict)) or not expected
    if permanent and entry.status is Status.JOB_COMPLETE and entry.reason != told:
        workplace.ledger.move(entry.id, Status.JOB_COMPLETE, told, {})


def _clean(directory: JobDirectory) -> None:
    """Free the disk of what is now proved to be in the archive; script, log and records stay."""
    for folder in (directory.inputs, directory.outputs, directory.keep, directory.provenance):
        shutil.rmtree(folder, ignore_errors=True)


def due(attempts: Iterable[Attempt], at: datetime) -> list[Attempt]:
    """Return the attempts that need not wait any longer."""
    return [attempt for attempt in attempts if attempt.retry_at is None or attempt.retry_at <= at]
