"""What LSF prints, as values: ``bjobs -json -o`` and ``bhist -l``. Pure.

Nothing here was seen on an LSF of our own: the outputs are those of IBM's manual and of public threads, see
the README in ``tests/data/clusters``. Times come without a year unless ``LSB_DISPLAY_YEAR`` is heeded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Entry, Listing, Row

#: What we ask bjobs for; bjobs(1), "-o".
FIELDS = (
    "jobid stat job_name exec_host submit_time start_time finish_time exit_code exit_reason pend_reason"
    " max_mem cpu_used"
)
#: What ``stat`` means, from bjobs(1) of LSF 10.1.
STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "PEND": JobState.QUEUED,
        "WAIT": JobState.QUEUED,  # a part of a chunk job
        "PROV": JobState.QUEUED,  # its host is being powered on
        "PSUSP": JobState.HELD,  # suspended while it waits: bstop by its owner
        "RUN": JobState.RUNNING,
        "USUSP": JobState.SUSPENDED,  # by its owner or an administrator
        "SSUSP": JobState.SUSPENDED,  # by LSF: load, or the queue's hours
        "DONE": JobState.ENDED,
        "EXIT": JobState.ENDED,
        "POST_DONE": JobState.ENDED,
        "POST_ERR": JobState.ENDED,
        "ZOMBI": JobState.UNKNOWN,  # killed while its host could not be reached
        "UNKWN": JobState.UNKNOWN,  # its host does not answer
    }
)
_WELL, _BADLY = frozenset({"DONE", "POST_DONE", "POST_ERR"}), "EXIT"

#: Causes of the reasons in IBM's manual, "Termination reasons displayed by bacct, bhist, and bjobs".
CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "TERM_RUNLIMIT": "walltime",
        "TERM_CPULIMIT": "walltime",
        "TERM_DEADLINE": "walltime",
        "TERM_MEMLIMIT": "out-of-memory",
        "TERM_SWAP": "out-of-memory",
        "TERM_OWNER": "killed-by-user",
        "TERM_FORCE_OWNER": "killed-by-user",
        "TERM_REQUEUE_OWNER": "killed-by-user",
        "TERM_ADMIN": "killed-by-administrator",
        "TERM_FORCE_ADMIN": "killed-by-administrator",
        "TERM_REQUEUE_ADMIN": "killed-by-administrator",
        "TERM_ZOMBIE": "node-failure",
        "TERM_REMOVE_HUNG_JOB": "node-failure",
        "TERM_SLURM": "node-failure",
        "TERM_RMS": "node-failure",
        "TERM_RC": "node-failure",
        "TERM_CWD_NOTEXIST": "could-not-start",
        "TERM_PRE_EXEC_FAIL": "could-not-start",
        "TERM_DATA": "could-not-start",
        "TERM_BUCKET_KILL": "killed",
        "TERM_CHKPNT": "killed",
        "TERM_EXTERNAL_SIGNAL": "killed",
        "TERM_LOAD": "killed",
        "TERM_OTHER": "killed",
        "TERM_PREEMPT": "killed",
        "TERM_PROCESSLIMIT": "killed",
        "TERM_THREADLIMIT": "killed",
        "TERM_WINDOW": "killed",
        # it means that nobody knows why, so it says nothing of a cause
        "TERM_UNKNOWN": "",
    }
)
_REASON = re.compile(r"\bTERM_[A-Z_]+")
_UNITS = MappingProxyType({"K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40})


def _records(printed: str) -> list[Mapping[str, Any]]:
    """Return the records; "Cannot connect to LSF. Please wait ..." may stand before them.

    Raises
    ------
    ValueError
        It is no such answer, or it was cut off.
    """
    start = printed.find("{")
    answer = json.loads(printed[start:]) if start >= 0 else None
    records = answer.get("RECORDS") if isinstance(answer, dict) else None
    if records is None:
        raise ValueError("bjobs answered no records")
    return [record for record in records if isinstance(record, dict)]


def is_whole(printed: str) -> bool:
    """Whether bjobs answered in full."""
    try:
        _records(printed)
    except ValueError:
        return False
    return True


def read_listing(printed: str, now: datetime) -> Listing:
    """Read bjobs for what jobs are doing; *now* tells the year of times that have none."""
    rows, unreadable = [], []
    for record in _found(printed):
        if not _text(record, "JOBID") or not _text(record, "STAT"):
            unreadable.append(f"{record}: no id or no state")
            continue
        rows.append(_row(record, now))
    return Listing(tuple(rows), tuple(unreadable))


def _found(printed: str) -> Iterator[Mapping[str, Any]]:
    """Yield the records of jobs; a job that is not found has an ERROR in its place."""
    yield from (
        (record for record in _records(printed) if not record.get("ERROR")) if is_whole(printed) else ()
    )


def _row(record: Mapping[str, Any], now: datetime) -> Row:
    word = _text(record, "STAT")
    state = STATES.get(word)
    said = _text(record, "EXIT_REASON") or _text(record, "PEND_REASON")
    return Row(
        id=_text(record, "JOBID"),
        name=_text(record, "JOB_NAME"),
        state=state or JobState.UNKNOWN,
        message=said if state else f"LSF says '{word}', which is not known here",
        node=_node(_text(record, "EXEC_HOST")),
        submitted=time_of(_text(record, "SUBMIT_TIME"), now),
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    value = str(record.get(name, "")).strip()
    return "" if value == "-" else value


def _node(text: str) -> str:
    """Return the first host: ``4*n1:4*n2``."""
    return text.partition(":")[0].rpartition("*")[2]


def read_entries(printed: str, now: datetime) -> list[Entry]:
    """Read bjobs for how jobs ended; one that is not over has no accounting."""
    return [
        Entry(
            id=_text(record, "JOBID"),
            name=_text(record, "JOB_NAME"),
            submitted=time_of(_text(record, "SUBMIT_TIME"), now),
            accounting=_accounting(record, now) if _text(record, "STAT") in {*_WELL, _BADLY} else None,
        )
        for record in _found(printed)
    ]


def _accounting(record: Mapping[str, Any], now: datetime) -> Accounting | None:
    code = _number(_text(record, "EXIT_CODE"))
    reason = _text(record, "EXIT_REASON")
    if _text(record, "STAT") in _WELL:
        code, reason = 0, ""
    ended = _ended(code, None, reason)
    return ended and replace(
        ended,
        node=_node(_text(record, "EXEC_HOST")),
        started=time_of(_text(record, "START_TIME"), now),
        ended=time_of(_text(record, "FINISH_TIME"), now),
        cpu_s=_seconds(_text(record, "CPU_USED")),
        peak_memory_mb=_megabytes(_text(record, "MAX_MEM")),
    )


def _ended(status: int | None, signal: int | None, reason: str) -> Accounting | None:
    """Say what an exit status, a signal and a termination reason prove together; None if nothing does."""
    found = _REASON.search(reason)
    cause = CAUSES.get(found[0], "killed") if found else ""
    if status is None and signal is None and not cause:
        return None
    return Accounting(
        exit_status=None if cause else status,
        # LSF counts as a shell does; a status above 128 without a reason may be the command's own
        signal=signal or (status - 128 if cause and status and status > 128 else None),
        cause=cause,
        message=reason,
    )


# -- bhist ------------------------------------------------------------------------------------

_FOLD = re.compile(r"\n {12,}(?! )")
_JOB = re.compile(r"^Job <(\d+)>(.*?)(?=^Job <\d+>|\Z)", re.MULTILINE | re.DOTALL)
_EVENT = re.compile(r"^(\w{3} \w{3} +\d+ [\d:]{8}(?: \d{4})?): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class _History:
    """What bhist tells of one job: its events in their order."""

    events: tuple[tuple[str, str], ...]

    def when(self, *words: str) -> str:
        """Return the time of the last event that has one of these words; '' if none has."""
        found = [time for time, event in self.events if any(word in event for word in words)]
        return found[-1] if found else ""

    def last(self, pattern: str) -> str:
        """Return what a pattern found in the last event that it fits."""
        found = [match[1] for _, event in self.events if (match := re.search(pattern, event))]
        return found[-1] if found else ""


def read_history(printed: str, now: datetime) -> list[Entry]:
    """Read ``bhist -l``, which knows jobs that bjobs has forgotten."""
    text = _FOLD.sub("", printed)
    return [_history_entry(match[1], match[2], now) for match in _JOB.finditer(text)]


def _history_entry(number: str, text: str, now: datetime) -> Entry:
    heading, _, rest = text.partition("\n")
    history = _History(tuple(_EVENT.findall(rest)))
    name = re.search(r"Job Name <([^>]*)>", heading)
    return Entry(
        id=number,
        name=name[1] if name else "",
        submitted=time_of(history.when("Submitted from"), now),
        accounting=_history_end(history, now),
    )


def _history_end(history: _History, now: datetime) -> Accounting | None:
    done = bool(history.when("Done successfully"))
    status = 0 if done else _number(history.last(r"Exited with exit code (\d+)"))
    signal = None if done else _number(history.last(r"Exited by signal (\d+)"))
    reason = "" if done else history.last(r"(TERM_[A-Z_]+(?:: [^;.]*)?)")
    ended = history.when("Done successfully", "Exited", "Completed <exit>")
    found = _ended(status, signal, reason) if ended else None
    return found and replace(
        found,
        node=_node(history.last(r"[Dd]ispatched (?:\d+ Task\(s\) on Host\(s\) |to )<([^>]*)>")),
        started=time_of(history.when("Starting (Pid", "Running with execution home"), now),
        ended=time_of(ended, now),
        cpu_s=_seconds(history.last(r"The CPU time used is ([\d.]+) seconds")),
    )


# -- values -----------------------------------------------------------------------------------


def time_of(text: str, now: datetime) -> datetime | None:
    """Read a time with or without weekday, seconds and year; without a year it is the last such day.

    ``L``, ``E`` and ``X`` after a time say whether it is estimated.
    """
    words = re.sub(r"\s+[LEX]$", "", text).split()
    if len(words) > 1 and re.fullmatch(r"[A-Z][a-z]{2}", words[1]):
        words = words[1:]
    has_year = bool(words) and re.fullmatch(r"\d{4}", words[-1])
    plain = " ".join(words if has_year else [*words, str(now.year)])
    for form in ("%b %d %H:%M:%S %Y", "%b %d %H:%M %Y"):
        try:
            found = datetime.strptime(plain, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        late = not has_year and found > now + timedelta(days=1)
        return _year_before(found) if late else found
    return None


def _year_before(at: datetime) -> datetime | None:
    """Return the same day of the year before; None if that had no 29th of February."""
    try:
        return at.replace(year=at.year - 1)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _seconds(text: str) -> float | None:
    found = re.match(r"[\d.]+", text)
    return float(found[0]) if found else None


def _megabytes(text: str) -> float | None:
    found = re.fullmatch(r"([\d.]+)\s*([KMGT])(bytes|B)?", text, re.IGNORECASE)
    return float(found[1]) * _UNITS[found[2].upper()] / 2**20 if found else None
