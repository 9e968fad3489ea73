"""What the daemon stands on gives way: a work directory is read-only, a ledger is locked, a rival comes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.batch_systems import said
from support.lab import Lab
from support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = mount(place, "-t", "tmpfs", "-o", "size=64m,mode=0700")
    if mounted.returncode:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"cannot mount a disk: {mounted.stderr}")
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def mount(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Mount a disk in memory, or mount it again with other options."""
    command = ["mount", *options, "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_work_directory_that_becomes_read_only(lab: Lab, disk: Path) -> None:
    """No job is started and no task fails; whoever comes anew is told; then the work goes on by itself."""
    lab.change_settings(work_dir=str(disk))
    lab.scan("E1")
    daemon = lab.run_daemon()
    wait_until(lambda: "COMPLETE" == lab.statuses().get("E1/1 copy"), "all is well")
    assert 0 == mount(disk, "-o", "remount,ro").returncode
    lab.scan("E2")
    wait_until(lambda: said(lab, "attempt put off"), "an attempt was made")
    during, refused = lab.task("E2"), lab.cci("sweep", check=False)
    assert 0 == mount(disk, "-o", "remount,rw").returncode
    wait_until(lambda: "COMPLETE" == lab.task("E2")["status"], "the work goes on")
    daemon.terminate()
    daemon.wait(60)

    assert ("PRE_COMPLETE", 1) == (during["status"], lab.task("E2")["attempts"])
    assert (2, True) == (refused.returncode, "this user may not write there" in refused.stderr)


def test_ledger_that_is_locked(lab: Lab) -> None:
    """A ledger that somebody holds for long costs time only: the daemon lives, and brings home what ended."""
    lab.scan("E1", behave="wait")
    daemon = lab.run_daemon()
    wait_until(lambda: [path for path in lab.attempts() if (path / "claim").exists()], "the job runs")
    (place,) = lab.attempts()
    wait_until(lambda: "JOB_RUNNING" == lab.task()["status"], "the daemon knows that")
    with closing(sqlite3.connect(lab.home / "ledger.db", isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        (place / "go").touch()
        wait_until((place / "exit.json").exists, "the job has ended")
        time.sleep(40)  # longer than any write waits for its turn
        alive = daemon.poll() is None
        held.execute("ROLLBACK")
    wait_until(lambda: "COMPLETE" == lab.task()["status"], "the results are brought home")
    daemon.terminate()
    daemon.wait(60)

    assert alive
    assert 1 == lab.task()["attempts"]


def test_two_daemons_on_one_ledger(lab: Lab) -> None:
    """Two daemons of one home share the work: every attempt has one job, which ran once."""
    for index in range(8):
        lab.scan(f"E{index}", behave="sleep 0.3")
    daemons = [lab.run_daemon(), lab.run_daemon()]
    wait_until(lambda: ["COMPLETE"] * 8 == list(lab.statuses().values()), "all tasks are complete")
    for daemon in daemons:
        daemon.terminate()
        daemon.wait(60)

    assert [1] * 8 == [row["attempts"] for row in lab.tasks()]
    assert 8 == len(lab.attempts())
    assert [] == list((lab.home / "work").rglob("refused-*.json"))
