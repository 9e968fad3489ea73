"""Slices whose signal is not what the tensor predicts: dropouts from motion during the diffusion weighting.

Every slice of every volume is judged where it was acquired, before any interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cci.spiders.dti_input import Series
from cci.spiders.registration import BoolArray, FloatArray, apply

#: A slice with fewer brain voxels is not judged.
MIN_SLICE_VOXELS = 50
#: A dropout loses at least this part of the expected signal …
DROPOUT_LOSS = 0.10
#: … and any outlier differs by at least this part …
OUTLIER_CHANGE = 0.03
#: … and lies this many robust standard deviations from the same slice of the other volumes.
OUTLIER_Z = 5.0
_SIGMA_PER_MAD = 1.4826
#: Slices at the ends of the brain are few; their spread is not taken for less than this.
_LEAST_SPREAD = 0.002


@dataclass(frozen=True, kw_only=True)
class SliceReport:
    """Signal of each slice against its prediction.

    Attributes
    ----------
    change
        (S, V) measured over expected signal minus one, without what is common to a volume or to a slice; NaN
        where the slice holds too little brain.
    z
        (S, V) robust standard deviations from the same slice of the other volumes; NaN likewise.
    """

    change: FloatArray
    z: FloatArray

    @property
    def judged(self) -> BoolArray:
        """Which slices hold enough brain, shape (S, V)."""
        judged: BoolArray = np.isfinite(self.change)
        return judged

    @property
    def outliers(self) -> BoolArray:
        """Slices with too little or too much signal, shape (S, V)."""
        outliers: BoolArray = (np.abs(self.z) > OUTLIER_Z) & (np.abs(self.change) > OUTLIER_CHANGE)
        return outliers

    @property
    def dropouts(self) -> BoolArray:
        """Slices that lost signal, shape (S, V)."""
        dropouts: BoolArray = (self.z < -OUTLIER_Z) & (self.change < -DROPOUT_LOSS)
        return dropouts

    @property
    def dropout_list(self) -> list[tuple[int, int]]:
        """(volume, slice) of each dropout, counted from 0, sorted."""
        return [(int(volume), int(slice_)) for volume, slice_ in np.argwhere(self.dropouts.T)]


def judge_slices(
    series: Series, transforms: FloatArray, predicted: npt.NDArray[np.floating[Any]], mask: BoolArray
) -> SliceReport:
    """Compare every acquired slice with the tensor's prediction, moved to where the head was.

    After the slice-wise check of Lauzon et al. 2013 (doi:10.1371/journal.pone.0061737), with the robust
    statistics of Andersson et al. 2016 (doi:10.1016/j.neuroimage.2016.06.058).

    Parameters
    ----------
    series
        As acquired.
    transforms
        (V, 4, 4) from the reference to each volume, world mm.
    predicted
        (X, Y, Z, V) in the reference's pose.
    mask
        (X, Y, Z) brain in the reference's pose.
    """
    sums = [
        _slice_sums(series, volume, transforms[volume], predicted[..., volume], mask)
        for volume in range(series.volumes)
    ]
    measured, expected = np.stack(sums, axis=-1)
    with np.errstate(divide="ignore"):
        logs = np.log(measured / expected)
    deviation = _double_centred(logs)
    spread = _SIGMA_PER_MAD * _nanmedian(np.abs(deviation), axis=1)
    return SliceReport(change=np.expm1(deviation), z=deviation / np.maximum(spread, _LEAST_SPREAD))


def _slice_sums(
    series: Series,
    volume: int,
    transform: FloatArray,
    predicted: npt.NDArray[np.floating[Any]],
    mask: BoolArray,
) -> FloatArray:
    """Measured and expected signal of each slice, shape (2, S); NaN where there is too little brain."""
    back = np.asarray(np.linalg.inv(transform), dtype=np.float64)
    inside = apply(mask.astype(np.float64), series.affine, back, order=1) > 0.99
    expected = apply(predicted, series.affine, back, order=1)
    across = tuple(axis for axis in range(3) if axis != series.slice_axis)
    sums = [np.where(inside, image, 0.0).sum(axis=across) for image in (series.data[..., volume], expected)]
    enough = (inside.sum(axis=across) >= MIN_SLICE_VOXELS) & (sums[1] > 0)
    return np.where(enough, np.stack(sums), np.nan)


def _double_centred(logs: FloatArray) -> FloatArray:
    """Take away each slice's and then each volume's median; no slice falls by more than e⁻⁷."""
    bounded = np.maximum(logs, -7.0)
    by_slice = bounded - _nanmedian(bounded, axis=1)
    return by_slice - _nanmedian(by_slice, axis=0)


def _nanmedian(values: FloatArray, axis: int) -> FloatArray:
    """Median without NaN, axes kept; NaN, in silence, where there is nothing else."""
    empty = np.isnan(values).all(axis=axis, keepdims=True)
    median = np.nanmedian(np.where(empty, 0.0, values), axis=axis, keepdims=True)
    return np.asarray(np.where(empty, np.nan, median))
