"""Prepare an attempt for a cluster, and decide what becomes of one that cannot go there.

An attempt is prepared when its directory lies in its place and its turn has come. How it gets its job is
known in `cci.daemon.handing_over`. Each step can be taken up again by whoever finds it cut.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from cci.cluster.base import Cluster, JobRef
from cci.daemon import absence, caps, ownership, pacing, retrying, staging
from cci.daemon.asking import script_form
from cci.daemon.jobdir import JobDirectory, read_claim
from cci.daemon.ledger import Attempt, LeaseLost, LedgerUnavailable, Stage, TaskEntry
from cci.daemon.order import Order, from_json
from cci.daemon.outages import is_full, is_outage
from cci.daemon.plan import mark_of
from cci.daemon.refusals import REFUSED, REFUSED_UNDER, refused_attempts, settings_mark
from cci.daemon.workplace import Workplace
from cci.errors import (
    CciError,
    ClusterUnavailable,
    DigestMismatch,
    DiskFull,
    NotFound,
    SubmissionRefused,
)
from cci.status import Status

log = structlog.get_logger()

#: Staging that fails this often for a reason that no waiting mends ends the attempt; so does a retry of our
#: own that the cluster refuses.
MAX_STAGING_TRIES = 5
#: The reason of a task whose inputs or results have no room; how much there is changes all the time.
NO_ROOM = "no room in the work directory; it goes on by itself when there is"


#: Held while one of several refused attempts is chosen to be kept.
_ONE_BY_ONE = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Work:
    """An attempt in hand: nobody else may change it while *holder* has it.

    Attributes
    ----------
    job
        What an earlier process had handed over already, before it was cut.
    """

    workplace: Workplace
    entry: TaskEntry
    attempt: Attempt
    holder: str
    job: JobRef | None = None

    @property
    def order(self) -> Order:
        """What the job is to do, and asks for."""
        return from_json(self.attempt.inputs)

    @property
    def cluster(self) -> Cluster:
        """Where it is to run."""
        return self.workplace.clusters[self.attempt.cluster]


def prepare(workplace: Workplace, attempt: Attempt, holder: str) -> Work | None:
    """Do what an attempt in STAGING or SUBMITTING still needs before it can be handed to its cluster.

    Returns
    -------
    Work or None
        The attempt, in hand; None if it cannot go on now, and then it is in nobody's hand. A failure never
        escapes: it puts the attempt off, takes it back, or ends it.

    Raises
    ------
    Paced
        If its turn on the cluster comes later; the attempt is in nobody's hand.
    LedgerUnavailable
        If it could not be taken.
    """
    taken = workplace.ledger.take(attempt.id, holder)
    if taken is None:
        return None
    work = None
    try:
        work = _prepared(workplace, taken, holder)
    finally:
        if work is None:
            let_go(workplace, taken, holder)
    return work


def let_go(workplace: Workplace, attempt: Attempt, holder: str) -> None:
    """Leave an attempt to others; no error if it is gone, or the ledger is away.

    A ledger that is away leaves nothing held for long: the holder is at work no more; see `Attempts.take`.
    """
    with suppress(LedgerUnavailable):
        workplace.ledger.release(attempt.id, holder)


def _prepared(workplace: Workplace, attempt: Attempt, holder: str) -> Work | None:
    if attempt.state not in {Stage.STAGING, Stage.SUBMITTING}:
        return None
    entry = workplace.ledger.task(attempt.task_id)
    work = Work(workplace=workplace, entry=entry, attempt=attempt, holder=holder)
    if attempt.state is Stage.STAGING and _another_is_refused(work):
        _give_back(work)
        return None
    try:
        return _ready(work)
    except pacing.Paced:
        raise
    except Exception as error:  # noqa: BLE001 (one bad attempt never stops the others; it is logged whole)
        set_back(work, error)
        return None


def _ready(work: Work) -> Work:
    """Stage unless that is done, or look for a job; then wait for the turn of one that has none."""
    ownership.demand(work.workplace, work.entry.project)
    if work.attempt.cluster not in work.workplace.clusters:
        raise ClusterUnavailable(f"the cluster {work.attempt.cluster} is not in the settings")
    if work.attempt.state is Stage.STAGING:
        _demand_room(work)
        _stage(work)
    else:
        # the last process was cut between announcing and noting the job: look for it first
        job = _claimed(work) or _found(work)
        if job is not None:
            return replace(work, job=job)
    _demand_room(work)
    pacing.wait_for_turn(work.workplace, work.attempt.cluster)
    return work


def _claimed(work: Work) -> JobRef | None:
    """Return the job that has claimed the attempt, if one has: a cluster may have forgotten it by now."""
    claim = read_claim(JobDirectory(Path(work.attempt.directory)))
    return JobRef(claim, staging.job_name(work.attempt, work.order)) if claim else None


def _found(work: Work) -> JobRef | None:
    """Return the job that the cluster has by the attempt's name, None if it proves that there is none."""
    with absence.noted(work.workplace, work.attempt.cluster):
        return work.cluster.find(staging.job_name(work.attempt, work.order))


def _demand_room(work: Work) -> None:
    """Stop where a job could not write its results.

    Raises
    ------
    DiskFull
        If less is free in the work directory than the settings want.
    """
    settings = work.workplace.settings
    free_mb = shutil.disk_usage(settings.work_dir).free // 2**20
    if free_mb < settings.limits.min_free_mb:
        raise DiskFull(
            f"{settings.work_dir} has {free_mb} MB free, and limits.min_free_mb is "
            f"{settings.limits.min_free_mb}"
        )


def _stage(work: Work) -> None:
    """Put the attempt's directory in place, unless whoever was cut has just done so."""
    directory = JobDirectory(Path(work.attempt.directory))
    if not staging.is_staged(directory, work.attempt):
        _fill(work, directory)
    if work.attempt.number > 1:
        _hand_on(work)


def _fill(work: Work, directory: JobDirectory) -> None:
    settings, ledger = work.workplace.settings, work.workplace.ledger
    made = staging.beside(directory, settings.work_dir, secrets.token_hex(4))
    try:
        staging.stage(
            work.workplace.archive, work.entry, made, work.order, min_free_mb=settings.limits.min_free_mb
        )
        form = script_form(settings, work.attempt.cluster, work.cluster.dialect)
        staging.write_job(work.entry, work.attempt, work.order, made, form=form)
        # this proves the lease: whoever lost it meanwhile goes no further
        ledger.advance(work.attempt.id, work.holder)
        staging.put_in_place(made, directory)
    finally:
        shutil.rmtree(made.path, ignore_errors=True)


def _hand_on(work: Work) -> None:
    """Move what a failed attempt kept for going on into this attempt's directory, once that is in place."""
    before = [
        one for one in work.workplace.ledger.attempts(work.entry.id) if one.number < work.attempt.number
    ]
    kept = Path(before[-1].directory) / "keep" if before else None
    if kept is None or not kept.is_dir() or not any(kept.iterdir()):
        return
    try:
        # this replaces the empty folder there, and never one that holds something
        kept.rename(Path(work.attempt.directory) / "keep")
    except OSError as error:
        log.warning("begun from the start", action="stage", task=work.entry.label, error=str(error))


def set_back(work: Work, error: Exception) -> None:
    """Decide what becomes of an attempt that could not be staged or submitted; nothing escapes."""
    if isinstance(error, (LeaseLost, LedgerUnavailable)):
        # nothing more can be written down: the attempt is taken up again as it stands in the ledger
        log.warning("attempt left", action="stage", task=work.entry.label, error=error.message)
        return
    with suppress(LeaseLost, LedgerUnavailable):
        _handle(work, error)


def _handle(work: Work, error: Exception) -> None:
    """Decide what becomes of an attempt that could not be staged or submitted."""
    work = replace(work, attempt=work.workplace.ledger.advance(work.attempt.id, work.holder))
    reason = error.message if isinstance(error, CciError) else f"{type(error).__name__}: {error}"
    staging_still = work.attempt.state is Stage.STAGING
    if isinstance(error, (staging.MissingInput, NotFound)) and staging_still:
        _log(work, "task waits again", error, reason)
        _take_back(work, reason)
    elif isinstance(error, SubmissionRefused):
        _refused(work, reason)
    elif staging_still and not is_outage(error) and work.attempt.tries + 1 >= MAX_STAGING_TRIES:
        _log(work, "staging failed", error, reason)
        _end(work, "staging-failed", f"staging failed: {reason}")
    else:
        _log(work, "attempt put off", error, reason)
        _put_off(work, error, reason)


def _log(work: Work, what: str, error: Exception, reason: str) -> None:
    """Tell what becomes of the attempt; with its traceback where nobody expected the error.

    What all attempts meet alike is told the operator once: a cluster that is away, a full disk.
    """
    if isinstance(error, ClusterUnavailable):
        # it may answer questions all the same: only a job that it takes proves that this is over
        name = work.attempt.cluster
        facts = {"action": "submit", "cluster": name, "error": reason}
        work.workplace.alerts.tell(
            ("cluster", name), "cluster does not answer", unless=("asked", name), **facts
        )
    elif is_full(error):
        facts = {"action": "stage", "error": reason}
        work.workplace.alerts.tell("disk", "no room in the work directory: nothing is submitted", **facts)
    else:
        unexpected = None if isinstance(error, CciError) or is_outage(error) else error
        log.warning(what, action="stage", task=work.entry.label, error=reason, exc_info=unexpected)


def _refused(work: Work, reason: str) -> None:
    """Let the task wait with the cluster's own sentence, and try again ever more rarely.

    One attempt of a processor is kept for that, with its staged inputs; others give their places back, for
    the cluster would refuse them alike.
    """
    ledger, attempt, entry = work.workplace.ledger, work.attempt, work.entry
    asked_by_us = retrying.words_of(attempt)
    if asked_by_us and attempt.tries + 1 >= MAX_STAGING_TRIES:
        # it was our idea to ask for more, and no person's: the task has failed after all
        _end(work, REFUSED, f"{asked_by_us}, which the cluster refuses: {reason}")
        return
    later = work.workplace.later(attempt.tries)
    inputs = {**attempt.inputs, REFUSED_UNDER: settings_mark(work.workplace, entry, attempt.cluster)}
    changes = {"tries": attempt.tries + 1, "retry_at": later, "job_message": reason, "inputs": inputs}
    with _ONE_BY_ONE:
        if _another_is_refused(work):
            _give_back(work)
            return
        ledger.advance(attempt.id, work.holder, cause=REFUSED, job_state=caps.REFUSED, **changes)
    if entry.status is Status.PRE_COMPLETE and entry.reason != reason:
        ledger.move(entry.id, Status.PRE_COMPLETE, reason, {})
    log.warning(
        "submission refused", action="submit", task=entry.label, error=reason, tries=attempt.tries + 1
    )


def _give_back(work: Work) -> None:
    """Take back an attempt that has no job, with what was staged for it; its task waits for a place."""
    work.workplace.ledger.put_back(work.attempt.id, work.holder)
    shutil.rmtree(work.attempt.directory, ignore_errors=True)


def _another_is_refused(work: Work) -> bool:
    """Whether the cluster refuses another attempt that asks for the same."""
    asked = retrying.asked_by(work.order)
    return any(
        retrying.asked_by(from_json(one.inputs)) == asked
        for one in refused_attempts(work.workplace)
        if one.id != work.attempt.id
        and one.cluster == work.attempt.cluster
        and work.workplace.ledger.task(one.task_id).processor == work.entry.processor
    )


def _take_back(work: Work, reason: str) -> None:
    """Let the task wait for an input that is not there after all; no job ever was."""
    work.workplace.ledger.withdraw(
        work.attempt.id,
        work.holder,
        reason,
        mark=mark_of(work.order.fingerprints),
        until=work.workplace.later(work.entry.tries + 6),
        fields={},
    )


def _end(work: Work, cause: str, reason: str) -> None:
    work.workplace.ledger.close_attempt(
        work.attempt.id, work.holder, Status.JOB_ERROR, reason, {}, cause=cause
    )


def _put_off(work: Work, error: Exception, reason: str) -> None:
    """Keep the attempt for later. A bad digest and a full disk are told to people."""
    ledger, attempt, entry = work.workplace.ledger, work.attempt, work.entry
    later = work.workplace.later(attempt.tries)
    changes = {"tries": attempt.tries + 1, "retry_at": later, "job_message": reason}
    ledger.advance(attempt.id, work.holder, cause="", job_state="", **changes)
    told = NO_ROOM if is_full(error) else reason if isinstance(error, DigestMismatch) else ""
    if told and entry.status is Status.PRE_COMPLETE and entry.reason != told:
        ledger.move(entry.id, Status.PRE_COMPLETE, told, {})
