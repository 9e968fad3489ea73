"""A small local cluster with jobs for it, and a stand-in for a DRMAA library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.drmaa_bench import Bench
from support.jobs import make_job
from support.stand_in_drmaa import StandIn

from cci.cluster import JobRef, JobSpec
from cci.cluster.local import LocalCluster


@pytest.fixture
def here(tmp_path: Path) -> Iterator[LocalCluster]:
    """Open a cluster of two cores and 100 MB; whatever runs at the end is killed."""
    cluster = LocalCluster("here", tmp_path / "spool", slots=2, memory_mb=100, grace_s=0.3)
    yield cluster
    for state in ("queue", "running"):
        for path in (tmp_path / "spool" / state).glob("*"):
            cluster.kill(JobRef(path.name))


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., JobSpec]:
    """Make a job whose script is a line of shell, without a runner."""

    def make(line: str, *, cores: int = 1, memory_mb: int = 16, walltime_s: int = 300) -> JobSpec:
        directory = tmp_path / f"job{len(list(tmp_path.iterdir()))}"
        spec = make_job(directory, "true", cores=cores, memory_mb=memory_mb, walltime_s=walltime_s)
        spec.script.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        return spec

    return make


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Make a stand-in DRMAA library, to open clusters over it."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    made = Bench(tmp_path, StandIn(folder))
    yield made
    made.close()
