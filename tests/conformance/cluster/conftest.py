"""Every cluster that there is, under the same tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.grid_engine import grid_engine, grid_engine_alone
from support.jobs import BackEnd
from support.slurm import slurm as running_slurm
from support.stand_in_batch import MEMORY, SPOOL, make_commands
from support.stand_in_batch import SLOTS as STAND_IN_SLOTS

from cci.cluster import open_cluster

#: Two jobs of one core fit, and two of half the memory.
SLOTS, MEMORY_MB = 2, 100


def local(root: Path) -> BackEnd:
    """Open the local cluster with a spool of its own."""
    settings = {
        "kind": "local",
        "spool": str(root / "spool"),
        "slots": SLOTS,
        "memory_mb": MEMORY_MB,
        "grace_s": 5.0,
    }
    return BackEnd(
        cluster=open_cluster("here", settings),
        settings=settings,
        dialect="plain",
        slots=SLOTS,
        memory_mb=MEMORY_MB,
        root=root,
    )


def slurm(root: Path) -> BackEnd:
    """Open a real Slurm by its commands."""
    running = running_slurm()
    settings = {"kind": "slurm", "environment": running.environment}
    return BackEnd(
        cluster=open_cluster("here", settings),
        settings=settings,
        dialect="slurm",
        slots=running.slots,
        memory_mb=running.memory_mb,
        root=root,
        too_big="More processors requested than permitted",
    )


def sge(root: Path) -> BackEnd:
    """Open a real Grid Engine by its commands."""
    running = grid_engine()
    settings = {"kind": "sge", "environment": dict(running.environment)}
    return BackEnd(
        cluster=open_cluster("here", settings),
        settings=settings,
        dialect="sge",
        slots=running.slots,
        memory_mb=running.memory_mb,
        root=root,
        too_big="no suitable queues",
        have_alone=grid_engine_alone,
    )


def drmaa(root: Path) -> BackEnd:
    """Open a real Grid Engine by its DRMAA library."""
    running = grid_engine()
    settings = {
        "kind": "drmaa",
        "spool": str(root / "spool"),
        "environment": dict(running.environment),
        "ask_per_s": 500.0,
    }
    return BackEnd(
        cluster=open_cluster("here", settings),
        settings=settings,
        dialect="sge",
        slots=running.slots,
        memory_mb=running.memory_mb,
        root=root,
        have_alone=grid_engine_alone,
    )


def stand_in(root: Path, system: str, too_big: str) -> BackEnd:
    """Open the back-end of a batch system that cannot be had, over its stand-in."""
    spool = {SPOOL: str(root / "spool"), STAND_IN_SLOTS: str(SLOTS), MEMORY: str(MEMORY_MB)}
    commands = make_commands(root / "bin", system)
    settings = {"kind": system, "commands": str(commands), "environment": spool}
    return BackEnd(
        cluster=open_cluster("here", settings),
        settings=settings,
        dialect=system,
        slots=SLOTS,
        memory_mb=MEMORY_MB,
        root=root,
        too_big=too_big,
    )


def pbs(root: Path) -> BackEnd:
    """Open the PBS back-end over a stand-in."""
    return stand_in(root, "pbs", "Job violates queue and/or server resource limits")


def lsf(root: Path) -> BackEnd:
    """Open the LSF back-end over a stand-in."""
    return stand_in(root, "lsf", "Too many processors requested")


#: A further back-end adds its function; it skips where its cluster is not there, and fails where CI=true.
BACK_ENDS: dict[str, Callable[[Path], BackEnd]] = {
    "drmaa": drmaa,
    "local": local,
    "sge": sge,
    "slurm": slurm,
    "stand-in-lsf": lsf,
    "stand-in-pbs": pbs,
}


@pytest.fixture(params=sorted(BACK_ENDS))
def back_end(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BackEnd]:
    """Open one back-end; jobs of a failed test are killed."""
    opened = BACK_ENDS[request.param](tmp_path)
    yield opened
    for directory in (tmp_path / "jobs").glob("*/job.json"):
        _kill(opened, directory.parent)
    opened.cluster.close()


def _kill(opened: BackEnd, directory: Path) -> None:
    script = (directory / "script.sh").read_text(encoding="utf-8")
    names = re.findall(r"cci-test-[0-9a-f]+", script)
    job = opened.cluster.find(names[0])
    if job is not None:
        opened.cluster.kill(job)
