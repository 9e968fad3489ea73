"""What real batch systems say no to, and who killed a job there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.batch_systems import BatchSystem, kill_all, use
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci.daemon.staging import job_ref
from cci.daemon.workplace import configured_cluster
from cci.settings import load

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(make_lab: MakeLab) -> Iterator[Lab]:
    """A lab whose jobs are killed at the end."""
    lab = make_lab()
    yield lab
    kill_all(lab)


def test_a_queue_that_there_is_not(lab: Lab, system: BatchSystem) -> None:
    """The task waits with the system's own sentence, without a job, and runs once the queue is mended.

    The queue's name is data in that sentence, in whatever letters.
    """
    use(lab, system, queue="nirgendwö-キュー")
    lab.scan("E1")
    lab.cci("sweep", "--wait", "--yes", check=False)
    refused, jobs = lab.task(), [attempt.job_id for attempt in lab.attempts_of(lab.task())]
    use(lab, system)
    lab.sweep()

    assert ("PRE_COMPLETE", [""]) == (refused["status"], jobs)
    assert "nirgendwö-キュー" in refused["reason"]
    assert "COMPLETE" == lab.task()["status"]


def test_killed_behind_our_back(lab: Lab, system: BatchSystem) -> None:
    """A job that somebody deletes with the system's own command is told as killed, and not run again."""
    use(lab, system)
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    attempt = lab.attempts_of(lab.task())[0]
    wait_until((lab.attempts()[0] / "claim").exists, "the job has begun")
    cluster = configured_cluster(load(lab.settings_file, home=lab.home), attempt.cluster)
    cluster.kill(job_ref(attempt))
    cluster.close()
    lab.sweep()
    ended = lab.attempts_of(lab.task())

    assert ("JOB_ERROR", 1) == (lab.task()["status"], len(ended))
    assert ended[0].cause in {"killed", "killed-by-user"}
