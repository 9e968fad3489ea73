"""A diffusion series as it was acquired, read from NIfTI, b-values and b-vectors, or refused with a sentence.

It repairs nothing and guesses nothing; all gradient directions beyond this module are in world axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cci.spiders.images import check_finite, name_volumes, read_affine, read_image, size_text
from cci.spiders.registration import BoolArray, FloatArray, voxel_sizes_mm
from cci.spiders.sidecar import NO_SIDECAR, Sidecar, read_sidecar
from cci.spiders.staging import BadInput, Folders, say
from cci.spiders.timing import repetition_time

#: Volumes with a b-value up to this (s/mm²) are b0 volumes: imaging gradients alone give a few units.
B0_LIMIT = 50.0
#: How far from one the length of a b-vector may be; scanners write four to six digits.
_UNIT_TOLERANCE = 0.02
#: Six unknowns of a symmetric tensor.
MIN_DIRECTIONS = 6
#: Below this cosine distance two directions (or a direction and its opposite) are one.
_SAME_DIRECTION = 1e-3
#: Voxels along each axis that registration, masks and slice statistics need.
MIN_EXTENT = 6


@dataclass(frozen=True, kw_only=True)
class Series:
    """One diffusion series.

    Attributes
    ----------
    data
        (X, Y, Z, V) signal, as acquired.
    affine
        (4, 4), voxel index to world mm (RAS+).
    b_values
        (V,) s/mm².
    directions
        (V, 3) unit vectors of the diffusion gradient in world axes; zero where there is none.
    slice_axis
        Array axis along which slices were acquired.
    tr_s
        Repetition time in seconds; None if neither header nor sidecar tell.
    phase_axis
        Voxel axis of phase encoding (0, 1 or 2) if the header tells, else None.
    sidecar
        What else is known of the acquisition.
    name
        File name of the image, for messages.
    """

    data: npt.NDArray[np.float32]
    affine: FloatArray
    b_values: FloatArray
    directions: FloatArray
    slice_axis: int = 2
    tr_s: float | None = None
    phase_axis: int | None = None
    sidecar: Sidecar = NO_SIDECAR
    name: str = ""

    @property
    def volumes(self) -> int:
        """Number of volumes."""
        return int(self.data.shape[3])

    @property
    def b0(self) -> BoolArray:
        """Which volumes have no diffusion weighting, shape (V,)."""
        weak: BoolArray = self.b_values <= B0_LIMIT
        return weak

    @property
    def voxel_mm(self) -> FloatArray:
        """Edge lengths of a voxel in mm, shape (3,)."""
        return voxel_sizes_mm(self.affine)

    @property
    def shells(self) -> dict[int, int]:
        """Number of volumes by b-value, rounded to the nearest 100 s/mm²; b0 volumes under 0."""
        rounded = np.where(self.b0, 0, np.round(self.b_values, -2)).astype(int)
        values, counts = np.unique(rounded, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))


def read_series(folders: Folders) -> Series:
    """Read input ``dwi``: one NIfTI, one table of b-values and one of b-vectors.

    Raises
    ------
    BadInput
        With the codes ``missing-file``, ``several-files``, ``corrupt-image``, ``not-a-series``,
        ``image-too-small``, ``not-finite``, ``empty-image``, ``bad-affine``, ``corrupt-gradients``,
        ``gradient-count``, ``bad-b-values``, ``gradients-not-unit``, ``no-b0`` or ``too-few-directions``.
    """
    image_path = folders.one_file("dwi", "NIFTI", "*.nii.gz", "*.nii")
    bval_path = folders.one_file("dwi", "BVAL", "*.bval", "*.bvals")
    bvec_path = folders.one_file("dwi", "BVEC", "*.bvec", "*.bvecs")
    image, data = read_image(image_path)
    _check_image(data, image_path.name)
    affine = read_affine(image, image_path.name)
    sidecar = read_sidecar(folders, "dwi", image_path)
    b_values = read_b_values(bval_path, data.shape[3])
    b_vectors = read_b_vectors(bvec_path, data.shape[3])
    series = Series(
        data=data,
        affine=affine,
        b_values=b_values,
        directions=_unit_directions(fsl_to_world(b_vectors, affine), b_values, bvec_path),
        slice_axis=_slice_axis(image),
        tr_s=repetition_time(image.header, sidecar=sidecar)[0],
        phase_axis=image.header.get_dim_info()[1],
        sidecar=sidecar,
        name=image_path.name,
    )
    _check_scheme(series, bval_path, bvec_path)
    weak = int(np.count_nonzero(series.b0))
    say(f"read {series.name}: {size_text(data.shape[:3])} voxels, {series.volumes} volumes ({weak} b0)")
    return series


def _slice_axis(image: Any) -> int:
    """Return the header's slice axis, or the third, where converters put it."""
    told = image.header.get_dim_info()[2]
    return 2 if told is None else int(told)


def _check_image(data: npt.NDArray[np.float32], name: str) -> None:
    shape = size_text(data.shape)
    if data.ndim != 4 or data.shape[3] < 2:
        raise BadInput(
            "not-a-series", f"{name} is {shape}; a diffusion series has four axes and several volumes"
        )
    if min(data.shape[:3]) < MIN_EXTENT:
        raise BadInput("image-too-small", f"{name} is {shape} voxels; each side needs {MIN_EXTENT} or more")
    check_finite(data, name)
    silent = np.flatnonzero(~data.any(axis=(0, 1, 2)))
    if silent.size:
        which = "every volume" if silent.size == data.shape[3] else f"{name_volumes(silent)} (counted from 0)"
        raise BadInput("empty-image", f"{name} holds nothing but zeros in {which}")


def read_b_values(path: Path, volumes: int) -> FloatArray:
    """Read b-values (s/mm²) in one row or one column, shape (V,)."""
    values = _read_table(path).ravel()
    if values.size != volumes:
        raise BadInput("gradient-count", f"{path.name} holds {values.size} b-values for {volumes} volumes")
    if not np.isfinite(values).all() or values.min() < 0:
        raise BadInput("bad-b-values", f"{path.name} holds a b-value that is negative or not a number")
    return values


def read_b_vectors(path: Path, volumes: int) -> FloatArray:
    """Read b-vectors in three rows (FSL) or three columns, shape (V, 3), in FSL's axes."""
    table = _read_table(path)
    if table.shape == (3, volumes):
        return table.T
    if table.shape == (volumes, 3):
        return table
    shape = " × ".join(map(str, table.shape))
    raise BadInput(
        "gradient-count", f"{path.name} holds a table of {shape}; {volumes} volumes need 3 × {volumes}"
    )


def _read_table(path: Path) -> FloatArray:
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        table = np.array([[float(cell) for cell in row] for row in rows], dtype=np.float64)
    except ValueError as error:
        raise BadInput(
            "corrupt-gradients", f"{path.name} is not a table of numbers: {_sentence(error)}"
        ) from error
    if table.size == 0:
        raise BadInput("corrupt-gradients", f"{path.name} is empty")
    return table


def _unit_directions(vectors: FloatArray, b_values: FloatArray, path: Path) -> FloatArray:
    """Normalise; directions of b0 volumes mean nothing and become zero (some converters write NaN there)."""
    weighted = b_values > B0_LIMIT
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(weighted & ~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE))
    if wrong.size:
        first = int(wrong[0])
        raise BadInput(
            "gradients-not-unit",
            f"{path.name}: {wrong.size} b-vectors do not have length 1, the first is that of volume "
            f"{first} (counted from 0), of length {lengths[first]:.3g}",
        )
    directions = np.zeros_like(vectors)
    directions[weighted] = vectors[weighted] / lengths[weighted, None]
    return directions


def _check_scheme(series: Series, bval_path: Path, bvec_path: Path) -> None:
    """Refuse a scheme from which no tensor follows."""
    if not series.b0.any():
        lowest = series.b_values.min()
        raise BadInput(
            "no-b0", f"{bval_path.name} has no b0 volume (b ≤ {B0_LIMIT:.0f} s/mm²); the lowest is {lowest:g}"
        )
    count = count_directions(series.directions[~series.b0])
    if count < MIN_DIRECTIONS:
        raise BadInput(
            "too-few-directions",
            f"{bvec_path.name} has {count} different gradient directions; a tensor needs {MIN_DIRECTIONS}",
        )
    outer = np.einsum("vi,vj->vij", series.directions, series.directions).reshape(-1, 9)
    if np.linalg.matrix_rank(outer, tol=1e-3) < MIN_DIRECTIONS:
        raise BadInput(
            "too-few-directions",
            f"the directions in {bvec_path.name} lie on a plane or cone and fix no tensor",
        )


def count_directions(directions: FloatArray) -> int:
    """Count directions (N, 3) that differ; opposite ones measure the same."""
    kept: list[FloatArray] = []
    for direction in directions:
        if all(1.0 - abs(float(direction @ other)) > _SAME_DIRECTION for other in kept):
            kept.append(direction)
    return len(kept)


def fsl_axes(affine: FloatArray) -> FloatArray:
    """Return the orthogonal matrix (3, 3) from FSL's b-vector axes to world axes.

    FSL's vectors run along the voxel axes, with the first reversed when the affine does not mirror
    (https://fsl.fmrib.ox.ac.uk/fsl/docs/#/diffusion/eddy/users_guide/index, "bvecs").
    """
    left, _, right = np.linalg.svd(affine[:3, :3])
    axes: FloatArray = left @ right
    if np.linalg.det(affine[:3, :3]) > 0:
        axes = axes @ np.diag([-1.0, 1.0, 1.0])
    return axes


def fsl_to_world(b_vectors: FloatArray, affine: FloatArray) -> FloatArray:
    """Turn FSL's b-vectors (V, 3) into world axes (V, 3)."""
    turned: FloatArray = b_vectors @ fsl_axes(affine).T
    return turned


def world_to_fsl(directions: FloatArray, affine: FloatArray) -> FloatArray:
    """Turn directions in world axes (V, 3) into FSL's b-vectors (V, 3)."""
    turned: FloatArray = directions @ fsl_axes(affine)
    return turned


def _sentence(error: Exception) -> str:
    """First line of a library's message, for the end of our own sentence."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
