"""Everything that the DTI QA knows of a series, computed once. Pages and tables only show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cci.spiders.dti_input import Series
from cci.spiders.dti_mask import brain_mask
from cci.spiders.dti_motion import Motion, align, estimate_motion
from cci.spiders.dti_noise import noise_sigma
from cci.spiders.dti_slices import SliceReport, judge_slices
from cci.spiders.dti_tensor import TensorMaps, condition_number, fa_precision, fit_tensor
from cci.spiders.masks import interior
from cci.spiders.registration import (
    BoolArray,
    FloatArray,
    displacements_mm,
    parameters,
    rotation_angle_deg,
    world_points,
)
from cci.spiders.staging import BadInput, say

#: White matter, for figures: FA of at least this …
WHITE_FA = 0.3
#: … and less mean diffusivity than this (mm²/s), so that CSF noise is not counted …
WHITE_MD = 1.2e-3
#: … at least this far from the surface of the brain mask.
WHITE_DEPTH_MM = 3.0
#: A brain with fewer voxels than this has no figures worth a report.
MIN_BRAIN_VOXELS = 1000


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A diffusion series and what was found out about it.

    Attributes
    ----------
    series
        As acquired.
    motion
        Of the head, volume by volume.
    aligned
        The brain of the series in the pose of its first b0 volume, gradients turned with the head.
    b0
        (X, Y, Z) mean of the aligned b0 volumes.
    mask
        (X, Y, Z) the brain.
    tensor
        The fit in the mask.
    slices
        Signal of each acquired slice against the fit.
    sigma
        Standard deviation of the noise, in units of the signal; None if unknown.
    """

    series: Series
    motion: Motion
    aligned: Series
    b0: FloatArray
    mask: BoolArray
    tensor: TensorMaps
    slices: SliceReport
    sigma: float | None

    @cached_property
    def white(self) -> BoolArray:
        """White matter by FA and MD, shape (X, Y, Z); may be empty."""
        deep = interior(self.mask, self.series.affine, WHITE_DEPTH_MM)
        return np.asarray(deep & (self.tensor.fa >= WHITE_FA) & (self.tensor.md <= WHITE_MD))

    @cached_property
    def centre_mm(self) -> FloatArray:
        """Centre of the brain, world mm, shape (3,)."""
        return np.asarray(world_points(self.mask, self.series.affine).mean(axis=0))

    @cached_property
    def motion_parameters(self) -> FloatArray:
        """Translation of the brain's centre (mm) and rotation (degrees) from volume 0, shape (V, 6)."""
        return np.stack([parameters(matrix, self.centre_mm) for matrix in self.motion.relative])

    @cached_property
    def displacement_mm(self) -> FloatArray:
        """Root mean square displacement of the brain from volume 0, shape (V,)."""
        return displacements_mm(self.motion.relative, self.mask, self.series.affine)

    @cached_property
    def step_mm(self) -> FloatArray:
        """Root mean square displacement of the brain from the volume before, shape (V - 1,)."""
        poses = self.motion.relative
        return displacements_mm(poses[1:] @ np.linalg.inv(poses[:-1]), self.mask, self.series.affine)

    @cached_property
    def rotation_deg(self) -> FloatArray:
        """Angle of the head's rotation from volume 0, shape (V,)."""
        return np.array([rotation_angle_deg(matrix) for matrix in self.motion.relative])

    @cached_property
    def residual_quartiles(self) -> FloatArray:
        """Quartiles over the mask of each volume's relative residual, percent of b0, shape (V, 3)."""
        residual = self.aligned.data[self.mask] - self.tensor.predicted[self.mask]
        relative = 100.0 * residual / np.maximum(self.tensor.s0[self.mask], 1.0)[:, None]
        return np.asarray(np.percentile(relative, (25, 50, 75), axis=0).T)

    @cached_property
    def fa_precision(self) -> float | None:
        """Median standard error of FA in white matter; None without white matter."""
        return fa_precision(self.aligned, self.white)

    @cached_property
    def condition_numbers(self) -> tuple[float, float]:
        """Condition number of the gradient scheme, as prescribed and as the turning head saw it."""
        return condition_number(self.series), condition_number(self.aligned)


def _largest(motion: Motion) -> str:
    """Say how far the head turned, for the log."""
    if not motion.known:
        return "unknown, too little brain is in view"
    return f"largest rotation {max(map(rotation_angle_deg, motion.relative)):.1f}°"


def analyse(series: Series) -> Analysis:
    """Find motion, mask, tensor, outliers and noise of a series.

    Raises
    ------
    BadInput
        ``no-brain`` if no brain can be told from the background.
    """
    motion, b0 = estimate_motion(series)
    say(f"estimated motion: {_largest(motion)}")
    mask = brain_mask(b0, series.affine)
    if np.count_nonzero(mask) < MIN_BRAIN_VOXELS:
        raise BadInput(
            "no-brain",
            f"{series.name}: only {np.count_nonzero(mask)} voxels of the b0 volumes look like brain; "
            f"at least {MIN_BRAIN_VOXELS} are needed",
        )
    say(f"found the brain: {np.count_nonzero(mask)} voxels")
    aligned = align(series, motion.transforms, mask)
    tensor = fit_tensor(aligned, mask)
    say(f"fitted the tensor: median FA {np.median(tensor.fa[mask]):.2f}")
    slices = judge_slices(series, motion.transforms, tensor.predicted, mask)
    say(f"judged the slices: {len(slices.dropout_list)} lost their signal")
    return Analysis(
        series=series,
        motion=motion,
        aligned=aligned,
        b0=b0,
        mask=mask,
        tensor=tensor,
        slices=slices,
        sigma=noise_sigma(series.data),
    )
