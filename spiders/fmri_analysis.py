"""Everything fMRI QA knows of one series, computed once. It reads no file, writes none and draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders import fmri_events, fmri_motion, fmri_spatial, fmri_temporal
from cci.spiders.fmri_events import Dvars
from cci.spiders.fmri_motion import Motion
from cci.spiders.fmri_series import Bold
from cci.spiders.fmri_temporal import Series
from cci.spiders.registration import BoolArray, FloatArray
from cci.spiders.staging import say

#: How far inside the brain partial volume and motion of the edge no longer matter.
EROSION_VOXELS = 3
#: Depth of the surface in which spikes are not looked for, and how much must remain below it.
_SURFACE_VOXELS, _FEW_VOXELS = 2, 500
#: Volumes at the start that make the first picture, in which the brain is found.
_FIRST_VOLUMES = 20
#: Changes between volumes that are enough to know how smooth the noise is.
_SMOOTHNESS_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One series and what was found in it; V voxels in the mask, T volumes.

    Attributes
    ----------
    bold
        The series as acquired.
    mask
        (X, Y, Z), the brain in the pose of volume 0.
    mean
        (X, Y, Z), mean of the realigned volumes.
    motion
        How the head moved.
    series
        (V, T), motion-corrected.
    order
        Polynomial order of the drift.
    spikes
        (T,), volumes that stand out for a moment.
    unsteady
        Volumes at the start before the steady state.
    tsnr
        (V,), temporal SNR without drift, spikes and volumes before the steady state.
    sfnr
        (X, Y, Z), signal-to-fluctuation-noise ratio as acquired.
    """

    bold: Bold
    mask: BoolArray
    mean: NDArray[np.float32]
    motion: Motion
    series: Series
    order: int
    spikes: BoolArray
    unsteady: int
    tsnr: FloatArray
    sfnr: FloatArray

    @property
    def keep(self) -> BoolArray:
        """(T,), the volumes that statistics of steady noise may use."""
        return steady_volumes(self.spikes, self.unsteady)

    @cached_property
    def residuals(self) -> Series:
        """(V, T), the series without drift and mean."""
        return fmri_temporal.detrend(self.series, self.order)

    @cached_property
    def dvars(self) -> Dvars:
        """DVARS, (T - 1,)."""
        return fmri_events.dvars(self.series)

    @cached_property
    def global_signal(self) -> FloatArray:
        """(T,), mean over the mask."""
        return np.asarray(self.series.mean(axis=0, dtype=np.float64))

    @cached_property
    def outlier_fraction(self) -> FloatArray:
        """(T,), fraction of the mask's voxels that are outliers of their own series."""
        return fmri_events.outlier_fraction(self.residuals)

    @cached_property
    def drift_percent(self) -> FloatArray:
        """(V,), each voxel's linear change over the series, % of its mean."""
        return fmri_temporal.linear_drift_percent(self.series, self.keep)

    @cached_property
    def deep(self) -> BoolArray:
        """(X, Y, Z), the mask eroded by three voxels; may be empty."""
        eroded: BoolArray = ndimage.binary_erosion(self.mask, iterations=EROSION_VOXELS)
        return eroded

    @cached_property
    def fwhm_mm(self) -> list[float | None]:
        """Smoothness of the noise along each voxel axis, mm."""
        steps = np.flatnonzero(self.keep[1:] & self.keep[:-1])[:_SMOOTHNESS_STEPS]
        return fmri_spatial.noise_fwhm_mm(self.series, self.mask, self.bold.voxel_mm, steps)

    @property
    def ghost(self) -> float | None:
        """Ghost-to-signal ratio; None if the phase axis is unknown or the head fills the field of view."""
        axis = self.bold.phase_axis
        return None if axis is None else fmri_spatial.ghost_to_signal(self.mean, self.mask, axis)

    def volume(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Put one value for each voxel of the mask (V,) back into a volume (X, Y, Z); zero outside."""
        volume = np.zeros(self.mask.shape, dtype=np.float32)
        volume[self.mask] = values
        return volume


def steady_volumes(spikes: BoolArray, unsteady: int) -> BoolArray:
    """Return the volumes (T,) that are neither spikes nor before the steady state."""
    return np.asarray(~spikes & (np.arange(spikes.size) >= unsteady))


def away_from_surface(mask: BoolArray) -> BoolArray:
    """Return the part of the brain (X, Y, Z) in which spikes are looked for, all of it if it is small.

    At the surface the mean image is least exact, and a quick turn of the head looks like a spike there.
    """
    inner: BoolArray = ndimage.binary_erosion(mask, iterations=_SURFACE_VOXELS)
    return inner if inner.sum() >= _FEW_VOXELS else mask


def analyse(bold: Bold) -> Analysis:
    """Run the whole analysis.

    Raises
    ------
    BadInput
        ``no-brain`` if nothing in the series looks like a head.
    """
    first = bold.data[..., :_FIRST_VOLUMES].mean(axis=3)
    around = fmri_spatial.brain_mask(first, bold.file_name)
    motion, mean = fmri_motion.estimate_motion(bold.data, bold.affine, around)
    far, step = motion.displacement_mm.max(), motion.fd_mm.max()
    say(f"estimated motion: largest displacement {far:.1f} mm, largest step {step:.1f} mm")
    mask = fmri_spatial.brain_mask(mean, bold.file_name)
    say(f"found the brain: {np.count_nonzero(mask)} voxels")
    series = fmri_motion.motion_corrected(bold.data, mean, bold.affine, motion.matrices, mask)
    order = fmri_temporal.drift_order(bold.duration_s)
    spikes = fmri_events.find_spikes(series[away_from_surface(mask)[mask]], order)
    unsteady = fmri_events.unsteady_volumes(series.mean(axis=0))
    say(f"judged the volumes: {np.count_nonzero(spikes)} spikes, {unsteady} before the steady state")
    tsnr = fmri_temporal.tsnr(series, order, steady_volumes(spikes, unsteady))
    say(f"measured stability: median tSNR {np.median(tsnr):.1f}")
    return Analysis(
        bold=bold,
        mask=mask,
        mean=mean,
        motion=motion,
        series=series,
        order=order,
        spikes=spikes,
        unsteady=unsteady,
        tsnr=tsnr,
        sfnr=fmri_temporal.sfnr_map(bold.data),
    )
