"""What Grid Engine's commands print, as values: qstat, qstat -xml, qstat -j, qacct -j, qconf -sconf. Pure.

Read with the times in UTC and the messages in English (``TZ=UTC LC_ALL=C``). Seen with Son of Grid Engine
8.1.9; the forms of Sun's 6.2 and Univa's 8 (units, dates, ``deleted_by``) are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from xml.etree import ElementTree as ET

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Entry, Listing, Row

#: What the letters of a job's state mean, from sge_status(5) and qstat(1); the first that it has decides.
STATES: Mapping[str, JobState] = MappingProxyType(
    {
        "z": JobState.ENDED,  # finished; qmaster remembers the last ``finished_jobs`` of them
        "E": JobState.HELD,  # in error: it could not be started, and waits for somebody (qmod -cj, qdel)
        "s": JobState.SUSPENDED,  # by a person (qmod -sj)
        "S": JobState.SUSPENDED,  # with its queue
        "T": JobState.SUSPENDED,  # with its queue, as a load threshold is passed
        "N": JobState.SUSPENDED,  # preempted (Univa)
        "r": JobState.RUNNING,
        "t": JobState.RUNNING,  # on its way to the node
        "h": JobState.HELD,  # of a job that waits; one that runs has an r or t too
        "q": JobState.QUEUED,
    }
)
#: Letters that only say more: waiting, to be deleted, restarted.
_SAY_MORE = frozenset("wdR")
#: How a row says that its job is in error; the sentence of `reasons` is put after it.
IN_ERROR = "the job is in error state and waits for somebody"

COULD_NOT_START = "could-not-start"
#: Codes of ``failed`` in accounting(5), after sge_status(5), that mean that the job never began.
_BEFORE_START = frozenset({1, 3, 4, 6, 7, 8, 9, 10, 11, 26, 27, 28, 29, 31, 32, 33, 34, 35, 36, 38})
#: … that what ran it died or lost it: the shepherd, the execution daemon, the machine.
_NODE = frozenset({18, 19, 20, 21})
#: … that it ran and will run again (migrated, rescheduled): not an end.
_AGAIN = frozenset({24, 25})
#: … that a signal ended it: qdel, a limit, or something on the node.
_BY_SIGNAL = frozenset({17, 37, 100})
#: … that a limit ended it, as the execution daemon found.
_BY_LIMIT = 37
#: … that it exited with 100, which asks for the error state; Grid Engine keeps such a job.
ASKED_FOR_ERROR = 30

_FAILED = "Grid Engine says: failed {}, {}"

_JOB = re.compile(r"<job_list\b.*?</job_list>", re.DOTALL)
#: A job as qstat prints nearly all: number, name, state, time of submission if it waits, queue. A name that
#: is written with entities is not one of them.
_USUAL = re.compile(
    r"<job_list\b[^<>]*>\s*<JB_job_number>(\d+)</JB_job_number>\s*<JAT_prio>[^<&]*</JAT_prio>"
    r"\s*<JB_name>([^<&]*)</JB_name>\s*<JB_owner>[^<&]*</JB_owner>\s*<state>([A-Za-z]+)</state>"
    r"\s*(?:<JB_submission_time>([^<&]*)</JB_submission_time>|<JAT_start_time>[^<&]*</JAT_start_time>)"
    r"\s*<queue_name>([^<&]*)</queue_name>\s*<slots>\d+</slots>\s*</job_list>"
)
#: A job as plain qstat prints it: number, the first ten letters of its name, state, queue; none of an array.
_PLAIN = re.compile(
    r"^ *(\d+) +[\d.]+ (.{10}) .{12} ([A-Za-z]+) +[\d/]{10} [\d:]{8} +(\S+@\S+)? +\d+ *$", re.MULTILINE
)
_PLAIN_NAME = 10
_UNITS = MappingProxyType({"": 1.0, "B": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40})


def state_of(letters: str) -> JobState | None:
    """Translate a job's state; None if it has a letter that is not known here."""
    if not letters or not set(letters) <= STATES.keys() | _SAY_MORE:
        return None
    return next((state for letter, state in STATES.items() if letter in letters), None)


# -- qstat ------------------------------------------------------------------------------------


def _parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 (our own qstat's, and expat itself refuses what grows without end)


def is_whole(printed: str) -> bool:
    """Whether a listing came to its end."""
    return printed.rstrip().endswith("</job_info>")


def read_listing(printed: str) -> Listing:
    """Read ``qstat -xml``.

    Thousands of jobs look alike, and reading them as XML takes longer than Grid Engine takes to print them.
    """
    usual = _USUAL.findall(printed)
    if len(usual) == printed.count("<job_list"):
        return Listing(tuple(_row(*fields) for fields in usual))
    found = [_row_of(f"<job_list{text}") for text in printed.split("<job_list")[1:]]
    bad = [one for one in found if isinstance(one, str)]
    return Listing(tuple(one for one in found if not isinstance(one, str)), tuple(bad))


def read_plain(printed: str, names: Mapping[str, str]) -> list[Row]:
    """Read ``qstat``, which cuts names off: of the jobs with these names, by their ids, those that fit.

    It costs a third less than the XML, of Grid Engine and of us.
    """
    return [
        _row(number, names[number], letters, "", queue)
        for number, begin, letters, queue in _PLAIN.findall(printed)
        if number in names and begin.rstrip() == names[number][:_PLAIN_NAME].rstrip() and state_of(letters)
    ]


def _row_of(text: str) -> Row | str:
    """Read one job, or say what is wrong with it: a name that makes it no XML costs no other job anything."""
    usual = _USUAL.match(text)
    if usual:
        return _row(*usual.groups(default=""))
    whole = _JOB.match(text)
    try:
        job = _parse(whole[0] if whole else text)
    except ET.ParseError as error:
        return f"{text.strip()!r}: {error}"
    given = {field.tag: (field.text or "").strip() for field in job}
    names = ("JB_job_number", "JB_name", "state", "JB_submission_time", "queue_name")
    number, *others = (given.get(name, "") for name in names)
    return _row(number, *others) if number else "a job without a number"


def _row(number: str, name: str, letters: str, submitted: str, queue: str) -> Row:
    state, message = _told(letters)
    return Row(
        id=number,
        name=name.strip(),
        state=state,
        message=message,
        node=queue.partition("@")[2],
        submitted=_iso_time(submitted),
    )


@lru_cache(maxsize=1000)
def _told(letters: str) -> tuple[JobState, str]:
    state = state_of(letters)
    return state or JobState.UNKNOWN, _message(letters, state)


def _message(letters: str, state: JobState | None) -> str:
    if state is None:
        return f"Grid Engine says '{letters}', which is not known here"
    if "E" in letters:
        return IN_ERROR
    return "it is being deleted" if letters.startswith("d") else ""


@lru_cache(maxsize=1000)
def _iso_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def reasons(printed: str) -> dict[str, str]:
    """Read from ``qstat -xml -j`` why jobs are in error, by their ids."""
    try:
        jobs = _parse(printed).iter("element")
    except ET.ParseError:
        return {}
    said = {job.findtext("JB_job_number", ""): _last_message(job) for job in jobs}
    return {number: sentence for number, sentence in said.items() if number and sentence}


def _last_message(job: ET.Element) -> str:
    messages = [(one.text or "").strip() for one in job.iter("QIM_message")]
    # without the time and the shepherd's mark: "11/20/2026 11:40:22 [0:21078]: error: can't chdir …"
    return re.sub(r"^\S+ \S+ \[[\d:]+\]: (error: )?", "", messages[-1]) if messages else ""


# -- qacct ------------------------------------------------------------------------------------


def read_entries(printed: str) -> list[Entry]:
    """Read ``qacct -j``: one entry for each try to run a job, in the order of the books."""
    return [entry for record in _records(printed) if (entry := _entry(record)) is not None]


def _records(printed: str) -> Iterator[dict[str, str]]:
    for block in re.split(r"^=+\s*$", printed, flags=re.MULTILINE):
        pairs = (line.partition(" ") for line in block.splitlines() if line.strip())
        record = {key: value.strip() for key, _, value in pairs}
        if record:
            yield record


def _entry(record: Mapping[str, str]) -> Entry | None:
    if not record.get("jobnumber", "").isdigit():
        return None
    return Entry(
        id=record["jobnumber"],
        name=record.get("jobname", ""),
        submitted=time_of(record.get("qsub_time", "")),
        accounting=_accounting(_Books(record)),
    )


@dataclass(frozen=True)
class _Books:
    """One record, with the fields that decide."""

    record: Mapping[str, str]

    @property
    def failed(self) -> int | None:
        return _leading_number(self.record.get("failed", ""))

    @property
    def exit_status(self) -> int | None:
        return _leading_number(self.record.get("exit_status", ""))

    @property
    def asked(self) -> dict[str, str]:
        """The resources that the job asked for, from its category."""
        words = self.record.get("category", "").split()
        requests = [after for word, after in pairwise(words) if word == "-l"]
        pairs = (each.partition("=") for request in requests for each in request.split(","))
        return {name: value for name, _, value in pairs}

    @property
    def description(self) -> str:
        return self.record.get("failed", "").partition(":")[2].strip()

    @property
    def wall_s(self) -> float:
        return _seconds(self.record.get("ru_wallclock", "")) or 0.0

    @property
    def peak_memory_mb(self) -> float | None:
        return _megabytes(self.record.get("maxvmem", "")) or None


def _accounting(books: _Books) -> Accounting | None:
    if books.failed is None or books.failed in _AGAIN:
        return None
    found = Accounting(
        exit_status=books.exit_status,
        node=books.record.get("hostname", "").replace("unknown", ""),
        started=time_of(books.record.get("start_time", "")),
        ended=time_of(books.record.get("end_time", "")),
        cpu_s=_seconds(books.record.get("cpu", "")),
        peak_memory_mb=books.peak_memory_mb,
        message=_FAILED.format(books.failed, books.description) if books.failed else "",
    )
    if books.failed in _BEFORE_START:
        return replace(found, exit_status=None, cause=COULD_NOT_START)
    if books.failed in _NODE:
        return replace(found, exit_status=None, cause="node-failure")
    if books.failed in _BY_SIGNAL:
        return _signalled(found, books)
    return found


def _signalled(found: Accounting, books: _Books) -> Accounting:
    """Say which signal ended a job and why, as far as the books tell; see `_cause_of_signal`."""
    status = books.exit_status or 0
    signal = status - 128 if status > 128 else None
    return replace(
        found, exit_status=None if signal else status, signal=signal, cause=_cause_of_signal(books)
    )


def _cause_of_signal(books: _Books) -> str:
    """Compare what the job used with what it asked for; qdel leaves the same signal as a limit does.

    A job's own runner ends orderly whatever its command does, so a signal that ended it came from outside.
    """
    asked = books.asked
    memory = _megabytes(asked.get("h_vmem", "")) or _megabytes(asked.get("h_rss", ""))
    limit_s = _clock(asked.get("h_rt", ""))
    if limit_s and books.wall_s >= limit_s:
        return "walltime"
    if memory and (books.failed == _BY_LIMIT or (books.peak_memory_mb or 0) >= memory):
        return "out-of-memory"
    deleted_by = books.record.get("deleted_by", "").partition("@")[0]
    if deleted_by and deleted_by != "NONE":
        return "killed-by-user" if deleted_by == books.record.get("owner") else "killed-by-administrator"
    return "killed"


def may_go_on(books: Accounting) -> bool:
    """Whether a job may be kept after such an entry, in error state: `IN_ERROR`."""
    asked = _FAILED.format(ASKED_FOR_ERROR, "")
    return books.cause == COULD_NOT_START or books.message.startswith(asked)


def time_of(text: str) -> datetime | None:
    """Read a time as qacct prints it; None for ``-/-`` and what is none."""
    for form in ("%a %b %d %H:%M:%S %Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S.%f"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _leading_number(text: str) -> int | None:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None


def _seconds(text: str) -> float | None:
    found = re.fullmatch(r"([\d.]+)s?", text)
    return float(found[1]) if found else None


def _megabytes(text: str) -> float | None:
    found = re.fullmatch(r"([\d.]+)([KMGT]?)B?", text.upper())
    return float(found[1]) * _UNITS[found[2]] / 2**20 if found else None


def _clock(text: str) -> float | None:
    """Read a duration: seconds, or hours, minutes and seconds."""
    if not re.fullmatch(r"\d+|\d*:\d*:\d+", text):
        return None
    hours, minutes, seconds = (["0", "0", *text.split(":")])[-3:]
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds)


# -- qconf ------------------------------------------------------------------------------------

#: How long qmaster keeps records back where nothing else is configured, in seconds; sge_conf(5).
_DEFAULT_FLUSH_S = 15.0


def books_late_s(printed: str) -> float:
    """Read from ``qconf -sconf`` how late a record may be in the books, in seconds.

    ``accounting_flush_time=0`` is no delay; without it ``flush_time`` holds, and 0 there is the default.
    """
    joined = re.sub(r"\\\s*\n\s*", " ", printed)
    own = re.search(r"\baccounting_flush_time=(\S+)", joined)
    if own:
        given = _clock(own[1])
        return _DEFAULT_FLUSH_S if given is None else given
    common = re.search(r"\bflush_time=(\S+)", joined)
    return (_clock(common[1]) if common else None) or _DEFAULT_FLUSH_S


def in_error(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of those (id, message) that `read_listing` found in error."""
    return sorted({number for number, message in rows if message == IN_ERROR})
