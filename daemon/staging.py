"""Staging: fill a job directory with verified inputs and everything that the node needs.

Nothing here submits. Whatever is missing or wrong is raised; what becomes of the task is decided above.
A directory is filled beside its place and then put there whole, so that whoever was stopped while he filled
one, and wakes when another has the attempt and its job runs, touches nothing of that job.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from cci.cluster.base import JobRef, JobSpec
from cci.daemon import jobdir
from cci.daemon.asking import ScriptForm
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.order import Order, StagedSource, to_json
from cci.daemon.places import source_uri
from cci.errors import CciError, DiskFull
from cci.model import File
from cci.xnat import Archive


class MissingInput(CciError):
    """An input that the bulk listing showed is not there."""

    code = "E-INPUT"


Staged = dict[str, tuple[File, ...]]


class WrongPlace(CciError):
    """A job directory lies outside the work directory, or holds something that is not this attempt's."""

    code = "E-WORK-DIR"


def beside(directory: JobDirectory, work_dir: Path, token: str) -> JobDirectory:
    """Make the empty directory in which one holder of an attempt fills what is to become *directory*.

    Raises
    ------
    WrongPlace
        If it would lie outside *work_dir*, through a link or a label that climbs.
    """
    task = directory.path.parent
    if not task.resolve().is_relative_to(work_dir.resolve()) or task.resolve() == work_dir.resolve():
        raise WrongPlace(
            f"{task} is not below the work directory {work_dir}", hint="no link may lead out of work_dir"
        )
    made = JobDirectory(directory.path.with_name(f"{directory.path.name}.{token}"))
    made.path.mkdir(mode=jobdir.MODE, parents=True)
    for folder in (made.inputs, made.outputs, made.keep):
        folder.mkdir(mode=jobdir.MODE)
    return made


def is_staged(directory: JobDirectory, attempt: Attempt) -> bool:
    """Whether the attempt's directory lies in its place already, whole.

    Raises
    ------
    WrongPlace
        If something else lies there.
    """
    if not directory.path.is_dir() or not any(directory.path.iterdir()):
        return False
    try:
        mine = json.loads(directory.job.read_text(encoding="utf-8"))["nonce"] == attempt.nonce
    except (OSError, ValueError, LookupError, TypeError):
        mine = False
    if not mine:
        hint = "it is left as it is; move it away, or run the task again, which gets another directory"
        raise WrongPlace(f"{directory.path} holds something else than this attempt", hint=hint)
    return True


def put_in_place(made: JobDirectory, directory: JobDirectory) -> None:
    """Give a filled directory its name, and remove what was half filled beside it.

    Raises
    ------
    WrongPlace
        If something lies there by now; it is not touched.
    """
    try:
        made.path.rename(directory.path)
    except OSError as error:
        raise WrongPlace(f"{directory.path} cannot be put in place: {error.strerror}") from error
    for left in directory.path.parent.glob(f"{directory.path.name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def stage(
    archive: Archive, entry: TaskEntry, directory: JobDirectory, order: Order, *, min_free_mb: int
) -> None:
    """Fill a directory that `beside` has made with the inputs, compared with the archive by size and MD5.

    Raises
    ------
    MissingInput
        If a resource holds no file.
    DiskFull
        If less than *min_free_mb* would be left.
    ArchiveError
        If the archive is away, or what it sends does not match its own listing.
    """
    staged: Staged = {}
    for source in order.sources:
        staged.update(_fetch(archive, entry, directory, source, min_free_mb))
    _describe(directory, order, staged)


def _fetch(
    archive: Archive, entry: TaskEntry, directory: JobDirectory, source: StagedSource, min_free_mb: int
) -> Staged:
    if not source.resources:
        return {}
    uri = source_uri(source, entry)
    listed = archive.list_files(uri, source.resources)
    for label in source.resources:
        if not listed.get(label):
            raise MissingInput(f"{source.description} has an empty resource {label}")
    size = sum(file.size for files in listed.values() for file in files)
    # twice: the archive sends one zip, which is unpacked beside itself
    _check_room(directory.path, 2 * size, min_free_mb)
    destination = directory.inputs / source.input
    destination.mkdir(mode=jobdir.MODE, parents=True, exist_ok=True)
    archive.download(uri, source.resources, destination, listed)
    return {f"{source.input}/{label}": tuple(listed[label]) for label in source.resources}


def _check_room(path: Path, needed: int, min_free_mb: int) -> None:
    free = shutil.disk_usage(path).free
    if free - needed < min_free_mb * 2**20:
        raise DiskFull(f"{path} has {free // 2**20} MB free, and {needed // 2**20} MB are needed")


def _describe(directory: JobDirectory, order: Order, staged: Staged) -> None:
    description = {
        "target": dict(order.target),
        "parameters": dict(order.parameters),
        "inputs": {
            source.input: {source.kind: dict(source.attributes), "resources": list(source.resources)}
            for source in order.sources
        },
    }
    jobdir.write_file(directory.inputs / "inputs.json", json.dumps(description, indent=1, ensure_ascii=False))
    listing = {
        name: [{"path": file.path, "size": file.size, "md5": file.digest, "uri": file.uri} for file in files]
        for name, files in staged.items()
    }
    jobdir.write_file(directory.path / "staged.json", json.dumps(listing, indent=1, ensure_ascii=False))


def digests(directory: JobDirectory) -> dict[str, str]:
    """Return one MD5 for each staged input resource, over the names and digests of its files."""
    staged = json.loads((directory.path / "staged.json").read_text(encoding="utf-8"))
    return {
        name: hashlib.md5(
            "\n".join(sorted(f"{file['md5']} {file['path']}" for file in files)).encode(),
            usedforsecurity=False,
        ).hexdigest()
        for name, files in staged.items()
    }


def write_job(
    entry: TaskEntry, attempt: Attempt, order: Order, directory: JobDirectory, *, form: ScriptForm
) -> None:
    """Write ``job.json``, the runner and the batch script for the attempt's place into *directory*.

    Raises
    ------
    SubmissionRefused
        The job cannot be written in the cluster's words, or the site's template is wrong.
    """
    jobdir.write_file(
        directory.job, json.dumps(_job_file(entry, attempt, order), indent=1, ensure_ascii=False)
    )
    runner = resources.files("cci.spiders").joinpath("run.py").read_text(encoding="utf-8")
    jobdir.write_file(directory.runner, runner)
    script = form.script(job_spec(attempt, order), order.runner_python)
    jobdir.write_file(directory.script, script, mode=0o700)


def _job_file(entry: TaskEntry, attempt: Attempt, order: Order) -> dict[str, Any]:
    return {
        "format": 1,
        "task": entry.label,
        "attempt": attempt.number,
        "nonce": attempt.nonce,
        "command": list(order.command),
        "environment": dict(order.environment),
        "required": [{"resource": resource, "pattern": pattern} for resource, pattern in order.required],
        "cores": order.cores,
        "memory_mb": order.memory_mb,
        "walltime_s": order.walltime_s,
        "cluster": attempt.cluster,
        "order": to_json(order),
    }


def job_name(attempt: Attempt, order: Order) -> str:
    """Return the job's name on the cluster: what runs, and the attempt's nonce; nothing of a person."""
    return _name(order.proctype, attempt.nonce)


def _name(proctype: str, nonce: str) -> str:
    return f"cci-{proctype[:40]}-{nonce}"


def job_ref(attempt: Attempt) -> JobRef:
    """Return which job an attempt has, that was given an id."""
    # every poll asks for every job: its order need not be read whole for that
    name = _name(str(attempt.inputs["proctype"]), attempt.nonce)
    return JobRef(attempt.job_id, name, attempt.submitted)


def job_spec(attempt: Attempt, order: Order) -> JobSpec:
    """Return the job as a cluster takes it."""
    return spec_of(order, Path(attempt.directory), attempt.nonce)


def spec_of(order: Order, place: Path, nonce: str) -> JobSpec:
    """Return the job of an attempt that has this directory and nonce."""
    directory = JobDirectory(place)
    return JobSpec(
        name=_name(order.proctype, nonce),
        directory=directory.path,
        script=directory.script,
        output_log=directory.batch_log,
        walltime_s=order.walltime_s,
        memory_mb=order.memory_mb,
        cores=order.cores,
        gpus=order.gpus,
        mpi_slots=order.mpi_slots,
        priority=order.priority,
        queue=order.queue,
        account=order.account,
        email=order.email,
        native=order.native,
        avoid=order.avoid,
    )
