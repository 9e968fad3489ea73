"""A converted image passes only where it is what the headers promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from cci.spiders.dicom_stack import Stack
from cci.spiders.nifti_check import check_gradients, check_image
from cci.spiders.staging import BadInput

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -1.9, 0.3, 20], [0, 0.3, 1.9, -10], [0, 0, 0, 1]])
DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]])
PROMISED = Stack(shape=(6, 7, 5), affine=AFFINE, volumes=4, weighted=3, gradients=DIRECTIONS)


def write(folder: Path, affine: Any = AFFINE, shape: tuple[int, ...] = (6, 7, 5, 4)) -> Path:
    path = folder / "image.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, dtype=np.uint8), affine), path)
    return path


def write_gradients(folder: Path, bvals: list[float], bvecs: Any) -> None:
    np.savetxt(folder / "image.bval", [bvals])
    np.savetxt(folder / "image.bvec", np.asarray(bvecs).T)


def to_fsl(world: Any, affine: Any = AFFINE) -> Any:
    """Return world directions in the axes of a grid whose affine has a positive determinant."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return world @ axes * [-1 if np.linalg.det(axes) > 0 else 1, 1, 1]


@pytest.mark.parametrize("codes", ["LPS", "LAS", "RAS", "SRA", "PIL"])
def test_the_same_voxels_in_another_order_pass(codes: str, tmp_path: Path) -> None:
    """Converters reverse and reorder axes: that is the same image."""
    image = nibabel.Nifti1Image(np.zeros((6, 7, 5, 4), dtype=np.uint8), AFFINE)
    now = nibabel.orientations.io_orientation(AFFINE)
    turn = nibabel.orientations.ornt_transform(now, nibabel.orientations.axcodes2ornt(codes))
    nibabel.save(image.as_reoriented(turn), tmp_path / "image.nii.gz")
    check_image(tmp_path / "image.nii.gz", PROMISED)


def moved(shift_mm: float) -> Any:
    affine = AFFINE.copy()
    affine[0, 3] += shift_mm
    return affine


MIRRORED = AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])
TURNED = np.array([[0, -1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ AFFINE


@pytest.mark.parametrize(
    ("affine", "shape", "words"),
    [
        (AFFINE, (6, 7, 4, 4), "matrix of 6×7×5, the converted image has 6×7×4"),
        (AFFINE, (6, 7, 5, 3), "4 volumes, the converted image has 3"),
        (AFFINE, (6, 7, 5), "4 volumes, the converted image has 1"),
        (AFFINE * [2, 1, 1, 1], (6, 7, 5, 4), "voxels of 2×1.924×1.924 mm, the converted image has 4×"),
        (TURNED, (6, 7, 5, 4), "orientation"),
        (MIRRORED, (6, 7, 5, 4), "first voxel at 30, 20, -10 mm, the converted image has it 10.00 mm away"),
        (moved(1.0), (6, 7, 5, 4), "1.00 mm away"),
    ],
)
def test_another_image_is_refused(affine: Any, shape: tuple[int, ...], words: str, tmp_path: Path) -> None:
    """Matrix, volumes, voxel size, orientation and position must be those of the headers."""
    with pytest.raises(BadInput, match=words) as refused:
        check_image(write(tmp_path, affine, shape), PROMISED)
    assert "header-mismatch" == refused.value.code


B_VALUES = [0.0, 1000.0, 1000.0, 1000.0]
B_VECTORS = np.vstack([np.zeros(3), to_fsl(DIRECTIONS)])


def test_true_gradients_pass(tmp_path: Path) -> None:
    """Directions are compared in world axes, and a gradient's sign does not matter."""
    write_gradients(tmp_path, B_VALUES, B_VECTORS * np.array([[1], [1], [-1], [1]]))
    check_gradients(write(tmp_path), PROMISED)


def test_scans_without_diffusion_need_no_gradients(tmp_path: Path) -> None:
    """No gradient files are right where no header tells of diffusion weighting."""
    check_gradients(write(tmp_path), replace(PROMISED, weighted=None))


@pytest.mark.parametrize(
    ("bvals", "bvecs", "words"),
    [
        (B_VALUES[:3], B_VECTORS, "4 volumes have 3 b-values and 4 directions"),
        (B_VALUES, B_VECTORS[:3], "4 volumes have 4 b-values and 3 directions"),
        ([0.0, 0.0, 1000.0, 1000.0], B_VECTORS, "promise 3 volumes with b > 0, 2 were written"),
        (B_VALUES, B_VECTORS * 0.5, "no unit length"),
        (B_VALUES, B_VECTORS * [1, -1, 1], "degrees away"),
    ],
)
def test_wrong_gradients_are_refused(bvals: list[float], bvecs: Any, words: str, tmp_path: Path) -> None:
    """Number, length and directions of the gradients must be those of the headers."""
    write_gradients(tmp_path, bvals, bvecs)
    with pytest.raises(BadInput, match=words) as refused:
        check_gradients(write(tmp_path), PROMISED)
    assert "gradient-mismatch" == refused.value.code


def test_lost_gradients_are_noticed(tmp_path: Path) -> None:
    """Where headers promise diffusion weighting, an image without gradient files is refused."""
    with pytest.raises(BadInput, match="3 diffusion-weighted volumes"):
        check_gradients(write(tmp_path), PROMISED)
