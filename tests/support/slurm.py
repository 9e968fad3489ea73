"""The real Slurm that ``tests/clusters/slurm.sh`` runs in this machine, for tests. It is no back-end.

Each test process has a cluster of its own: it is small, starts within seconds, and so a test may fill it or
take its controller away while others go on. They live in a row of folders, each of which one process has at a
time: whatever a killed process left running is taken over by the next.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "clusters" / "slurm.sh"
SLOTS, MEMORY_MB = 4, 4096
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sacct")
_START_S = 600
_FIRST_PORT = 16817
_CGROUPS = Path("/sys/fs/cgroup/memory")
_CGROUPS_LOCK = Path(tempfile.gettempdir(), "cci-slurm-cgroups.lock")


@dataclass(frozen=True)
class Slurm:
    """The cluster that runs.

    Attributes
    ----------
    directory
        Where all that it keeps is.
    settings
        What ``slurm.sh`` gets in its environment.
    """

    directory: Path
    settings: Mapping[str, str]
    slots: int = SLOTS
    memory_mb: int = MEMORY_MB

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to talk to it."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """Take slurmctld away for a while; slurmd and jobs go on."""
        self.script("stop-controller")
        try:
            yield
        finally:
            self.script("start-controller")

    @contextmanager
    def without_node(self) -> Iterator[None]:
        """Set the node down for a while; its jobs are lost with it."""
        self.run("scontrol", "update", "nodename=localhost", "state=down", "reason=test")
        try:
            yield
        finally:
            with suppress(subprocess.CalledProcessError):  # it may have come back by itself
                self.run("scontrol", "update", "nodename=localhost", "state=resume")
            self.script("wait-for-node")

    def restart_controller(self) -> None:
        """End slurmctld and start it again; slurmd and jobs go on."""
        self.script("restart-controller")

    @contextmanager
    def configured(self, **settings: str) -> Iterator[None]:
        """Give it other settings for a while, such as ``MIN_JOB_AGE="2"``; see ``slurm.sh``."""
        self.script("reconfigure", **settings)
        try:
            yield
        finally:
            self.script("reconfigure")

    def run(self, *command: str) -> str:
        """Run one of its programs and return what it prints."""
        environment = {**os.environ, **self.environment, "LC_ALL": "C"}
        return subprocess.run(
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def script(self, command: str, **settings: str) -> None:
        """Run ``slurm.sh``.

        Raises
        ------
        RuntimeError
            It did not do it.
        """
        done = subprocess.run(
            [str(SCRIPT), command, str(self.directory)],
            env={**os.environ, **self.settings, **settings},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{SCRIPT.name} {command} ended with {done.returncode}: {done.stderr}")


@cache
def slurm() -> Slurm:
    """Start this process's Slurm; it is stopped when the process ends.

    Where that cannot be, the test is skipped; with CI=true it fails.
    """
    return _start(_take_place())


@cache
def slurm_with_cgroups() -> Slurm:
    """Start one whose jobs live in control groups, where the kernel ends them over their memory.

    Where the machine has no control groups of the first version that we may make, the test is skipped.
    """
    if not os.access(_CGROUPS, os.W_OK):
        pytest.skip(f"no control groups of version 1 that we may make in {_CGROUPS}")
    # the groups of two would have the same names
    fcntl.flock(os.open(_CGROUPS_LOCK, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    place = _take_place()
    return _start(replace(place, settings={**place.settings, "CGROUPS": "v1"}))


@cache
def slurm_with_slurmdbd() -> Slurm:
    """Start one whose books are kept by slurmdbd, over a database of its own; else as `slurm`."""
    place = _take_place()
    return _start(replace(place, settings={**place.settings, "BOOKS": "slurmdbd"}), "slurmdbd", "mariadbd")


def _start(place: Slurm, *more: str) -> Slurm:
    lacking = [name for name in (*_PROGRAMS, *more) if shutil.which(name) is None]
    if lacking or os.getuid() != 0:
        why = f"{', '.join(lacking)} not installed" if lacking else "only root can start it"
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Slurm: {why}")
        pytest.skip(f"no Slurm: {why}")
    place.script("stop")  # what a process that was killed left behind
    place.script("start")
    atexit.register(place.script, "stop")
    return place


def _take_place() -> Slurm:
    """Take the first folder that no living process has; the lock is held as long as this one lives."""
    number = 0
    while not _is_taken(directory := Path(tempfile.gettempdir(), f"cci-slurm-{number}")):
        number += 1
    sizes = {"SLURM_SLOTS": str(SLOTS), "SLURM_MEMORY_MB": str(MEMORY_MB)}
    return Slurm(directory, {"SLURM_PORT": str(_FIRST_PORT + 10 * number), **sizes})


def _is_taken(directory: Path) -> bool:
    lock = os.open(f"{directory}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True
