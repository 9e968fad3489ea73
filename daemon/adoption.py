"""Take over tasks that the archive knows and a new, empty ledger does not, from what their jobs left here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from cci.daemon import jobdir
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Birth, NewTask, Stage
from cci.daemon.plan import Action
from cci.daemon.workplace import Workplace
from cci.inputs import ours
from cci.model import Assessor
from cci.status import Status, parse_status

log = structlog.get_logger()


#: The reason of a task that runs, as the archive says, and has no job directory here.
NO_TRACE = "no trace of its job is in the work directory: it was submitted elsewhere, or that was emptied"


def adopt(workplace: Workplace, action: Action, new: NewTask) -> Birth:
    """Return the task with the archive's status; a running one with the attempt that its folder shows."""
    assessor = action.facts.assessor
    assert assessor is not None
    status = parse_status(assessor.procstatus) or Status.PRE_RUNNING
    task = _adopted(new, assessor, status)
    if status not in {Status.JOB_RUNNING, Status.JOB_COMPLETE}:
        return Birth(task=task)
    attempt = _attempt(workplace, task, assessor)
    if attempt is None:
        task = replace(task, reason=NO_TRACE)
        return Birth(task=task, fields={"procstatus": str(task.status), "note": NO_TRACE})
    return Birth(task=task, attempt=attempt)


def _attempt(workplace: Workplace, task: NewTask, assessor: Assessor) -> dict[str, Any] | None:
    found = latest_attempt(jobdir.task_folder(workplace.settings.work_dir, task.project, task.label))
    if found is None:
        log.error("no trace of the job", action="adopt", task=task.label, job_id=assessor.jobid)
        return None
    directory, job = found
    record = jobdir.read_exit_record(directory, str(job["nonce"]))
    log.info(
        "job found", action="adopt", task=task.label, directory=str(directory.path), ended=record is not None
    )
    return {
        "number": int(job["attempt"]),
        "nonce": str(job["nonce"]),
        "directory": str(directory.path),
        "cluster": str(job["cluster"]),
        "job_id": jobdir.read_claim(directory) or assessor.jobid,
        "state": Stage.SUBMITTED,
        "inputs": job["order"],
        # what was uploaded is not known here: collection looks first
        "outputs": {"begun": True},
    }


def _adopted(new: NewTask, assessor: Assessor, status: Status) -> NewTask:
    mark = ours(assessor) or {}
    return replace(
        new,
        # a job that ended is judged again from its directory, so it is entered as running
        status=Status.JOB_RUNNING if status is Status.JOB_COMPLETE else status,
        reason=assessor.note,
        acknowledged=status,
        assessor_id=assessor.id,
        label=assessor.label,
        fingerprints=dict(mark.get("inputs", {})),
    )


def latest_attempt(folder: Path) -> tuple[JobDirectory, Mapping[str, Any]] | None:
    """Return the newest job directory of a task with a readable ``job.json``."""
    for number in sorted(jobdir.numbered(folder), reverse=True):
        directory = JobDirectory(folder / str(number))
        try:
            job = json.loads(directory.job.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(job, dict) and {"nonce", "attempt", "cluster", "order"} <= set(job):
            return directory, job
    return None
