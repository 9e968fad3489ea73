"""What a job used is in its assessor, however it ended and whoever tells it."""

from __future__ import annotations

import signal
import socket
from datetime import UTC, datetime

from support.lab import Lab
from support.waiting import wait_until

from cci.cluster.local_spool import Spool


def assert_use(lab: Lab, status: str, today: set[str]) -> None:
    """Check what the archive holds of the one task's resource use."""
    fields = lab.fields(lab.task())

    assert (status, socket.gethostname()) == (fields["procstatus"], fields["jobnode"])
    assert 0 < int(fields["memusedmb"])
    assert f"{fields['memusedmb']}MB" == fields["memused"]
    assert "00:00:0" == fields["walltimeused"][:7]
    assert ("cputimeused", "00:00:0") == (fields["fields/field/name"], fields["fields/field/field"][:7])
    assert fields["jobstartdate"] in today


def days() -> set[str]:
    """Return the days, in UTC, on which a job that runs now may start."""
    return {datetime.now(UTC).date().isoformat()}


def test_of_a_job_that_ended_well(lab: Lab) -> None:
    """A COMPLETE task has wall time, memory, node, day of the start and CPU time."""
    before = days()
    lab.scan("E1")
    lab.sweep()

    assert_use(lab, "COMPLETE", before | days())


def test_of_a_job_that_failed(lab: Lab) -> None:
    """A JOB_ERROR has them too: the next request is judged by them."""
    before = days()
    lab.scan("E1", behave="exit 3")
    lab.sweep()

    assert_use(lab, "JOB_ERROR", before | days())


def test_of_a_job_without_an_exit_record(lab: Lab) -> None:
    """Where the runner was killed, and so left no record, the cluster's accounting tells."""
    before = days()
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    wait_until(lambda: [path for path in lab.attempts() if (path / "output.log").exists()], "the job runs")
    (job,) = (lab.home / "spool" / "running").iterdir()
    folder = Spool(lab.home / "spool").find(job.name)
    assert folder is not None
    assert folder.signal("leader", signal.SIGKILL)
    lab.sweep()

    assert [] == [path for path in lab.attempts() if (path / "exit.json").exists()]
    assert_use(lab, "JOB_ERROR", before | days())
