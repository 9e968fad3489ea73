"""Trial jobs: runs a few of a second each on a cluster, all at once, and notes what is seen of them.

They are made and submitted as the jobs of tasks are, with the runner and its exit record. What was seen is
judged in `cci.daemon.doctor_proofs`. Every job is taken back, and its folder removed, whatever happens.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from cci.cluster.base import Accounting, Cluster, JobRef, JobReport, JobSpec, JobState
from cci.cluster.native import Wishes
from cci.daemon import jobdir, plain_files
from cci.daemon.asking import ScriptForm
from cci.daemon.jobdir import ExitRecord, JobDirectory
from cci.errors import ClusterError, ClusterUnavailable

#: A trial job asks for this wall time; none is left alone for as long.
WALLTIME_S = 300
#: How long the record, and the books, of a job that is over are waited for, in seconds.
RECORD_S, BOOKS_S = 10.0, 45.0
#: How long a job that was taken back may take to be gone, in seconds.
_GONE_S = 10.0
#: Pause between two looks, which grows, in seconds.
_SHORTEST_S, _LONGEST_S = 0.2, 2.0
#: So many jobs are tried until one could be held before it started.
HOLDS = 3
#: How long the job that is to be held may not start by itself, in seconds: a hold comes too late otherwise.
_DELAY_S = 6
#: How that is said, by batch system; the others start quickly, or know whole minutes only.
_DELAYS = MappingProxyType(
    {"sge": "-a {at:%Y%m%d%H%M.%S}", "pbs": "-a {at:%Y%m%d%H%M.%S}", "slurm": "--begin=now+{s}"}
)
#: Tells who and where it is, and what of the work directory can be read and written there.
_SHOW = "mkdir -p outputs/PROBE && { id -u; uname -n; cat inputs/probe; } > outputs/PROBE/node.txt; sleep 1"
_GONE = frozenset({JobState.ENDED, JobState.UNKNOWN})


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How jobs are asked of a cluster: its script's form, its nodes' interpreter, the site's own words."""

    form: ScriptForm
    runner_python: str
    wishes: Wishes = field(default_factory=Wishes)
    memory_mb: int = 256


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of one job; *states* in their order, each once in a row."""

    job: JobRef | None = None
    error: ClusterError | None = None
    states: tuple[JobState, ...] = ()
    message: str = ""
    node: str = ""
    record: ExitRecord | None = None
    books: Accounting | None = None

    def is_whole(self, *, killed: bool) -> bool:
        """Whether both witnesses have spoken; a job that was killed may leave no record: it had not begun."""
        if self.books is None:
            return False
        return self.record is not None or (killed and bool(self.books.cause))


@dataclass(frozen=True, kw_only=True)
class Attached:
    """What a second, freshly opened cluster object knows of a job that runs."""

    found: JobRef | None = None
    state: JobState | None = None
    error: ClusterError | None = None


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """What was seen of all trial jobs.

    Attributes
    ----------
    shown
        A job that ends well after a second, and tells about its node.
    three
        A job that exits 3.
    held
        A job that is held, and then released.
    killed
        A job that is looked at anew while it runs, and then killed.
    node_lines
        What the job told: user id, node, and a word that it read in its folder; empty if it told nothing.
    """

    patience_s: float
    shown: Seen
    three: Seen = Seen()
    held: Seen = Seen()
    killed: Seen = Seen()
    attached: Attached | None = None
    word: str = ""
    node_lines: tuple[str, ...] = ()


@dataclass
class _Trial:
    """One job, as it is seen by and by."""

    spec: JobSpec
    seen: Seen = field(default_factory=Seen)
    nonce: str = ""
    over_since: float | None = None
    killed: bool = False

    def note(self, report: JobReport) -> None:
        states = self.seen.states
        if report.state is not JobState.UNKNOWN and states[-1:] != (report.state,):
            states = (*states, report.state)
        node = report.node or self.seen.node
        self.seen = replace(self.seen, states=states, message=report.message or self.seen.message, node=node)

    def settled(self, now: float) -> bool:
        """Whether nothing more is to be expected of it."""
        if self.seen.job is None:
            return True
        if self.over_since is None:
            return False
        waited_s = now - self.over_since
        return self.seen.is_whole(killed=self.killed) or waited_s > (RECORD_S if self.seen.books else BOOKS_S)


def run_trials(open_: Callable[[], Cluster], terms: Terms, work_dir: Path, *, patience_s: float) -> Proofs:
    """Run trial jobs on a cluster and return what was seen.

    Parameters
    ----------
    open_
        Opens the cluster; called twice.
    work_dir
        Where they have a folder of their own, which is removed.
    patience_s
        Longest time for all of them together, in seconds.
    """
    folder = Path(tempfile.mkdtemp(prefix=".doctor-", dir=work_dir))
    cluster = open_()
    try:
        return _Run(cluster, open_, terms, folder, patience_s).go()
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """The jobs of one look, and the loop that follows them."""

    def __init__(
        self, cluster: Cluster, open_: Callable[[], Cluster], terms: Terms, folder: Path, patience_s: float
    ) -> None:
        self.cluster, self.open, self.terms, self.folder = cluster, open_, terms, folder
        self.patience_s = patience_s
        self.word = secrets.token_hex(8)
        self.every: list[_Trial] = []
        self.attached: Attached | None = None
        self.released = False

    def go(self) -> Proofs:
        """Submit all, follow them to their ends, and take back what is left."""
        give_up = time.monotonic() + self.patience_s
        try:
            self.shown = self._submit(_SHOW)
            if self.shown.seen.job is None:
                return Proofs(patience_s=self.patience_s, shown=self.shown.seen)
            self.three = self._submit("sleep 1; exit 3")
            self.held = self._submit_held()
            self.killed = self._submit(f"sleep {WALLTIME_S}")
            self._follow(give_up)
            return self._proofs()
        finally:
            self._take_back()

    def _proofs(self) -> Proofs:
        return Proofs(
            patience_s=self.patience_s,
            shown=self.shown.seen,
            three=self.three.seen,
            held=self.held.seen,
            killed=self.killed.seen,
            attached=self.attached,
            word=self.word,
            node_lines=_lines(self.shown.spec.directory / "outputs" / "PROBE" / "node.txt"),
        )

    # -- submitting

    def _submit(self, line: str, terms: Terms | None = None) -> _Trial:
        trial = _make_trial(self.folder, line, terms or self.terms, word=self.word)
        self.every.append(trial)
        try:
            trial.seen = Seen(job=self.cluster.submit(trial.spec))
        except ClusterError as error:
            trial.seen = Seen(error=error)
            if not isinstance(error, ClusterUnavailable):
                return trial
            with suppress(ClusterError):  # it may be there all the same, and must be taken back then
                trial.seen = Seen(error=error, job=self.cluster.find(trial.spec.name))
        return trial

    def _submit_held(self) -> _Trial:
        trial = self._submit("sleep 1", delayed(self.terms, datetime.now().astimezone()))
        if trial.seen.job is not None:
            with self._told(trial):
                self.cluster.hold(trial.seen.job)
        return trial

    @contextmanager
    def _told(self, trial: _Trial) -> Iterator[None]:
        """Note what a cluster cannot do."""
        try:
            yield
        except ClusterError as error:
            trial.seen = replace(trial.seen, error=error)

    # -- following

    def _follow(self, give_up: float) -> None:
        pause_s = _SHORTEST_S
        while time.monotonic() < give_up:
            still = [trial for trial in self.every if not trial.settled(time.monotonic())]
            if not still:
                return
            with suppress(ClusterUnavailable):
                self._look(still)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _LONGEST_S)

    def _look(self, trials: list[_Trial]) -> None:
        jobs = [trial.seen.job for trial in trials if trial.seen.job is not None]
        reports = self.cluster.states(jobs)
        for trial in trials:
            if trial.seen.job is not None:
                trial.note(reports[trial.seen.job])
                self._look_for_end(trial, reports[trial.seen.job].state)
        self._release_once_held()
        self._kill_once_it_runs()

    def _look_for_end(self, trial: _Trial, state: JobState) -> None:
        """Look for the record always, and into the books when the job seems to be over."""
        record = trial.seen.record or jobdir.read_exit_record(JobDirectory(trial.spec.directory), trial.nonce)
        trial.seen = replace(trial.seen, record=record)
        over = record is not None or (state in _GONE and bool(trial.seen.states))
        if not over:
            trial.over_since = None
            return
        trial.over_since = trial.over_since or time.monotonic()
        if trial.seen.books is None and trial.seen.job is not None:
            with suppress(ClusterError):  # books that cannot be read are no reason to leave the other jobs
                trial.seen = replace(trial.seen, books=self.cluster.accounting(trial.seen.job))

    def _release_once_held(self) -> None:
        seen = self.held.seen
        if seen.job is None or seen.error is not None or self.released:
            return
        if JobState.HELD in seen.states:
            self.released = True
            with self._told(self.held):
                self.cluster.release(seen.job)
        elif set(seen.states) & {JobState.RUNNING, JobState.ENDED} and self._holds() < HOLDS:
            self.held = self._submit_held()

    def _holds(self) -> int:
        return len(self.every) - 3

    def _kill_once_it_runs(self) -> None:
        seen = self.killed.seen
        if self.attached is None and seen.job is not None and JobState.RUNNING in seen.states:
            self.attached = self._attach(seen.job)
            self.killed.killed = True
            with self._told(self.killed):
                self.cluster.kill(seen.job)

    def _attach(self, job: JobRef) -> Attached:
        try:
            second = self.open()
        except ClusterError as error:
            return Attached(error=error)
        try:
            found = second.find(job.name)
            return Attached(found=found, state=second.states([job])[job].state)
        except ClusterError as error:
            return Attached(error=error)
        finally:
            second.close()

    # -- taking back

    def _take_back(self) -> None:
        left = [
            trial.seen.job
            for trial in self.every
            if trial.seen.job is not None and not (trial.seen.record or trial.seen.books)
        ]
        for job in left:
            with suppress(ClusterError):
                self.cluster.kill(job)
        give_up = time.monotonic() + _GONE_S
        with suppress(ClusterError):
            while left and time.monotonic() < give_up:
                reports = self.cluster.states(left)
                left = [job for job in left if reports[job].state not in _GONE]
                time.sleep(_SHORTEST_S)


def delayed(terms: Terms, now: datetime) -> Terms:
    """Return the terms of a job that does not start at once, where the batch system can be told so.

    Parameters
    ----------
    now
        In the zone of this host, as the batch systems take it.
    """
    form = _DELAYS.get(terms.form.dialect, "")
    words = form.format(at=now + timedelta(seconds=_DELAY_S), s=_DELAY_S)
    native = " ".join(filter(None, (terms.wishes.native, words)))
    return replace(terms, wishes=replace(terms.wishes, native=native))


def _make_trial(folder: Path, line: str, terms: Terms, *, word: str = "") -> _Trial:
    """Make a job directory whose command is a line of shell, as `cci.daemon.staging` does for a task.

    Raises
    ------
    SubmissionRefused
        The job cannot be written in the cluster's words.
    """
    nonce = secrets.token_hex(6)
    directory = JobDirectory(folder / nonce)
    for made in (directory.path, directory.inputs, directory.outputs):
        made.mkdir(mode=jobdir.MODE)
    spec = JobSpec(
        name=f"cci-doctor-{nonce}",
        directory=directory.path,
        script=directory.script,
        output_log=directory.batch_log,
        walltime_s=WALLTIME_S,
        memory_mb=terms.memory_mb,
        queue=terms.wishes.queue,
        account=terms.wishes.account,
        native=terms.wishes.native,
    )
    jobdir.write_file(directory.job, json.dumps(_job_file(spec, nonce, line)))
    runner = resources.files("cci.spiders").joinpath("run.py").read_text(encoding="utf-8")
    jobdir.write_file(directory.runner, runner)
    jobdir.write_file(directory.inputs / "probe", f"{word}\n")
    jobdir.write_file(directory.script, terms.form.script(spec, terms.runner_python), mode=0o700)
    return _Trial(spec=spec, nonce=nonce)


def _job_file(spec: JobSpec, nonce: str, line: str) -> dict[str, object]:
    return {
        "format": 1,
        "task": "doctor",
        "attempt": 1,
        "nonce": nonce,
        "command": ["/bin/sh", "-c", line],
        "cores": spec.cores,
        "memory_mb": spec.memory_mb,
        "walltime_s": spec.walltime_s,
    }


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = plain_files.read_end(path, most=4096).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(map(jobdir.plain, text.splitlines()))
