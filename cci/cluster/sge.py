"""Grid Engine (Sun, Son of, Open, Univa/Altair) by its own commands. How they print is in `sge_reading`.

One ``qstat`` lists all jobs of ours, with their whole names, those that wait, run, and have just ended. While
there are no new ones, a plain ``qstat``, which costs less and cuts names off, tells the rest.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cci.cluster import sge_reading as reading
from cci.cluster.base import Accounting, JobRef, JobReport, JobSpec, JobState
from cci.cluster.commands import CommandCluster, Entry, Listing
from cci.cluster.commands_run import Commands
from cci.errors import ClusterUnavailable

#: What a record may be later than Grid Engine's own delay, for its way through a shared disk, in seconds.
_MARGIN_S = 1.0
#: For how long after a listing its ids are still those jobs' own, in seconds: ids are given out in order, and
#: come round after millions of jobs.
_NAMES_S = 600.0


class GridEngineCluster(CommandCluster):
    """A Grid Engine behind qsub, qstat, qacct, qdel, qhold, qrls, qmod and qconf."""

    dialect = "sge"
    variables = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT", "SGE_CLUSTER_NAME")
    id_form = re.compile(r"[1-9][0-9]*")
    silence = re.compile(
        r"commlib error|qmaster using port|unable to contact qmaster|got send error"
        r"|failed receiving gdi request|timeout error|reading answer list|initialize environment"
        r"|SGE_ROOT directory|cell directory|SGE_QMASTER_PORT|environment variable SGE_ROOT"
    )
    refusal = re.compile(r"Unable to (run job|read script)|^qsub: |^error: ", re.MULTILINE)
    unknown_job = re.compile(
        r"does not exist|invalid queue or job|^error: job (id|name) .* not found$"
        r"|^Following jobs do not exist|^[0-9]+$"
    )
    verbs = MappingProxyType(
        {
            "hold": ("qhold",),
            "release": ("qrls",),
            "suspend": ("qmod", "-sj"),
            "resume": ("qmod", "-usj"),
            "kill": ("qdel",),
        }
    )
    # the times that they print have no zone, and the queue's name, with that of the node, may be long
    asking = MappingProxyType({"TZ": "UTC", "SGE_LONG_QNAMES": "120"})
    asks_by_id = False
    #: How to wait and what tells the time; tests have their own.
    sleep: Callable[[float], None] = staticmethod(time.sleep)
    clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, name: str, commands: Commands) -> None:
        super().__init__(name, commands)
        self._plain = ("qstat", "-u", _user(), "-s", "prsz")
        self._listing = (*self._plain, "-xml")
        self._names: dict[str, str] = {}
        self._named_at = self.clock()
        self._reasons: dict[str, str] = {}
        self._ended: dict[JobRef, float] = {}
        self._late_s: float | None = None

    # -- submitting and finding

    def submission(self, job: JobSpec) -> Sequence[str]:
        """Have the job validated too: one that fits nowhere is refused now, and does not wait for ever.

        That it is a script, which may wait, is said since somebody's ``.sge_request`` may have it otherwise.
        """
        checked = "-w" in shlex.split(job.native)
        validated = () if checked else ("-w", "e")
        return ("qsub", "-terse", "-b", "n", "-now", "n", "-N", job.name, *validated, str(job.script))

    def submitted_id(self, printed: str) -> str:
        """Return the last line that is a number; a site's own checks may print before it, or behind."""
        lines = (line.strip() for line in reversed(printed.splitlines()))
        return next((line for line in lines if line.isdigit()), "")

    def find(self, name: str) -> JobRef | None:
        """Look among the jobs that are listed, then in the books; see `Cluster.find`.

        A job that has just ended may be in neither for as long as qmaster keeps records back
        (``accounting_flush_time``, usually 15 s). Before this says that there is no job it lets that time
        pass, and looks into the books once more.

        Raises
        ------
        ClusterUnavailable
            Also if records may be later than a command may take; nothing is proved then.
        """
        found = super().find(name)
        late_s = 0.0 if found else self._books_late_s()
        if found or not late_s:
            return found
        if late_s > self._commands.limit_s:
            raise ClusterUnavailable(
                f"cluster {self.name} writes its books only every {late_s:g} s, so that a job of the name"
                f" {name} may be in none of them yet",
                hint="set accounting_flush_time in reporting_params (qconf -mconf) to 15 seconds",
            )
        self.sleep(late_s + _MARGIN_S)
        return super().find(name)

    # -- asking

    def status_of(self, ids: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 (the contract's)
        """List all jobs of ours: qstat cannot be asked for some of them in this form."""
        return self._listing

    def status_by_name(self, name: str) -> Sequence[str]:  # noqa: ARG002 (the contract's)
        """List all jobs of ours."""
        return self._listing

    def read_listing(self, printed: str) -> Listing:
        """Read ``qstat -xml``, and remember whose the ids are."""
        listing = reading.read_listing(printed)
        with self._lock:
            self._names = {row.id: row.name for row in listing.rows}
            self._named_at = self.clock()
        return listing

    def ask(self, words: Sequence[str]) -> str:
        """Run a command that only asks; a listing that was cut off is no answer."""
        printed = super().ask(words)
        if words is self._listing and not reading.is_whole(printed):
            raise ClusterUnavailable(f"cluster {self.name} does not answer: the listing of qstat is cut off")
        return printed

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """List all jobs with one command, and ask once for the reason of each that is in error."""
        reports = self._states_by_plain(jobs) or super().states(jobs)
        self._note_ends(reports)
        self._ask_reasons(reports)
        if not self._reasons:
            return reports
        return {job: self._with_reason(job, report) for job, report in reports.items()}

    def _states_by_plain(self, jobs: Collection[JobRef]) -> dict[JobRef, JobReport]:
        """Tell the states of jobs whose names the last listings proved; of none if it cannot tell all."""
        with self._lock:
            names = self._names if self.clock() - self._named_at < _NAMES_S else {}
        if any(not job.name or names.get(job.id) != self.known_as(job.name) for job in jobs):
            return {}
        rows = {row.id: row for row in reading.read_plain(self.ask(self._plain), names)} if jobs else {}
        if any(job.id not in rows for job in jobs):
            return {}
        with self._lock:
            self._named_at = self.clock()
        return {job: self._report(job, (rows[job.id],)) for job in jobs}

    def _note_ends(self, reports: Mapping[JobRef, JobReport]) -> None:
        now = self.clock()
        with self._lock:
            ended = {job for job, report in reports.items() if report.state is JobState.ENDED}
            for job in self._ended.keys() & reports.keys() - ended:
                del self._ended[job]
            for job in ended:
                self._ended.setdefault(job, now)

    def _ask_reasons(self, reports: Mapping[JobRef, JobReport]) -> None:
        """Ask once for what each job in error is said to lack; without an answer the states count as well."""
        wrong = reading.in_error([(job.id, report.message) for job, report in reports.items()])
        with self._lock:
            self._reasons = {number: why for number, why in self._reasons.items() if number in wrong}
            new = [number for number in wrong if number not in self._reasons]
        if new:
            told = dict.fromkeys(new, "")
            with suppress(ClusterUnavailable):
                told |= reading.reasons(self.ask(("qstat", "-xml", "-j", ",".join(new))))
            with self._lock:
                self._reasons.update(told)

    def _with_reason(self, job: JobRef, report: JobReport) -> JobReport:
        why = self._reasons.get(job.id) if report.message == reading.IN_ERROR else None
        return replace(report, message=f"{report.message}: {why}") if why else report

    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        """Ask qacct."""
        return reading.read_entries(self.ask(("qacct", "-j", job_id or name)))

    def accounting(self, job: JobRef) -> Accounting | None:
        """Return what qacct says of a job that is over; see `Cluster.accounting`.

        Each failed start is in the books too, of a job that waits in error state and may start yet. A job
        that was deleted while it waited never gets there; see `_never_began`.
        """
        found = super().accounting(job)
        if found is None:
            return self._never_began(job) if self.id_form.fullmatch(job.id) else None
        if reading.may_go_on(found) and self.states([job])[job].state not in {
            JobState.ENDED,
            JobState.UNKNOWN,
        }:
            return None
        return found

    def _never_began(self, job: JobRef) -> Accounting | None:
        """Tell of a job that Grid Engine lists as finished, and that is still in no books when it must be."""
        with self._lock:
            since = self._ended.get(job)
        if since is None or self.clock() < since + self._books_late_s() + _MARGIN_S:
            return None
        if self.states([job])[job].state is not JobState.ENDED:
            return None
        return Accounting(cause="killed", never_began=True, message="the job was deleted while it waited")

    def _books_late_s(self) -> float:
        """Return how late a record may be; asked once, as nobody changes it every day."""
        if self._late_s is None:
            self._late_s = reading.books_late_s(self.ask(("qconf", "-sconf")))
        return self._late_s


def _user() -> str:
    """Return the name that Grid Engine knows us by; not ``getlogin``, as a service has no terminal."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "*"


def from_settings(name: str, settings: Mapping[str, Any]) -> GridEngineCluster:
    """Make the cluster that a settings section describes; see `CommandCluster.from_settings`."""
    return GridEngineCluster.from_settings(name, settings)
