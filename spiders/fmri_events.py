"""Sudden events in a BOLD series: DVARS, outlying voxels, spikes, volumes before the steady state.

Series here are (V, T): voxels of a mask by volumes, motion-corrected. Slow changes are
``cci.spiders.fmri_temporal``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from cci.spiders.fmri_temporal import Series, detrend
from cci.spiders.registration import BoolArray, FloatArray

#: The median of the brain is scaled to this before DVARS, so that DVARS of 10 is 1 % of the signal.
DVARS_SCALE = 1000.0
_SD_PER_QUARTILES = 1.349
_MAD_TO_SD = 1.4826
#: A step counts as a spike's edge if it is significant at this level, corrected for the number of volumes …
_SIGNIFICANCE = 0.05
#: … and takes at least this fraction of the variance (Afyouni and Nichols 2018, section 2.5).
_PRACTICAL = 0.05
#: Volumes on each side that say what a volume should look like.
_NEIGHBOURS = 2
#: Robust standard deviations beyond which a volume is far from its neighbours, or not in steady state.
_FAR = 5.0
_UNSTEADY = 3.5


@dataclass(frozen=True, kw_only=True)
class Dvars:
    """The spatial root mean square of the change from each volume to the next; all shapes (T - 1,).

    Attributes
    ----------
    raw
        In tenths of a percent of the brain's median.
    standardised
        1 where the change is what the voxels' own noise and autocorrelation let one expect.
    """

    raw: FloatArray
    standardised: FloatArray


def normalised(series: Series) -> Series:
    """Scale a series so that its median is 1000, and drop voxels that never change."""
    scaled = series / np.float32(np.median(series)) * np.float32(DVARS_SCALE)
    return np.asarray(scaled[robust_sd(scaled) > 1e-7])


def robust_sd(series: Series) -> FloatArray:
    """Return each voxel's standard deviation (V,) from its quartiles."""
    low, high = np.percentile(series, [25, 75], axis=1, method="lower")
    spread: FloatArray = (high - low) / _SD_PER_QUARTILES
    return spread


def dvars(series: Series) -> Dvars:
    """Compute DVARS, raw and standardised, as nipype's ``ComputeDVARS`` does.

    Parameters
    ----------
    series
        (V, T), in any unit.

    References
    ----------
    Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018; Nichols 2013, "Notes on creating a standardized
    version of DVARS", University of Warwick.
    """
    scaled = normalised(series)
    raw = np.sqrt(np.square(np.diff(scaled, axis=1), dtype=np.float64).mean(axis=0))
    expected = np.sqrt(2.0 * (1.0 - lag_one_correlation(scaled))) * robust_sd(scaled)
    return Dvars(raw=raw, standardised=raw / expected.mean())


def lag_one_correlation(series: Series) -> FloatArray:
    """Return each voxel's lag-1 autocorrelation (V,), the Yule–Walker estimate of an AR(1) model."""
    centred = series - series.mean(axis=1, keepdims=True, dtype=np.float64)
    power = np.square(centred).sum(axis=1)
    correlation: FloatArray = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / power
    return correlation


def significant_steps(raw: FloatArray, total_variance: float) -> BoolArray:
    """Say which changes between volumes are too large to be chance, and large enough to matter.

    DVARS² of clean data follows a scaled χ²; its mean and spread are estimated robustly, from the median and
    the lower quartile of its cube root.

    Parameters
    ----------
    raw
        (T - 1,), DVARS.
    total_variance
        Mean temporal variance of the same voxels in the same unit, squared.

    References
    ----------
    Afyouni and Nichols 2018, doi:10.1016/j.neuroimage.2017.12.098.
    """
    power = raw**2
    centre, root = float(np.median(power)), np.cbrt(power)
    root_sd = float(np.median(root) - np.quantile(root, 0.25)) / (_SD_PER_QUARTILES / 2)
    spread = 3.0 * centre ** (2 / 3) * root_sd
    if spread == 0.0:
        return np.asarray(power > centre)
    freedom = 2.0 * centre**2 / spread**2
    chance = special.chdtrc(freedom, power * 2.0 * centre / spread**2)
    excess = (power - centre) / 4.0 / total_variance
    return np.asarray((chance * power.size < _SIGNIFICANCE) & (excess > _PRACTICAL))


def distance_from_neighbours(residuals: Series) -> FloatArray:
    """Return the root mean square over voxels of each volume's distance from the median of five, (T,)."""
    size = (1, 2 * _NEIGHBOURS + 1)
    local = ndimage.median_filter(residuals, size=size, mode="mirror")
    distance: FloatArray = np.sqrt(np.square(residuals - local, dtype=np.float64).mean(axis=0))
    return distance


def robust_score(values: FloatArray) -> FloatArray:
    """Return how many robust standard deviations each value (T,) lies from the median."""
    offset = values - np.median(values)
    spread = _MAD_TO_SD * float(np.median(np.abs(offset)))
    return np.asarray(offset / max(spread, np.finfo(float).tiny))


def find_spikes(series: Series, order: int) -> BoolArray:
    """Find the volumes that stand out for a moment.

    A spike begins or ends with a significant step of DVARS *and* lies far from the median of its neighbours:
    the step alone would also blame the good volume that follows.

    Parameters
    ----------
    series
        (V, T).
    order
        Polynomial order of the drift.

    Returns
    -------
    numpy.ndarray
        (T,), true for spikes.
    """
    residuals = detrend(normalised(series), order)
    variance = float(np.median(robust_sd(residuals) ** 2))
    raw = np.sqrt(np.square(np.diff(residuals, axis=1), dtype=np.float64).mean(axis=0))
    step = significant_steps(raw, variance)
    edge = np.concatenate([[False], step]) | np.concatenate([step, [False]])
    return np.asarray(edge & (robust_score(distance_from_neighbours(residuals)) > _FAR))


def outlier_fraction(residuals: Series) -> FloatArray:
    r"""Return the fraction of voxels that are outliers in each volume, (T,).

    A value is an outlier if it lies farther from its voxel's median than :math:`\alpha\sqrt{\pi/2}` times the
    median absolute deviation, with :math:`\alpha = Q^{-1}(0.001 / T)`.

    Parameters
    ----------
    residuals
        (V, T), detrended.

    References
    ----------
    AFNI's 3dToutcount, https://afni.nimh.nih.gov/pub/dist/doc/program_help/3dToutcount.html
    """
    distance = np.abs(residuals - np.median(residuals, axis=1, keepdims=True))
    limit = float(-special.ndtri(0.001 / residuals.shape[1]) * np.sqrt(np.pi / 2))
    outlying = distance > limit * np.median(distance, axis=1, keepdims=True)
    fraction: FloatArray = outlying.mean(axis=0)
    return fraction


def unsteady_volumes(global_signal: NDArray[np.floating]) -> int:
    """Count the volumes at the start that are brighter or darker than a steady state explains.

    References
    ----------
    The rule of nipype's ``NonSteadyStateDetector``: the leading outliers of the first fifty volumes.
    """
    score = np.abs(robust_score(np.asarray(global_signal[:50], dtype=np.float64)))
    steady = np.flatnonzero(score <= _UNSTEADY)
    return int(steady[0])
