"""fMRI QA as a whole, held against the phantom's truth."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from cci import phantom
from cci.processors.fmri_qa import FmriQaProcessor
from cci.spiders import fmri_qa, staging
from cci.spiders.fmri_analysis import Analysis, analyse
from cci.spiders.fmri_series import Bold
from cci.spiders.registration import displacements_mm, rotation_angle_deg

TARGET = {"project": "P", "subject": "S", "session": "E; $(x)", "scan": "5"}
EROSION = 3


def as_input(series: phantom.Bold) -> Bold:
    """Return a phantom's series as the spider reads it."""
    return Bold(
        data=series.data.astype(np.float32),
        affine=series.affine,
        tr_s=series.tr_s,
        tr_source="phantom",
        phase_axis=None,
        file_name="phantom.nii.gz",
        stored_as="int16",
    )


#: Seed, volumes, largest motion (mm, degrees) and number of spikes.
PHANTOMS = [(3, 60, 0.6, 4), (11, 40, 2.0, 0)]


@pytest.fixture(scope="module", params=PHANTOMS, ids=["spikes", "much motion"])
def judged(request: pytest.FixtureRequest) -> tuple[phantom.Bold, Analysis]:
    """A phantom and what was found in it."""
    seed, volumes, motion, spikes = request.param
    truth = phantom.bold(phantom.head(), seed=seed, n_volumes=volumes, motion=motion, spikes=spikes)
    return truth, analyse(as_input(truth))


@pytest.mark.slow
def test_motion_is_true(judged: tuple[phantom.Bold, Analysis]) -> None:
    """Residual motion is at most 0.15 on average and 0.3 at worst, in mm over the brain and in degrees."""
    truth, analysis = judged
    residual = [np.linalg.inv(a) @ b for a, b in zip(analysis.motion.matrices, truth.motion, strict=True)]
    displacement = displacements_mm(np.array(residual), truth.brain_mask, truth.affine)
    angle = [rotation_angle_deg(matrix) for matrix in residual]

    for values in (displacement, angle):
        assert float(np.mean(values)) <= 0.15
        assert float(np.max(values)) <= 0.3


@pytest.mark.slow
def test_tsnr_is_true(judged: tuple[phantom.Bold, Analysis]) -> None:
    """The median tSNR in the mask eroded by three voxels is within five percent of the truth."""
    truth, analysis = judged
    inner = ndimage.binary_erosion(truth.brain_mask, iterations=EROSION)
    tsnr = analysis.volume(analysis.tsnr)

    assert float(np.median(tsnr[inner])) == pytest.approx(truth.median_tsnr, rel=0.05)
    assert float(np.median(tsnr[analysis.deep])) == pytest.approx(truth.median_tsnr, rel=0.05)


@pytest.mark.slow
def test_spikes_are_true(judged: tuple[phantom.Bold, Analysis]) -> None:
    """Every injected spike is found and no other volume is blamed."""
    truth, analysis = judged

    assert tuple(np.flatnonzero(analysis.spikes)) == truth.spikes


@pytest.mark.slow
def test_drift_mask_and_smoothness_are_true(judged: tuple[phantom.Bold, Analysis]) -> None:
    """The drift is two percent, the mask is the brain, and white noise has no smoothness."""
    truth, analysis = judged
    overlap = 2 * (analysis.mask & truth.brain_mask).sum() / (analysis.mask.sum() + truth.brain_mask.sum())

    assert float(np.median(analysis.drift_percent)) == pytest.approx(2.0, abs=0.2)
    assert overlap > 0.96
    assert analysis.fwhm_mm == [None, None, None]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> staging.Folders:
    """A job whose spider has run, on a coarse phantom."""
    root = tmp_path_factory.mktemp("job")
    series = phantom.bold(phantom.head(5.0), seed=2, n_volumes=30, spikes=1)
    phantom.write_nifti(series, root / "inputs" / "bold" / "NIFTI")
    (root / "inputs" / "inputs.json").write_text(json.dumps({"target": TARGET}), encoding="utf-8")

    assert staging.main(fmri_qa.run, [str(root / "inputs"), str(root / "outputs")]) == 0
    return staging.open_folders(root / "inputs", root / "outputs")


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_result_is_written(folders: staging.Folders) -> None:
    """A job leaves exactly the files that its processor promises."""
    found = {str(p.relative_to(folders.outputs)) for p in folders.outputs.rglob("*") if p.is_file()}

    assert {f"{output.resource}/{output.pattern}" for output in FmriQaProcessor.outputs} == found


def test_maps_lie_where_the_scan_lies(folders: staging.Folders) -> None:
    """Every map has the geometry of the scan, in qform and sform, and finite values."""
    scan = nib.load(next((folders.inputs / "bold" / "NIFTI").iterdir()))
    for name in ("tsnr", "sfnr", "mean", "mask"):
        image = nib.load(folders.outputs / name.upper() / f"{name}.nii.gz")
        assert image.shape == scan.shape[:3]
        assert image.get_qform() == pytest.approx(scan.affine, abs=1e-4)
        assert image.get_sform() == pytest.approx(scan.affine, abs=1e-4)
        assert bool(np.isfinite(image.get_fdata()).all())


def test_stats_are_named_and_have_units(folders: staging.Folders) -> None:
    """Names are unique, known values are finite, and the unknown have an empty cell and a reason."""
    table = rows(folders.outputs / "STATS" / "stats.csv")
    by_name = {row["name"]: row for row in table}

    assert len(by_name) == len(table)
    assert all(math.isfinite(float(row["value"])) for row in table if row["value"])
    assert all(row["description"] for row in table)
    assert (by_name["tr"]["value"], by_name["tr"]["unit"]) == ("2.0", "s")
    assert by_name["spikes"]["value"] == "1"
    assert by_name["ghost_to_signal"]["value"] == ""
    assert "phase-encoding axis" in by_name["ghost_to_signal"]["description"]


def test_time_series_has_a_line_for_each_volume(folders: staging.Folders) -> None:
    """Each volume has its line; the first has no change from a volume before it."""
    table = rows(folders.outputs / "TIMESERIES" / "timeseries.csv")

    assert list(table[0]) == [
        "volume", "time_s", "fd_mm", "dvars", "dvars_std", "global_signal", "outlier_fraction", "spike",
        "translation_x_mm", "translation_y_mm", "translation_z_mm",
        "rotation_x_deg", "rotation_y_deg", "rotation_z_deg", "displacement_mm",
    ]  # fmt: skip
    assert [row["volume"] for row in table] == [str(volume) for volume in range(30)]
    assert [name for name, value in table[0].items() if not value] == ["fd_mm", "dvars", "dvars_std"]
    assert all(value for row in table[1:] for value in row.values())


def test_motion_csv_holds_the_matrices(folders: staging.Folders) -> None:
    """The matrices in the file give the displacements in the time series."""
    table = rows(folders.outputs / "MOTION" / "motion.csv")
    mask = nib.load(folders.outputs / "MASK" / "mask.nii.gz")
    last = np.array([float(value) for value in list(table[-1].values())[1:]]).reshape(3, 4)
    moved_mm = float(rows(folders.outputs / "TIMESERIES" / "timeseries.csv")[-1]["displacement_mm"])

    matrix = np.vstack([last, [0, 0, 0, 1]])
    assert displacements_mm(matrix[None], mask.get_fdata() > 0, mask.affine)[0] == pytest.approx(
        moved_mm, rel=0.05
    )


def test_without_a_repetition_time_there_are_no_times(tmp_path: Path) -> None:
    """A scan whose header lacks the TR is judged all the same; times and frequencies stay unknown."""
    series = phantom.bold(phantom.head(6.0), seed=2, n_volumes=12)
    place = tmp_path / "run.nii.gz"
    image = nib.Nifti1Image(series.data, series.affine)
    nib.save(image, place)

    assert staging.main(fmri_qa.run, [str(tmp_path), str(tmp_path / "outputs")]) == 0

    values = {row["name"]: row["value"] for row in rows(tmp_path / "outputs" / "STATS" / "stats.csv")}
    times = {row["time_s"] for row in rows(tmp_path / "outputs" / "TIMESERIES" / "timeseries.csv")}
    assert (values["tr"], values["duration"], times) == ("", "", {""})


def test_bad_input_leaves_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A one-volume scan ends with its cause and exit status 65, and writes nothing."""
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8, 1), dtype=np.int16), np.eye(4)), tmp_path / "run.nii.gz")

    status = staging.main(fmri_qa.run, [str(tmp_path), str(tmp_path / "outputs")])

    assert status == staging.EXIT_BAD_INPUT
    assert "run.nii.gz has only one volume" in capsys.readouterr().err
    assert list((tmp_path / "outputs").rglob("*")) == []


#: Real series that libraries install, each with the end it deserves.
CRUMBS = {
    "two volumes": ("nibabel", "tests/data/example4d.nii.gz", "too-few-volumes"),
    "three slices of a brain": ("nibabel", "tests/data/functional.nii", "no-brain"),
    "a cube of a brain": ("nitime", "data/fmri1.nii.gz", "no-brain"),
    "a whole head, coarse": ("nipype", "testing/data/ds003_sub-01_mc.nii.gz", ""),
}


@pytest.mark.parametrize(("library", "file", "code"), CRUMBS.values(), ids=CRUMBS)
def test_real_crumbs_end_as_they_deserve(
    tmp_path: Path, library: str, file: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crumb of a scan ends with its cause; a whole head, however coarse, gets its report."""
    spec = importlib.util.find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / file
    (tmp_path / "inputs").mkdir()
    shutil.copy(source, tmp_path / "inputs" / source.name)
    told = tmp_path / "error.json"
    monkeypatch.setenv(staging.ERROR_FILE_VARIABLE, str(told))

    status = staging.main(fmri_qa.run, [str(tmp_path / "inputs"), str(tmp_path / "outputs")])

    assert status == (staging.EXIT_BAD_INPUT if code else 0)
    assert (json.loads(told.read_text(encoding="utf-8"))["code"] if told.exists() else "") == code
