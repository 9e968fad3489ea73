"""How a real Slurm ends jobs by itself: over their memory, over their time, or for others that come first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.jobs import exit_record, make_job, wait_for_file
from support.slurm import Slurm, slurm_with_cgroups
from support.slurm import slurm as running_slurm
from support.waiting import wait_until

from cci.cluster import JobRef, JobSpec, render_script
from cci.cluster.slurm import SlurmCluster, from_settings

#: Takes much more memory than it says, and stays.
GREEDY = f"exec {sys.executable} -c 'import time; taken = bytearray(400 << 20); time.sleep(600)'"
#: Enough for the runner, and too little for that.
MEMORY_MB = 150


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    """Use this process's Slurm; jobs that are left are ended."""
    running = running_slurm()
    yield running
    running.run("scancel", f"--user={os.geteuid()}")


def opened(slurm: Slurm) -> SlurmCluster:
    """Open it by its commands."""
    return from_settings("slurmy", {"kind": "slurm", "environment": slurm.environment})


def a_job(root: Path, line: str, *, native: str = "", memory_mb: int = 16) -> JobSpec:
    """Make a job with options in Slurm's own words."""
    job = replace(make_job(root / "job", line, dialect="slurm", memory_mb=memory_mb), native=native)
    job.script.write_text(render_script(job, python=sys.executable, dialect="slurm"), encoding="utf-8")
    return job


def books_of(cluster: SlurmCluster, ref: JobRef) -> tuple[str, str]:
    """Wait for the books of a job; return the cause and what they say in words."""
    wait_until(lambda: cluster.accounting(ref), "the job is over")
    books = cluster.accounting(ref)
    assert books is not None
    return books.cause, books.message


def test_over_memory_by_slurm(slurm: Slurm, tmp_path: Path) -> None:
    """Where Slurm counts memory itself, all of the job is killed; only the job's log tells why."""
    cluster = opened(slurm)
    job = a_job(tmp_path, GREEDY, memory_mb=MEMORY_MB)
    with slurm.configured(OVER_MEMORY="kill"):
        ref = cluster.submit(job)
        cause, message = books_of(cluster, ref)
    log = job.output_log.read_text(encoding="utf-8")

    assert ("", "FAILED: JobLaunchFailure") == (cause, message)
    assert "out-of-memory" == cluster.cause_in_log(log)
    assert not (job.directory / "exit.json").exists()


def test_over_memory_by_the_kernel(tmp_path: Path) -> None:
    """Where control groups bound memory, the command is killed; both the record and the books know why."""
    cluster = opened(slurm_with_cgroups())
    job = a_job(tmp_path, GREEDY, memory_mb=MEMORY_MB)
    ref = cluster.submit(job)
    cause, message = books_of(cluster, ref)

    assert ("out-of-memory", "OUT_OF_MEMORY: OutOfMemory") == (cause, message)
    assert "out-of-memory" == exit_record(job.directory)["cause"]


def test_preempted(slurm: Slurm, tmp_path: Path) -> None:
    """A job that makes way for another was killed; it is told so first, and leaves its record."""
    cluster = opened(slurm)
    job = a_job(tmp_path / "first", "touch started; sleep 600", native=f"-p scavenge -n {slurm.slots}")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    urgent = a_job(tmp_path / "second", "true")
    cluster.submit(urgent)
    wait_for_file(urgent.directory / "exit.json")

    assert ("killed", "PREEMPTED") == books_of(cluster, ref)
    assert "killed" == exit_record(job.directory)["cause"]


@pytest.mark.slow
def test_over_time(slurm: Slurm, tmp_path: Path) -> None:
    """A job that Slurm ends at a limit of its own was told to end, and the books say why."""
    cluster = opened(slurm)
    job = a_job(tmp_path, "touch started; sleep 600", native="--time=1")  # minutes: there is no less
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    record = job.directory / "exit.json"
    wait_until(record.exists, "Slurm has ended it", patience_s=150)

    assert ("walltime", "TIMEOUT: TimeLimit") == books_of(cluster, ref)
    assert "killed" == exit_record(job.directory)["cause"]
    assert "walltime" == cluster.cause_in_log(job.output_log.read_text(encoding="utf-8"))
