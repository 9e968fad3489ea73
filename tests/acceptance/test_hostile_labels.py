"""Names in the archive are data: whatever they say, a task keeps to its own folder and assessor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.lab import Lab, MakeLab


def new_ledger(lab: Lab) -> None:
    """Lose the ledger, as when its disk broke, and take the project over with an empty one."""
    for path in lab.home.glob("ledger.db*"):
        path.unlink()
    lab.cci("takeover", lab.project)


@pytest.mark.slow
def test_renamed_session_keeps_its_job_directory(lab: Lab) -> None:
    """A new session with the old name of a renamed one has a task, a label and a folder of its own."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    (job,) = (path / "job.json" for path in lab.attempts())
    before = job.read_bytes()
    lab.fill.put(f"/data/projects/{lab.project}/subjects/S1/experiments/E1", {"label": "E1_old"})
    lab.scan("E1", files={"image.dat": b"another person"})
    lab.cci("sweep", "--yes", check=False)
    lab.cci("sweep", "--yes", check=False)

    assert before == job.read_bytes()
    assert 2 == len({task["label"] for task in lab.tasks()})


@pytest.mark.slow
def test_assessor_of_another_system_stays(lab: Lab) -> None:
    """DAX calls the assessor of a scan as we do, and has no mark of ours: it is not written."""
    lab.scan("E1")
    session = f"/data/projects/{lab.project}/subjects/S1/experiments/E1"
    label = f"{lab.project}-x-S1-x-E1-x-1-x-Copy_v1"
    lab.fill.assessor(session, label, proctype="Copy_v1", procstatus="COMPLETE", note="made by DAX")
    before = lab.rest.get(f"{session}/assessors/{label}", {"format": "json"}).json()
    lab.cci("sweep", "--yes", check=False)

    assert before == lab.rest.get(f"{session}/assessors/{label}", {"format": "json"}).json()


@pytest.mark.slow
def test_new_ledger_keeps_earlier_attempts(lab: Lab) -> None:
    """After the loss of the ledger a further attempt gets a directory of its own."""
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    record = lab.attempts()[0] / "exit.json"
    before = record.read_bytes()
    new_ledger(lab)
    lab.sweep()
    lab.set_qc(lab.task(), "Rerun")
    lab.sweep()

    assert before == record.read_bytes()


@pytest.mark.slow
def test_label_from_the_archive_stays_in_the_work_directory(make_lab: MakeLab, tmp_path: Path) -> None:
    """A label that climbs, in a task.json that a member of the project put there, empties nothing."""
    lab = make_lab(processors={"whole": "WholeProjectProcessor"})
    lab.scan("E1")
    elsewhere = tmp_path / "elsewhere" / "1"
    elsewhere.mkdir(parents=True)
    (elsewhere / "thesis.txt").write_text("years of work", encoding="utf-8")
    task = {
        "label": "../../../elsewhere",
        "proctype": "WholeProject_v1",
        "procstatus": "PRE_COMPLETE",
        "inputs": json.dumps({"cci": 1, "scan": "", "inputs": {}}),
    }
    project = f"/data/projects/{lab.project}"
    lab.fill.files(project, "CCI_WholeProject_v1", {"task.json": json.dumps(task).encode()})
    lab.cci("sweep", "--yes", check=False)
    lab.cci("sweep", "--yes", check=False)

    assert ["thesis.txt"] == [path.name for path in elsewhere.iterdir()]


@pytest.mark.slow
def test_tasks_follow_a_session_into_another_project(lab: Lab) -> None:
    """A session that is moved takes its task along: one task, in the new project, with its results."""
    lab.scan("E1")
    lab.sweep()
    done, other = lab.task(), f"{lab.project}B"
    results = lab.files(done, "COPY")
    lab.fill.project(other)
    content = yaml.safe_load(lab.settings_file.read_text(encoding="utf-8"))
    content["projects"][other] = ["copy"]
    lab.settings_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    subject = f"/data/projects/{lab.project}/subjects/S1"
    for place in (f"{subject}/experiments/E1/projects/{other}", f"{subject}/projects/{other}"):
        lab.fill.put(place, {"primary": "true"})
    lab.sweep()
    lab.project = other

    assert [{**done, "project": other}] == lab.tasks()
    assert (True, results) == (bool(results), lab.files(done, "COPY"))
