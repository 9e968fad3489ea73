"""One owner for each project, one process for each step: instances that meet do no harm to each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci.daemon.jobdir import JobDirectory, read_claim


@pytest.mark.slow
def test_second_instance(make_lab: MakeLab) -> None:
    """Another instance is refused, with exit code 5 and who owns the project, until it takes it over."""
    service = make_lab("service")
    service.scan("E1")
    service.sweep()
    other = make_lab("developer", project=service.project)
    refused = other.cci("sweep", "--yes", check=False)
    words = " ".join(refused.stderr.split())
    other.cci("takeover", service.project)
    other.sweep()
    now_refused = service.cci("sweep", check=False)

    assert (5, 5) == (refused.returncode, now_refused.returncode)
    assert f"project {service.project} belongs to another instance of cci (" in words
    assert f"cci takeover {service.project}" in words
    assert 1 == len(service.ended_jobs() + other.ended_jobs())
    assert "COMPLETE" == other.task()["status"]


@pytest.mark.slow
def test_two_instances_at_once(make_lab: MakeLab) -> None:
    """Of two instances that meet a new project at the same moment one owns it, the other is refused."""
    labs = [make_lab("first")]
    labs.append(make_lab("second", project=labs[0].project))
    labs[0].sessions(2)
    both = [lab.start("sweep", "--wait", "--yes") for lab in labs]
    codes = [process.wait(300) for process in both]

    assert [0, 5] == sorted(codes)
    assert [2, 0] == [len(labs[place].ended_jobs()) for place in (codes.index(0), codes.index(5))]


@pytest.mark.slow
def test_new_ledger_adopts(lab: Lab) -> None:
    """With a new, empty ledger tasks are taken over from the evidence, running ones too; none runs twice."""
    lab.scan("E1")
    lab.scan("E2", behave="wait")
    lab.scan("E3", behave="exit 3")
    lab.cci("sweep", "--yes")
    running = Path(lab.attempts_of(lab.task("E2"))[0].directory)
    wait_until((running / "claim").exists, "the job runs")
    for name in ("E1", "E3"):
        place = Path(lab.attempts_of(lab.task(name))[0].directory)
        wait_until((place / "exit.json").exists, "the job ends")
    lab.cci("sweep")
    for path in lab.home.glob("ledger.db*"):
        path.unlink()
    lab.cci("takeover", lab.project)
    lab.cci("sweep")
    adopted = lab.statuses()
    (running / "go").touch()
    lab.sweep()

    assert {"E1/1 copy": "COMPLETE", "E2/1 copy": "JOB_RUNNING", "E3/1 copy": "JOB_ERROR"} == adopted
    assert {**adopted, "E2/1 copy": "COMPLETE"} == lab.statuses()
    assert 3 == len(lab.ended_jobs()) == len(lab.attempts())


@pytest.mark.slow
def test_two_at_once(lab: Lab) -> None:
    """Sweeps started at the same moment, again and again, submit each task once."""
    for turn in range(3):
        lab.scan(f"E{turn}")
        both = [lab.start("sweep", "--wait", "--yes", log=f"{turn}{side}.txt") for side in "ab"]
        assert [0, 0] == [process.wait(300) for process in both]

    jobs = [attempt.job_id for row in lab.tasks() for attempt in lab.attempts_of(row)]
    assert ["COMPLETE"] * 3 == list(lab.statuses().values())
    assert sorted(jobs) == lab.ended_jobs()
    assert jobs == [read_claim(JobDirectory(place)) for place in lab.attempts()]
    assert [] == list((lab.home / "work").rglob("refused-*.json"))


@pytest.mark.slow
def test_sweep_beside_a_daemon(lab: Lab) -> None:
    """A cron sweep and a second daemon beside a daemon submit nothing twice and bring nothing home twice."""
    lab.sessions(2)
    daemons = [lab.start("run", "--yes", log=f"daemon{number}.txt") for number in (1, 2)]
    for turn in range(3):
        lab.scan(f"F{turn}")
        lab.cci("sweep", "--yes")
    wait_until(lambda: ["COMPLETE"] * 5 == list(lab.statuses().values()), "all is done")
    for daemon in daemons:
        daemon.terminate()

    assert [0, 0] == [daemon.wait(300) for daemon in daemons]
    assert 5 == len(lab.ended_jobs()) == len(lab.attempts())
    assert [1] * 5 == [row["attempts"] for row in lab.tasks()]
    ids = [lab.fields(row)["ID"] for row in lab.tasks()]
    uploads = [row["path"] for row in lab.writes() if "cci-upload.zip" in row["path"]]
    mine = [path for path in uploads if any(f"/{one}/" in path for one in ids)]
    assert len(mine) == len(set(mine)) == 15


@pytest.mark.slow
def test_shrinking_project(lab: Lab) -> None:
    """A project that lost more than a fifth of its sessions stops its sweep until a person agrees."""
    lab.sessions(10)
    lab.sweep()
    for number in range(1, 7):
        session = f"/data/projects/{lab.project}/subjects/S1/experiments/E{number}"
        lab.rest.delete(session, {"removeFiles": "true"}).raise_for_status()
    before = lab.tasks()
    stopped = lab.cci("sweep", check=False)
    after = lab.tasks()
    lab.cci("sweep", "--accept-shrinking")
    lab.cci("sweep")

    assert 3 == stopped.returncode
    assert "sessions went from 10 to 4" in " ".join(stopped.stderr.split())
    assert before == after
    gone = {row["session"]: row["reason"] for row in lab.tasks() if row["reason"]}
    assert {f"E{number}": "what it ran on is no longer in the archive" for number in range(1, 7)} == gone


@pytest.mark.slow
def test_lost_work_directory(lab: Lab) -> None:
    """A job whose directory somebody deleted is told to a person; it is not run again by itself."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    place = lab.attempts()[0]
    wait_until((place / "claim").exists, "the job runs")
    shutil.rmtree(place)
    lab.kill_jobs()
    lab.sweep()

    assert "JOB_ERROR" == lab.task()["status"]
    assert 1 == lab.task()["attempts"]
