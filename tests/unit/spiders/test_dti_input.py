"""What a diffusion series must be: everything else is refused with a code and a sentence naming the file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from cci.spiders.dti_input import count_directions, fsl_to_world, read_series, world_to_fsl
from cci.spiders.registration import FloatArray
from cci.spiders.staging import BadInput, open_folders

VOLUMES = 8
B_VALUES = np.array([0.0, *[1000.0] * (VOLUMES - 1)])
VECTORS = np.vstack(
    [
        np.zeros(3),
        np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1], [2, 1, 1]])
        / np.sqrt([[2], [2], [2], [2], [2], [2], [6]]),
    ]
)
SIGNAL = np.random.default_rng(0).uniform(100, 200, (8, 7, 6, VOLUMES)).astype(np.float32)
LEFT_HANDED = np.diag([-2.0, 2.0, 3.0, 1.0])


def _stage(
    folder: Path,
    *,
    data: npt.NDArray[np.float32] = SIGNAL,
    b_values: FloatArray = B_VALUES,
    vectors: FloatArray = VECTORS,
    affine: FloatArray = LEFT_HANDED,
) -> Path:
    """Write a good series, or one with a flaw."""
    for resource in ("NIFTI", "BVAL", "BVEC"):
        (folder / "dwi" / resource).mkdir(parents=True)
    nib.save(nib.Nifti1Image(data, affine), folder / "dwi" / "NIFTI" / "dwi.nii.gz")
    np.savetxt(folder / "dwi" / "BVAL" / "dwi.bval", b_values[None], fmt="%g")
    np.savetxt(folder / "dwi" / "BVEC" / "dwi.bvec", vectors.T, fmt="%.6f")
    return folder


def _changed(array: npt.NDArray[Any], index: Any, value: float) -> npt.NDArray[Any]:
    """Return a copy with one change."""
    copy = array.copy()
    copy[index] = value
    return copy


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _scribble(path: Path) -> None:
    path.write_bytes(b"this is no image" * 40)


def _cut_voxels(path: Path) -> None:
    """Leave a valid gzip stream that holds too few voxels."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-500]))


@pytest.mark.parametrize(
    ("flaw", "code", "named"),
    [
        pytest.param({"data": SIGNAL[..., 0]}, "not-a-series", "dwi.nii.gz", id="one volume"),
        pytest.param({"data": SIGNAL[:, :, :2]}, "image-too-small", "dwi.nii.gz", id="two slices"),
        pytest.param(
            {"data": _changed(SIGNAL, (1, 1, 1, 1), np.nan)}, "not-finite", "dwi.nii.gz", id="not a number"
        ),
        pytest.param({"data": 0 * SIGNAL}, "empty-image", "every volume", id="all zero"),
        pytest.param(
            {"data": _changed(SIGNAL, (..., 3), 0)}, "empty-image", "volume 3", id="one zero volume"
        ),
        pytest.param({"b_values": B_VALUES[:-1]}, "gradient-count", "dwi.bval", id="b-value missing"),
        pytest.param({"vectors": VECTORS[:-1]}, "gradient-count", "dwi.bvec", id="b-vector missing"),
        pytest.param(
            {"b_values": B_VALUES + 60, "vectors": _changed(VECTORS, (0, 0), 1)},
            "no-b0",
            "dwi.bval",
            id="no b0",
        ),
        pytest.param({"b_values": -B_VALUES}, "bad-b-values", "dwi.bval", id="negative b"),
        pytest.param({"vectors": 0.5 * VECTORS}, "gradients-not-unit", "dwi.bvec", id="short vectors"),
        pytest.param(
            {"vectors": _changed(VECTORS, (2, 0), np.nan)}, "gradients-not-unit", "volume 2", id="NaN vector"
        ),
        pytest.param(
            {"vectors": VECTORS[[0, 1, 2, 3, 4, 5, 1, 1]]},
            "too-few-directions",
            "dwi.bvec",
            id="five directions",
        ),
        pytest.param(
            {"vectors": np.stack([np.cos(np.arange(8)), np.sin(np.arange(8)), np.zeros(8)], axis=1)},
            "too-few-directions",
            "plane or cone",
            id="all in a plane",
        ),
    ],
)
def test_refuses_what_has_no_tensor(
    tmp_path: Path, flaw: dict[str, npt.NDArray[Any]], code: str, named: str
) -> None:
    """Each flaw ends with its own code and a sentence that names the file or volume."""
    _stage(tmp_path, **flaw)

    with pytest.raises(BadInput) as caught:
        read_series(open_folders(tmp_path, tmp_path))

    assert (code, True) == (caught.value.code, named in caught.value.message)


@pytest.mark.parametrize(
    ("place", "damage", "code"),
    [
        pytest.param("NIFTI/dwi.nii.gz", _truncate, "corrupt-image", id="truncated"),
        pytest.param("NIFTI/dwi.nii.gz", _cut_voxels, "corrupt-image", id="too few voxels"),
        pytest.param("NIFTI/dwi.nii.gz", _scribble, "corrupt-image", id="no image"),
        pytest.param("BVEC/dwi.bvec", _scribble, "corrupt-gradients", id="no numbers"),
        pytest.param("BVAL/dwi.bval", lambda path: path.write_text(""), "corrupt-gradients", id="empty"),
        pytest.param("BVAL/dwi.bval", Path.unlink, "missing-file", id="gone"),
    ],
)
def test_refuses_damaged_files(
    tmp_path: Path, place: str, damage: Callable[[Path], object], code: str
) -> None:
    """A damaged or missing file ends with its code, and never with a library's traceback."""
    damage(_stage(tmp_path) / "dwi" / place)

    with pytest.raises(BadInput) as caught:
        read_series(open_folders(tmp_path, tmp_path))

    assert code == caught.value.code


def test_reads_vectors_in_columns_and_nan_for_b0(tmp_path: Path) -> None:
    """B-vectors may stand in three columns, and a b0 volume's direction may be NaN, as some tools write."""
    folder = _stage(tmp_path, vectors=_changed(VECTORS, 0, np.nan))
    table = folder / "dwi" / "BVEC" / "dwi.bvec"
    np.savetxt(table, np.loadtxt(table).T)

    series = read_series(open_folders(folder, folder))

    np.testing.assert_allclose(VECTORS * [-1, 1, 1], series.directions, atol=1e-5)


@pytest.mark.parametrize(
    ("affine", "world"),
    [
        pytest.param(np.diag([2.0, 2.0, 2.0, 1.0]), [-1.0, 0.0, 0.0], id="positive determinant: x reversed"),
        pytest.param(np.diag([-2.0, 2.0, 2.0, 1.0]), [-1.0, 0.0, 0.0], id="radiological storage"),
        pytest.param(np.diag([2.0, -2.0, 2.0, 1.0]), [1.0, 0.0, 0.0], id="mirrored in y"),
        pytest.param(
            np.array([[0.0, 0.0, 2.0, 0.0], [2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0, 0, 0, 1.0]]),
            [0.0, -1.0, 0.0],
            id="sagittal slices",
        ),
    ],
)
def test_follows_fsl_convention(affine: FloatArray, world: list[float]) -> None:
    """FSL's first axis is the first voxel axis, reversed where the affine does not mirror; and back again."""
    found = fsl_to_world(np.array([[1.0, 0.0, 0.0]]), affine)

    np.testing.assert_allclose([world], found, atol=1e-12)
    np.testing.assert_allclose([[1.0, 0.0, 0.0]], world_to_fsl(found, affine), atol=1e-12)


def test_knows_the_shells(tmp_path: Path) -> None:
    """Shells are counted by the nearest hundred, b0 volumes under 0."""
    b_values = np.array([0.0, 5.0, 995.0, 1005.0, 1000.0, 1990.0, 2000.0, 2010.0])
    vectors = np.vstack([VECTORS[1:], np.array([0.0, 0.0, 1.0])])

    series = read_series(open_folders(_stage(tmp_path, b_values=b_values, vectors=vectors), tmp_path))

    assert {0: 2, 1000: 3, 2000: 3} == series.shells


def test_opposite_directions_are_one() -> None:
    """A direction and its opposite measure the same diffusion."""
    assert count_directions(np.vstack([VECTORS[1:], -VECTORS[1:]])) == VOLUMES - 1
