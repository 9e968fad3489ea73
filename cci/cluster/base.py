"""What every cluster back-end does, and the values it speaks in. It knows jobs, never tasks.

A back-end only submits, finds, asks and controls. What a job's end *means* is decided elsewhere, from the
exit record in the job directory first and from accounting second, never from a live state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from cci.cluster.native import Wishes
from cci.cluster.site import SiteOptions
from cci.errors import ClusterError, ClusterUnavailable


class JobState(StrEnum):
    """What a cluster says of a job now. None of these ends an attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    SUSPENDED = "suspended"
    #: The cluster says that the job is over; how it ended is in the exit record or in accounting.
    ENDED = "ended"
    #: The cluster does not know the job, or did not answer for it. It is asked again.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One job as it is handed to a cluster.

    Attributes
    ----------
    name
        ASCII, at most 64 characters, unique to the attempt (it ends in a nonce), without a person's data.
    directory
        The job directory; absolute, and the job's working directory.
    script
        The batch script inside *directory*, the only thing the cluster executes.
    shell
        What the script's first line names; some systems do not look there.
    mpi_slots
        Slots of a parallel job that may spread over nodes, each of *cores*; 0 for a job on one node.
    native
        Options in the cluster's own words, already merged (site, processor, task).
    avoid
        Nodes on which the job is not to run, as far as the cluster lets one say so.
    """

    name: str
    directory: Path
    script: Path
    output_log: Path
    walltime_s: int
    memory_mb: int
    shell: str = "/bin/sh"
    cores: int = 1
    gpus: int = 0
    mpi_slots: int = 0
    priority: int = 0
    queue: str = ""
    account: str = ""
    email: str = ""
    native: str = ""
    avoid: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def slots(self) -> int:
        """All cores of the job, on however many nodes."""
        return self.cores * max(self.mpi_slots, 1)


@dataclass(frozen=True)
class JobRef:
    """Which job is meant. A cluster uses its ids again; a name with its nonce it never meets twice.

    Attributes
    ----------
    name
        As in `JobSpec`; '' where only the id is known, and then whatever job has it is meant.
    submitted
        When the cluster gave the id, roughly, in UTC; None where that is not known.
    """

    id: str
    name: str = ""
    submitted: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """A job's state as a cluster tells it at one moment."""

    state: JobState
    message: str = ""
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """What the cluster's books say of a job that is over. Times are in UTC; sizes in MB (2**20 bytes)."""

    exit_status: int | None = None
    signal: int | None = None
    #: A stable code of `cci.causes` where the books name a cause: ``out-of-memory``, ``walltime``,
    #: ``node-failure``, ``could-not-start``, ``killed-by-user``, ``killed-by-administrator``, or ``killed``
    #: where they do not say by whom.
    cause: str = ""
    #: The job was taken away before it began, as the books say or as their having no entry means.
    never_began: bool = False
    message: str = ""
    node: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    cpu_s: float | None = None
    peak_memory_mb: float | None = None


class Cluster(ABC):
    """A configured place to run jobs.

    Every method may raise ``ClusterUnavailable`` (ask again later); none waits for a job.
    """

    name: str
    #: In whose words the header of a batch script is; see `cci.cluster.scripts`.
    dialect: str = "plain"
    #: How the site's batch system wants to be asked, and what the site says to it of every job.
    site: SiteOptions = SiteOptions()
    wishes: Wishes = Wishes()
    #: How many jobs `submit_all` is best given at once; their ids are known when the last was answered.
    at_once: int = 1

    @abstractmethod
    def submit(self, job: JobSpec) -> JobRef:
        """Submit *job* and return which one it is on the cluster.

        Raises
        ------
        SubmissionRefused
            The cluster said no, and will say no again; certainly no job exists.
        ClusterUnavailable
            No clear answer: a job may exist. Look with `find` before submitting again.
        """

    def submit_all(self, jobs: Sequence[JobSpec]) -> list[JobRef | Exception]:
        """Submit jobs in their order; return for each what `submit` returns, or what it raises.

        Once there was no answer the rest is not tried: each could take as long, and gets the same error.
        """
        answers: list[JobRef | Exception] = []
        for job in jobs:
            silent = answers and isinstance(answers[-1], ClusterUnavailable)
            answers.append(answers[-1] if silent else self._answer(job))
        return answers

    def _answer(self, job: JobSpec) -> JobRef | Exception:
        try:
            return self.submit(job)
        except Exception as error:  # noqa: BLE001 (one job's failure is no other's)
            return error

    @abstractmethod
    def find(self, name: str) -> JobRef | None:
        """Return the job with this exact name, None if the cluster *proves* that it never had one."""

    @abstractmethod
    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """Return a report for every job asked for, from one query.

        A job that the cluster does not know, or whose id belongs to a job of another name by now, is
        reported as UNKNOWN.
        """

    @abstractmethod
    def accounting(self, job: JobRef) -> Accounting | None:
        """Return the books' entry of a job that is over, None where there is none (yet)."""

    def cause_in_log(self, written: str) -> str:  # noqa: ARG002 (most systems write nothing there)
        """Return the cause that the system itself wrote at the end of a job's batch log, '' if none.

        What the job's command prints never gets there; see ``docs/reference/job-directory.md``.
        """
        return ""

    @abstractmethod
    def hold(self, job: JobRef) -> None:
        """Keep a queued job from starting; one that has started goes on."""

    @abstractmethod
    def release(self, job: JobRef) -> None:
        """Let a held job start."""

    def suspend(self, job: JobRef) -> None:
        """Stop a running job for a while; it keeps its place.

        Raises
        ------
        ClusterError
            This kind of cluster cannot.
        """
        raise ClusterError(f"cluster {self.name} cannot suspend job {job.id}")

    def resume(self, job: JobRef) -> None:
        """Let a suspended job go on; see `suspend`."""
        raise ClusterError(f"cluster {self.name} cannot resume job {job.id}")

    @abstractmethod
    def kill(self, job: JobRef) -> None:
        """End a job, queued, running, held or suspended. Killing a job that is over is no error."""

    def close(self) -> None:
        """Give up connections and helper processes; jobs are not touched."""
        return
