"""Whether a converted image is what the DICOM headers promise. It compares and never mends."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import nibabel
import numpy as np

from cci.spiders.dicom_headers import FloatArray
from cci.spiders.dicom_stack import Stack
from cci.spiders.staging import BadInput

#: How far voxels may lie from where the headers say, in voxels.
_OFF_BY_VOXELS = 0.02
#: How far a gradient may point from where the headers say (degrees).
_OFF_BY_DEG = 1.0
_LARGEST_NORM_ERROR = 0.05


def check_image(path: Path, promised: Stack) -> None:
    """Compare matrix, voxel size, number of volumes, orientation and position.

    Raises
    ------
    BadInput
        At the first that differs (``header-mismatch``).
    """
    image = nibabel.load(path)
    shape = tuple(int(size) for size in image.shape)
    if sorted(shape[:3]) != sorted(promised.shape):
        _differ("a matrix of " + _times(promised.shape), _times(shape[:3]))
    if not np.allclose(np.sort(_edges(image.affine)), np.sort(_edges(promised.affine)), rtol=1e-3):
        _differ(f"voxels of {_times(_edges(promised.affine))} mm", f"{_times(_edges(image.affine))} mm")
    volumes = shape[3] if len(shape) > 3 else 1
    if volumes != promised.volumes:
        _differ(f"{promised.volumes} volumes", str(volumes))
    _check_place(shape[:3], image.affine, promised)


def _check_place(shape: tuple[int, ...], affine: FloatArray, promised: Stack) -> None:
    """Compare where in the world the grid lies; axes may be reordered and reversed."""
    between = np.linalg.inv(affine) @ promised.affine
    turn = np.round(between[:3, :3])
    reordered = np.abs(turn) @ promised.shape
    drift = np.abs(between[:3, :3] - turn) @ (np.array(promised.shape) - 1)
    if tuple(reordered) != shape or drift.max() > _OFF_BY_VOXELS:
        _differ(f"the orientation {_codes(promised.affine)}", f"{_codes(affine)}, turned or oblique to it")
    # a reversed axis begins at the other end
    begin = np.where(turn.sum(axis=1) < 0, np.array(shape) - 1, 0)
    off = between[:3, 3] - begin
    if np.abs(off).max() > _OFF_BY_VOXELS:
        off_mm = np.linalg.norm(affine[:3, :3] @ off)
        _differ(f"a first voxel at {_times(promised.affine[:3, 3], ', ')} mm", f"it {off_mm:.2f} mm away")


def check_gradients(path: Path, promised: Stack) -> None:
    """Compare number and directions of the gradients in the ``.bval`` and ``.bvec`` beside *path*.

    Raises
    ------
    BadInput
        If they are missing, or differ from the headers or from the image (``gradient-mismatch``).
    """
    bval, bvec = (path.with_name(path.name.removesuffix(".nii.gz") + suffix) for suffix in (".bval", ".bvec"))
    if not bval.is_file() or not bvec.is_file():
        if promised.weighted:
            _wrong(f"the headers promise {promised.weighted} diffusion-weighted volumes, none were written")
        return
    bvals, bvecs = np.loadtxt(bval, ndmin=1), np.loadtxt(bvec, ndmin=2).T
    if not len(bvals) == len(bvecs) == promised.volumes:
        _wrong(f"{promised.volumes} volumes have {len(bvals)} b-values and {len(bvecs)} directions")
    weighted = bvals > 0
    if promised.weighted is not None and weighted.sum() != promised.weighted:
        _wrong(f"the headers promise {promised.weighted} volumes with b > 0, {weighted.sum()} were written")
    if np.abs(np.linalg.norm(bvecs[weighted], axis=1) - 1).max(initial=0) > _LARGEST_NORM_ERROR:
        _wrong("a gradient direction has no unit length")
    _check_directions(_to_world(bvecs[weighted], nibabel.load(path).affine), promised.gradients)


def _check_directions(written: FloatArray, promised: FloatArray) -> None:
    if not len(written) or not len(promised):
        return
    # a gradient and its opposite weight the same
    closest = np.abs(written @ promised.T).max(axis=1).clip(max=1.0)
    off_deg = float(np.degrees(np.arccos(closest)).max())
    if off_deg > _OFF_BY_DEG:
        _wrong(f"a gradient points {off_deg:.1f} degrees away from every one in the headers")


def _to_world(bvecs: FloatArray, affine: FloatArray) -> FloatArray:
    """Return FSL's *bvecs* (N, 3) in world axes (N, 3); FSL reverses x where the determinant is positive."""
    axes = affine[:3, :3] / _edges(affine)
    if np.linalg.det(axes) > 0:
        axes = axes * [-1.0, 1.0, 1.0]
    return bvecs @ axes.T


def _edges(affine: FloatArray) -> FloatArray:
    edges: FloatArray = np.linalg.norm(affine[:3, :3], axis=0)
    return edges


def _codes(affine: FloatArray) -> str:
    return "".join(nibabel.aff2axcodes(affine))


def _times(numbers: object, sign: str = "×") -> str:
    return sign.join(f"{number:g}" for number in np.round(np.asarray(numbers, dtype=np.float64), 3))


def _differ(promised: str, found: str) -> NoReturn:
    raise BadInput("header-mismatch", f"the headers promise {promised}, the converted image has {found}")


def _wrong(what: str) -> NoReturn:
    raise BadInput("gradient-mismatch", f"the gradients are wrong: {what}")
