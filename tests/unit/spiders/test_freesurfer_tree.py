"""The subject's directory: when it is gone on from, how its end is read, what is copied out of it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cci.spiders import freesurfer_tree as tree
from cci.spiders.freesurfer_tree import Workshop

ORIGIN = {"t1": "0a1b", "edits": {}, "flags": ["-all"], "freesurfer": "/opt/freesurfer/bin/recon-all"}
DATE = "Thu Oct 21 01:49:01 -03 2021"
BEGUN = f"#@# MotionCor {DATE}\n"
PAST_1 = f"{BEGUN}#@# EM Registration {DATE}\n"
LEFT_ONLY = f"{PAST_1}#@# Tessellate lh {DATE}\n#@# Sphere lh {DATE}\n"
PAST_2 = f"{LEFT_ONLY}#@# Sphere rh {DATE}\n"


@pytest.mark.parametrize(
    ("status_log", "resumed", "edited", "expected"),
    [
        ("", False, False, ["-all -3T"]),
        (BEGUN, True, False, ["-all -3T"]),
        (PAST_1, True, False, ["-autorecon2 -autorecon3 -3T"]),
        # FreeSurfer 5.3 does one hemisphere after the other
        (LEFT_ONLY, True, False, ["-autorecon2 -autorecon3 -3T"]),
        (PAST_2, True, False, ["-autorecon3 -3T"]),
        ("", False, True, ["-autorecon1", "-all -3T"]),
        (BEGUN, True, True, ["-autorecon1", "-all -3T"]),
        (PAST_1, True, True, ["-all -3T"]),
        (PAST_2, True, True, ["-all -3T"]),
    ],
)
def test_only_what_is_missing_is_asked_for(
    status_log: str, resumed: bool, edited: bool, expected: list[str]
) -> None:
    """Stages that are complete are not repeated; edits go in between autorecon1 and the rest."""
    found = tree.stages(["-all", "-3T"], resumed=resumed, edited=edited, status_log=status_log)
    assert expected == [" ".join(flags) for flags in found]


def _partial(folder: Path, origin: Mapping[str, object] = ORIGIN, *, imported: bool = True) -> Workshop:
    """Make what a killed run leaves."""
    workshop = Workshop(folder=folder, subject="S1")
    workshop.write_origin(origin)
    for name in ("scripts", "mri/orig"):
        (workshop.root / name).mkdir(parents=True)
    (workshop.root / "scripts" / "recon-all.log").write_text("log", encoding="utf-8")
    (workshop.root / "scripts" / "IsRunning.lh+rh").touch()
    whole = gzip.compress(b"image" * 1000)
    (workshop.root / "mri" / "orig" / "001.mgz").write_bytes(whole if imported else whole[:20])
    return workshop


def test_a_partial_run_of_the_same_inputs_is_gone_on_from(tmp_path: Path) -> None:
    """The directory stays, without the mark that recon-all would take for a running process."""
    workshop = _partial(tmp_path)
    assert (True, []) == (tree.take_up(workshop, ORIGIN), list(workshop.root.glob("scripts/IsRunning*")))


@pytest.mark.parametrize("name", ["other T1", "cut off", "other flags"])
def test_a_run_that_does_not_fit_is_begun_anew(tmp_path: Path, name: str) -> None:
    """What was begun with other inputs, or lacks even its T1, is removed: recon-all would refuse it."""
    changes: dict[str, dict[str, object]] = {"other T1": {"t1": "f"}, "other flags": {"flags": []}}
    workshop = _partial(tmp_path, {**ORIGIN, **changes.get(name, {})}, imported=name != "cut off")
    assert (False, False) == (tree.take_up(workshop, ORIGIN), workshop.root.exists())


@pytest.mark.parametrize(("job", "expected"), [(True, "keep"), (False, "outputs.recon")])
def test_the_workshop_is_where_the_next_attempt_finds_it(tmp_path: Path, job: bool, expected: str) -> None:
    """In a job it is the folder that is handed on; by hand no folder of a person's is used."""
    if job:
        (tmp_path / "job.json").touch()
    assert expected == tree.workshop_for(tmp_path / "outputs", "S1").folder.name


FAILED = f"""\
mri_watershed: preflooding
ERROR: mri_watershed: brain too small
Linux node7 6.1.0-13-amd64 x86_64 GNU/Linux

recon-all -s S1 exited with ERRORS at {DATE}

For more details, see the log file /job/recon/subjects/S1/scripts/recon-all.log
To report a problem, see http://surfer.nmr.mgh.harvard.edu/fswiki/BugReporting
"""
SKULL_MESSAGE = (
    "recon-all failed in step 'Skull Stripping' (exit status 1): ERROR: mri_watershed: brain too small "
    "(command: mri_watershed -T1 T1.mgz brainmask.auto.mgz)"
)
KILLED_MESSAGE = (
    "recon-all was ended by signal 9 in step 'Sphere lh'; signal 9 often means too little memory; "
    "log: mris_sphere: pass 3"
)


@pytest.mark.parametrize(
    ("exit_status", "scripts", "code", "message"),
    [
        (
            1,
            {
                "recon-all.log": FAILED,
                "recon-all-status.log": f"#@# Skull Stripping {DATE}\n",
                "recon-all.error": "SUBJECT S1\nCMD mri_watershed -T1 T1.mgz brainmask.auto.mgz\n",
            },
            "recon-all-failed",
            SKULL_MESSAGE,
        ),
        (
            -9,
            {"recon-all.log": "mris_sphere: pass 3\n", "recon-all-status.log": f"#@# Sphere lh {DATE}\n"},
            "recon-all-killed",
            KILLED_MESSAGE,
        ),
        (137, {}, "recon-all-killed", None),
        (0, {}, "recon-all-failed", "recon-all failed (exit status 0): the log is empty"),
        (0, {"recon-all.log": "finished without error at"}, "recon-all-incomplete", None),
    ],
)
def test_a_failure_is_explained(
    tmp_path: Path, exit_status: int, scripts: dict[str, str], code: str, message: str | None
) -> None:
    """A person reads the step, the last thing that the log says, and the command that failed."""
    workshop = Workshop(folder=tmp_path, subject="S1")
    (workshop.root / "scripts").mkdir(parents=True)
    for name, text in scripts.items():
        (workshop.root / "scripts" / name).write_text(text, encoding="utf-8")
    error = tree.explain(workshop, exit_status)
    assert (code, message or error.message) == (error.code, error.message)


def _finished(folder: Path) -> Workshop:
    """Make what a run that ended well leaves, as far as its end is judged."""
    workshop = _partial(folder)
    for name in (*tree.REQUIRED, "scripts/recon-all.done"):
        (workshop.root / name).parent.mkdir(exist_ok=True)
        (workshop.root / name).write_text("x", encoding="utf-8")
    log = f"#@#%# recon-all-run-time-hours 5.2\nrecon-all -s S1 finished without error at {DATE}\ndone\n"
    (workshop.root / "scripts" / "recon-all.log").write_text(log, encoding="utf-8")
    return workshop


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (None, True),
        (lambda root: (root / "scripts" / "recon-all.done").unlink(), False),
        (lambda root: (root / "scripts" / "recon-all.error").touch(), False),
        (lambda root: (root / "surf" / "rh.pial").unlink(), False),
        (lambda root: (root / "stats" / "aseg.stats").write_text(""), False),
        (lambda root: (root / "scripts" / "recon-all.log").write_text("exited with ERRORS"), False),
        (
            lambda root: (root / "scripts" / "recon-all.log").write_text(
                "finished without error\n" + "New invocation of recon-all\n" * 6
            ),
            False,
        ),
    ],
)
def test_a_run_is_finished_only_if_everything_says_so(
    tmp_path: Path,
    damage: object,
    expected: bool,
) -> None:
    """The done file, the end of the log and the required files must agree; an error file must be absent."""
    workshop = _finished(tmp_path / "keep")
    if callable(damage):
        damage(workshop.root)
    assert expected is tree.is_finished(workshop)


def test_links_become_files_or_stay_behind(tmp_path: Path) -> None:
    """A link to another file of the subject becomes that file; one that leads elsewhere does not."""
    workshop = _finished(tmp_path / "keep")
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    surf = workshop.root / "surf"
    (surf / "lh.pial").rename(surf / "lh.pial.T1")
    (surf / "lh.pial").symlink_to("lh.pial.T1")
    (surf / "out").symlink_to(secret)
    (surf / "nowhere").symlink_to("gone")
    (surf / "round").symlink_to("round")
    (surf / "folder").symlink_to(tmp_path)
    os.mkfifo(surf / "pipe")
    tree.copy_results(workshop, tmp_path / "DATA")
    copied = {path.name: path.is_symlink() for path in (tmp_path / "DATA" / "surf").iterdir()}
    expected = ("lh.pial", "lh.pial.T1", "lh.white", "lh.thickness", "rh.pial", "rh.white", "rh.thickness")
    assert dict.fromkeys(expected, False) == copied


def test_only_results_are_copied(tmp_path: Path) -> None:
    """Folders that recon-all keeps for itself stay behind."""
    workshop = _finished(tmp_path / "keep")
    for name in ("touch", "tmp", "trash"):
        (workshop.root / name).mkdir()
        (workshop.root / name / "x").touch()
    tree.copy_results(workshop, tmp_path / "DATA")
    assert ["label", "mri", "scripts", "stats", "surf"] == sorted(
        p.name for p in (tmp_path / "DATA").iterdir()
    )
