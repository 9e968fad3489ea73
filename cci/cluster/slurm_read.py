"""Reads what Slurm's commands print: pure functions and tables; no command is run here.

Sources: squeue(1), "JOB STATE CODES" and "JOB REASON CODES"; sacct(1); and Slurm 22.05 itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate, pairwise
from types import MappingProxyType

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Entry, Listing, Row, by_lines, read_lines

#: What each of Slurm's states is to us. A state that is not here is UNKNOWN, and told.
STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "PENDING": JobState.QUEUED,  # HELD if its reason says so
        "CONFIGURING": JobState.QUEUED,  # it has nodes, which are not ready yet
        "POWER_UP_NODE": JobState.QUEUED,
        "EXPEDITING": JobState.QUEUED,
        "REQUEUED": JobState.QUEUED,
        "REQUEUE_FED": JobState.QUEUED,
        "REQUEUE_HOLD": JobState.HELD,
        "RESV_DEL_HOLD": JobState.HELD,  # its reservation is gone
        "SPECIAL_EXIT": JobState.HELD,  # requeued and held for a person to look at
        "RUNNING": JobState.RUNNING,
        "RESIZING": JobState.RUNNING,
        "SIGNALING": JobState.RUNNING,
        "STAGE_OUT": JobState.RUNNING,
        "COMPLETING": JobState.RUNNING,  # some of its processes may live
        "SUSPENDED": JobState.SUSPENDED,
        "STOPPED": JobState.SUSPENDED,  # by a signal; it keeps its cores
        "COMPLETED": JobState.ENDED,
        "FAILED": JobState.ENDED,
        "CANCELLED": JobState.ENDED,
        "TIMEOUT": JobState.ENDED,
        "DEADLINE": JobState.ENDED,
        "OUT_OF_MEMORY": JobState.ENDED,
        "NODE_FAIL": JobState.ENDED,
        "BOOT_FAIL": JobState.ENDED,
        "LAUNCH_FAILED": JobState.ENDED,
        "RECONFIG_FAIL": JobState.ENDED,
        "PREEMPTED": JobState.ENDED,
        "REVOKED": JobState.UNKNOWN,  # another cluster of the federation has it
    }
)
#: The cause that a final state names. COMPLETED and FAILED go by the exit code, CANCELLED by who did it.
CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "TIMEOUT": "walltime",
        "OUT_OF_MEMORY": "out-of-memory",
        "NODE_FAIL": "node-failure",
        "BOOT_FAIL": "could-not-start",
        "LAUNCH_FAILED": "could-not-start",
        "RECONFIG_FAIL": "could-not-start",
        "PREEMPTED": "killed",
        "DEADLINE": "killed",  # not by its wall time: native options set an hour, which has come
    }
)
#: What squeue tells of a job in a line: id, state, reason, nodes, name. A name may hold the separator, and
#: comes last.
LISTING_FORMAT = "%i|%T|%r|%N|%j"
#: How it tells what only its long format has, in fields of a fixed width. The name of a job that is not ours
#: may be longer than its field, and comes last.
_WIDTHS = (
    ("jobid", 20),
    ("state", 20),
    ("exit_code", 12),
    ("starttime", 24),
    ("endtime", 24),
    ("submittime", 24),
    ("reason", 80),
    ("nodelist", 120),
    ("name", 100),
)
MEMORY_FORMAT = ",".join(f"{name}:{width}" for name, width in _WIDTHS)
_EDGES = tuple(pairwise(accumulate((width for _, width in _WIDTHS), initial=0)))
_CUTS = tuple((name, slice(*edges)) for (name, _), edges in zip(_WIDTHS, _EDGES, strict=True))

#: Fields of sacct where slurmdbd keeps the books. A name may hold the separator, and comes last.
BOOKS = (
    *("JobIDRaw", "State", "ExitCode", "Submit", "Start", "End"),
    *("NodeList", "MaxRSS", "TotalCPU", "UID", "JobName"),
)
#: Fields of ``sacct -c``: a text file of jobs that are over. It has neither memory nor processor time, and
#: sacct gives out the start for the time of submission.
COMPLETIONS = ("JobIDRaw", "State", "ExitCode", "Start", "End", "NodeList", "UID", "JobName")

_HELD = re.compile(r"held|JobHold", re.IGNORECASE)
_CPU = re.compile(r"(?:(?:(?P<days>\d+)-)?(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?)\Z")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)\Z")
_MB = MappingProxyType({"": 2**-20, "K": 2**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20, "P": 2.0**30})
#: What slurmstepd writes into the log of a job that it kills, and the cause that it means.
_SAID_IN_LOG = tuple(
    (re.compile(rf"^slurmstepd\S*: error: .*{words}", re.MULTILINE), cause)
    for words, cause in (
        ("(exceeded memory limit|oom.kill event)", "out-of-memory"),
        (r"CANCELLED AT \S+ DUE TO TIME LIMIT", "walltime"),
        (r"CANCELLED AT \S+ DUE TO NODE FAILURE", "node-failure"),
    )
)
#: The greatest number of a real signal; Slurm has others of its own, such as 125 for too much memory.
_LAST_SIGNAL = 64
#: What the books write for the node of a job that never had one.
_NO_NODE = frozenset({"None assigned", "(null)"})


# -- squeue -----------------------------------------------------------------------------------


def read_listing(printed: str) -> Listing:
    """Read jobs that squeue printed in `LISTING_FORMAT`."""
    return by_lines(printed, _row)


def _row(line: str) -> Row:
    job_id, native, reason, node, name = line.split("|", 4)
    if not job_id or not native:
        raise ValueError("it has no id or no state")
    state, message = told(native, reason)
    return Row(id=job_id, name=name, state=state, message=message, node=node)


def read_memory(printed: str) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Read as books what squeue printed in `MEMORY_FORMAT`: it tells for a while how a job ended."""
    return read_lines(printed, lambda line: _remembered(_cut(line)))


def _cut(line: str) -> dict[str, str]:
    fields = {name: line[cut].strip() for name, cut in _CUTS}
    if not fields["jobid"] or not fields["state"]:
        raise ValueError("it has no id or no state")
    return fields


@lru_cache(maxsize=1000)
def told(native: str, reason: str) -> tuple[JobState, str]:
    """Return our state for one of Slurm's, and what a person may want to know beside it."""
    if native not in STATES:
        return JobState.UNKNOWN, f"Slurm says {native}, which is no state that is known here"
    why = "" if reason == "None" else reason
    if native == "PENDING":
        return (JobState.HELD if _HELD.search(why) else JobState.QUEUED), why
    if native in {"RUNNING", "COMPLETED"}:
        return STATES[native], ""
    return STATES[native], ": ".join(filter(None, (native, why)))


def _remembered(fields: Mapping[str, str]) -> Entry:
    over = STATES.get(fields["state"]) is JobState.ENDED
    return Entry(
        id=fields["jobid"],
        name=fields["name"],
        submitted=_time(fields["submittime"]),
        accounting=_of_memory(fields) if over else None,
    )


def _of_memory(fields: Mapping[str, str]) -> Accounting:
    code = int(fields["exit_code"] or 0)
    _, message = told(fields["state"], fields["reason"])
    end = _End(
        state=fields["state"],
        status=os.WEXITSTATUS(code),
        signal=os.WTERMSIG(code),
        message=message,
        node=fields["nodelist"],
        started=_time(fields["starttime"]),
        ended=_time(fields["endtime"]),
    )
    return _accounting(end)


# -- sacct ------------------------------------------------------------------------------------


def read_books(printed: str) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Read what sacct printed of jobs and their steps, with the fields `BOOKS`; steps follow their job."""
    lines, unreadable = read_lines(printed, lambda line: _part(line, BOOKS))
    jobs: list[tuple[dict[str, str], list[dict[str, str]]]] = []
    for fields in lines:
        job_id, _, step = fields["JobIDRaw"].partition(".")
        if not step:
            jobs.append((fields, []))
        elif jobs and jobs[-1][0]["JobIDRaw"] == job_id:
            jobs[-1][1].append(fields)
    return tuple(_entry(job, steps) for job, steps in jobs), unreadable


def read_completions(printed: str) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Read what ``sacct -c`` printed, with the fields `COMPLETIONS`."""
    return read_lines(printed, lambda line: _entry(_part(line, COMPLETIONS), ()))


def _part(line: str, names: Sequence[str]) -> dict[str, str]:
    fields = dict(zip(names, line.split("|", len(names) - 1), strict=True))
    if not re.fullmatch(r"\d+(\..*)?", fields["JobIDRaw"]) or not fields["State"].strip():
        raise ValueError("it has no id or no state")
    _exit_code(fields["ExitCode"])
    return fields


def _entry(job: Mapping[str, str], steps: Sequence[Mapping[str, str]]) -> Entry:
    over = STATES.get(job["State"].split()[0]) is JobState.ENDED
    return Entry(
        id=job["JobIDRaw"],
        name=job["JobName"],
        submitted=_time(job.get("Submit", "")),
        accounting=_of_books(job, steps) if over else None,
    )


def _of_books(job: Mapping[str, str], steps: Sequence[Mapping[str, str]]) -> Accounting:
    state, *who = job["State"].split()
    status, signal = _exit_code(job["ExitCode"])
    end = _End(
        state=state,
        status=status,
        signal=signal,
        message="" if state == "COMPLETED" else job["State"],
        node="" if job["NodeList"] in _NO_NODE else job["NodeList"],
        started=_time(job["Start"]),
        ended=_time(job["End"]),
        by=_who(who, job["UID"]),
        step_out_of_memory=any(step["State"].startswith("OUT_OF_ME") for step in steps),
        cpu_s=_cpu_s(job.get("TotalCPU", "")),
        peak_memory_mb=max(filter(None, map(_peak_mb, (job, *steps))), default=None),
    )
    return _accounting(end)


def _exit_code(text: str) -> tuple[int, int]:
    """Return exit status and signal from ``3:0``."""
    status, _, signal = text.partition(":")
    return int(status or 0), int(signal or 0)


def _who(words: Sequence[str], owner: str) -> str:
    """Return the cause in ``CANCELLED by 1000``; '' where the books do not tell by whom."""
    if words[:1] != ["by"] or not words[1:]:
        return ""
    return "killed-by-user" if words[1] == owner else "killed-by-administrator"


def _cpu_s(text: str) -> float | None:
    """Return seconds from ``1-02:03:04`` or ``03:04.500``."""
    found = _CPU.match(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.group(1, 2, 3, 4))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _peak_mb(fields: Mapping[str, str]) -> float | None:
    found = _SIZE.match(fields.get("MaxRSS", ""))
    return float(found[1]) * _MB[found[2]] if found else None


def _time(text: str) -> datetime | None:
    """Return a moment from seconds since 1970; None for the words that stand where there is none."""
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (OverflowError, ValueError):
        return None


# -- ends -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _End:
    """How a job ended, in Slurm's words and numbers, from whichever witness."""

    state: str
    status: int
    signal: int
    message: str
    node: str
    started: datetime | None
    ended: datetime | None
    by: str = ""
    step_out_of_memory: bool = False
    cpu_s: float | None = None
    peak_memory_mb: float | None = None


def _accounting(end: _End) -> Accounting:
    cause = _cause(end)
    signal = end.signal if 0 < end.signal <= _LAST_SIGNAL else None
    # 0 beside a cause is what Slurm writes where there was no exit status
    none = signal is not None or (cause and not end.status)
    return Accounting(
        exit_status=None if none else end.status,
        signal=signal,
        cause=cause,
        message=end.message,
        node=end.node,
        started=end.started,
        ended=end.ended,
        cpu_s=end.cpu_s,
        peak_memory_mb=end.peak_memory_mb,
    )


def _cause(end: _End) -> str:
    if end.state == "CANCELLED":
        return end.by or "killed"
    if end.state == "FAILED" and end.step_out_of_memory:
        return "out-of-memory"  # of what the script ran by srun; the script itself only failed
    if end.state == "FAILED" and not end.status and not end.signal:
        return "could-not-start"  # the script never said how it ended, as it never began
    return CAUSES.get(end.state, "")


def cause_in_log(written: str) -> str:
    """Return the cause that slurmstepd wrote into a job's log, '' if it wrote none.

    Where Slurm itself counts memory (``JobAcctGatherParams=OverMemoryKill``), its books say of a job that was
    killed for it only FAILED, signal 9 and ``JobLaunchFailure``; this line is all that tells why.
    """
    return next((cause for said, cause in _SAID_IN_LOG if said.search(written)), "")


def settle(
    completions: Sequence[Entry], memory: Sequence[Entry], books: Sequence[Entry]
) -> tuple[Entry, ...]:
    """Return how jobs of one id ended, one entry for each name, from all who may know.

    A job that the controller lists as not over is not over, whatever the others say of an earlier start of
    it. Else the books count before the controller, as they know more, if their last entry is an end;
    slurmdbd may have missed one.
    """
    alive = {entry.name for entry in memory if entry.accounting is None}
    last_in_books = {entry.name: entry for entry in books}.values()
    ends = {
        entry.name: entry
        for entry in (*completions, *memory, *last_in_books)
        if entry.accounting is not None and entry.name not in alive
    }
    return tuple(ends.values())
