"""Job directories with a line of shell in them, as the daemon would make them, for tests of clusters."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pwd import struct_passwd
from typing import Any

from cci.cluster.base import Cluster, JobRef, JobSpec, JobState
from cci.cluster.local import LocalCluster
from cci.cluster.local_spool import Spool
from cci.cluster.scripts import render_script
from cci.spiders import run
from support.waiting import wait_until


def make_job(
    directory: Path,
    line: str,
    *,
    dialect: str = "plain",
    cores: int = 1,
    memory_mb: int = 16,
    walltime_s: int = 300,
) -> JobSpec:
    """Make a job directory whose command is a line of shell, with its runner and its batch script."""
    directory.mkdir(parents=True)
    nonce = secrets.token_hex(8)
    spec = JobSpec(
        name=f"cci-test-{nonce}",
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "batch.log",
        walltime_s=walltime_s,
        memory_mb=memory_mb,
        cores=cores,
    )
    job = {
        "format": run.FORMAT,
        "task": "test",
        "attempt": 1,
        "nonce": nonce,
        "command": ["/bin/sh", "-c", line],
        "cores": cores,
        "memory_mb": memory_mb,
        "walltime_s": walltime_s,
    }
    (directory / "job.json").write_text(json.dumps(job), encoding="utf-8")
    shutil.copy(run.__file__, directory / "runner.py")
    spec.script.write_text(render_script(spec, python=sys.executable, dialect=dialect), encoding="utf-8")
    return spec


def exit_record(directory: Path) -> dict[str, Any]:
    """Read the exit record of a job directory."""
    return dict(json.loads((directory / "exit.json").read_text(encoding="utf-8")))


def state_of(cluster: Cluster, job: JobRef) -> JobState:
    """Ask a cluster for one job."""
    return cluster.states([job])[job].state


def wait_for_state(cluster: Cluster, job: JobRef, *wanted: JobState) -> None:
    """Wait until the cluster says that a job is in one of these states."""
    wait_until(lambda: state_of(cluster, job) in wanted, f"job {job.id} is {' or '.join(wanted)}")


def wait_for_file(path: Path) -> None:
    """Wait until a job has made a file."""
    wait_until(path.exists, f"{path} is there")


def run_as(user: struct_passwd, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a batch system's command as another user, and return what it prints; only root can."""
    return subprocess.run(
        command,
        env={**environment, "PATH": os.environ["PATH"]},
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


_WAITING = """\
exec {python} -I -c '
import os, pathlib, signal, time

def tidy(*_):
    pathlib.Path("tidy").touch()
    os._exit(0)

if {tidy}:
    signal.signal(signal.SIGTERM, tidy)
pathlib.Path("pid").write_text(str(os.getpid()))
pathlib.Path("started").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.05)
'"""


def waiting(*, tidy: bool = False, python: str = sys.executable) -> str:
    """Return a line for one process that tells its id in ``pid``, touches ``started``, and waits for ``go``.

    A loop of the shell would not do: a shell that is stopped while it starts a program (vfork) waits
    uninterruptibly for that program, and is never seen as stopped.

    Parameters
    ----------
    tidy
        Whether SIGTERM makes it touch ``tidy`` and end well.
    """
    return _WAITING.format(python=python, tidy=tidy)


@dataclass(frozen=True, kw_only=True)
class BackEnd:
    """One cluster under test, how to open it again elsewhere, and how much it has to hand out.

    Attributes
    ----------
    too_big
        What its sentence holds for a job of 10,000 cores.
    have_alone
        Waits until no other test uses the cluster, until the end of the test.
    """

    cluster: Cluster
    settings: dict[str, Any]
    dialect: str
    slots: int
    memory_mb: int
    root: Path
    too_big: str = "10000"
    have_alone: Callable[[], object] = bool

    def job(self, line: str, *, directory: str = "", **limits: int) -> JobSpec:
        """Make a job in a directory of its own."""
        place = self.root / "jobs" / (directory or secrets.token_hex(4))
        return make_job(place, line, dialect=self.dialect, **limits)

    def fill(self) -> list[JobRef]:
        """Submit jobs that take every slot, for longer than a test lasts."""
        self.have_alone()
        return [self.cluster.submit(self.job("sleep 600")) for _ in range(self.slots)]

    def run(self, job: JobSpec) -> JobRef:
        """Submit a job, wait for its end, and return which one it was."""
        ref = self.cluster.submit(job)
        wait_for_state(self.cluster, ref, JobState.ENDED)
        return ref


# -- the local cluster from inside ------------------------------------------------------------

#: Makes a job whose script is a line of shell: the fixture `job`.
Jobs = Callable[..., JobSpec]


def log_of(spec: JobSpec) -> str:
    """Read what a job's script printed."""
    return spec.output_log.read_text(encoding="utf-8")


def pid_of(cluster: LocalCluster, job: JobRef, who: str) -> int:
    """Read the pid of a job's waiter or first process."""
    wait_until(lambda: mark_in(cluster, job, who), f"the {who} of {job.id} is there")
    return int(mark_in(cluster, job, who).split()[0])


def mark_in(cluster: LocalCluster, job: JobRef, who: str) -> str:
    """Read a mark from a job's folder."""
    folder = Spool(cluster.spool).find(job.id)
    return folder.mark(who) if folder else ""


def waiters(cluster: LocalCluster) -> list[str]:
    """Return the command lines of a cluster's waiters."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text(encoding="utf-8", errors="replace"))
    return [line for line in lines if str(cluster.spool) in line]
