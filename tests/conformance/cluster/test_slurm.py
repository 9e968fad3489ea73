"""What only a real Slurm shows: its controller away, restarted and forgetful, its refusals, and its ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.jobs import exit_record, make_job, state_of, wait_for_file, wait_for_state
from support.slurm import Slurm
from support.slurm import slurm as running_slurm
from support.waiting import wait_until

from cci.cluster import JobRef, JobSpec, JobState
from cci.cluster.slurm import SlurmCluster, from_settings
from cci.errors import ClusterUnavailable, SubmissionRefused


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    """Use this process's Slurm; jobs that are left are ended."""
    running = running_slurm()
    yield running
    running.run("scancel", f"--user={os.geteuid()}")


@pytest.fixture
def cluster(slurm: Slurm) -> SlurmCluster:
    """Open it by its commands."""
    return from_settings("slurmy", {"kind": "slurm", "environment": slurm.environment})


def a_job(root: Path, line: str, **changes: object) -> JobSpec:
    """Make a job directory; *changes* are those of the job's wishes."""
    return make_job(root / "job", line, dialect="slurm", **changes)  # type: ignore[arg-type]


# -- the controller -------------------------------------------------------------------------------


@pytest.mark.slow
def test_controller_away(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """Without a controller nothing is told and nothing ends; a job goes on, and its end is known later."""
    job = a_job(tmp_path, "touch started; while [ ! -e go ]; do sleep 0.1; done; exit 3")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    another = make_job(tmp_path / "another", "true", dialect="slurm")
    with slurm.without_controller():
        with pytest.raises(ClusterUnavailable, match="Unable to contact slurm controller"):
            cluster.states([ref])
        with pytest.raises(ClusterUnavailable, match="Unable to contact slurm controller"):
            cluster.submit(another)
        with pytest.raises(ClusterUnavailable):
            cluster.find(another.name)
        (job.directory / "go").touch()
        wait_for_file(job.directory / "exit.json")
    wait_for_state(cluster, ref, JobState.ENDED)
    books = cluster.accounting(ref)

    assert books is not None
    assert (3, ref.id) == (books.exit_status, exit_record(job.directory)["job_id"])
    assert None is cluster.find(another.name)


def test_controller_restarted(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """A restart changes no job and no outcome."""
    job = a_job(tmp_path, "touch started; while [ ! -e go ]; do sleep 0.1; done; exit 3")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    slurm.restart_controller()
    between = state_of(cluster, ref)
    found = cluster.find(job.name)
    (job.directory / "go").touch()
    wait_for_state(cluster, ref, JobState.ENDED)
    books = cluster.accounting(ref)

    assert (JobState.RUNNING, ref) == (between, found)
    assert books is not None
    assert 3 == books.exit_status


@pytest.mark.slow
def test_forgotten(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """A job that the controller has forgotten is UNKNOWN; its end and its name are in the books."""
    job = a_job(tmp_path, "exit 3")
    with slurm.configured(MIN_JOB_AGE="2"):
        ref = cluster.submit(job)
        wait_for_file(job.directory / "exit.json")
        wait_for_state(cluster, ref, JobState.UNKNOWN)
        books = cluster.accounting(ref)
        found = cluster.find(job.name)

    assert books is not None
    assert (3, "localhost") == (books.exit_status, books.node)
    assert ref == found


@pytest.mark.slow
def test_forgotten_without_books(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """Without books, a job that the controller has forgotten has no outcome; a second one is refused."""
    job = a_job(tmp_path, "echo ran >> log; exit 3")
    with slurm.configured(MIN_JOB_AGE="2", JOBCOMP="none"):
        ref = cluster.submit(job)
        wait_for_file(job.directory / "exit.json")
        wait_for_state(cluster, ref, JobState.UNKNOWN)
        known = (cluster.accounting(ref), cluster.find(job.name))
        again = cluster.submit(job)
        wait_for_state(cluster, again, JobState.ENDED)

    assert (None, None) == known
    assert "ran\n" == (job.directory / "log").read_text(encoding="ascii")
    assert ref.id == exit_record(job.directory)["job_id"]


# -- submissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("--partition=nowhere", "Invalid partition name specified"),
        ("--no-such-option", "unrecognized option '--no-such-option'"),
        ("--time=soon", "Invalid --time specification"),
        ("--constraint=quick", "Invalid feature specification"),
        ("--nodes=4", "Node count specification invalid"),
    ],
)
def test_refused(cluster: SlurmCluster, tmp_path: Path, header: str, sentence: str) -> None:
    """Slurm's own sentence says why it does not take a job, and there is none then."""
    job = a_job(tmp_path, "true")
    job.script.write_text(f"#!/bin/sh\n#SBATCH {header}\ntrue\n", encoding="utf-8")
    with pytest.raises(SubmissionRefused) as refused:
        cluster.submit(job)

    assert sentence in refused.value.message
    assert None is cluster.find(job.name)


def test_environment(cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job gets its own variables and nothing that is secret of ours."""
    monkeypatch.setenv("XNAT_PASSWORD", "secret")
    job = replace(a_job(tmp_path, "env > seen"), environment={"SITE_SCRATCH": "/scratch, a 'big' one"})
    ref = cluster.submit(job)
    wait_for_state(cluster, ref, JobState.ENDED)
    seen = (job.directory / "seen").read_text(encoding="utf-8")

    assert "SITE_SCRATCH=/scratch, a 'big' one" in seen.splitlines()
    assert "secret" not in seen


def test_from_within_a_job(cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that runs in a job of its own, with defaults for sbatch, hands nothing of it to its jobs."""
    ours = {
        "SLURM_JOB_ID": "1",
        "SLURM_CPUS_PER_TASK": "3",
        "SLURM_MEM_PER_NODE": "7",
        "SBATCH_ARRAY_INX": "1-3",
        "SBATCH_PARTITION": "nowhere",
        "SQUEUE_STATES": "PENDING",
        "JOB_ID": "2",
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    job = a_job(tmp_path, "echo $SLURM_ARRAY_TASK_ID > task")
    ref = cluster.submit(job)
    wait_for_state(cluster, ref, JobState.ENDED)

    assert ref.id == exit_record(job.directory)["job_id"]
    assert "\n" == (job.directory / "task").read_text(encoding="ascii")


# -- ends ---------------------------------------------------------------------------------------


def test_cancelled(cluster: SlurmCluster, tmp_path: Path) -> None:
    """Books without names of people say that a job was killed, and not by whom."""
    job = a_job(tmp_path, "touch started; sleep 600")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    cluster.kill(ref)
    wait_until(lambda: cluster.accounting(ref), "the job is over")
    books = cluster.accounting(ref)

    assert books is not None
    assert "killed" == books.cause


def test_node_failure(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """A job whose node goes down has failed with its node."""
    job = a_job(tmp_path, "touch started; sleep 600")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    with slurm.without_node():
        wait_until(lambda: cluster.accounting(ref), "the job is over")
        books = cluster.accounting(ref)

    assert books is not None
    assert ("node-failure", None) == (books.cause, books.exit_status)


def test_id_of_another(cluster: SlurmCluster, tmp_path: Path) -> None:
    """A job is not taken, ended or accounted for another whose id it has."""
    job = a_job(tmp_path, "touch started; sleep 600")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    earlier = JobRef(ref.id, "cci-test-0000000000000000")
    cluster.kill(earlier)

    assert [JobState.UNKNOWN, JobState.RUNNING] == [
        report.state for report in cluster.states([earlier, ref]).values()
    ]
    assert None is cluster.accounting(earlier)
    assert JobState.RUNNING is state_of(cluster, ref)
    assert json.loads((job.directory / "claim").read_text(encoding="utf-8"))["job_id"] == ref.id


def test_lines_of_others(slurm: Slurm, cluster: SlurmCluster, tmp_path: Path) -> None:
    """A job that is not cci's may have a name that breaks the listing: its lines are counted, and no more."""
    job = a_job(tmp_path, "touch started; sleep 600")
    ref = cluster.submit(job)
    wait_for_file(job.directory / "started")
    odd = f"odd\nname\v{ref.id}|CANCELLED|None||cci-other"
    slurm.run("sbatch", "--hold", f"--job-name={odd}", "--wrap=true")
    with capture_logs() as lines:
        states = [cluster.states([ref, JobRef("4000000")])[ref].state for _ in range(3)]
    # sacct dies of that name in the text file: later tests need a file without it
    slurm.run("scancel", f"--user={os.geteuid()}", "--state=PENDING")
    books = slurm.directory / "jobcomp.log"
    wait_until(lambda: "cci-other" in books.read_text(encoding="utf-8"), "the odd job is in the books")
    books.write_text("", encoding="utf-8")

    assert [JobState.RUNNING] * 3 == states
    assert [("unreadable lines", True)] == [(line["event"], line["count"] > 0) for line in lines]
