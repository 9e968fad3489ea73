"""The base of the back-ends that drive a batch system by its own commands: everything but its words.

A subclass is a table of words and patterns and a few pure functions that read what the commands print. It
decides nothing of when a command is run, how often, for how long, and what becomes of a bad answer:

* one status command for all jobs of a poll, and only our own ids in it;
* a line that cannot be read costs the job in it one poll, and no other job anything;
* a command that fails is no news: `ClusterUnavailable`, never a state, however often it fails;
* a job that is not listed is UNKNOWN, and so is one whose id has another name by now.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, NoReturn, Self, TypeVar

import structlog

from cci.cluster.base import Accounting, Cluster, JobRef, JobReport, JobSpec, JobState
from cci.cluster.commands_run import IDS_LENGTH, Commands, Result, chunks
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused
from cci.settings import CommandClusterSettings
from cci.settings_clusters import checked_section

log = structlog.get_logger()

Item = TypeVar("Item")

#: A pattern that nothing matches.
NOTHING = re.compile(r"(?!)")
#: Bad lines that are remembered so as not to be told twice.
_MOST_TOLD = 1000


class Row(NamedTuple):
    """A job as the status command lists it. *name* is '' where the listing has none."""

    id: str
    name: str
    state: JobState
    message: str = ""
    node: str = ""
    submitted: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A job as the books have it; *accounting* is None for one that they know and that is not over."""

    id: str
    name: str
    submitted: datetime | None = None
    accounting: Accounting | None = None


@dataclass(frozen=True)
class Listing:
    """What a status command printed: rows, and what could not be read, as sentences or as it stood."""

    rows: tuple[Row, ...] = ()
    unreadable: tuple[str, ...] = ()


def by_lines(text: str, read: Callable[[str], Row | None]) -> Listing:
    """Read a listing that has a job in each line; *read* returns None for a line that is no job's."""
    rows, unreadable = read_lines(text, read)
    return Listing(rows, unreadable)


def read_lines(text: str, read: Callable[[str], Item | None]) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Read each line that is not blank by itself.

    Parameters
    ----------
    text
        What a command printed.
    read
        Turns one line into a value, or into None if there is none in it (a heading); it raises
        ``ValueError`` or ``LookupError`` for one that it cannot read.

    Returns
    -------
    tuple
        The values, and the lines that could not be read, each with the reason.
    """
    items, unreadable = [], []
    for line in filter(str.strip, text.splitlines()):
        try:
            item = read(line)
        except (ValueError, LookupError) as error:
            unreadable.append(f"{line.strip()!r}: {error}")
        else:
            items += [] if item is None else [item]
    return tuple(items), tuple(unreadable)


class CutShort(ClusterUnavailable):
    """A command crashed, was stopped at its time limit or is not there: nobody knows what it had to say."""


class CommandCluster(Cluster):
    """A batch system behind its commands; see the module. Several threads may use one at once."""

    #: Variables of ours that the system's commands go by where the settings do not set them.
    variables: ClassVar[tuple[str, ...]] = ()
    #: What an id of this system looks like; anything else is UNKNOWN and reaches no command line.
    id_form: ClassVar[re.Pattern[str]] = re.compile(r"[0-9]+")
    #: Complaints that mean that the system did not answer; looked for before any other.
    silence: ClassVar[re.Pattern[str]] = NOTHING
    #: Complaints of the submit command that mean that there is no job and will be none.
    refusal: ClassVar[re.Pattern[str]] = NOTHING
    #: A complaint line that means that the system does not know a job (any more).
    unknown_job: ClassVar[re.Pattern[str]] = NOTHING
    #: Words of each verb (hold, release, suspend, resume, kill) before the id; a lacking one it cannot do.
    verbs: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    #: Complaints by verb that mean that there is nothing to do, such as holding a job that runs.
    needless: ClassVar[Mapping[str, re.Pattern[str]]] = MappingProxyType({})
    #: Variables for the commands that ask, such as the form of times in what they print.
    asking: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: Few: each is a process of its own, and a slow one keeps the ids of those before it from being noted.
    at_once = 4
    #: Whether the status command is told ids; if not, it lists whatever it lists, and is run once.
    asks_by_id: ClassVar[bool] = True

    def __init__(self, name: str, commands: Commands) -> None:
        self.name = name
        self._commands = commands
        self._told: set[str] = set()
        self._lock = Lock()

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, Any]) -> Self:
        """Make the cluster that a settings section describes.

        Parameters
        ----------
        name
            The section's name below ``clusters``.
        settings
            Keys of `cci.settings.CommandClusterSettings`; ``spool`` is not looked at, as nothing is kept.

        Raises
        ------
        SettingsError
            A key is unknown, or its value is wrong.
        """
        section = checked_section(name, settings, CommandClusterSettings)
        return cls(
            name,
            Commands(
                folder=section.commands.expanduser().absolute() if section.commands else None,
                environment=section.environment,
                limit_s=section.command_s,
                inherited=cls.variables,
            ),
        )

    # -- what a subclass says

    @abstractmethod
    def submission(self, job: JobSpec) -> Sequence[str]:
        """Return the words that submit *job*; its wishes are in the script's header."""

    def submission_source(self, job: JobSpec) -> Path | None:  # noqa: ARG002 (a hook)
        """Return the file that the submit command reads as its input, if it reads one."""
        return None

    @abstractmethod
    def submitted_id(self, printed: str) -> str:
        """Return the job id in what the submit command printed, '' if there is none."""

    @abstractmethod
    def status_of(self, ids: Sequence[str]) -> Sequence[str]:
        """Return the words that list jobs by their ids."""

    @abstractmethod
    def status_by_name(self, name: str) -> Sequence[str]:
        """Return the words that list at least the jobs of one name, as `status_of` does."""

    @abstractmethod
    def read_listing(self, printed: str) -> Listing:
        """Read what the status command printed; pure, and never raises for what is in it."""

    @abstractmethod
    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        """Return what the books have of an id or a name, oldest first.

        Raises
        ------
        ClusterUnavailable
            The books are not kept or cannot be read, so that an empty answer would prove nothing.
        """

    def known_as(self, name: str) -> str:
        """Return what the system makes of a job's name; it must still hold the nonce."""
        return name

    def job_environment(self, job: JobSpec) -> Mapping[str, str]:
        """Return variables for the submit command, where they are how a job gets its own."""
        return job.environment

    # -- submitting and finding

    def submit(self, job: JobSpec) -> JobRef:
        """Submit the script as it is; see `Cluster.submit`."""
        if not (job.name and job.name.isascii() and job.name.isprintable() and len(job.name) <= 64):
            raise SubmissionRefused(f"'{job.name}' cannot be the name of a job: 1 to 64 ASCII characters")
        result = self._commands.run(
            self.submission(job), self.job_environment(job), self.submission_source(job)
        )
        if not result.ok:
            self._not_submitted(job, result)
        job_id = self.submitted_id(result.stdout)
        if not self.id_form.fullmatch(job_id):
            raise ClusterUnavailable(f"cluster {self.name} took {job.name} and told no id: {result.said}")
        return JobRef(job_id, job.name, datetime.now(UTC))

    def _not_submitted(self, job: JobSpec, result: Result) -> NoReturn:
        """Tell a no from no answer. What is neither for sure may have left a job: it is no answer."""
        if result.spoke and not self._is_silence(result) and self._matches(self.refusal, result):
            raise SubmissionRefused(
                f"cluster {self.name} refuses job {job.name}: {result.said}",
                hint="mend what the sentence names: queue, account, limits or native options",
            )
        raise self._unavailable(result)

    def find(self, name: str) -> JobRef | None:
        """Look for a name among the jobs that are listed, and then in the books; see `Cluster.find`."""
        known = self.known_as(name)
        rows = [row for row in self._list(self.status_by_name(known)) if row.name == known]
        if rows:
            return JobRef(rows[-1].id, name, rows[-1].submitted)
        entries = [entry for entry in self.entries(name=known) if entry.name == known]
        return JobRef(entries[-1].id, name, entries[-1].submitted) if entries else None

    # -- asking

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """List all jobs that are asked for with one command; see `Cluster.states`."""
        ids = sorted({job.id for job in jobs if self.id_form.fullmatch(job.id)})
        listed: defaultdict[str, list[Row]] = defaultdict(list)
        for chunk in self._chunks(ids):
            for row in self._list(self.status_of(chunk)):
                listed[row.id].append(row)
        return {job: self._report(job, listed.get(job.id, ())) for job in jobs}

    def _chunks(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        if not self.asks_by_id:
            yield from [ids] if ids else []
            return
        yield from chunks(ids, IDS_LENGTH)

    def _report(self, job: JobRef, rows: Sequence[Row]) -> JobReport:
        known = self.known_as(job.name)
        for row in reversed(rows):
            if not known or row.name in ("", known):
                return _report_of(row.state, row.message, row.node)
        words = f"has given the id {job.id} to another job" if rows else "does not list this job"
        return JobReport(state=JobState.UNKNOWN, message=f"cluster {self.name} {words}")

    def accounting(self, job: JobRef) -> Accounting | None:
        """Return what the books say of a job that is over; see `Cluster.accounting`."""
        if not self.id_form.fullmatch(job.id):
            return None
        entries = [entry for entry in self.entries(job_id=job.id) if self._is_of(entry, job)]
        return entries[-1].accounting if entries else None

    def _is_of(self, entry: Entry, job: JobRef) -> bool:
        return entry.id == job.id and (not job.name or entry.name == self.known_as(job.name))

    # -- controlling

    def hold(self, job: JobRef) -> None:
        """Keep a queued job from starting; one that has started goes on."""
        self._control("hold", job)

    def release(self, job: JobRef) -> None:
        """Let a held job start."""
        self._control("release", job)

    def suspend(self, job: JobRef) -> None:
        """Stop a running job for a while; see `Cluster.suspend`."""
        self._control("suspend", job)

    def resume(self, job: JobRef) -> None:
        """Let a suspended job go on; see `Cluster.suspend`."""
        self._control("resume", job)

    def kill(self, job: JobRef) -> None:
        """End a job in whatever state; one that is over, or not known, needs no killing."""
        self._control("kill", job)

    def _control(self, verb: str, job: JobRef) -> None:
        if verb not in self.verbs:
            raise ClusterError(f"cluster {self.name} cannot {verb} job {job.id}")
        if not self.id_form.fullmatch(job.id) or self._is_anothers(job):
            self._unknown(verb, job, "there is no such job")
            return
        result = self._commands.run((*self.verbs[verb], job.id))
        if result.ok:
            return
        if not result.spoke or self._is_silence(result):
            raise self._unavailable(result)
        if self._matches(self._needless(verb), result):
            return
        if self._matches(self.unknown_job, result):
            self._unknown(verb, job, result.said)
            return
        raise ClusterError(f"cluster {self.name} did not {verb} job {job.id}: {result.said}")

    def _is_anothers(self, job: JobRef) -> bool:
        """Whether the id belongs to a job of another name by now, which must not be touched."""
        if not job.name:
            return False
        rows = [row for row in self._list(self.status_of([job.id])) if row.id == job.id]
        return bool(rows) and all(row.name not in {"", self.known_as(job.name)} for row in rows)

    def _unknown(self, verb: str, job: JobRef, said: str) -> None:
        if verb != "kill":
            hint = "it may have ended long ago"
            raise ClusterError(f"cluster {self.name} did not {verb} job {job.id}: {said}", hint=hint)

    def _needless(self, verb: str) -> re.Pattern[str]:
        return self.needless.get(verb, NOTHING)

    # -- running commands

    def ask(self, words: Sequence[str]) -> str:
        """Run a command that only asks, and return what it printed.

        Jobs that it does not know are no failure; any other complaint with a bad exit status is.

        Raises
        ------
        ClusterUnavailable
            It failed, or did not end in time.
        """
        result = self._commands.run(words, self.asking)
        if result.ok or (result.spoke and self._only_lacks_jobs(result)):
            return result.stdout
        raise self._unavailable(result)

    def _only_lacks_jobs(self, result: Result) -> bool:
        return bool(result.complaints) and all(map(self.unknown_job.search, result.complaints))

    def _list(self, words: Sequence[str]) -> tuple[Row, ...]:
        listing = self.read_listing(self.ask(words))
        strange = tuple(row.message for row in listing.rows if row.state is JobState.UNKNOWN)
        self.tell_unreadable(words[0], (*listing.unreadable, *strange))
        return listing.rows

    def tell_unreadable(self, command: str, unreadable: Sequence[str]) -> None:
        """Log what could not be read or made nothing of, each once in the life of this object."""
        with self._lock:
            room = _MOST_TOLD - len(self._told)
            new = [line for line in unreadable if line not in self._told][:room]
            self._told.update(new)
        if new:
            log.warning(
                "unreadable lines",
                action="cluster_listing",
                cluster=self.name,
                command=command,
                count=len(unreadable),
                example=new[0][:200],
            )

    def _unavailable(self, result: Result) -> ClusterUnavailable:
        hint = f"install it, or name its folder as clusters.{self.name}.commands" if result.missing else ""
        kind = ClusterUnavailable if result.spoke else CutShort
        return kind(f"cluster {self.name} does not answer: {result.said}", hint=hint)

    def _is_silence(self, result: Result) -> bool:
        return self._matches(self.silence, result)

    @staticmethod
    def _matches(pattern: re.Pattern[str], result: Result) -> bool:
        return bool(pattern.search(result.stderr) or pattern.search(result.stdout))


@lru_cache(maxsize=1000)
def _report_of(state: JobState, message: str, node: str) -> JobReport:
    """Make a report; thousands of jobs have the same, and making each takes longer than reading its line."""
    return JobReport(state=state, message=message, node=node)
