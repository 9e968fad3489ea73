"""What a BOLD series looks like in space: the brain mask, the smoothness of its noise, ghosts.

It looks at volumes as acquired; time is ``cci.spiders.fmri_temporal``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders.fmri_temporal import Series
from cci.spiders.masks import bright_voxels, largest_piece
from cci.spiders.registration import BoolArray, FloatArray
from cci.spiders.staging import BadInput

IntArray = NDArray[np.intp]

#: Of the median filter before the threshold, voxels.
_MEDIAN_RADIUS = 2
#: Fewer brain voxels than this are no head.
_MIN_BRAIN_VOXELS = 100
#: A mask that fills more of the field of view, or is not this many times brighter than the rest, is no head.
_MOST_OF_VIEW, _LEAST_CONTRAST = 0.9, 2.0
#: Correlations of neighbours below this cannot be told from none.
_LEAST_CORRELATION = 0.02


def brain_mask(mean: NDArray[np.float32], name: str) -> BoolArray:
    """Find the brain in a mean EPI image (X, Y, Z).

    What is bright, by Otsu's threshold; of that the largest connected piece without thin bridges and holes.

    Raises
    ------
    BadInput
        ``no-brain``: nothing in *name* looks like a head.
    """
    mask = largest_piece(ndimage.binary_opening(bright_voxels(mean, _MEDIAN_RADIUS)))
    if (
        mask.sum() < _MIN_BRAIN_VOXELS
        or mask.mean() > _MOST_OF_VIEW
        or _contrast(mean, mask) < _LEAST_CONTRAST
    ):
        raise BadInput(
            "no-brain",
            f"no brain can be found in {name}; look at it: is it an EPI of a whole head, with air around?",
        )
    return mask


def _contrast(mean: NDArray[np.float32], mask: BoolArray) -> float:
    """Return how many times brighter the mask is than its surroundings."""
    return float(mean[mask].mean() / max(float(np.abs(mean[~mask]).mean()), np.finfo(float).tiny))


def noise_fwhm_mm(
    series: Series, mask: BoolArray, voxel_mm: FloatArray, steps: IntArray
) -> list[float | None]:
    """Estimate the smoothness of the noise along each voxel axis.

    From the correlation of neighbouring voxels in the change from one volume to the next, in which the
    anatomy cancels. A Gaussian autocorrelation is assumed.

    Parameters
    ----------
    series
        (V, T), motion-corrected without interpolating noise; the voxels of *mask* in C order.
    mask
        (X, Y, Z).
    voxel_mm
        (3,), edge lengths of a voxel.
    steps
        Which changes count: indices t for the change from volume t to t + 1.

    Returns
    -------
    list of float or None
        Full width at half maximum along the three voxel axes, mm; None where neighbours do not correlate.

    References
    ----------
    Forman et al. 1995, doi:10.1002/mrm.1910330508.
    """
    sums = np.zeros((3, 2))
    change = np.zeros(mask.shape)
    for step in steps:
        change[mask] = series[:, step + 1] - series[:, step]
        change[mask] -= change[mask].mean()
        sums += [_neighbours(change, mask, axis) for axis in range(3)]
    return [_fwhm(covariance / power, edge) for (covariance, power), edge in zip(sums, voxel_mm, strict=True)]


def _neighbours(change: FloatArray, mask: BoolArray, axis: int) -> tuple[float, float]:
    """Sum, over pairs of neighbours along *axis*, their product and their mean square."""
    first, second = np.arange(mask.shape[axis] - 1), np.arange(1, mask.shape[axis])
    both = mask.take(first, axis) & mask.take(second, axis)
    left, right = change.take(first, axis)[both], change.take(second, axis)[both]
    return float(left @ right), float(left @ left + right @ right) / 2


def _fwhm(correlation: float, edge_mm: float) -> float | None:
    """Return the width of a Gaussian whose autocorrelation one voxel on is *correlation*."""
    if not _LEAST_CORRELATION < correlation < 1.0:
        return None
    return float(edge_mm * np.sqrt(-2.0 * np.log(2.0) / np.log(correlation)))


def ghost_to_signal(mean: NDArray[np.float32], mask: BoolArray, phase_axis: int) -> float | None:
    """Return how bright the N/2 ghost outside the head is, relative to the brain.

    Parameters
    ----------
    mean
        (X, Y, Z).
    mask
        (X, Y, Z), the brain.
    phase_axis
        Voxel axis of phase encoding.

    Returns
    -------
    float or None
        (mean of the ghost's place - mean of the background) / median of the brain; None if the head fills the
        field of view, so that no ghost lies outside it.

    References
    ----------
    Giannelli et al. 2010, doi:10.1120/jacmp.v11i4.3237.
    """
    head = ndimage.binary_dilation(mask, iterations=4)
    shifted = np.roll(mask, mask.shape[phase_axis] // 2, axis=phase_axis)
    ghost, background = shifted & ~head, ~head & ~ndimage.binary_dilation(shifted, iterations=4)
    if min(ghost.sum(), background.sum()) < _MIN_BRAIN_VOXELS:
        return None
    return float((mean[ghost].mean() - mean[background].mean()) / np.median(mean[mask]))
