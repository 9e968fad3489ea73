"""FreeSurfer from end to end, with the stand-in for recon-all: everything but the reconstruction is real."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lab import Lab, MakeLab
from support.stand_in_recon_all import install

from cci import phantom

#: Enough for the stand-in and its figures; the real one asks for more.
SMALL = {"memory_mb": 900}


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A lab whose only session has a T1, an unusable T1, and a FreeSurfer that is not configured."""
    lab = make_lab()
    session = lab.fill.session(lab.project, "S1", "E1")
    image = phantom.write_nifti(phantom.t1(phantom.head(), seed=1), lab.home / "t1", name="t1").image
    for number, quality in (("1", "usable"), ("2", "unusable")):
        scan = lab.fill.scan(session, number, type="T1_MPRAGE", quality=quality)
        lab.fill.files(scan, "NIFTI", {"t1.nii.gz": image.read_bytes()})
    lab.change_settings(projects={lab.project: ["freesurfer"]}, processors={"freesurfer": SMALL})
    return lab


def configure(lab: Lab, home: Path) -> None:
    """Tell the settings where the stand-in is."""
    parameters = {"freesurfer_home": str(home), "license": str(home / "license.txt")}
    lab.change_settings(processors={"freesurfer": {**SMALL, "parameters": parameters}})


@pytest.mark.slow
def test_freesurfer_from_waiting_to_complete(lab: Lab, tmp_path: Path) -> None:
    """Unconfigured it waits and says so; a killed run is taken up by the next; all results come home."""
    lab.sweep()
    waiting = lab.task(processor="freesurfer")
    home = install(tmp_path / "freesurfer")
    configure(lab, home)
    program = home / "bin" / "recon-all"
    whole = program.read_text()
    program.write_text(whole.replace("PYTHONPATH", "STAND_IN_RECON_ALL='kill:Mask BFS' PYTHONPATH"))
    lab.sweep()
    killed = lab.task(processor="freesurfer")
    program.write_text(whole)
    lab.cci("rerun", killed["label"])
    lab.sweep()
    task = lab.task(processor="freesurfer")
    log = lab.cci("logs", task["label"]).stdout

    assert ("PRE_RUNNING", 0) == (waiting["status"], waiting["attempts"])
    assert waiting["reason"].startswith("no FreeSurfer is configured")
    assert "JOB_ERROR" == killed["status"]
    assert ("COMPLETE", 2) == (task["status"], task["attempts"])
    assert "-no-isrunning" in log
    assert "-i " not in log.split("running:")[1].splitlines()[0]
    assert {"volumes.csv", "thickness.csv", "aseg.stats"} <= set(lab.files(task, "STATS"))
    for resource in ("DATA", "LOG", "SNAPSHOTS", "PDF", "PROV"):
        assert lab.files(task, resource), resource


@pytest.mark.slow
def test_edits_of_a_person_are_used(lab: Lab, tmp_path: Path) -> None:
    """What a person put into the resource EDITS is staged for the next run, and stays where it is."""
    configure(lab, install(tmp_path / "freesurfer"))
    lab.sweep()
    task = lab.task(processor="freesurfer")
    edited = lab.files(task, "DATA")["mri/brainmask.mgz"]
    lab.fill.files(f"{lab.assessor_uri(task)}/out", "EDITS", {"brainmask.mgz": edited})
    lab.set_qc(task, "Rerun")
    lab.sweep()
    attempt = lab.attempts_of(task)[-1]

    assert ("COMPLETE", 2) == (lab.task(processor="freesurfer")["status"], attempt.number)
    assert "edits" in {source["input"] for source in attempt.inputs["sources"]}
    assert edited == lab.files(task, "EDITS")["brainmask.mgz"]
