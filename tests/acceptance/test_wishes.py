"""What people wish: run again, keep the old, hold, kill; by command or by the QC status in the archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lab import Lab, Row
from support.waiting import wait_until


def change_input(lab: Lab) -> None:
    """Give the scan of E1 another image, so that new results differ from old ones."""
    place = f"/data/projects/{lab.project}/subjects/S1/experiments/E1/scans/1/resources/DATA/files/image.dat"
    lab.fill.put(place, {"inbody": "true", "overwrite": "true"}, b"another, longer image of E1")


def person_adds_file(lab: Lab, task: Row) -> None:
    """Put a person's file beside the results."""
    place = f"{lab.assessor_uri(task)}/out"
    lab.fill.files(place, "TEXT", {"remarks.txt": b"looks good"})
    lab.fill.files(place, "EDITS", {"mask.nii": b"drawn by hand"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "keep_old"), [("command", False), ("command", True), ("Rerun", False), ("Reproc", True)]
)
def test_run_again(lab: Lab, way: str, *, keep_old: bool) -> None:
    """A wish to run again replaces the results, or keeps the old in OLD; what a person put is untouched."""
    lab.scan("E1")
    lab.sweep()
    before = lab.task()
    old = lab.files(before, "TEXT")
    person_adds_file(lab, before)
    change_input(lab)
    if way == "command":
        lab.cci("rerun", before["label"], *(["--keep-old"] if keep_old else []))
    else:
        lab.set_qc(before, way)
    lab.sweep()
    task = lab.task()
    texts = lab.files(task, "TEXT")

    assert ("COMPLETE", 2) == (task["status"], task["attempts"])
    assert ("COMPLETE", "Needs QA") == tuple(
        lab.fields(task)[name] for name in ("procstatus", "validation/status")
    )
    assert b"image/DATA/image.dat 27\nend" == texts["summary.txt"]
    assert b"looks good" == texts["remarks.txt"]
    assert {"mask.nii": b"drawn by hand"} == lab.files(task, "EDITS")
    assert keep_old == (old["summary.txt"] in lab.files(task, "OLD").values())
    assert {} == lab.files(task, "CCI_NEW")
    assert {"image/DATA/image.dat"} == set(lab.files(task, "COPY"))


@pytest.mark.slow
def test_failed_task_runs_again(lab: Lab) -> None:
    """A failed task runs again when it is wished, and its result is as that of a first run."""
    scan = lab.scan("E1", behave="exit 3")
    lab.sweep()
    failed = lab.task()
    lab.rest.delete(f"{scan}/resources/DATA/files/behave").raise_for_status()
    lab.cci("rerun", failed["label"])
    lab.sweep()

    assert ("JOB_ERROR", "COMPLETE") == (failed["status"], lab.task()["status"])
    assert 2 == lab.task()["attempts"]


@pytest.mark.slow
def test_do_not_run(lab: Lab) -> None:
    """`Do Not Run` in the archive, or `cci hold`, keeps a task from starting until it is released."""
    session = lab.fill.session(lab.project, "S1", "E1")
    scan = lab.fill.scan(session, "1", type="T1", quality="usable")
    lab.sweep()
    lab.set_qc(lab.task(), "Do Not Run")
    lab.fill.files(scan, "DATA", {"image.dat": b"x"})
    lab.sweep()
    held = lab.task()
    lab.cci("release", held["label"])
    lab.cci("hold", held["label"])
    lab.sweep()
    held_again = lab.task()
    lab.cci("release", held["label"])
    lab.sweep()

    expected = ("PRE_COMPLETE", "held: the QC status is Do Not Run", 0)
    assert expected == tuple(held[key] for key in ("status", "reason", "attempts"))
    assert expected == tuple(held_again[key] for key in ("status", "reason", "attempts"))
    assert "COMPLETE" == lab.task()["status"]
    assert "Needs QA" == lab.fields(lab.task())["validation/status"]


@pytest.mark.slow
def test_kill(lab: Lab) -> None:
    """`cci kill` ends the job; the task is JOB_ERROR, says who did it, and runs again only when wished."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    wait_until((lab.attempts()[0] / "claim").exists, "the job runs")
    lab.cci("kill", lab.task()["label"])
    wait_until(lab.ended_jobs, "the job ends")
    lab.sweep()
    killed = lab.task()
    lab.cci("rerun", killed["label"])
    lab.cci("sweep")
    (Path(lab.attempts_of(killed)[-1].directory) / "go").touch()
    lab.sweep()

    assert ("JOB_ERROR", 1) == (killed["status"], killed["attempts"])
    assert killed["reason"].startswith("killed by ")
    assert ("COMPLETE", 2) == (lab.task()["status"], lab.task()["attempts"])


@pytest.mark.slow
def test_deleted_assessor(lab: Lab) -> None:
    """An assessor that a person deletes is a wish to run again; while a job runs it ends that job."""
    lab.scan("E1")
    lab.scan("E2", behave="wait")
    lab.cci("sweep", "--yes")
    wait_until(lambda: lab.task("E1")["attempts"] == 1, "it began")
    running = Path(lab.attempts_of(lab.task("E2"))[0].directory)
    wait_until((running / "claim").exists, "the job runs")
    lab.cci("sweep")
    lab.rest.delete(lab.assessor_uri(lab.task("E2"))).raise_for_status()
    for _ in range(2):
        lab.cci("sweep")
    second = Path(lab.attempts_of(lab.task("E2"))[-1].directory)
    (second / "go").touch()
    lab.sweep()
    lab.rest.delete(lab.assessor_uri(lab.task("E1"))).raise_for_status()
    lab.sweep()

    assert {"E1/1 copy": "COMPLETE", "E2/1 copy": "COMPLETE"} == lab.statuses()
    assert (2, 2) == (lab.task("E1")["attempts"], lab.task("E2")["attempts"])
    assert running != second
    assert "killed" == lab.end_of(running)["cause"]
    assert ["summary.txt"] == list(lab.files(lab.task("E1"), "TEXT"))


@pytest.mark.slow
def test_status_that_somebody_changed(lab: Lab) -> None:
    """A procstatus that somebody else wrote is reported and restored."""
    lab.scan("E1")
    lab.sweep()
    field = "proc:genProcData/procstatus"
    lab.fill.put(lab.assessor_uri(lab.task()), {"xsiType": "proc:genProcData", field: "JOB_RUNNING"})
    done = lab.cci("sweep")

    assert "COMPLETE" == lab.fields(lab.task())["procstatus"]
    assert "the archive says JOB_RUNNING" in done.stderr


@pytest.mark.slow
def test_renamed_session(lab: Lab) -> None:
    """A session that is renamed keeps its task, label and results."""
    lab.scan("E1")
    lab.sweep()
    before = lab.task()
    session = f"/data/projects/{lab.project}/subjects/S1/experiments/E1"
    lab.fill.put(session, {"xsiType": "xnat:mrSessionData", "label": "renamed"})
    lab.sweep()

    assert [before["label"]] == [row["label"] for row in lab.tasks()]
    assert 1 == lab.tasks()[0]["attempts"]


@pytest.mark.slow
def test_changed_inputs(lab: Lab) -> None:
    """A COMPLETE task whose inputs changed is marked as outdated; nothing runs unasked."""
    scan = lab.scan("E1")
    lab.sweep()
    lab.fill.files(scan, "DATA", {"second.dat": b"more"})
    lab.sweep()

    assert ("COMPLETE", 1) == (lab.task()["status"], lab.task()["attempts"])
    assert "outdated: image/DATA changed since" == lab.task()["reason"]
