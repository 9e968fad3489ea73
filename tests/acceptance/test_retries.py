"""Automatic retries, by the installed command and real jobs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from support.lab import Lab
from support.waiting import wait_until


def reasons(lab: Lab) -> list[str]:
    """Return the reasons that the task has had, oldest first."""
    return [change["reason"] for change in lab.answer("history", lab.task()["label"]) if change["reason"]]


@pytest.mark.slow
def test_a_longer_wall_time(lab: Lab) -> None:
    """A job that was ended at its wall time runs again with a longer one, and the history says why."""
    lab.change_settings(
        processors={"copy": {"use": lab.uses["copy"], "walltime": 2}},
        retry={"walltime": {"times": 1, "walltime": 10}},
    )
    lab.scan("E1", behave="sleep 4")
    lab.sweep()
    asked = [json.loads((place / "job.json").read_text())["walltime_s"] for place in lab.attempts()]
    first, second = lab.attempts_of(lab.task())

    assert ("COMPLETE", 2) == (lab.task()["status"], lab.task()["attempts"])
    assert [2, 20] == asked
    assert ("walltime", "") == (first.cause, second.cause)
    told = "attempt 2 with a wall time of 0:00:20 after walltime"
    assert [f"{told}: the job ran longer than its wall time", told] == reasons(lab)


@pytest.mark.slow
def test_an_error_of_the_pipeline(lab: Lab) -> None:
    """A pipeline's own exit status is retried only where the settings say so, and not for ever."""
    lab.change_settings(retry={"exit-3": {"times": 1}})
    lab.scan("E1", behave="exit 3")
    lab.scan("E2", behave="exit 4")
    lab.sweep()

    assert (2, 1) == (lab.task("E1")["attempts"], lab.task("E2")["attempts"])
    assert {"JOB_ERROR"} == set(lab.statuses().values())
    assert lab.task("E1")["reason"].endswith("; given up after 2 attempts")
    assert "cci explain exit-3" in lab.answer("why", lab.task("E1")["label"])["next_step"]


@pytest.mark.slow
def test_a_wish_begins_anew(lab: Lab) -> None:
    """After `cci rerun` the retries count from the beginning, and the request is the processor's own."""
    lab.change_settings(retry={"exit-3": {"times": 1, "memory": 2}})
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    lab.cci("rerun", lab.task()["label"])
    lab.sweep()
    asked = [json.loads((place / "job.json").read_text())["memory_mb"] for place in lab.attempts()]

    assert [16, 32, 16, 32] == asked


@pytest.mark.slow
def test_a_runner_that_was_killed(lab: Lab) -> None:
    """A job whose runner got SIGKILL leaves no record: the cluster's books tell the signal, and it failed."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    claim = lab.attempts()[0] / "claim"
    wait_until(lambda: claim.exists() and claim.read_text().endswith("}\n"), "the job has begun")
    os.kill(int(json.loads(claim.read_text())["pid"]), signal.SIGKILL)
    lab.sweep()
    attempt = lab.attempts_of(lab.task())[0]

    assert not (Path(attempt.directory) / "exit.json").exists()
    assert ("JOB_ERROR", "signal-9", 1) == (lab.task()["status"], attempt.cause, lab.task()["attempts"])
