"""What the end of a job means, decided from evidence alone: exit record, cluster, accounting, in that order.

Pure functions; the table in docs/explanation/end-of-a-job.md is the table of their test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from cci.causes import sentence_of
from cci.cluster.base import Accounting, JobReport, JobState
from cci.daemon.jobdir import ExitRecord
from cci.model import File

#: An end that the job's own word leaves open, because whoever sent the signal knows more.
_SIGKILL = 9
_BY_SIGKILL = 128 + _SIGKILL
#: What the books may say beyond it.
_TOLD_BY_BOOKS = frozenset(
    {"out-of-memory", "walltime", "node-failure", "killed", "killed-by-user", "killed-by-administrator"}
)
_KILLED = frozenset({"killed", "killed-by-user", "killed-by-administrator"})
#: The runner's exit status where the directory has been claimed before; docs/reference/job-directory.md.
_REFUSED = 113


class End(StrEnum):
    """What is known of a job's end."""

    #: It has not ended, or nothing proves that it has.
    NOT_PROVED = "not proved"
    #: It ended with its required outputs.
    SUCCEEDED = "succeeded"
    #: It ended normally without its required outputs.
    EMPTY = "empty"
    #: It failed.
    FAILED = "failed"
    #: The cluster is proved to have lost it before it began: it may be submitted again.
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is known of a job's end.

    Attributes
    ----------
    claimed_by
        The job id in the attempt's claim, '' if no job ever claimed it.
    place_seen
        Whether this host sees the place of the claim; if not, nothing proves that there is none.
    missing_s
        Seconds since the cluster first said that the job is over or unknown.
    found
        The output files that lie in ``outputs/`` when there is no exit record.
    problems
        What was seen from here to be wrong with the outputs, beside what the exit record says of them.
    unseen
        The files that the exit record lists and that cannot be seen whole from here.
    unseen_s
        For how many seconds that has been so.
    give_up_s
        After how many seconds they are taken for lost.
    overdue_s
        For how many seconds a job that runs, as the cluster says, should have been over by its wall time.
    """

    required: Sequence[tuple[str, str]]
    job_id: str
    record: ExitRecord | None = None
    report: JobReport | None = None
    accounting: Accounting | None = None
    claimed_by: str = ""
    place_seen: bool = True
    missing_s: float = 0.0
    grace_s: float = 120.0
    last_line: str = ""
    found: Mapping[str, tuple[File, ...]] = field(default_factory=dict)
    problems: Sequence[str] = ()
    unseen: Sequence[str] = ()
    unseen_s: float = 0.0
    give_up_s: float = 86400.0
    overdue_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The meaning of the evidence; *cause* is a stable code, *message* a sentence for people."""

    end: End
    cause: str = ""
    message: str = ""


_NOT_PROVED = Verdict(end=End.NOT_PROVED)


def judge(evidence: Evidence) -> Verdict:
    """Decide what the evidence proves.

    The exit record decides; only why the job was killed it may not know, and then the books are heard, if
    they come within the grace and the claim names that very job. Without a record, a live job runs on; for
    one that is gone the record may be late, and then accounting decides under the same condition. An unknown
    job proves nothing, nor do books that say of a job with a claim that it never began.
    """
    late = evidence.missing_s >= evidence.grace_s
    if evidence.claimed_by and evidence.accounting and evidence.accounting.never_began:
        evidence = replace(evidence, accounting=None)
    books = evidence.accounting
    if evidence.record is not None:
        if not _leaves_open(evidence):
            return _by_record(evidence, evidence.record)
        return _by_both(evidence, evidence.record) if books or late else _NOT_PROVED
    gone = evidence.report is None or evidence.report.state in {JobState.ENDED, JobState.UNKNOWN}
    if not gone or books is None or not late:
        return _NOT_PROVED
    return _by_accounting(evidence, books)


def is_unsure(record: ExitRecord) -> bool:
    """Whether the books may know more: the job was told to end, or killed from outside."""
    if record.cause or record.error_code:
        return record.cause == "killed"
    return record.signal == _SIGKILL or record.exit_status == _BY_SIGKILL


def _leaves_open(evidence: Evidence) -> bool:
    """Whether the books of this very job can say more than its record."""
    record = evidence.record
    return record is not None and is_unsure(record) and evidence.claimed_by == evidence.job_id


def _by_both(evidence: Evidence, record: ExitRecord) -> Verdict:
    """Let the books say who or what killed a job, where they do."""
    books = evidence.accounting
    if books is None or books.cause not in _TOLD_BY_BOOKS:
        return _by_record(evidence, record)
    return Verdict(end=End.FAILED, cause=books.cause, message=_in_words(books.cause, books))


def _by_record(evidence: Evidence, record: ExitRecord) -> Verdict:
    if record.cause or record.signal is not None or record.exit_status != 0:
        return Verdict(end=End.FAILED, cause=_cause(record), message=_failure(evidence, record))
    problems = (*record.problems, *evidence.problems)
    verdict = _with_problems(_by_outputs(evidence.required, record.outputs), problems)
    return _with_unseen(evidence) if verdict.end is End.SUCCEEDED and evidence.unseen else verdict


def _with_unseen(evidence: Evidence) -> Verdict:
    """Wait for outputs that are not visible here yet, since shared file systems are late; not for ever."""
    count = len(evidence.unseen)
    files = "output file that" if count == 1 else "output files that"
    told = f"{count} {files} the exit record lists cannot be seen here, such as {evidence.unseen[0]}"
    if evidence.unseen_s < evidence.give_up_s:
        return replace(_NOT_PROVED, message=told)
    hours = evidence.unseen_s / 3600
    return Verdict(end=End.FAILED, cause="lost-output", message=f"{told}, after {hours:.1f} hours")


def _with_problems(verdict: Verdict, problems: Sequence[str]) -> Verdict:
    """Keep an output that cannot be stored from being lost in silence: COMPLETE says that all are there."""
    if not problems:
        return verdict
    told = "; ".join(problems[:3])
    if verdict.end is End.EMPTY:
        return replace(verdict, message=f"{verdict.message}: {told}")
    return Verdict(end=End.FAILED, cause="bad-output", message=f"the job left what cannot be stored: {told}")


def _cause(record: ExitRecord) -> str:
    if record.cause:
        return record.cause
    if record.error_code:
        return record.error_code
    return f"signal-{record.signal}" if record.signal is not None else f"exit-{record.exit_status}"


def _failure(evidence: Evidence, record: ExitRecord) -> str:
    if record.error_message and record.cause in {"", record.error_code}:
        return record.error_message
    code = _cause(record)
    words = sentence_of(code) or f"the job ended with the cause {code}"
    return f"{words}: {evidence.last_line}" if evidence.last_line and not record.cause else words


def _by_outputs(required: Sequence[tuple[str, str]], outputs: Mapping[str, tuple[File, ...]]) -> Verdict:
    if not any(outputs.values()):
        return Verdict(end=End.EMPTY, cause="no-output", message="the job ended normally and left no output")
    lacking = missing_outputs(required, outputs)
    if lacking:
        message = f"the job ended normally without {', '.join(lacking)}"
        return Verdict(end=End.EMPTY, cause="missing-output", message=message)
    return Verdict(end=End.SUCCEEDED)


def missing_outputs(
    required: Sequence[tuple[str, str]], outputs: Mapping[str, tuple[File, ...]]
) -> list[str]:
    """Return the required outputs that no file matches."""
    return [
        f"{resource}/{pattern}"
        for resource, pattern in required
        if not any(fnmatchcase(file.path, pattern) for file in outputs.get(resource, ()))
    ]


def _by_accounting(evidence: Evidence, books: Accounting) -> Verdict:
    if not evidence.claimed_by:
        return _never_began(evidence, books)
    if evidence.claimed_by != evidence.job_id:
        # another job has the claim; these books are not about the attempt
        return _NOT_PROVED
    if not books.cause and books.signal is None and books.exit_status is None:
        # an entry that does not say how it ended proves no more than none
        return _NOT_PROVED
    if books.exit_status == _REFUSED and not books.cause:
        message = "the cluster started the job again, and its first start left no exit record"
        return Verdict(end=End.FAILED, cause="killed", message=message)
    if books.cause or books.signal is not None or books.exit_status != 0:
        cause = books.cause or _numbered(books)
        return Verdict(end=End.FAILED, cause=cause, message=_in_words(cause, books))
    return _with_problems(_by_outputs(evidence.required, evidence.found), evidence.problems)


def _never_began(evidence: Evidence, books: Accounting) -> Verdict:
    """Say of a job that is over, and whose runner never claimed the attempt, whether it may be run again."""
    if not evidence.place_seen:
        return replace(_NOT_PROVED, message="the job's directory cannot be seen here")
    if books.cause in _KILLED:
        told = f"{sentence_of(books.cause)} before it began"
        return Verdict(end=End.FAILED, cause=books.cause, message=_with(told, books.message))
    if not books.cause and books.exit_status in {0, _REFUSED}:
        # no job ends so before its runner has seen a claim: its own, or another's; we only do not see it yet
        return _NOT_PROVED
    if books.cause == "could-not-start" or books.exit_status:
        # its script ran, and did not come as far as the runner
        said = _with(_said(books), evidence.last_line)
        return Verdict(
            end=End.LOST, cause="could-not-start", message=f"the job's script could not start: {said}"
        )
    return Verdict(end=End.LOST, cause="lost", message=f"the cluster lost the job: {_said(books)}")


def _numbered(books: Accounting) -> str:
    """Return the code of an end without a known cause; a job's status is 128 more than a signal, as in sh(1).

    A runner that was told to end leaves its record, so that here the signal was one that it could not heed.
    """
    if books.signal is not None:
        return f"signal-{books.signal}"
    status = books.exit_status or 0
    return f"signal-{status - 128}" if 128 < status < 128 + 65 else f"exit-{status}"


def _in_words(cause: str, books: Accounting) -> str:
    """Return a sentence for an end that the books tell of."""
    if books.cause and sentence_of(cause):
        return _with(sentence_of(cause), books.message)
    return f"the cluster says: {_said(books)}"


def _with(words: str, more: str) -> str:
    return f"{words}: {more}" if more and more not in words else words


def _said(books: Accounting) -> str:
    if books.message or books.cause:
        return books.message or books.cause
    return f"exit status {books.exit_status}" if books.signal is None else f"signal {books.signal}"
