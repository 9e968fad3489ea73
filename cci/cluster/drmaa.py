"""A batch system through its DRMAA 1.0 library; what DRMAA cannot tell, the system's own commands do.

The library submits, reports states and controls. It lives in another process (`cci.cluster.drmaa_child`),
so that its death or silence costs one call. DRMAA 1.0 finds no job by its name and keeps no books: for these
the cluster opens the back-end that drives the same system by commands.

A job is meant by its id and its name, and DRMAA knows ids only. Whose an id is, this process knows of the
jobs that it has submitted; of any other it asks the commands once, for all such jobs of a poll together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from re import compile as pattern
from threading import Lock

import structlog

from cci.cluster.base import Accounting, Cluster, JobRef, JobReport, JobSpec, JobState
from cci.cluster.drmaa_child import SUBMIT
from cci.cluster.drmaa_library import Library, LibraryError, LibraryLost
from cci.cluster.drmaa_memory import Allowance, Known, Memory, longest_ago
from cci.cluster.drmaa_states import (
    ABOUT_ONE_JOB,
    DELETED,
    NO_RUSAGE,
    NO_SUCH_JOB,
    REFUSALS,
    WRONG_STATE,
    accounting_of,
    report_of,
    state_of,
)
from cci.cluster.drmaa_template import attributes
from cci.cluster.options import SiteOptions
from cci.errors import CciError, ClusterError, ClusterUnavailable, SubmissionRefused

log = structlog.get_logger()

#: What an id can look like in any system; nothing else reaches the library.
_ID = pattern(r"[A-Za-z0-9][A-Za-z0-9._@\[\]-]*")
#: How long the books may take until what the library told of an end is used in their place, in seconds.
BOOKS_LATE_S = 60.0
#: Jobs in one poll about which the library dies or complains before the rest is left for the next poll.
_MOST_TROUBLE = 3
#: What each verb is to lead to: whether a job in this state needs no more of it.
_REACHED: Mapping[str, Callable[[JobState], bool]] = {
    "hold": lambda state: state is not JobState.QUEUED,
    "release": lambda state: state is not JobState.HELD,
    "suspend": lambda state: state in {JobState.SUSPENDED, JobState.ENDED},
    "resume": lambda state: state is not JobState.SUSPENDED,
    "terminate": lambda state: state is JobState.ENDED,
}


class DrmaaCluster(Cluster):
    """A batch system behind its DRMAA library. Several threads may use it.

    Parameters
    ----------
    name
        How the settings call this cluster.
    library
        The library.
    system
        The batch system behind it; a key of `cci.cluster.factory.KINDS`.
    site
        How this system wants to be asked.
    ask_per_s
        Most jobs that the library is asked for in a second, on the average over a minute.
    open_books
        Opens the same system by its commands; called when it is first needed.
    clock
        Seconds that only grow.
    """

    #: One death of the library leaves so many jobs in doubt, and no more wait for their ids.
    at_once = 16

    def __init__(
        self,
        name: str,
        library: Library,
        *,
        system: str,
        site: SiteOptions,
        ask_per_s: float,
        open_books: Callable[[], Cluster],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.dialect = system
        self.library = library
        self._site = site
        self._open_books = open_books
        self._clock = clock
        self._memory = Memory(clock)
        self._allowance = Allowance(ask_per_s, clock)
        self._asking = Lock()

    # -- submitting and finding

    def submit(self, job: JobSpec) -> JobRef:
        """Submit the script; see `Cluster.submit`."""
        answer = self.submit_all([job])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def submit_all(self, jobs: Sequence[JobSpec]) -> list[JobRef | Exception]:
        """Let the library take one job right after the other; see `Cluster.submit_all`."""
        asked = [self._template(job) for job in jobs]
        good = [{"attributes": one} for one in asked if not isinstance(one, Exception)]
        answers = iter(self._run_all(good))
        return [
            one if isinstance(one, Exception) else self._submitted(job, next(answers))
            for job, one in zip(jobs, asked, strict=True)
        ]

    def _template(self, job: JobSpec) -> dict[str, object] | CciError:
        if not (job.name and job.name.isascii() and job.name.isprintable() and len(job.name) <= 64):
            return SubmissionRefused(f"'{job.name}' cannot be the name of a job: 1 to 64 ASCII characters")
        try:
            return attributes(job, self.dialect, self._site)
        except CciError as error:
            return error

    def _run_all(self, requests: Sequence[Mapping[str, object]]) -> Sequence[object]:
        try:
            return self.library.call_each(SUBMIT, requests) if requests else []
        except ClusterUnavailable as error:
            return [error] * len(requests)

    def _submitted(self, job: JobSpec, answer: object) -> JobRef | Exception:
        if isinstance(answer, LibraryError):
            error = self._not_submitted(job, answer)
            error.__cause__ = answer
            return error
        if isinstance(answer, Exception):
            return answer
        ref = JobRef(str(answer), job.name, datetime.now(UTC))
        self._memory.note(ref, JobReport(state=JobState.QUEUED))
        return ref

    def _not_submitted(self, job: JobSpec, error: LibraryError) -> ClusterError:
        if error.kind not in REFUSALS:
            return self._no_answer(error)
        # a library may say no more than "no suitable queues"
        wish = f"{job.cores} cores and {job.memory_mb} MB" + (f" and {job.gpus} GPUs" if job.gpus else "")
        return SubmissionRefused(
            f"cluster {self.name} refuses job {job.name}, which wants {wish}: {error.text}",
            hint="mend what the sentence names: queue, account, limits or native options",
        )

    def find(self, name: str) -> JobRef | None:
        """Look for a name among the jobs of this process, then by the system's commands."""
        return self._memory.named(name) or self._books.find(name)

    # -- asking

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """Ask for as many of the jobs as may be asked for now; see `Cluster.states`.

        The others are reported as they were last, and come first the next time.
        """
        wanted = set(jobs)
        reports = {job: self._no_job() for job in wanted if not _ID.fullmatch(job.id)}
        with self._asking:
            strangers = {job for job in wanted - reports.keys() if self._is_strange(job)}
            reports |= self._get_to_know(strangers)
            reports |= self._ask(wanted - reports.keys())
            self._reap({job.id for job in wanted})
        return reports

    def _is_strange(self, job: JobRef) -> bool:
        return bool(job.name) and self._memory.of(job) is None

    def _get_to_know(self, strangers: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """Ask the commands, which know names, for jobs that this process has not submitted."""
        reports = self._books.states(strangers) if strangers else {}
        for job, report in reports.items():
            if report.state is not JobState.UNKNOWN:
                self._memory.note(job, report)
        return reports

    def _ask(self, jobs: Collection[JobRef]) -> dict[JobRef, JobReport]:
        """Ask the library for the jobs whose turn it is; of the others tell what is known."""
        nameless = [job for job in jobs if not job.name and self._memory.of(job) is None]
        reports = {job: self._report(job) for job in nameless}
        by_id = {job.id: job for job in jobs if self._memory.of(job) is not None}
        answered, trouble = 0, list[_AboutOneJob]()
        for id_ in longest_ago(self._memory.living(), by_id, self._allowance.left()):
            try:
                self._report(by_id[id_])
                answered += 1
            except _AboutOneJob as error:
                trouble.append(error)
                self._memory.note(by_id[id_], JobReport(state=JobState.UNKNOWN, message=error.message))
            if len(trouble) >= _MOST_TROUBLE:
                break
        if trouble and not answered:
            raise trouble[0]
        return {**{job: self._last_of(job) for job in jobs}, **reports}

    def _last_of(self, job: JobRef) -> JobReport:
        known = self._memory.of(job)
        return known.report if known else self._no_job()

    def _report(self, job: JobRef) -> JobReport:
        """Ask the library for one job, and take what it knows of the end of one that is over."""
        self._allowance.use()
        self._memory.asked(job.id)
        try:
            report = report_of(self.library.call("status", id=job.id))
        except LibraryLost as lost:
            # it died twice of this question, and may live with the next
            raise lost if lost.late else _AboutOneJob(lost.message) from lost
        except LibraryError as error:
            if error.kind not in NO_SUCH_JOB:
                raise self._no_answer(error) from error
            report = self._no_job()
        told = self._end_of(job) if report.state is JobState.ENDED else None
        if job.name or self._memory.of(job) is not None:
            self._memory.note(job, report, told=told)
        return report

    def _end_of(self, job: JobRef) -> Accounting | None:
        """Let the library forget a job that is over, and return what it told of the end.

        Its session would grow with every job otherwise. It tells the end once only.
        """
        try:
            info = self.library.call("wait", id=job.id)
        except LibraryLost as lost:
            if lost.late:
                raise
            return None
        except LibraryError as error:
            ran = (known := self._memory.of(job)) is not None and known.ran
            return DELETED if error.kind == NO_RUSAGE and not ran else None
        return accounting_of(info) if info is not None else None

    def _reap(self, asked_for: Collection[str]) -> None:
        """Let the library forget jobs that ended and that nobody asks for: their exit records came first."""
        living = self._memory.living()
        others = [id_ for id_ in living if id_ not in asked_for]
        for id_ in longest_ago(living, others, self._allowance.left()):
            self._allowance.use()
            try:
                self._reap_one(id_, living[id_])
            except ClusterError as error:
                log.warning("jobs not reaped", action="drmaa", cluster=self.name, error=error.message)
                return

    def _reap_one(self, job_id: str, known: Known) -> None:
        self._memory.asked(job_id)
        try:
            info = self.library.call("wait", id=job_id)
        except LibraryError as error:
            if error.kind in {*NO_SUCH_JOB, NO_RUSAGE}:
                self._memory.forget(job_id)
                return
            raise self._no_answer(error) from error
        if info is not None:
            ended = JobReport(state=JobState.ENDED)
            self._memory.note(JobRef(job_id, known.name), ended, told=accounting_of(info))

    def accounting(self, job: JobRef) -> Accounting | None:
        """Return what the system's books say, or the library told if they are late; see `Cluster.accounting`.

        What Slurm's library tells of an end is not used: where it cannot see a job it makes something up.
        """
        known = self._memory.of(job) if job.name else None
        late = known is not None and known.ended is not None and self._clock() - known.ended >= BOOKS_LATE_S
        told = known.told if known is not None and late and self.dialect != "slurm" else None
        try:
            return self._books.accounting(job) or told
        except ClusterUnavailable:
            # that a job was deleted is known only from what the books lack
            if told is None or told is DELETED:
                raise
            return told

    def cause_in_log(self, written: str) -> str:
        """Read what the batch system itself wrote; see `Cluster.cause_in_log`."""
        return self._books.cause_in_log(written)

    # -- controlling

    def hold(self, job: JobRef) -> None:
        """Keep a queued job from starting; one that has started goes on."""
        # Grid Engine would hold one that runs as well, and say from then on that it waits.
        if self._state(job) is not JobState.RUNNING:
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
        if self._is_there(job):
            self._control("terminate", job)

    def _is_there(self, job: JobRef) -> bool:
        """Whether the id is this job's and nobody else's, and the job not known to be over."""
        if not _ID.fullmatch(job.id):
            return False
        if self._is_strange(job):
            self._get_to_know([job])
        known = self._memory.of(job)
        return known.ended is None if known else not job.name

    def _control(self, verb: str, job: JobRef) -> None:
        if not self._is_there(job):
            raise self._not_done(verb, job, "there is no such job")
        try:
            self.library.call("control", id=job.id, operation=verb)
        except LibraryError as error:
            if error.kind in NO_SUCH_JOB and verb == "terminate":
                return
            if error.kind in WRONG_STATE and _REACHED[verb](self._state(job)):
                return
            if error.kind in NO_SUCH_JOB | WRONG_STATE | REFUSALS:
                raise self._not_done(verb, job, error.text) from error
            raise self._no_answer(error) from error

    def _state(self, job: JobRef) -> JobState:
        """Ask for the state of one job now."""
        if not self._is_there(job):
            return JobState.UNKNOWN
        try:
            return state_of(self.library.call("status", id=job.id))
        except LibraryError as error:
            if error.kind in NO_SUCH_JOB:
                return JobState.UNKNOWN
            raise self._no_answer(error) from error

    def _not_done(self, verb: str, job: JobRef, said: str) -> ClusterError:
        what = "kill" if verb == "terminate" else verb
        return ClusterError(
            f"cluster {self.name} did not {what} job {job.id}: {said}", hint="it may have ended long ago"
        )

    # -- the rest

    def close(self) -> None:
        """Leave the session and end the library's process; jobs are not touched."""
        self.library.close()
        if "_books" in vars(self):
            self._books.close()

    @cached_property
    def _books(self) -> Cluster:
        return self._open_books()

    def _no_job(self) -> JobReport:
        return JobReport(state=JobState.UNKNOWN, message=f"cluster {self.name} knows no such job")

    def _no_answer(self, error: LibraryError) -> ClusterUnavailable:
        about = _AboutOneJob if error.kind in ABOUT_ONE_JOB else ClusterUnavailable
        return about(f"cluster {self.name} does not answer: {error.text or error.kind}")


class _AboutOneJob(ClusterUnavailable):
    """The library cannot tell of one job; of others it may."""
