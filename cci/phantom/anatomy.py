"""The phantom's head: tissue fractions that can be looked at from anywhere, in millimetres.

It knows anatomy only; what a scanner makes of it is in the modules beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Tissues of the head; their fractions add up to at most one, the rest is air.
TISSUES = ("white", "grey", "csf", "skull", "scalp")

#: Field of view (mm): right-left, posterior-anterior, inferior-superior.
FIELD_OF_VIEW_MM = (192.0, 228.0, 180.0)
#: Its lower corner (mm, MNI152).
CORNER_MM = (-96.0, -131.0, -81.0)

_FWHM_TO_SIGMA = 1.0 / np.sqrt(8.0 * np.log(2.0))
_MARGIN_MM = 16
#: Distance from the brain (mm) at which each shell begins and ends.
_SHELLS_MM = {"csf": (0.0, 1.5), "skull": (1.5, 7.0), "scalp": (7.0, 13.0)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """A quantity known at every point of the head.

    Attributes
    ----------
    coefficients
        Cubic spline coefficients, shape (X, Y, Z).
    to_voxel
        Matrix (4, 4) from the head's millimetres to indices of *coefficients*.
    """

    coefficients: NDArray[np.float32]
    to_voxel: FloatArray

    def at(self, points: FloatArray) -> FloatArray:
        """Return the values (N,) at *points* (N, 3) in the head's millimetres, none below zero."""
        index = points @ self.to_voxel[:3, :3].T + self.to_voxel[:3, 3]
        values: FloatArray = ndimage.map_coordinates(
            self.coefficients, index.T, order=3, mode="constant", prefilter=False
        )
        return np.maximum(values, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """The maps of a head as cubic splines: the phantom *is* these splines, so its truth has no error.

    Attributes
    ----------
    splines
        Coefficients (X, Y, Z) for each of `TISSUES`, and for ``t1``, the brain's T1 contrast (0 to 1).
    affine
        From indices to the head's millimetres (MNI152), shape (4, 4).
    """

    splines: Mapping[str, NDArray[np.float32]]
    affine: FloatArray

    def field(self, weights: Mapping[str, float]) -> Field:
        """Return the weighted sum of maps."""
        total = sum(np.float32(weight) * self.splines[name] for name, weight in weights.items())
        to_voxel = np.linalg.inv(self.affine).astype(np.float64)
        return Field(coefficients=np.asarray(total), to_voxel=to_voxel)


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """A head on a scanner's grid, in the pose of volume 0.

    Attributes
    ----------
    white, grey, csf, skull, scalp
        Fraction of each voxel that is this tissue, 0 to 1, shape (X, Y, Z).
    brain_mask
        Where white, grey and CSF make up at least half of the voxel, shape (X, Y, Z).
    affine
        From voxel indices to world millimetres, RAS+, shape (4, 4).
    anatomy
        The same head, continuous.
    """

    white: FloatArray
    grey: FloatArray
    csf: FloatArray
    skull: FloatArray
    scalp: FloatArray
    brain_mask: BoolArray
    affine: FloatArray
    anatomy: Anatomy

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid's size (X, Y, Z)."""
        x, y, z = self.brain_mask.shape
        return x, y, z

    @property
    def voxel_mm(self) -> float:
        """Edge of a voxel (mm)."""
        return float(self.affine[0, 0])

    @property
    def centre_mm(self) -> FloatArray:
        """Centre of the brain, in world millimetres, shape (3,)."""
        centre: FloatArray = np.argwhere(self.brain_mask).mean(axis=0)
        return centre @ self.affine[:3, :3].T + self.affine[:3, 3]

    def points(self, voxels: BoolArray) -> FloatArray:
        """Return the world millimetres (N, 3) of the voxels chosen by a mask (X, Y, Z)."""
        return np.argwhere(voxels) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def surroundings(self, margin_mm: float) -> BoolArray:
        """Return the voxels (X, Y, Z) that the head reaches by moving up to *margin_mm* on each axis."""
        tissue = self.white + self.grey + self.csf + self.skull + self.scalp > 1e-3
        cube = np.ones((3, 3, 3), dtype=bool)
        steps = 1 + int(np.ceil(margin_mm / self.voxel_mm))
        reach: BoolArray = ndimage.binary_dilation(tissue, cube, iterations=steps)
        return reach


def head(voxel_mm: float = 3.0, *, size: float = 1.0) -> Head:
    """Build the head on a grid of isotropic voxels.

    Brain, grey and white matter are the ICBM152 2009a template that nilearn installs
    (doi:10.1016/j.neuroimage.2010.07.033); CSF is the rest of the brain. Skull and scalp are synthetic
    shells around it. Fractions are blurred by a Gaussian point-spread function as wide as a voxel.

    Parameters
    ----------
    voxel_mm
        Edge of a voxel (mm). 3 gives a grid of 64 × 76 × 60 within two seconds; 1 takes half a minute and
        1.5 GB of memory.
    size
        Relative to the template, whose brain of 1.9 litres is larger than most; at most 1.
    """
    anatomy = _anatomy(voxel_mm, size)
    shape = [round(extent / voxel_mm) for extent in FIELD_OF_VIEW_MM]
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = np.array(CORNER_MM) + voxel_mm / 2
    index: FloatArray = np.indices(shape, dtype=np.float64).reshape(3, -1).T
    points = index @ affine[:3, :3] + affine[:3, 3]
    maps = {name: anatomy.field({name: 1.0}).at(points).reshape(shape) for name in TISSUES}
    return Head(
        **maps,
        brain_mask=maps["white"] + maps["grey"] + maps["csf"] > 0.5,
        affine=affine,
        anatomy=anatomy,
    )


@lru_cache(maxsize=2)
def _anatomy(voxel_mm: float, size: float) -> Anatomy:
    step_mm = 2 if voxel_mm >= 2 else 1
    maps, affine = _template(step_mm)
    edge_mm = step_mm * size
    white = np.minimum(maps["white"], maps["brain"])
    grey = np.minimum(maps["grey"], maps["brain"] - white)
    distance = ndimage.distance_transform_edt(maps["brain"] < 0.5, sampling=edge_mm)
    shells = {name: (distance > low) & (distance <= high) for name, (low, high) in _SHELLS_MM.items()}
    shells["csf"] = shells["csf"] + (maps["brain"] - white - grey)
    tissues = {"white": white, "grey": grey, **shells, "t1": maps["t1"]}
    sigma = voxel_mm * _FWHM_TO_SIGMA / edge_mm
    splines = {name: _spline(map_, sigma) for name, map_ in tissues.items()}
    return Anatomy(splines=splines, affine=np.diag([size, size, size, 1.0]) @ affine)


def _spline(values: FloatArray, sigma: float) -> NDArray[np.float32]:
    blurred = ndimage.gaussian_filter(values.astype(np.float32), sigma, mode="constant")
    coefficients: NDArray[np.float32] = ndimage.spline_filter(blurred, order=3, output=np.float32)
    return coefficients


def _template(step_mm: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return brain, white, grey and T1 maps (0 to 1) with air around, and their affine."""
    # nilearn takes two seconds to import; who only reads a phantom's values need not wait for it
    from nilearn import datasets

    images = {
        "t1": datasets.load_mni152_template(resolution=1),
        "grey": datasets.load_mni152_gm_template(resolution=1),
        "white": datasets.load_mni152_wm_template(resolution=1),
        "brain": datasets.load_mni152_brain_mask(resolution=1),
    }
    affine = np.array(images["t1"].affine, dtype=np.float64)
    affine[:3, :3] *= step_mm
    affine[:3, 3] -= _MARGIN_MM
    margin = _MARGIN_MM // step_mm
    maps = {
        name: np.pad(np.asarray(image.dataobj, dtype=np.float64)[::step_mm, ::step_mm, ::step_mm], margin)
        for name, image in images.items()
    }
    maps["brain"] = ndimage.binary_fill_holes(maps["brain"] > 0.5).astype(np.float64)
    return maps, affine
