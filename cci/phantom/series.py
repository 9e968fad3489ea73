"""What a scanner hands over: voxels with the geometry and timing that belong to them, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cci.phantom.anatomy import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One acquired series.

    Attributes
    ----------
    data
        Magnitudes as a scanner stores them, whole numbers, shape (X, Y, Z) or (X, Y, Z, N).
    affine
        From voxel indices to world millimetres, RAS+, shape (4, 4).
    tr_s, te_s
        Repetition and echo time (s).
    description
        The series description, such as ``ep2d_diff``.
    """

    data: NDArray[np.int16]
    affine: FloatArray
    tr_s: float
    te_s: float
    description: str

    @property
    def n_volumes(self) -> int:
        """Number of volumes."""
        return 1 if self.data.ndim == 3 else int(self.data.shape[3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume(Series):
    """A single volume, such as a T1; its data have shape (X, Y, Z)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Diffusion(Series):
    """A diffusion series and its truth.

    Attributes
    ----------
    bvals
        b-values (s/mm²), shape (N,).
    bvecs
        Gradient directions as acquired, in FSL's convention for *affine*, zero where b = 0, shape (N, 3).
    fa, md
        Fractional anisotropy and mean diffusivity (mm²/s) of the noise-free, motionless mixture: a
        log-linear fit with the same gradients; zero outside *brain_mask*; shape (X, Y, Z).
    white
        True fraction of white matter, shape (X, Y, Z).
    brain_mask
        The brain in the pose of volume 0, shape (X, Y, Z).
    motion
        For each volume the rigid matrix in world millimetres that takes a point's place in volume 0 to its
        place in this volume, shape (N, 4, 4).
    dropouts
        The (volume, slice) pairs that lost signal, sorted; slices count along Z from 0.
    sigma
        Standard deviation of the noise in each of the two channels behind the Rician magnitude.
    """

    bvals: FloatArray
    bvecs: FloatArray
    fa: FloatArray
    md: FloatArray
    white: FloatArray
    brain_mask: BoolArray
    motion: FloatArray
    dropouts: tuple[tuple[int, int], ...]
    sigma: float

    def mean_fa(self, white_at_least: float = 0.9) -> float:
        """Return the true mean FA where the fraction of white matter is at least this."""
        return float(self.fa[self.white >= white_at_least].mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class Bold(Series):
    """A BOLD series and its truth.

    Attributes
    ----------
    tsnr
        True temporal signal-to-noise ratio: noise-free mean over the noise's standard deviation, without
        drift, motion and spikes; zero outside *brain_mask*; shape (X, Y, Z).
    median_tsnr
        Its median in *brain_mask* eroded by three voxels.
    brain_mask
        The brain in the pose of volume 0, shape (X, Y, Z).
    drift
        True relative change of the signal in each volume, 0 in volume 0, shape (N,).
    motion
        As in `Diffusion`, shape (N, 4, 4).
    spikes
        The volumes with a spike artefact, sorted.
    sigma
        Standard deviation of the noise in each of the two channels behind the Rician magnitude.
    """

    tsnr: FloatArray
    median_tsnr: float
    brain_mask: BoolArray
    drift: FloatArray
    motion: FloatArray
    spikes: tuple[int, ...]
    sigma: float
