"""What PBS prints, as values: ``qstat -f`` with its folded lines. Pure.

PBS Professional, OpenPBS and Torque share this form; JSON and XML each have only one of them. Read with the
times in UTC. Nothing here was seen on a PBS of our own: the outputs are those of manuals and public threads,
see the README in ``tests/data/clusters``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Entry, Listing, Row

#: What the letters of ``job_state`` mean, from qstat(1B) of PBS Professional 2022 and of Torque 6.
STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "Q": JobState.QUEUED,
        "W": JobState.QUEUED,  # waits for its start time, or for files to be staged in
        "T": JobState.QUEUED,  # on its way to another server or node
        "H": JobState.HELD,
        "R": JobState.RUNNING,
        "B": JobState.RUNNING,  # an array that has begun
        "E": JobState.RUNNING,  # has run, and is being cleared away: not over yet
        "S": JobState.SUSPENDED,
        "U": JobState.SUSPENDED,  # as somebody uses the machine
        "F": JobState.ENDED,  # PBS Professional, with job history
        "X": JobState.ENDED,  # a finished part of an array
        "C": JobState.ENDED,  # Torque, for ``keep_completed`` seconds
        "M": JobState.UNKNOWN,  # moved to another server, which has to be asked
    }
)
_OVER = frozenset("FXC")

#: Exit statuses below 0 mean that PBS itself ended the job, or never began it. PBS Professional (its job.h,
#: as MetaCentrum's documentation lists them) and Torque 6 (Administrator Guide, "Job exit status") differ.
_PBS_CAUSES = MappingProxyType(
    {
        -24: "killed",
        -25: "killed",
        -26: "out-of-memory",
        -27: "out-of-memory",
        -28: "walltime",
        -29: "walltime",
    }
)
_TORQUE_CAUSES = MappingProxyType({-10: "out-of-memory", -11: "walltime", -12: "walltime"})
#: … that the node was started again while the job was on it.
_NODE = frozenset({-4, -5, -6})
#: Statuses from here on are signals, as PBS counts them; the shell's way (128) is left as it is.
_SIGNALS = 256
_COULD_NOT_START = "could-not-start"
#: What the server, or the node, says of a limit: "job killed: walltime 152 exceeded limit 120".
_LIMITS = (
    (re.compile(r"walltime .*exceeded|exceeded.* walltime|cput .*exceeded"), "walltime"),
    (re.compile(r"\b(p|v|pv)?mem(ory)? .*exceeded|exceeded.* mem"), "out-of-memory"),
    (re.compile(r"node (is )?(down|failed)|node failure|lost (contact|communication)"), "node-failure"),
)
_DELETED = 91  # substate of a job in history that was deleted

_FIELD = re.compile(r"    ([\w.]+) = (.*)")
_UNITS = MappingProxyType({"b": 1.0, "kb": 2.0**10, "mb": 2.0**20, "gb": 2.0**30, "tb": 2.0**40, "": 1.0})


def read_jobs(printed: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each job's id and fields; the names of the fields are in lower case.

    A value that was folded goes on after a tab; anything else that is no field (a variable of the job with
    a line break in it) is passed over.
    """
    number, last = "", ""
    fields: dict[str, str] = {}
    for line in printed.splitlines():
        if line.startswith("Job Id:"):
            if number:
                yield number, fields
            number, fields, last = line.partition(":")[2].strip(), {}, ""
        elif found := _FIELD.fullmatch(line):
            last = found[1].lower()
            fields[last] = found[2]
        elif line.startswith("\t") and last:
            fields[last] += line[1:]
    if number:
        yield number, fields


def read_listing(printed: str) -> Listing:
    """Read a listing for what the jobs are doing now."""
    rows, unreadable = [], []
    for number, fields in read_jobs(printed):
        if not fields.get("job_state"):
            unreadable.append(f"job {number} without a state")
            continue
        rows.append(_row(number, fields))
    return Listing(tuple(rows), tuple(unreadable))


def _row(number: str, fields: Mapping[str, str]) -> Row:
    letter = fields["job_state"].strip()
    state = STATES.get(letter)
    unknown = f"PBS says '{letter}', which is not known here"
    return Row(
        id=number,
        name=fields.get("job_name", ""),
        state=state or JobState.UNKNOWN,
        message=fields.get("comment", "") if state else unknown,
        node=_node(fields),
        submitted=time_of(fields.get("ctime", "")),
    )


def _node(fields: Mapping[str, str]) -> str:
    """Return the first node: ``n1/0*4+n2/0*4`` of PBS, ``n1/0-7+n1/8`` of Torque."""
    return re.split(r"[/+]", fields.get("exec_host", ""), maxsplit=1)[0]


def read_entries(printed: str) -> list[Entry]:
    """Read a listing for how jobs ended; one that is not over has no accounting."""
    return [
        Entry(
            id=number,
            name=fields.get("job_name", ""),
            submitted=time_of(fields.get("ctime", "")),
            accounting=_accounting(fields) if fields.get("job_state", "").strip() in _OVER else None,
        )
        for number, fields in read_jobs(printed)
    ]


@dataclass(frozen=True)
class _End:
    """What decides how a job ended."""

    status: int | None
    comment: str
    deleted: bool
    torque: bool


def _accounting(fields: Mapping[str, str]) -> Accounting | None:
    status = _number(fields.get("exit_status", ""))
    end = _End(
        status=status,
        comment=fields.get("comment", ""),
        deleted=_number(fields.get("substate", "")) == _DELETED,
        torque=fields["job_state"].strip() == "C",
    )
    if status is None and not end.deleted:
        return None  # it says that it is over, and not how
    found = Accounting(
        exit_status=status,
        message=end.comment,
        node=_node(fields),
        started=time_of(fields.get("stime", "") or fields.get("start_time", "")),
        ended=_ended(fields),
        cpu_s=_clock(fields.get("resources_used.cput", "")),
        peak_memory_mb=_megabytes(fields.get("resources_used.mem", "")),
    )
    return _explained(found, end)


def _explained(found: Accounting, end: _End) -> Accounting:
    status = end.status
    if status is None:
        return replace(found, cause="killed", message=found.message or "the job was deleted before it began")
    if status < 0:
        message = found.message or f"PBS ended it with status {status}"
        return replace(found, exit_status=None, cause=_cause_below_zero(end), message=message)
    if status >= _SIGNALS:
        return replace(found, exit_status=None, signal=status - _SIGNALS, cause=_limit(end) or "killed")
    return replace(found, cause=_limit(end) if status else "")


def _cause_below_zero(end: _End) -> str:
    own = _TORQUE_CAUSES if end.torque else _PBS_CAUSES
    if end.status in own:
        return own[end.status or 0]
    return "node-failure" if end.status in _NODE else _COULD_NOT_START


def _limit(end: _End) -> str:
    return next((cause for pattern, cause in _LIMITS if pattern.search(end.comment)), "")


def _ended(fields: Mapping[str, str]) -> datetime | None:
    """Return when it ended: PBS keeps the second in which it went into history, Torque its completion."""
    seconds = _number(fields.get("history_timestamp", ""))
    with suppress(OverflowError, ValueError):  # a moment that no calendar has
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
    return time_of(fields.get("obittime", "") or fields.get("comp_time", "") or fields.get("mtime", ""))


def time_of(text: str) -> datetime | None:
    """Read a time such as ``Wed Jun 24 15:33:18 2020``; None for what is none."""
    try:
        return datetime.strptime(text.strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\s*-?\d+\s*", text) else None


def _clock(text: str) -> float | None:
    if not re.fullmatch(r"\d+:\d\d:\d\d", text):
        return None
    hours, minutes, seconds = map(int, text.split(":"))
    return float(hours * 3600 + minutes * 60 + seconds)


def _megabytes(text: str) -> float | None:
    found = re.fullmatch(r"(\d+)([kmgt]?b?)", text)
    return float(found[1]) * _UNITS.get(found[2], 1.0) / 2**20 if found else None
