"""Jobs that stand still, and tasks whose job left no trace: both are shown, and neither has failed."""

from __future__ import annotations

import pytest
from support.lab import Lab
from support.waiting import wait_until

from cci.cluster.base import JobRef
from cci.cluster.local import LocalCluster


def cluster_of(lab: Lab) -> LocalCluster:
    """Open the lab's cluster, as another program of its user could."""
    return LocalCluster("local", lab.home / "spool", slots=4, memory_mb=1000)


def started_job(lab: Lab) -> JobRef:
    """Start one job that waits to be told to go on."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    job = JobRef(lab.attempts_of(lab.task())[0].job_id)
    directory = lab.attempts()[0]
    wait_until((directory / "claim").exists, "the job has begun")
    return job


@pytest.mark.slow
def test_a_suspended_job_is_shown_and_goes_on(lab: Lab) -> None:
    """D10: status, show and why say that a job is suspended; it has not failed, and ends well."""
    job = started_job(lab)
    cluster_of(lab).suspend(job)
    lab.cci("sweep")
    task = lab.task()
    why, shown = lab.answer("why", task["label"]), lab.cci("show", task["label"]).stdout
    status, counted = lab.cci("status").stdout, lab.answer("status")["jobs"]
    cluster_of(lab).resume(job)
    (lab.attempts()[0] / "go").touch()
    lab.sweep()

    assert "JOB_RUNNING" == task["status"]
    assert "suspended by somebody" in why["reason"]
    assert "submitted: suspended" in shown
    assert "jobs: 1 suspended" in status
    assert {"suspended": 1} == counted
    assert "COMPLETE" == lab.task()["status"]


@pytest.mark.slow
def test_a_held_job_is_shown(lab: Lab) -> None:
    """S2: a job that somebody holds on the cluster is JOB_RUNNING, and said to be held."""
    lab.change_settings(clusters={"local": {"slots": 1, "memory_mb": 1000}})
    started_job(lab)
    lab.scan("E2", subject="S2")
    lab.cci("sweep")
    queued = lab.task("E2")
    cluster_of(lab).hold(JobRef(lab.attempts_of(queued)[0].job_id))
    lab.cci("sweep")

    assert "JOB_RUNNING" == lab.task("E2")["status"]
    assert "held by somebody" in lab.answer("why", queued["label"])["reason"]


@pytest.mark.slow
def test_a_task_without_a_trace_of_its_job(lab: Lab) -> None:
    """A new ledger that finds neither job nor directory says so, also in the archive, and what to do."""
    started_job(lab)
    lab.kill_jobs()
    for path in lab.home.glob("ledger.db*"):
        path.unlink()
    (lab.home / "work").rename(lab.home / "lost")
    lab.cci("takeover", lab.project)
    lab.cci("sweep", "--yes")
    task = lab.task()
    why = lab.answer("why", task["label"])

    assert ("JOB_RUNNING", 0) == (task["status"], task["attempts"])
    assert "no trace of its job" in task["reason"]
    assert task["reason"] == lab.fields(task)["note"]
    assert "cci rerun" in why["next_step"]
