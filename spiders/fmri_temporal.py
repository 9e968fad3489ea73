"""What a BOLD series does over time, voxel by voxel: slow drift, and signal over fluctuation.

Series here are (V, T): voxels of a mask by volumes. Sudden events are ``cci.spiders.fmri_events``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cci.spiders.registration import BoolArray, FloatArray

Series = NDArray[np.float32]


def drift_order(duration_s: float | None) -> int:
    """Return the polynomial order that follows slow drift: 1 + one for every 150 s, 2 if unknown.

    References
    ----------
    The default of AFNI's 3dToutcount and 3dDeconvolve (``-polort A``).
    """
    return 2 if duration_s is None else min(1 + int(duration_s / 150.0), 8)


def legendre_basis(n_volumes: int, order: int, keep: BoolArray | None = None) -> FloatArray:
    """Return Legendre polynomials, made orthonormal on the volumes in *keep*, shape (kept, order + 1)."""
    columns = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, n_volumes), order)
    basis: FloatArray = np.linalg.qr(columns if keep is None else columns[keep])[0]
    return basis


def detrend(series: Series, order: int, keep: BoolArray | None = None) -> Series:
    """Take polynomials up to *order* out of every voxel, its mean too.

    Parameters
    ----------
    series
        (V, T).
    order
        Of the polynomial.
    keep
        (T,), the volumes that count; all if left out.

    Returns
    -------
    numpy.ndarray
        (V, kept), the residuals.
    """
    kept = series if keep is None else series[:, keep]
    basis = legendre_basis(series.shape[1], order, keep).astype(np.float32)
    # polynomials of large numbers are lost to rounding; the mean goes first
    centred = kept - kept.mean(axis=1, keepdims=True)
    return np.asarray(centred - (centred @ basis) @ basis.T)


def fluctuation(residuals: Series, order: int) -> FloatArray:
    """Return the standard deviation (V,) of what a polynomial of *order* left, residuals (V, T)."""
    freedom = residuals.shape[1] - order - 1
    spread: FloatArray = np.sqrt(np.square(residuals, dtype=np.float64).sum(axis=1) / freedom)
    return spread


def ratio(signal: NDArray[np.floating], noise: NDArray[np.floating]) -> FloatArray:
    """Divide, with 0 where there is no noise at all (voxels that the scanner left empty)."""
    quotient = np.zeros(signal.shape)
    np.divide(signal, noise, out=quotient, where=noise > 1e-6 * np.abs(signal))
    return quotient


def tsnr(series: Series, order: int, keep: BoolArray) -> FloatArray:
    """Return temporal SNR: mean over fluctuation, after motion correction, without drift and bad volumes.

    Parameters
    ----------
    series
        (V, T), motion-corrected.
    order
        Polynomial order of the drift.
    keep
        (T,), the volumes without spikes.

    References
    ----------
    Murphy et al. 2007, doi:10.1016/j.neuroimage.2006.09.032.
    """
    # a magnitude is never negative; at the brain's surface motion correction may overshoot
    signal = np.maximum(series[:, keep].mean(axis=1), 0.0)
    return ratio(signal, fluctuation(detrend(series, order, keep), order))


def sfnr_map(data: NDArray[np.float32]) -> FloatArray:
    """Return the signal-to-fluctuation-noise ratio of every voxel, as acquired.

    The mean over the standard deviation of what a parabola over time leaves; no motion correction, no volume
    left out: it shows what the scanner *and* the subject did.

    Parameters
    ----------
    data
        (X, Y, Z, T).

    Returns
    -------
    numpy.ndarray
        (X, Y, Z).

    References
    ----------
    Friedman and Glover 2006, doi:10.1002/jmri.20583.
    """
    ratios = np.zeros(data.shape[:3])
    # slice by slice: a copy of a long series at full precision may not fit into memory
    for z in range(data.shape[2]):
        series = data[:, :, z].reshape(-1, data.shape[3])
        noise = fluctuation(detrend(series, 2), 2)
        ratios[:, :, z] = ratio(series.mean(axis=1), noise).reshape(data.shape[:2])
    return ratios


def spatial_snr(residuals: Series, signal: float) -> float:
    """Return SNR from the difference of odd and even volumes, which cancels all that is slow.

    Parameters
    ----------
    residuals
        (V, T), detrended.
    signal
        Mean signal of the same voxels.

    References
    ----------
    Friedman and Glover 2006, doi:10.1002/jmri.20583 (their "static spatial noise").
    """
    pairs = residuals.shape[1] // 2
    difference = residuals[:, 1 : 2 * pairs : 2].sum(axis=1) - residuals[:, 0 : 2 * pairs : 2].sum(axis=1)
    noise = float(difference.std(dtype=np.float64)) / np.sqrt(2 * pairs)
    return float(signal / noise)


def linear_drift_percent(series: Series, keep: BoolArray) -> FloatArray:
    """Return each voxel's change along its regression line, first to last volume, in % of its mean, (V,).

    Parameters
    ----------
    series
        (V, T).
    keep
        (T,), the volumes that count.
    """
    time = np.linspace(-0.5, 0.5, series.shape[1], dtype=np.float32)[keep]
    time -= time.mean()
    kept = series[:, keep]
    mean = kept.mean(axis=1)
    slope = ((kept - mean[:, None]) @ time) / np.square(time).sum()
    return 100.0 * ratio(slope, np.abs(mean))


def amplitude_spectrum(course: FloatArray, tr_s: float) -> tuple[FloatArray, FloatArray]:
    """Return frequencies (Hz) and the amplitude spectrum of a course (T,), its mean and trend taken out."""
    residual = detrend(np.asarray(course, dtype=np.float32)[None], 1)[0].astype(np.float64)
    # a Hann window halves the amplitude, and half of it lies at negative frequencies
    amplitude: FloatArray = np.abs(np.fft.rfft(residual * np.hanning(residual.size))) * 4 / residual.size
    frequency_hz = np.asarray(np.fft.rfftfreq(residual.size, tr_s), dtype=np.float64)
    return frequency_hz[1:], amplitude[1:]
