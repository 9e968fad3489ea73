"""Slurm's own books, kept by a real slurmdbd: they alone know who ended a job, and what each used."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from support.jobs import make_job, run_as, wait_for_file
from support.slurm import Slurm, slurm_with_slurmdbd
from support.waiting import wait_until

from cci.cluster import Accounting, JobRef
from cci.cluster.slurm import SlurmCluster, from_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm() -> Slurm:
    """Use one that has slurmdbd."""
    return slurm_with_slurmdbd()


@pytest.fixture(scope="module")
def cluster(slurm: Slurm) -> SlurmCluster:
    """Open it by its commands."""
    return from_settings("slurmy", {"kind": "slurm", "environment": slurm.environment})


def books_of(cluster: SlurmCluster, ref: JobRef) -> Accounting:
    """Wait until a job is over by the books, and return what they say."""
    wait_until(lambda: cluster.accounting(ref), "the books have the job")
    books = cluster.accounting(ref)
    assert books is not None
    return books


def test_an_end_of_its_own(cluster: SlurmCluster, tmp_path: Path) -> None:
    """The books have exit status, node and processor time, and know the job by its name."""
    job = make_job(tmp_path / "job", "exit 3", dialect="slurm")
    ref = cluster.submit(job)
    books = books_of(cluster, ref)
    wait_until(lambda: (books_of(cluster, ref).cpu_s or 0) > 0, "slurmdbd has all of it")

    assert (3, None, "", "localhost") == (books.exit_status, books.signal, books.cause, books.node)
    assert (ref, None) == (cluster.find(job.name), cluster.find(job.name[:-1]))


def test_killed_by_its_user(cluster: SlurmCluster, tmp_path: Path) -> None:
    """Slurm notes who cancelled a job."""
    job = make_job(tmp_path / "job", "touch started; sleep 600", dialect="slurm")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    cluster.kill(ref)
    wait_until(lambda: books_of(cluster, ref).cause == "killed-by-user", "slurmdbd has who it was")

    assert books_of(cluster, ref).message.startswith("CANCELLED by 0")


def test_killed_by_an_administrator(slurm: Slurm, cluster: SlurmCluster) -> None:
    """A job that somebody else cancelled was killed by an administrator."""
    user = pwd.getpwnam("nobody")
    name = "cci-test-of-nobody"
    command = ["sbatch", "--parsable", "--output=/dev/null", f"--job-name={name}", "--wrap=sleep 600"]
    ref = JobRef(run_as(user, command, slurm.environment).strip(), name)
    cluster.kill(ref)
    wait_until(lambda: books_of(cluster, ref).cause == "killed-by-administrator", "slurmdbd has who it was")

    assert "CANCELLED by 0" == books_of(cluster, ref).message
