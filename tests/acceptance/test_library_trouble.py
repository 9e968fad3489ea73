"""D7, D8: a DRMAA library that dies or hangs costs the daemon nothing but the answer.

The library is a stand-in that does so on demand; what is not asked of it is asked of the real Grid Engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.batch_systems import said
from support.grid_engine import grid_engine
from support.lab import Lab, MakeLab
from support.stand_in_drmaa import StandIn, library
from support.waiting import wait_until

pytestmark = pytest.mark.slow
FAR, NEAR = "E1/1 far", "E2/1 near"


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    """The folder of the library's orders."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    return StandIn(folder)


@pytest.fixture
def lab(make_lab: MakeLab, stand_in: StandIn) -> Lab:
    """A lab with one processor on the library's cluster, and one on this machine."""
    lab = make_lab(processors={"near": "CopyProcessor", "far": "OtherProcessor"})
    environment = {name: grid_engine().environment[name] for name in ("SGE_ROOT", "SGE_CELL")}
    site = {
        "kind": "drmaa",
        "system": "sge",
        "library": str(library()),
        "environment": {**environment, "STAND_IN_DRMAA": str(stand_in.folder)},
        "call_s": 10,
        "python": sys.executable,
    }
    lab.change_settings(
        clusters={"site": site, "local": {"slots": 2, "memory_mb": 1000}},
        processors={
            "near": {"use": lab.uses["near"], "cluster": "local"},
            "far": {"use": lab.uses["far"], "cluster": "site", "scan_types": {"image": ["T2"]}},
        },
    )
    return lab


def run_by_hand(lab: Lab) -> None:
    """Do what the cluster would have done with the job that the library took."""
    (place,) = [Path(one.directory) for one in lab.attempts_of(lab.task("E1", "far"))]
    subprocess.run([place / "script.sh"], env={**os.environ, "JOB_ID": "1"}, cwd="/", check=True)


def test_library_that_dies(lab: Lab, stand_in: StandIn) -> None:
    """D7: it dies of every question: no status changes, one line tells, and other work goes on."""
    lab.scan("E1", scan_type="T2")
    daemon = lab.run_daemon()
    wait_until(lambda: "JOB_RUNNING" == lab.statuses().get(FAR), "the library took the job")
    stand_in.order("job_ps", "segv")
    wait_until(lambda: said(lab, "cluster does not answer"), "the operator is told")
    lab.scan("E2")
    wait_until(lambda: "COMPLETE" == lab.statuses().get(NEAR), "other work goes on")
    during = lab.statuses()[FAR]
    stand_in.relax("job_ps")
    wait_until(lambda: said(lab, "cluster answers again"), "a new process answers")
    run_by_hand(lab)
    wait_until(lambda: "COMPLETE" == lab.statuses()[FAR], "the job is brought home")
    daemon.terminate()

    assert (0, "JOB_RUNNING") == (daemon.wait(60), during)
    assert 1 == len(said(lab, "cluster does not answer"))


def test_library_that_hangs(lab: Lab, stand_in: StandIn) -> None:
    """D8: a submission hangs: it is given up, other work goes on meanwhile, and one job is submitted then."""
    stand_in.order("run_job", "hang")
    lab.scan("E1", scan_type="T2")
    daemon = lab.run_daemon()
    wait_until(lambda: stand_in.calls("run_job"), "the library was asked")
    lab.scan("E2")
    wait_until(lambda: "COMPLETE" == lab.statuses().get(NEAR), "other work goes on")
    during = lab.statuses()[FAR]
    stand_in.relax("run_job")
    wait_until(lambda: "JOB_RUNNING" == lab.statuses()[FAR], "a new process takes the job")
    run_by_hand(lab)
    wait_until(lambda: "COMPLETE" == lab.statuses()[FAR], "the job is brought home")
    daemon.terminate()

    assert (0, "PRE_COMPLETE") == (daemon.wait(60), during)
    assert 1 == lab.task("E1", "far")["attempts"]
