"""What the words of a DRMAA library mean: states, the end that ``drmaa_wait`` told, exceptions. Pure.

DRMAA is the Open Grid Forum's GFD.133 (DRMAA 1.0 C binding); its section 3 has the states and errors.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import structlog

from cci.cluster.base import Accounting, JobReport, JobState

log = structlog.get_logger()

#: Every state that drmaa_job_ps(3) can return, by the name that the Python package gives it.
STATES: Mapping[str, JobState] = MappingProxyType(
    {
        # DRMAA_PS_UNDETERMINED: the system could not be asked, or did not say
        "undetermined": JobState.UNKNOWN,
        # DRMAA_PS_QUEUED_ACTIVE: waits for its turn
        "queued_active": JobState.QUEUED,
        # DRMAA_PS_SYSTEM_ON_HOLD: an administrator, or a job that it depends on, keeps it from starting
        "system_on_hold": JobState.HELD,
        # DRMAA_PS_USER_ON_HOLD: its owner does. Grid Engine says so too of a job that was held while it ran.
        "user_on_hold": JobState.HELD,
        # DRMAA_PS_USER_SYSTEM_ON_HOLD: both do
        "user_system_on_hold": JobState.HELD,
        # DRMAA_PS_RUNNING: was started and has not ended; on some systems also while it is being started
        "running": JobState.RUNNING,
        # DRMAA_PS_SYSTEM_SUSPENDED: stopped by an administrator, a calendar or a more urgent queue
        "system_suspended": JobState.SUSPENDED,
        # DRMAA_PS_USER_SUSPENDED: stopped by its owner
        "user_suspended": JobState.SUSPENDED,
        # DRMAA_PS_USER_SYSTEM_SUSPENDED: stopped by both
        "user_system_suspended": JobState.SUSPENDED,
        # DRMAA_PS_DONE: over, and ended by itself, with whatever exit status. A hint, not an outcome:
        # slurm-drmaa says so of any job that it once saw running and cannot see any more.
        "done": JobState.ENDED,
        # DRMAA_PS_FAILED: over, and did not end by itself. A hint as well: slurm-drmaa says so of any job
        # that it cannot see and never saw running.
        "failed": JobState.ENDED,
    }
)

#: Exceptions after which there is certainly no job, and the same submission would fail again.
REFUSALS = frozenset(
    {
        "AuthorizationException",
        "ConflictingAttributeValuesException",
        "DeniedByDrmException",
        "InvalidArgumentException",
        "InvalidAttributeFormatException",
        "InvalidAttributeValueException",
        "InvalidJobTemplateException",
        "UnicodeEncodeError",
        "UnsupportedAttributeException",
    }
)
#: Exceptions that say that there is no such job, or that what was asked for cannot be a job's id.
NO_SUCH_JOB = frozenset({"InvalidJobException", "InvalidArgumentException"})
#: Exceptions that are about one job and not about the system: slurm-drmaa raises them for one that it cannot
#: load, and ``KeyError`` is the package's for a state that it does not know.
ABOUT_ONE_JOB = frozenset({"InternalException", "KeyError"})
#: Exceptions that say that a job is not in a state in which this can be done to it.
WRONG_STATE = frozenset(
    {
        "HoldInconsistentStateException",
        "ReleaseInconsistentStateException",
        "ResumeInconsistentStateException",
        "SuspendInconsistentStateException",
    }
)
#: What the package raises for DRMAA_ERRNO_NO_RUSAGE: the job is over, and nothing is known of it.
NO_RUSAGE = "Exception"

#: What that means of a job that never ran: Grid Engine has no other word for one that was deleted before it
#: began, and does not enter it into its books.
DELETED = Accounting(cause="killed", never_began=True, message="the job was deleted while it waited")

_MB = 2**20


def state_of(word: str) -> JobState:
    """Return what the library's word for a state means; one that DRMAA does not have is logged."""
    if word not in STATES:
        log.warning("unknown DRMAA state", action="drmaa", state=word)
    return STATES.get(word, JobState.UNKNOWN)


def report_of(word: str) -> JobReport:
    """Return the report of a job in this state; one that is suspended or held says by whom."""
    state = state_of(word)
    told = state in {JobState.HELD, JobState.SUSPENDED, JobState.UNKNOWN}
    return JobReport(state=state, message=word.replace("_", " ") if told else "")


def accounting_of(info: Mapping[str, Any]) -> Accounting:
    """Return what ``drmaa_wait`` told of a job's end.

    Parameters
    ----------
    info
        The fields of the package's ``JobInfo``. Its resource usage is text, and each system has words of
        its own for it: what cannot be read is left out.
    """
    usage: Mapping[str, str] = info["resourceUsage"] or {}
    started = _time(usage, "start_time")
    # Grid Engine says aborted also of a job that was ended while it ran
    never_began = bool(info["wasAborted"]) and started is None
    return Accounting(
        exit_status=_exit_status(info, usage),
        signal=_signal(info["terminatedSignal"]) if info["hasSignal"] else None,
        cause="could-not-start" if never_began else "",
        never_began=never_began,
        message="the cluster says that the job was aborted" if info["wasAborted"] else "",
        started=started,
        ended=_time(usage, "end_time"),
        cpu_s=_number(usage, "cpu"),
        peak_memory_mb=_peak_memory_mb(usage),
    )


def _exit_status(info: Mapping[str, Any], usage: Mapping[str, str]) -> int | None:
    if info["hasExited"]:
        return int(info["exitStatus"])
    told = None if info["hasSignal"] else _number(usage, "exit_status")
    return int(told) if told else None


def _peak_memory_mb(usage: Mapping[str, str]) -> float | None:
    """Return the greatest resident set (Grid Engine: KB), or else the greatest address space (bytes)."""
    resident_kb, virtual = _number(usage, "ru_maxrss"), _number(usage, "maxvmem")
    if resident_kb:
        return resident_kb / 1024
    return virtual / _MB if virtual else None


def _signal(name: str) -> int | None:
    """Return the number of a signal by its name, such as ``SIGKILL``."""
    try:
        return int(signal.Signals[name])
    except KeyError:
        return None


def _number(usage: Mapping[str, str], key: str) -> float | None:
    try:
        return float(usage[key])
    except (KeyError, ValueError):
        return None


def _time(usage: Mapping[str, str], key: str) -> datetime | None:
    seconds = _number(usage, key)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
