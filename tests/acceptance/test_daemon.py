"""The daemon as systemd runs it: a process that is started, stopped, frozen and starved."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.archive import RunningArchive
from support.lab import Lab, Row
from support.waiting import wait_until

from cci.daemon.scheduler import EXIT_HUNG

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"


def sweeps(lab: Lab) -> list[Row]:
    """Return the summary lines of sweeps."""
    return [line for line in lab.daemon_lines() if line["action"] == "sweep"]


@pytest.mark.slow
def test_from_start_to_complete(lab: Lab) -> None:
    """The daemon finds, runs and brings home, says so in lines with stable keys, and ends on SIGTERM."""
    lab.sessions(2)
    daemon = lab.run_daemon()
    wait_until(lambda: ["COMPLETE"] * 2 == list(lab.statuses().values()), "both are done")
    lab.scan("E3", behave="nothing")
    wait_until(lambda: "XVFB_ERROR" == lab.statuses().get("E3/1 copy"), "the third is done")
    daemon.terminate()

    assert 0 == daemon.wait(300)
    said = lab.daemon_lines()
    assert {"start", "sweep", "submit", "job_ended", "collect", "post", "stop"} <= {
        one["action"] for one in said
    }
    assert {"event", "level", "timestamp", "action"} <= set.intersection(*(set(one) for one in said))
    assert ("start", "stop") == (said[0]["action"], said[-1]["action"])
    assert [] == [one for one in said if one["action"] == "library"]
    keys = {"project", "tasks", "moved", "started", "waiting", "failures", "subjects", "sessions", "scans"}
    assert all(keys <= set(one) for one in sweeps(lab))
    assert (2, 2) == (sweeps(lab)[0]["tasks"], sweeps(lab)[0]["started"])


@pytest.mark.slow
def test_frozen(lab: Lab) -> None:
    """A2: after SIGSTOP for several intervals and SIGCONT the daemon goes on with what was due, once."""
    lab.scan("E1")
    daemon = lab.run_daemon()
    wait_until(lambda: sweeps(lab), "the first sweep is over")
    daemon.send_signal(signal.SIGSTOP)
    lab.scan("E2")
    count = len(sweeps(lab))
    subprocess.run(["sleep", "4"], check=True)
    daemon.send_signal(signal.SIGCONT)
    wait_until(lambda: "COMPLETE" == lab.statuses().get("E2/1 copy"), "the missed sweep is made up for")
    daemon.terminate()

    assert 0 == daemon.wait(300)
    assert len(sweeps(lab)) > count
    assert [1, 1] == [row["attempts"] for row in lab.tasks()]


@pytest.mark.slow
def test_hanging_archive(lab: Lab, archive: RunningArchive) -> None:
    """A4: while one project's sweep hangs on the archive, jobs are watched and results come home."""
    lab.scan("E1", behave="wait")
    daemon = lab.run_daemon()
    wait_until(lambda: ["JOB_RUNNING"] == list(lab.statuses().values()), "the job is submitted")
    place = lab.attempts()[0]
    wait_until((place / "claim").exists, "the job runs")
    archive.fault(match=rf"GET /data/.*project.*{lab.project}.*columns=", fault="hang")
    wait_until(lambda: archive.fault_rules()[0]["hits"] >= 1, "the sweep hangs")
    (place / "go").touch()
    wait_until(lambda: "COMPLETE" == lab.task()["status"], "the results are home")
    daemon.terminate()

    assert 0 == daemon.wait(300)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["late", "hang"])  # "drip" is nothing here: the answer has no byte
def test_stopped_during_an_upload(lab: Lab, archive: RunningArchive, fault: str) -> None:
    """A3: SIGTERM in the middle of a slow upload ends the daemon; the upload is taken up again."""
    lab.change_settings(archive={"read_s": 600, "first_byte_s": 600, "total_s": 600})
    lab.scan("E1")
    archive.fault(match=r"PUT .*/out/resources/TEXT/files/", fault=fault, delay_s=60.0)
    daemon = lab.run_daemon()
    wait_until(lambda: archive.fault_rules()[0]["hits"] >= 1, "the upload has begun")
    during = lab.task()
    daemon.terminate()
    assert 0 == daemon.wait(300)
    archive.clear_faults()
    lab.sweep()

    assert "JOB_COMPLETE" == during["status"]
    assert ("COMPLETE", 1) == (lab.task()["status"], lab.task()["attempts"])
    assert [True] == [line["clean"] for line in lab.daemon_lines() if line["action"] == "stop"]


@pytest.mark.slow
def test_jobs_outlive_the_daemon(lab: Lab) -> None:
    """S23: a daemon killed with SIGKILL leaves its jobs running; the next one brings them home."""
    lab.scan("E1", behave="wait")
    daemon = lab.run_daemon()
    wait_until(lambda: ["JOB_RUNNING"] == list(lab.statuses().values()), "the job is submitted")
    place = lab.attempts()[0]
    wait_until((place / "claim").exists, "the job runs")
    daemon.kill()
    daemon.wait()
    (place / "go").touch()
    wait_until((place / "exit.json").exists, "the job ends")
    again = lab.run_daemon()
    wait_until(lambda: "COMPLETE" == lab.task()["status"], "the results are home")
    again.terminate()

    assert 0 == again.wait(300)
    assert 1 == len(lab.ended_jobs())


@pytest.mark.slow
def test_waiting_sweep_stopped(lab: Lab) -> None:
    """A waiting sweep ends on SIGTERM with 130 and says that jobs run on; the next sweep brings them home."""
    lab.scan("E1", behave="wait")
    sweep = lab.start("sweep", "--wait", "--yes")
    wait_until(lambda: ["JOB_RUNNING"] == list(lab.statuses().values()), "the job is submitted")
    wait_until((lab.attempts()[0] / "claim").exists, "the job runs")
    sweep.terminate()
    assert 130 == sweep.wait(300)
    assert "interrupted; 1 job runs on, `cci sweep --wait`" in (lab.home / "output.txt").read_text()
    (lab.attempts()[0] / "go").touch()
    lab.sweep()

    assert ("COMPLETE", 1) == (lab.task()["status"], lab.task()["attempts"])
    assert 1 == len(lab.ended_jobs())


#: Runs the command with a scheduler whose thread dies of its job store, as after a lost database.
BROKEN_STORE = """
import sys
from apscheduler.jobstores.memory import MemoryJobStore
from cci.daemon.cli import main

def fail(*_):
    raise OSError("the store is away")

update, calls = MemoryJobStore.update_job, []
MemoryJobStore.update_job = lambda *a: (calls.append(a), fail() if len(calls) > 20 else update(*a))
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_dead_scheduler(lab: Lab) -> None:
    """A1: a daemon whose scheduler has died ends by itself, not with 0, so that systemd starts it again."""
    command = [sys.executable, "-W", "ignore", "-c", BROKEN_STORE, "--home", str(lab.home), "run", "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert EXIT_HUNG == done.returncode
    assert "scheduler died" in done.stderr


def test_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` accepts the units of the service and of the nightly sweep."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze")
    for unit in UNITS.glob("*.*"):
        text = unit.read_text(encoding="utf-8")
        # only the path of the installation is not there
        (tmp_path / unit.name).write_text(re.sub(r"/opt/cci/bin/cci", sys.executable, text), encoding="utf-8")
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run([program, "verify", *units], capture_output=True, text=True, check=False)

    assert ["cci-sweep.service", "cci-sweep.timer", "cci.service"] == [Path(unit).name for unit in units]
    assert (0, "") == (done.returncode, done.stderr)
