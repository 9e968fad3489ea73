"""Which BOLD files are read, and how the others end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from cci.spiders.fmri_series import read_bold
from cci.spiders.staging import BadInput, Folders, open_folders
from cci.spiders.timing import repetition_time

AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])


def series(n_volumes: int = 12) -> NDArray[np.int16]:
    """Return a small series of noise."""
    rng = np.random.default_rng(0)
    return rng.integers(500, 900, size=(6, 7, 5, n_volumes), dtype=np.int16)


def staged(root: Path, data: NDArray[Any], *, tr: float = 2.0, unit: str | None = "sec") -> Folders:
    """Stage *data* as a job's input."""
    folder = root / "inputs" / "bold" / "NIFTI"
    folder.mkdir(parents=True)
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", unit)
    if data.ndim == 4:
        image.header["pixdim"][4] = tr
    image.header.set_dim_info(phase=1)
    nib.save(image, folder / "run.nii.gz")
    return open_folders(root / "inputs", root / "outputs")


def test_a_series_is_read_with_its_geometry_and_timing(tmp_path: Path) -> None:
    """Values, voxel size, repetition time and phase axis come from the file."""
    bold = read_bold(staged(tmp_path, series()))

    assert (bold.data.shape, bold.voxel_mm.tolist()) == ((6, 7, 5, 12), [3.0, 3.0, 4.0])
    assert (bold.tr_s, bold.duration_s, bold.phase_axis, bold.file_name) == (2.0, 24.0, 1, "run.nii.gz")
    assert bold.data.tolist() == series().tolist()


def test_the_sidecar_tells_what_the_header_does_not(tmp_path: Path) -> None:
    """Without a time unit and a phase axis in the header, those of the JSON beside the image are taken."""
    data = nib.Nifti1Image(series(), AFFINE)
    data.header.set_xyzt_units("mm", None)
    nib.save(data, tmp_path / "run.nii.gz")
    told = '{"RepetitionTime": 0.8, "PhaseEncodingDirection": "j-"}'
    (tmp_path / "run.json").write_text(told, encoding="utf-8")

    bold = read_bold(open_folders(tmp_path, tmp_path / "outputs"))

    assert (0.8, "JSON sidecar", 1) == (bold.tr_s, bold.tr_source, bold.phase_axis)


def poked(value: float, volume: int = 3) -> NDArray[np.float32]:
    """Return a series with one value that is not like the others."""
    data = series().astype(np.float32)
    data[1, 2, 3, volume] = value
    return data


def emptied() -> NDArray[np.int16]:
    """Return a series with an empty volume."""
    data = series()
    data[..., 5] = 0
    return data


NO_SERIES = {
    "one volume": (series(1), "too-few-volumes", "run.nii.gz has only one volume; fMRI QA needs at least 10"),
    "few volumes": (series(9), "too-few-volumes", "run.nii.gz has 9 volumes; fMRI QA needs at least 10"),
    "3-D": (series()[..., 0], "not-4d", "run.nii.gz is one image of 6 × 7 × 5 voxels, not a series"),
    "one slice": (series()[:, :, :1], "not-4d", "run.nii.gz is one image of 6 × 7 × 1 voxels"),
    "zero": (np.zeros_like(series()), "empty-image", "every voxel of run.nii.gz is zero"),
    "empty volume": (emptied(), "empty-volume", "run.nii.gz has one value everywhere in volume 5"),
    "NaN": (
        poked(np.nan),
        "not-finite",
        "run.nii.gz has values that are no numbers (NaN, infinity) in volume 3",
    ),
    "infinity": (poked(np.inf, 0), "not-finite", "in volume 0"),
    "NaN everywhere": (series() * np.nan, "not-finite", "in volumes 0, 1, 2, 3, 4 and 7 more"),
    "constant": (series()[..., [0] * 12], "constant-series", "all 12 volumes of run.nii.gz are the same"),
}


@pytest.mark.parametrize(("data", "code", "words"), NO_SERIES.values(), ids=NO_SERIES)
def test_what_is_no_series_is_refused(tmp_path: Path, data: NDArray[Any], code: str, words: str) -> None:
    """Data without meaning end with a stable code and a sentence that names the file."""
    with pytest.raises(BadInput) as refusal:
        read_bold(staged(tmp_path, data))

    assert refusal.value.code == code
    assert words in refusal.value.message


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-600])


def _cut_inside(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-600]))


def _garble(path: Path) -> None:
    path.write_bytes(b"<html>Please log in</html>")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _cut_inside, _garble, _flip, _empty])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """A file that cannot be read to its end is corrupt, and the sentence says what to do."""
    folders = staged(tmp_path, series())
    damage(folders.inputs / "bold" / "NIFTI" / "run.nii.gz")

    whole = r"run\.nii\.gz is not a whole NIfTI image \(.+\); upload or convert it again"
    with pytest.raises(BadInput, match=whole) as refusal:
        read_bold(folders)

    assert refusal.value.code == "corrupt-image"


def test_a_header_without_geometry_is_refused(tmp_path: Path) -> None:
    """A singular orientation matrix gives no millimetres."""
    folders = staged(tmp_path, series())
    path = folders.inputs / "bold" / "NIFTI" / "run.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[280:328] = bytes(48)  # the sform's three rows
    path.write_bytes(gzip.compress(content))

    with pytest.raises(BadInput) as refusal:
        read_bold(folders)

    assert refusal.value.code == "bad-affine"


@pytest.mark.parametrize(
    ("tr", "unit", "parameter", "expected"),
    [
        (2.0, "sec", None, (2.0, "NIfTI header")),
        (800.0, "msec", None, (0.8, "NIfTI header")),
        (2.0, "sec", 1.5, (1.5, "parameter tr_s")),
        (2.0, "sec", 3, (3.0, "parameter tr_s")),
        (0.0, "sec", None, (None, "unknown TR: the header's time step is 0 s")),
        (2000.0, "sec", None, (None, "unknown TR: the header's time step is 2000 s")),
        (2.0, None, None, (None, "unknown TR: the header's time step has the unit 'unknown'")),
        (2.0, "hz", None, (None, "unknown TR: the header's time step has the unit 'hz'")),
    ],
)
def test_repetition_time(
    tr: float, unit: str | None, parameter: float | None, expected: tuple[float | None, str]
) -> None:
    """The parameter goes before the header; a header without a plausible time leaves it unknown."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2, 12))
    header["pixdim"][4] = tr
    header.set_xyzt_units("mm", unit)

    found, source = repetition_time(header, parameter)

    assert (found if found is None else pytest.approx(found), source) == expected


@pytest.mark.parametrize("parameter", ["2", True, 0, -1, 2000.0, float("nan"), [2]])
def test_a_senseless_repetition_time_is_refused(parameter: object) -> None:
    """A parameter that is no plausible number of seconds stops the task rather than being guessed at."""
    with pytest.raises(BadInput) as refusal:
        repetition_time(nib.Nifti1Header(), parameter)

    assert refusal.value.code == "bad-parameter"
