"""Drift and signal over fluctuation of a series."""

from __future__ import annotations

import numpy as np
import pytest

from cci.spiders import fmri_temporal
from cci.spiders.fmri_temporal import Series

N_VOLUMES = 120
TIME = np.linspace(0, 1, N_VOLUMES, dtype=np.float32)
ALL = np.ones(N_VOLUMES, dtype=bool)


def noisy(sigma: float = 10.0, mean: float = 1000.0) -> Series:
    """Return (V, T) of white noise about a mean."""
    rng = np.random.default_rng(4)
    return np.asarray(rng.normal(mean, sigma, size=(4000, N_VOLUMES)), dtype=np.float32)


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(None, 2), (60.0, 1), (150.0, 2), (200.0, 2), (600.0, 5), (1e5, 8)]
)
def test_order_of_the_drift(duration_s: float | None, expected: int) -> None:
    """A longer series may bend more often."""
    assert expected == fmri_temporal.drift_order(duration_s)


def test_polynomials_are_taken_out() -> None:
    """A parabola on a large mean leaves nothing when detrended by order two."""
    series = np.asarray(1e4 + 300 * TIME - 200 * TIME**2, dtype=np.float32)[None]

    assert fmri_temporal.detrend(series, 2) == pytest.approx(np.zeros((1, N_VOLUMES)), abs=0.01)


def test_tsnr_is_mean_over_noise() -> None:
    """Drift and the volumes left out have no say in tSNR."""
    series = noisy() + 60 * TIME
    keep = ALL.copy()
    keep[[5, 70]] = False
    series[:, ~keep] += 500

    assert float(np.median(fmri_temporal.tsnr(series, 2, keep))) == pytest.approx(103.0, rel=0.02)


def test_voxels_without_noise_have_no_ratio() -> None:
    """What the scanner left empty or constant has a ratio of zero, not infinity."""
    series = noisy()[:3]
    series[0], series[1] = 0.0, 7.0

    ratios = fmri_temporal.tsnr(series, 1, ALL)

    assert (ratios > 0).tolist() == [False, False, True]


def test_sfnr_of_a_volume() -> None:
    """SFNR is mean over what a parabola leaves, for every voxel of the volume."""
    data = noisy().reshape(20, 20, 10, N_VOLUMES) + 40 * TIME**2

    sfnr = fmri_temporal.sfnr_map(data)

    assert sfnr.shape == (20, 20, 10)
    assert float(np.median(sfnr)) == pytest.approx(101.3, rel=0.02)


@pytest.mark.parametrize("n_volumes", [N_VOLUMES, N_VOLUMES - 1])
def test_spatial_snr(n_volumes: int) -> None:
    """Odd minus even volumes tell the noise of a single volume."""
    residuals = fmri_temporal.detrend(noisy()[:, :n_volumes], 2)

    assert fmri_temporal.spatial_snr(residuals, 1000.0) == pytest.approx(100.0, rel=0.05)


def test_linear_drift() -> None:
    """Drift is the change from first to last volume in percent of the mean, without bad volumes."""
    series = np.asarray([[1000.0], [500.0], [0.0]] * (1 + 0.1 * (TIME - 0.5)), dtype=np.float32)
    keep = ALL.copy()
    keep[3] = False
    series[0, 3] += 400

    assert fmri_temporal.linear_drift_percent(series, keep) == pytest.approx([10.0, 10.0, 0.0], abs=0.05)


def test_spectrum_finds_a_rhythm() -> None:
    """A sine of known frequency and amplitude is the spectrum's peak."""
    course = 5.0 + 0.7 * np.sin(2 * np.pi * 0.1 * 2.0 * np.arange(N_VOLUMES))

    frequency_hz, amplitude = fmri_temporal.amplitude_spectrum(course, tr_s=2.0)

    assert frequency_hz[amplitude.argmax()] == pytest.approx(0.1)
    assert float(amplitude.max()) == pytest.approx(0.7, rel=0.02)
