"""The whole DTI QA, held against phantoms whose truth is known, and against crumbs of real series."""

from __future__ import annotations

import csv
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import dipy.data
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from cci import phantom
from cci.processors.dti_qa import DtiQaProcessor
from cci.spiders import registration
from cci.spiders.dti_analysis import analyse
from cci.spiders.dti_input import Series, fsl_to_world
from cci.spiders.dti_measures import measures
from cci.spiders.dti_qa import as_rgb, run
from cci.spiders.dti_report import findings, make_report
from cci.spiders.images import image_like
from cci.spiders.registration import FloatArray
from cci.spiders.sidecar import Sidecar
from cci.spiders.staging import ERROR_FILE_VARIABLE, main, open_folders

MOTION_LIMITS = {"mean": 0.15, "largest": 0.3}  # mm and degrees
FA_LIMIT = 0.03
FALSE_DROPOUTS = 0.01


@dataclass(frozen=True, kw_only=True)
class Run:
    """What went in, and where the results are."""

    truth: phantom.Diffusion
    outputs: Path

    def volume(self, name: str) -> npt.NDArray[np.float64]:
        """Read a map."""
        path = self.outputs / name.upper().replace("_", "") / f"{name}.nii.gz"
        return np.asarray(nib.load(path).get_fdata())

    def table(self, resource: str, name: str) -> list[dict[str, str]]:
        """Read a CSV file."""
        with (self.outputs / resource / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def _stage(truth: phantom.Diffusion, folder: Path) -> Path:
    """Lay a phantom out as a job's inputs."""
    files = phantom.write_nifti(truth, folder / "written")
    for resource, path in (("NIFTI", files.image), ("BVAL", files.bval), ("BVEC", files.bvec)):
        assert path is not None
        (folder / "dwi" / resource).mkdir(parents=True)
        path.rename(folder / "dwi" / resource / path.name)
    target = {"project": "P", "subject": "S$_1$", "session": "E", "scan": "4"}
    (folder / "inputs.json").write_text(json.dumps({"target": target}))
    return folder


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run over a head at 3 mm that moved and lost four slices."""
    truth = phantom.dwi(phantom.head(), seed=11, motion=1.5, dropouts=4)
    folder = tmp_path_factory.mktemp("dti")
    outputs = folder / "outputs"
    run(open_folders(_stage(truth, folder), outputs))
    return Run(truth=truth, outputs=outputs)


pytestmark = pytest.mark.slow


def test_writes_every_result(result: Run) -> None:
    """A job leaves exactly the files that its processor promises."""
    found = {str(path.relative_to(result.outputs)) for path in result.outputs.rglob("*") if path.is_file()}

    assert {f"{output.resource}/{output.pattern}" for output in DtiQaProcessor.outputs} == found


def _residual_motion(result: Run) -> FloatArray:
    """Displacement (mm) and angle (degrees) between estimated and true motion, shape (V, 2)."""
    truth, errors = result.truth, []
    for row, true in zip(result.table("GRADIENTS", "motion.csv"), truth.motion, strict=True):
        found = np.eye(4)
        found[:3] = np.array([float(row[f"m{i}{j}"]) for i in range(1, 4) for j in range(1, 5)]).reshape(3, 4)
        left = np.linalg.inv(found) @ true
        errors.append(
            (
                registration.displacements_mm(left[None], truth.brain_mask, truth.affine)[0],
                registration.rotation_angle_deg(left),
            )
        )
    return np.array(errors)


def test_motion_is_true(result: Run) -> None:
    """Motion from volume 0 is found within 0.15 mm and degrees in the mean, and 0.3 at most."""
    errors = _residual_motion(result)

    assert errors.mean(axis=0).max() <= MOTION_LIMITS["mean"]
    assert errors.max() <= MOTION_LIMITS["largest"]


def test_fa_is_true(result: Run) -> None:
    """The mean FA of true white matter is within 0.03 of the noise-free mixture's."""
    white = result.truth.white >= 0.9

    assert result.volume("fa")[white].mean() == pytest.approx(result.truth.mean_fa(0.9), abs=FA_LIMIT)


def test_md_is_true(result: Run) -> None:
    """The mean MD of true white matter is within three percent of the noise-free mixture's."""
    white = result.truth.white >= 0.9

    assert result.volume("md")[white].mean() == pytest.approx(result.truth.md[white].mean(), rel=0.03)


def test_every_dropout_is_found_and_hardly_others(result: Run) -> None:
    """Each injected dropout is found; at most one percent of slices × volumes are false ones."""
    rows = result.table("GRADIENTS", "outliers.csv")
    found = {(int(row["volume"]), int(row["slice"])) for row in rows if row["dropout"] == "yes"}
    slices = int(np.prod(result.truth.data.shape[2:]))

    assert set(result.truth.dropouts) <= found
    assert len(found - set(result.truth.dropouts)) <= FALSE_DROPOUTS * slices


def test_gradients_turned_with_the_head(result: Run) -> None:
    """The written b-vectors are those that the head saw, within 0.3 degrees."""
    truth = result.truth
    found = fsl_to_world(np.loadtxt(result.outputs / "GRADIENTS" / "rotated.bvec").T, truth.affine)
    true = np.einsum("vi,vij->vj", fsl_to_world(truth.bvecs, truth.affine), truth.motion[:, :3, :3])

    angles_deg = np.degrees(np.arcsin(np.linalg.norm(np.cross(found, true), axis=1)))

    assert angles_deg.max() < 0.3


def test_noise_and_mask_are_true(result: Run) -> None:
    """The noise is found within five percent; mask and true brain overlap by more than 0.95 (Dice)."""
    stats = {row["name"]: row["value"] for row in result.table("STATS", "stats.csv")}
    mask, brain = result.volume("mask") > 0, result.truth.brain_mask
    overlap = 2 * np.count_nonzero(mask & brain) / (np.count_nonzero(mask) + np.count_nonzero(brain))

    assert float(stats["noise_sigma"]) == pytest.approx(result.truth.sigma, rel=0.05)
    assert overlap > 0.95


def test_colours_are_those_of_world_axes(result: Run) -> None:
    """In the middle of the corpus callosum fibres run left–right, and the map is red there."""
    affine, white = result.truth.affine, result.truth.white
    image = np.asarray(nib.load(result.outputs / "COLORFA" / "color_fa.nii.gz").dataobj)
    places = np.argwhere(white >= 0.9) @ affine[:3, :3].T + affine[:3, 3]
    middle = np.argwhere(white >= 0.9)[np.abs(places[:, 0]) < 4.0]
    red, green, blue = (image[name][tuple(middle.T)].mean() for name in ("R", "G", "B"))

    assert red > 3 * max(green, blue)


def test_every_measure_is_a_number(result: Run) -> None:
    """A good series has no unknown figure, and each has a name of its own and a description."""
    rows = result.table("STATS", "stats.csv")

    assert len(rows) == len({row["name"] for row in rows})
    assert all(np.isfinite(float(row["value"])) and row["description"] for row in rows)


def test_pages_and_snapshots_have_their_sizes(result: Run) -> None:
    """The report has seven pages; the snapshots are 256 and 1240 pixels wide."""
    pages = (result.outputs / "PDF" / "report.pdf").read_bytes().count(b"/Type /Page ")
    widths = [
        struct.unpack(">I", (result.outputs / "SNAPSHOTS" / name).read_bytes()[16:20])[0]
        for name in ("thumbnail.png", "large.png")
    ]

    assert (7, [256, 1240]) == (pages, widths)


# -- smaller heads ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Series:
    """A head at 6 mm, quick to analyse."""
    truth = phantom.dwi(phantom.head(6.0), seed=4, n_b0=3, directions=15, motion=1.0)
    return Series(
        data=truth.data.astype(np.float32),
        affine=truth.affine,
        b_values=truth.bvals,
        directions=fsl_to_world(truth.bvecs, truth.affine),
        name="dwi.nii.gz",
    )


def test_storage_order_does_not_matter(small: Series) -> None:
    """The same head, stored with mirrored and swapped axes, has the same motion and FA."""
    turn = np.array([[0.0, -1, 0, small.data.shape[0] - 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    swapped = np.ascontiguousarray(small.data.swapaxes(0, 1)[:, ::-1])
    stored = Series(
        data=swapped,
        affine=small.affine @ turn,
        b_values=small.b_values,
        directions=small.directions,
        name=small.name,
    )

    one, other = analyse(small), analyse(stored)

    np.testing.assert_allclose(one.displacement_mm, other.displacement_mm, atol=0.02)
    np.testing.assert_allclose(one.tensor.fa[one.mask].mean(), other.tensor.fa[other.mask].mean(), atol=0.002)


def test_long_and_odd_facts_stay_in_their_table(small: Series) -> None:
    """A scanner's name is cut to fit, and what the font cannot draw becomes a question mark."""
    odd = replace(small, sidecar=Sidecar(scanner="名" * 60, field_t=3.0, found=True))

    analysis = analyse(odd)
    report = make_report(analysis, measures(analysis), {})

    shown = [text.get_text() for axes in report.pages[0].figure.axes for text in axes.texts]
    assert "3 T" == shown[shown.index("field strength") + 1]
    assert "?" * 19 + "…" + "?" * 19 == shown[shown.index("scanner") + 1]


def test_what_cannot_be_known_is_said_and_drawn(small: Series) -> None:
    """In a thin slab whose air was cut away, motion and noise have a reason for a value; pages are drawn."""
    data = small.data[4:28, 6:34, 21:27].copy()
    data[data[..., 0] < 150] = 0
    slab = Series(
        data=data,
        affine=small.affine,
        b_values=small.b_values,
        directions=small.directions,
        name=small.name,
    )

    analysis = analyse(slab)
    figures = {measure.name: measure for measure in measures(analysis)}
    report = make_report(analysis, list(figures.values()), {})

    shown = [text.get_text() for axes in report.pages[0].figure.axes for text in axes.texts]
    assert shown[shown.index("field strength") + 1] == "unknown: no JSON sidecar"
    assert (False, False) == (figures["displacement_max"].known, figures["noise_sigma"].known)
    assert figures["displacement_max"].description.startswith("unknown:")
    assert any("Motion is unknown" in sentence for sentence in findings(analysis))
    assert len(report.pages) == 7


@pytest.mark.parametrize(
    ("stem", "suffix", "code"),
    [
        pytest.param("small_25", ".nii.gz", "image-too-small", id="two slices"),
        pytest.param("small_64D", ".nii", "no-brain", id="ten voxels a side, 64 directions"),
        pytest.param("small_101D", ".nii.gz", "no-brain", id="six by ten by ten, 101 directions"),
    ],
)
def test_crumbs_of_real_series_end_with_a_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str, suffix: str, code: str
) -> None:
    """The small real series that dipy installs are refused, with a cause for the runner and no output."""
    for resource, ending in (("NIFTI", suffix), ("BVAL", ".bval"), ("BVEC", ".bvec")):
        place = tmp_path / "inputs" / "dwi" / resource
        place.mkdir(parents=True)
        source = Path(dipy.data.__file__).parent / "files" / f"{stem}{ending}"
        (place / source.name).write_bytes(source.read_bytes())
    monkeypatch.setenv(ERROR_FILE_VARIABLE, str(tmp_path / "cause.json"))

    status = main(run, [str(tmp_path / "inputs"), str(tmp_path / "outputs")])

    cause = json.loads((tmp_path / "cause.json").read_text())
    assert (65, code, []) == (status, cause["code"], list((tmp_path / "outputs").iterdir()))


def test_colours_are_stored_as_rgb() -> None:
    """A colour map is NIfTI's RGB24, which viewers show as colours."""
    colors = np.zeros((2, 2, 2, 3))
    colors[0, 0, 0] = (1.0, 0.5, 0.0)

    image = image_like(as_rgb(colors), np.eye(4))

    assert (128, (255, 128, 0)) == (int(image.header["datatype"]), image.dataobj[0, 0, 0].item())
