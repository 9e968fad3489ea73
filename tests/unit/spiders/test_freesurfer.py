"""The whole spider, over the stand-in ``recon-all``: no FreeSurfer and no licence is needed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread
from nibabel.freesurfer import read_annot, read_geometry, read_morph_data
from support import stand_in_apptainer
from support.stand_in_recon_all import VARIABLE, install

from cci.phantom import head, t1, write_nifti
from cci.spiders.freesurfer import check_t1
from cci.spiders.staging import BadInput


@dataclass(frozen=True)
class Job:
    """A job directory, and how its spider ends."""

    folder: Path
    parameters: dict[str, Any] = field(default_factory=dict)

    def run(self, wish: str = "") -> tuple[int, str, str]:
        """Run the spider as a job does; return exit status, code of the cause, and what was printed."""
        described = {"target": {"session": "S 01"}, "parameters": self.parameters}
        (self.folder / "inputs" / "inputs.json").write_text(json.dumps(described), encoding="utf-8")
        (self.folder / "job.json").touch()
        cause = self.folder / "error.json"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "cci.spiders.freesurfer", "inputs", "outputs"],
            cwd=self.folder,
            env={**os.environ, VARIABLE: wish, "CCI_ERROR_FILE": str(cause), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        code = json.loads(cause.read_text(encoding="utf-8"))["code"] if cause.exists() else ""
        return done.returncode, code, done.stdout + done.stderr

    def hand_on(self, other: Job) -> None:
        """Do what the daemon does for the next attempt."""
        (self.folder / "keep").rename(other.folder / "keep")

    @property
    def outputs(self) -> list[str]:
        """The files that came out, in order."""
        root = self.folder / "outputs"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T1 of the phantom."""
    image: Path = write_nifti(t1(head(), seed=3), tmp_path_factory.mktemp("scan"), name="t1").image
    return image


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What looks like an installation of FreeSurfer."""
    return install(tmp_path_factory.mktemp("freesurfer"))


@pytest.fixture
def job(tmp_path: Path, scan: Path, home: Path) -> Callable[..., Job]:
    """Make the job of one attempt."""

    def make(attempt: str = "1", **parameters: Any) -> Job:
        folder = tmp_path / "task" / attempt
        staged = folder / "inputs" / "t1" / "NIFTI"
        staged.mkdir(parents=True)
        (staged / "t1 (best); $(touch x).nii.gz").write_bytes(scan.read_bytes())
        return Job(folder, {"freesurfer_home": str(home), **parameters})

    return make


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, scan: Path, home: Path) -> Job:
    """A job that ended well; its outputs are only looked at."""
    folder = tmp_path_factory.mktemp("task") / "1"
    (folder / "inputs" / "t1" / "NIFTI").mkdir(parents=True)
    (folder / "inputs" / "t1" / "NIFTI" / "t1.nii.gz").write_bytes(scan.read_bytes())
    job = Job(folder, {"freesurfer_home": str(home)})
    status, _, printed = job.run()
    assert 0 == status, printed
    return job


def _table(path: Path) -> dict[str, tuple[float, str]]:
    """Return value and unit by name."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: (float(row["value"]), row["unit"]) for row in csv.DictReader(file)}


def test_all_results_come_out(finished: Job) -> None:
    """The subject's tree, the log, the tables, the snapshots and the report are there."""
    wanted = {
        "DATA/mri/T1.mgz",
        "DATA/mri/aseg.mgz",
        "DATA/surf/lh.pial",
        "DATA/label/rh.aparc.annot",
        "DATA/stats/aseg.stats",
        "DATA/scripts/recon-all.done",
        "LOG/recon-all.log",
        "PDF/report.pdf",
        "SNAPSHOTS/large.png",
        "SNAPSHOTS/thumbnail.png",
        "STATS/aseg.stats",
        "STATS/lh.aparc.stats",
        "STATS/rh.aparc.stats",
        "STATS/thickness.csv",
        "STATS/volumes.csv",
    }
    assert set() == wanted - set(finished.outputs)


def test_the_tree_is_in_freesurfers_formats(finished: Job) -> None:
    """Images, surfaces, measures and labels of DATA can be read by the field's library."""
    data = finished.folder / "outputs" / "DATA"
    vertices, _ = read_geometry(data / "surf" / "lh.pial")
    labels, _, names = read_annot(data / "label" / "lh.aparc.annot")
    thickness = read_morph_data(data / "surf" / "lh.thickness")
    shape = np.asanyarray(nib.load(data / "mri" / "aparc+aseg.mgz").dataobj).shape
    assert (len(vertices), 34, len(vertices), 3) == (len(labels), len(names), len(thickness), len(shape))


def test_the_tables_agree_with_the_images(finished: Job) -> None:
    """A structure's volume is its voxels in aseg.mgz times the voxel's size."""
    data = finished.folder / "outputs"
    aseg = nib.load(data / "DATA" / "mri" / "aseg.mgz")
    voxels = int((np.asanyarray(aseg.dataobj) == 17).sum())
    volume, unit = _table(data / "STATS" / "volumes.csv")["Left-Hippocampus"]
    assert (voxels * float(np.prod(aseg.header.get_zooms())), "mm^3") == (volume, unit)


def test_thickness_has_both_hemispheres(finished: Job) -> None:
    """The table has each hemisphere's mean and 34 regions, in millimetres."""
    table = _table(finished.folder / "outputs" / "STATS" / "thickness.csv")
    assert (70, {"mm"}) == (len(table), {unit for _, unit in table.values()})


@pytest.mark.parametrize(("name", "width"), [("thumbnail.png", 480), ("large.png", 1600)])
def test_snapshots_show_something(finished: Job, name: str, width: int) -> None:
    """A snapshot has its width, grey tissue and coloured lines."""
    picture = imread(finished.folder / "outputs" / "SNAPSHOTS" / name)[..., :3]
    coloured = (np.ptp(picture, axis=2) > 0.3).mean()
    assert (width, True, True) == (picture.shape[1], 0.1 < picture.mean() < 0.9, 0.002 < coloured < 0.2)


def test_a_killed_run_is_gone_on_from_by_the_next_attempt(job: Callable[..., Job]) -> None:
    """After a kill, the next attempt neither imports the T1 again nor repeats complete stages."""
    first, second = job("1"), job("2")
    status, code, _ = first.run("kill:Cortical Parc lh")
    first.hand_on(second)
    again, _, printed = second.run()
    call = next(line for line in printed.splitlines() if line.startswith("running: "))
    assert (65, "recon-all-killed", 0, True, False, False) == (
        *(status, code, again),
        "-no-isrunning -autorecon3 " in call,
        " -i " in call,
        "MotionCor" in printed,
    )


def test_a_finished_run_is_not_done_again(finished: Job) -> None:
    """If only what follows failed after hours of recon-all, the next attempt does only that."""
    second = Job(finished.folder.with_name("2"), finished.parameters)
    shutil.copytree(finished.folder / "inputs", second.folder / "inputs")
    finished.hand_on(second)
    status, _, printed = second.run()
    assert (0, False, finished.outputs) == (status, "running: " in printed, second.outputs)


def test_an_image_leaves_its_results_here(job: Callable[..., Job], home: Path, tmp_path: Path) -> None:
    """What runs in a container finds its inputs at the bound places, and its tree comes out all the same."""
    runtime = stand_in_apptainer.install(tmp_path / "apptainer")
    image = {"freesurfer_home": None, "container": str(home), "runtime": str(runtime)}
    attempt = job(**image, license=str(home / "license.txt"))
    status, _, printed = attempt.run()
    assert (0, True) == (status, "DATA/surf/lh.pial" in attempt.outputs), printed


def test_edits_are_put_in_between(job: Callable[..., Job]) -> None:
    """An edited brain mask replaces the one of autorecon1, and the rest is computed from it."""
    attempt = job()
    attempt.run("kill:EM Registration")
    [made] = attempt.folder.glob("keep/subjects/*/mri/brainmask.mgz")
    edited = attempt.folder / "inputs" / "edits" / "EDITS" / "brainmask.mgz"
    edited.parent.mkdir(parents=True)
    image = nib.load(made)
    values = np.asanyarray(image.dataobj).copy()
    values[:64] = 0
    nib.save(nib.MGHImage(values, image.affine, image.header), edited)
    status, _, printed = attempt.run()
    brain = np.asanyarray(nib.load(attempt.folder / "outputs" / "DATA" / "mri" / "brain.mgz").dataobj)
    calls = [line.split(" -autorecon1 ")[-1] for line in printed.splitlines() if line.startswith("running: ")]
    assert (0, 2, 0) == (status, len(calls), int(brain[:64].max()))


@pytest.mark.parametrize(
    ("wish", "code", "words"),
    [
        (
            "error:Fill",
            "recon-all-failed",
            "in step 'Fill' (exit status 1): ERROR: stand_in_step: the environment",
        ),
        ("silent", "recon-all-failed", "the log is empty"),
    ],
)
def test_a_failed_run_leaves_no_result(job: Callable[..., Job], wish: str, code: str, words: str) -> None:
    """A run that did not end well has no outputs, and a cause that a person can read."""
    attempt = job()
    status, cause, printed = attempt.run(wish)
    assert (65, code, True, []) == (status, cause, words in printed, attempt.outputs)


def test_an_unknown_edit_is_refused_before_anything_runs(job: Callable[..., Job]) -> None:
    """A file that recon-all would overwrite is not silently lost."""
    attempt = job()
    place = attempt.folder / "inputs" / "edits" / "EDITS"
    place.mkdir(parents=True)
    (place / "aseg.presurf.mgz").touch()
    status, code, printed = attempt.run()
    assert (65, "unknown-edit", False) == (status, code, "running: " in printed)


def test_nothing_runs_without_a_licence(job: Callable[..., Job], tmp_path: Path) -> None:
    """The licence is checked on the node before recon-all is called."""
    status, code, printed = job(license=str(tmp_path / "gone.txt")).run()
    assert (65, "license-missing", False) == (status, code, "running: " in printed)


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def _image(values: np.ndarray, affine: np.ndarray | None = None) -> Callable[[Path], None]:
    """Return what writes values as an image; a given affine stands in the header whatever it is."""
    header = nib.Nifti1Image(values, np.eye(4)).header
    if affine is not None:
        header.set_sform(affine, code=1)
    return lambda path: nib.save(nib.Nifti1Image(values, None, header), path)


def _ramp(*shape: int) -> np.ndarray:
    """Return values that differ."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("code", "write"),
    [
        ("corrupt-image", lambda path: path.write_bytes(b"not an image")),
        ("corrupt-image", lambda path: path.write_bytes(b"")),
        ("corrupt-image", _image(np.zeros((20, 20, 20), RGB))),
        ("not-a-volume", _image(_ramp(20, 20, 20, 4))),
        ("not-a-volume", _image(_ramp(64, 64, 1))),
        ("bad-affine", _image(_ramp(20, 20, 20), np.zeros((4, 4)))),
        ("not-finite", _image(np.full((20, 20, 20), np.nan, np.float32))),
        ("empty-image", _image(np.ones((20, 20, 20), np.float32))),
    ],
)
def test_a_t1_that_cannot_be_one_is_refused_at_once(
    tmp_path: Path, code: str, write: Callable[[Path], object]
) -> None:
    """A file that is no head is refused in seconds and not by recon-all after an hour."""
    path = tmp_path / "t1.nii.gz"
    write(path)
    with pytest.raises(BadInput) as caught:
        check_t1(path)
    assert code == caught.value.code


def test_a_volume_may_have_a_fourth_axis_of_one(tmp_path: Path) -> None:
    """Some converters write a single volume as a series of one; recon-all takes it."""
    path = tmp_path / "t1.nii.gz"
    _image(_ramp(20, 20, 20, 1))(path)
    check_t1(path)


def test_a_cut_off_t1_is_refused(tmp_path: Path, scan: Path) -> None:
    """All of the image is read, not only its header."""
    path = tmp_path / "t1.nii.gz"
    path.write_bytes(scan.read_bytes()[:-5000])
    with pytest.raises(BadInput) as caught:
        check_t1(path)
    assert "corrupt-image" == caught.value.code
