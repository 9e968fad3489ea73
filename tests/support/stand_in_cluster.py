"""A stand-in for a cluster that says what a test wants: no real one falls silent on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cci.cluster.base import Accounting, Cluster, JobRef, JobReport, JobSpec, JobState
from cci.errors import ClusterUnavailable, SubmissionRefused


class StandInCluster(Cluster):
    """Answers with `state` and `books`; while `away` it does not answer at all.

    It refuses jobs with the sentence `refuses`, if that is not empty, and may fall silent over a job that it
    has taken.
    """

    def __init__(self, *, refuses: str = "") -> None:
        self.name = "standin"
        self.refuses = refuses
        self.silent_after_submit = False
        self.state = JobState.RUNNING
        self.books: Accounting | None = None
        self.in_log = ""
        self.away = False

    def _demand_answer(self) -> None:
        if self.away:
            raise ClusterUnavailable("the controller is down")

    def submit(self, job: JobSpec) -> JobRef:
        """Give every job the id 42."""
        self._demand_answer()
        if self.silent_after_submit:
            raise ClusterUnavailable("the connection was cut")
        if self.refuses:
            raise SubmissionRefused(self.refuses)
        return JobRef("42", job.name)

    def find(self, name: str) -> JobRef | None:
        """Know of no job."""
        self._demand_answer()
        del name
        return None

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """Say of each job what was scripted."""
        self._demand_answer()
        return {job: JobReport(state=self.state) for job in jobs}

    def accounting(self, job: JobRef) -> Accounting | None:
        """Return what was scripted."""
        self._demand_answer()
        del job
        return self.books

    def cause_in_log(self, written: str) -> str:
        """Find what was scripted in a log that is not empty."""
        return self.in_log if written else ""

    def hold(self, job: JobRef) -> None:
        """Do nothing; so with `release` and `kill`."""

    def release(self, job: JobRef) -> None:
        """Do nothing."""

    def kill(self, job: JobRef) -> None:
        """Do nothing."""
