"""Clusters over the stand-in DRMAA library, with stand-in books and a clock that tests move."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cci.cluster import JobRef, JobSpec, JobState
from cci.cluster.base import Accounting, Cluster, JobReport
from cci.cluster.drmaa import DrmaaCluster
from cci.cluster.drmaa_library import Contact, Library
from cci.cluster.drmaa_settings import child_environment, read_section
from cci.cluster.options import SiteOptions
from cci.errors import ClusterUnavailable
from support import stand_in_drmaa
from support.stand_in_drmaa import StandIn

#: More than any call takes that is not told to hang, however busy the machine is.
PATIENCE_S = 300.0


class StandInBooks(Cluster):
    """The system by its commands, as far as DRMAA needs them: it knows what a test says."""

    def __init__(self) -> None:
        self.known: dict[JobRef, JobState] = {}
        self.books: dict[JobRef, Accounting] = {}
        self.asked: list[set[JobRef]] = []
        self.away = False

    def _demand(self) -> None:
        if self.away:
            raise ClusterUnavailable("the commands do not answer")

    def submit(self, job: JobSpec) -> JobRef:
        raise NotImplementedError

    def find(self, name: str) -> JobRef | None:
        self._demand()
        return next((job for job in self.known if job.name == name), None)

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        self._demand()
        self.asked.append(set(jobs))
        return {job: JobReport(state=self.known.get(job, JobState.UNKNOWN)) for job in jobs}

    def accounting(self, job: JobRef) -> Accounting | None:
        self._demand()
        return self.books.get(job)

    def hold(self, job: JobRef) -> None:
        raise NotImplementedError

    def release(self, job: JobRef) -> None:
        raise NotImplementedError

    def kill(self, job: JobRef) -> None:
        raise NotImplementedError


@dataclass
class Bench:
    """Clusters over one stand-in library, with a clock that a test moves."""

    root: Path
    stand_in: StandIn
    books: StandInBooks = field(default_factory=StandInBooks)
    now: float = 1000.0
    opened: list[DrmaaCluster] = field(default_factory=list)

    def open(self, *, call_s: float = PATIENCE_S, ask_per_s: float = 1000.0) -> DrmaaCluster:
        """Open the cluster as another program would."""
        environment = {"STAND_IN_DRMAA": str(self.stand_in.folder)}
        section = {"kind": "drmaa", "library": stand_in_drmaa.library(), "environment": environment}
        library = Library(
            "big",
            child_environment(read_section("big", section), os.environ),
            Contact(self.contact),
            call_s=call_s,
        )
        cluster = DrmaaCluster(
            "big",
            library,
            system="sge",
            site=SiteOptions(),
            ask_per_s=ask_per_s,
            open_books=lambda: self.books,
            clock=lambda: self.now,
        )
        self.opened.append(cluster)
        return cluster

    @property
    def contact(self) -> Path:
        """The file that keeps the session's contact."""
        return self.root / "spool" / "big.contact"

    def job(self, number: int = 1, **changes: object) -> JobSpec:
        """Describe a job."""
        directory = self.root / f"job-{number}"
        usual: dict[str, object] = {
            "name": f"cci-test-{number:016x}",
            "directory": directory,
            "script": directory / "script.sh",
            "output_log": directory / "batch.log",
            "walltime_s": 60,
            "memory_mb": 100,
        }
        return JobSpec(**{**usual, **changes})  # type: ignore[arg-type]

    def close(self) -> None:
        """End every library's process."""
        (self.stand_in.folder / "exit").unlink(missing_ok=True)
        for cluster in self.opened:
            cluster.close()

    def submitted(self, cluster: DrmaaCluster, number: int) -> list[JobRef]:
        """Submit so many jobs."""
        return [cluster.submit(self.job(index)) for index in range(1, number + 1)]


def states(cluster: Cluster, jobs: Collection[JobRef]) -> list[JobState]:
    """Return the states of jobs in their order."""
    reports = cluster.states(jobs)
    return [reports[job].state for job in jobs]


def ended(bench: Bench, cluster: DrmaaCluster, how: str, *, ran: bool = True) -> JobRef:
    """Submit a job that ends so, and see its end."""
    job = cluster.submit(bench.job())
    if ran:
        bench.stand_in.state(job.id, 0x20)
        cluster.states([job])
    if how:
        bench.stand_in.end(job.id, how, "start_time=1795174667.0")
    else:
        bench.stand_in.state(job.id, 0x40)
    cluster.states([job])
    return job
