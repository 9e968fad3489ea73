"""The local cluster: a real back-end on the processes of one machine, and nothing that must be kept running.

Each job has a detached waiter (`cci.cluster.local_waiter`) that starts it when its cores and memory are free,
first come first served over all programs that share the spool (`cci.cluster.local_spool`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cci
from cci.cluster.base import Accounting, Cluster, JobRef, JobReport, JobSpec, JobState
from cci.cluster.local_entry import KEEP_S, enter, named, prune
from cci.cluster.local_process import is_elsewhere, is_stopped, kill_session, signal_session
from cci.cluster.local_spool import ENDED, QUEUE, RUNNING, Folder, Spool, utc_now
from cci.errors import ClusterError, ClusterUnavailable, SettingsError, SubmissionRefused

#: The waiter's program: it lets go of us before it loads anything. Without the site packages it starts
#: faster and stays half as big. Our own place comes last on its path: in an installation that is the site
#: packages, where an obsolete copy of a standard module may lie (pyxnat demands one of ``pathlib``).
_BOOT = """\
import os, sys
if os.fork():
    os._exit(0)
sys.path.append(sys.argv[1])
from cci.cluster.local_waiter import main
main(*sys.argv[2:])
"""
#: What a job gets of the submitting program's environment; the rest may hold its secrets.
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_LAUNCH_S = 60.0
_PATIENCE_S = 30.0
_DAY_S = 24 * 3600


class LocalCluster(Cluster):
    """Run jobs as processes of this machine.

    Queue, account, priority and native options of a job mean nothing here and are not looked at.

    Parameters
    ----------
    name
        How the settings call this cluster.
    spool
        Directory on a local disk, the same for every program that shares the machine.
    slots
        Cores to hand out.
    memory_mb
        Memory to hand out, in MB (2**20 bytes). It is promised and counted, not enforced.
    grace_s
        How long a job may tidy up after being told to end, and how much later than its own runner we
        end it at its wall time, in seconds.
    """

    def __init__(self, name: str, spool: Path, *, slots: int, memory_mb: int, grace_s: float = 30.0) -> None:
        self.name = name
        self.slots = slots
        self.memory_mb = memory_mb
        self.grace_s = grace_s
        self.spool = spool.absolute()
        self._spool = Spool(self.spool)

    def submit(self, job: JobSpec) -> JobRef:
        """Submit *job*; one that has this name already is not submitted again."""
        self._check(job)
        with self._locked("door") as spool:
            self._prune_daily(spool)
            known = named(spool, job.name)
            job_id = known.job_id if known else enter(spool, self._describe(job), self._launch)
            return JobRef(job_id, job.name, datetime.now(UTC))

    def find(self, name: str) -> JobRef | None:
        """Return the job with this name; None if no such job is, was or will be."""
        with self._locked("door") as spool:
            folder = named(spool, name)
            return JobRef(folder.job_id, name) if folder else None

    def states(self, jobs: Collection[JobRef]) -> Mapping[JobRef, JobReport]:
        """Look at the spool once, without its lock; see `Cluster.states`."""
        with self._complaints():
            # In the order in which a job passes through them, so that none slips by.
            queued, running = self._by_id(QUEUE), self._by_id(RUNNING)
            return {job: self._report(job.id, queued, running) for job in jobs}

    def accounting(self, job: JobRef) -> Accounting | None:
        """Return how a job ended; `node-failure` if its waiter died and so nobody saw it."""
        with self._locked("line") as spool:
            folder = spool.find(job.id)
            if folder is not None and folder.state != ENDED and not folder.alive():
                spool.bury(folder)
                folder = spool.find(job.id)
            return _accounting(folder.read("end.json")) if folder and folder.state == ENDED else None

    def hold(self, job: JobRef) -> None:
        """Keep a queued job from starting; one that has started goes on."""
        with self._locked("line") as spool:
            folder = self._known(spool, job.id)
            if folder.state == QUEUE:
                (folder.path / "held").touch()
                spool.nudge()

    def release(self, job: JobRef) -> None:
        """Let a held job start, at its old place in the line."""
        with self._locked("line") as spool:
            folder = self._known(spool, job.id)
            if folder.state == QUEUE:
                (folder.path / "held").unlink(missing_ok=True)
                spool.nudge()

    def suspend(self, job: JobRef) -> None:
        """Stop all processes of a running job's session; it keeps its cores and memory.

        Its wall time stands still. A process that has left the session goes on.
        """
        self._signal_session(job, signal.SIGSTOP)

    def resume(self, job: JobRef) -> None:
        """Let a suspended job go on."""
        self._signal_session(job, signal.SIGCONT)

    def kill(self, job: JobRef) -> None:
        """End a job with all its processes, or keep it from ever starting."""
        with self._locked("line") as spool:
            folder = spool.find(job.id)
            if folder is None or folder.state == ENDED:
                return
            (folder.path / "killed").touch()
            if not folder.signal("waiter", signal.SIGTERM):
                _kill_unwatched(spool, folder)

    def _signal_session(self, job: JobRef, number: int) -> None:
        with self._locked("line") as spool:
            mark = self._known(spool, job.id).mark("leader")
            if is_elsewhere(mark):
                raise PermissionError(
                    f"job {job.id} runs in another container, and must be reached from there"
                )
            if not signal_session(mark, number):
                raise ClusterError(f"job {job.id} on cluster {self.name} does not run")

    # -- the spool

    @contextmanager
    def _complaints(self) -> Iterator[Spool]:
        """Make the spool if it is not there, and tell its troubles as the cluster's."""
        try:
            self._spool.prepare()
            yield self._spool
        except (OSError, subprocess.SubprocessError) as error:
            raise ClusterUnavailable(f"cluster {self.name} cannot use its spool: {error}") from error

    @contextmanager
    def _locked(self, lock: str) -> Iterator[Spool]:
        with self._complaints() as spool, spool.locked(lock, _PATIENCE_S):
            yield spool

    def _known(self, spool: Spool, job_id: str) -> Folder:
        folder = spool.find(job_id)
        if folder is None:
            raise ClusterError(
                f"cluster {self.name} knows no job {job_id}", hint="it may have ended long ago"
            )
        return folder

    def _by_id(self, state: str) -> dict[str, Folder]:
        return {folder.job_id: folder for folder in self._spool.folders(state)}

    def _report(self, job_id: str, queued: Mapping[str, Folder], running: Mapping[str, Folder]) -> JobReport:
        folder = queued.get(job_id) or running.get(job_id) or self._spool.find(job_id)
        if folder is None:
            return JobReport(state=JobState.UNKNOWN, message=f"cluster {self.name} knows no such job")
        if folder.state == ENDED:
            return JobReport(state=JobState.ENDED, node=os.uname().nodename)
        if not folder.alive():
            return JobReport(state=JobState.ENDED, message="the process that watched this job is gone")
        if folder.state == RUNNING:
            stopped = is_stopped(folder.mark("leader"))
            state = JobState.SUSPENDED if stopped else JobState.RUNNING
            return JobReport(state=state, node=os.uname().nodename)
        return JobReport(state=JobState.HELD if folder.has("held") else JobState.QUEUED)

    def _prune_daily(self, spool: Spool) -> None:
        stamp = spool.root / "pruned"
        if not stamp.exists() or stamp.stat().st_mtime < time.time() - _DAY_S:
            prune(spool, time.time() - KEEP_S)
            stamp.touch()

    # -- submission

    def _check(self, job: JobSpec) -> None:
        """Refuse what could never run here."""
        if not (job.name and job.name.isascii() and len(job.name) <= 64):
            raise SubmissionRefused(f"'{job.name}' cannot be the name of a job: 1 to 64 ASCII characters")
        wishes = (
            (job.slots, self.slots, "cores"),
            (job.memory_mb, self.memory_mb, "MB of memory"),
            (job.gpus, 0, "GPUs"),
        )
        for wanted, there, what in wishes:
            if wanted > there:
                raise SubmissionRefused(
                    f"job {job.name} wants {wanted} {what}, and cluster {self.name} has {there} in all",
                    hint="ask for less, or give the cluster more in the settings",
                )

    def _describe(self, job: JobSpec) -> dict[str, Any]:
        return {
            "name": job.name,
            "directory": str(job.directory),
            "script": str(job.script),
            "output_log": str(job.output_log),
            "cores": job.slots,
            "memory_mb": job.memory_mb,
            "walltime_s": job.walltime_s,
            "grace_s": self.grace_s,
            "slots": self.slots,
            "total_memory_mb": self.memory_mb,
            "environment": {**_inherited_environment(), **job.environment},
            "submitted": utc_now(),
        }

    def _launch(self, folder: Path, alive: int) -> None:
        """Start a waiter; it is on its own when this returns."""
        package = str(Path(cci.__file__).resolve().parents[1])
        with (folder / "waiter.log").open("ab") as log:
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", _BOOT, package, str(self.spool), folder.name],
                check=True,
                timeout=_LAUNCH_S,
                cwd="/",
                env=_inherited_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(alive,),
                start_new_session=True,
            )


def _inherited_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _kill_unwatched(spool: Spool, folder: Folder) -> None:
    """End a job whose waiter is dead: its first process if that lives, else whatever is left."""
    if not folder.alive():
        spool.bury(folder)
    elif is_elsewhere(folder.mark("waiter")) or is_elsewhere(folder.mark("leader")):
        raise PermissionError(f"job {folder.job_id} runs in another container, and must be ended from there")
    elif not folder.signal("leader", signal.SIGTERM):
        kill_session(folder.mark("leader"))


def _accounting(record: Mapping[str, Any]) -> Accounting:
    times = {key: datetime.fromisoformat(record[key]) for key in ("started", "ended") if key in record}
    return Accounting(**{**record, **times})


def from_settings(name: str, settings: Mapping[str, Any]) -> LocalCluster:
    """Make the cluster that a settings section with ``kind: local`` describes.

    Without ``slots`` it has all cores that this process may use, without ``memory_mb`` nine tenths of the
    machine's memory.

    Raises
    ------
    SettingsError
        A key is missing or unknown, or a number is not positive.
    """
    known = {"kind", "spool", "slots", "memory_mb", "grace_s"}
    unknown = sorted(set(settings) - known)
    if unknown or "spool" not in settings:
        what = f"does not know {', '.join(unknown)}" if unknown else "lacks spool"
        raise SettingsError(f"clusters.{name} {what}", hint=f"a local cluster has {', '.join(sorted(known))}")
    numbers = {**_whole_machine(), **{key: value for key, value in settings.items() if value is not None}}
    slots, memory_mb, grace_s = int(numbers["slots"]), int(numbers["memory_mb"]), float(numbers["grace_s"])
    if min(slots, memory_mb) < 1 or grace_s < 0:
        raise SettingsError(f"clusters.{name}: slots and memory_mb must be at least 1, grace_s at least 0")
    return LocalCluster(name, Path(settings["spool"]), slots=slots, memory_mb=memory_mb, grace_s=grace_s)


def _whole_machine() -> dict[str, float]:
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {"slots": len(os.sched_getaffinity(0)), "memory_mb": memory_mb * 9 // 10, "grace_s": 30.0}
