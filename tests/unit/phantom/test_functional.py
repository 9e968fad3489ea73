"""The phantom's BOLD series says the truth about itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cci.phantom import Head, bold, t1

NO_NOISE = float("inf")


def test_the_true_tsnr_is_what_a_resting_series_has(coarse: Head) -> None:
    """Without drift, motion and spikes, mean over standard deviation is the true tSNR, voxel by voxel."""
    series = bold(coarse, motion=0.0, drift=0.0, n_volumes=120)
    measured = series.data[coarse.brain_mask].mean(axis=1) / series.data[coarse.brain_mask].std(
        axis=1, ddof=1
    )
    ratio = measured / series.tsnr[coarse.brain_mask]
    assert pytest.approx(1.0, abs=0.01) == np.median(ratio)
    assert pytest.approx(series.median_tsnr, rel=0.1) == np.median(measured)


def test_a_matrix_says_where_the_head_has_gone(coarse: Head) -> None:
    """The matrix of a volume carries the head's centre of gravity from volume 0 to its place there."""
    series = bold(coarse, tsnr=NO_NOISE, drift=0.0, motion=6.0, n_volumes=8, seed=3)
    centres = np.array([ndimage.center_of_mass(series.data[..., volume]) for volume in range(8)])
    world = centres @ coarse.affine[:3, :3].T + coarse.affine[:3, 3]
    expected = series.motion[:, :3, :3] @ world[0] + series.motion[:, :3, 3]
    assert np.linalg.norm(world - world[0], axis=1).max() > 1.0
    np.testing.assert_allclose(expected, world, atol=0.05)


def test_the_signal_drifts_as_told(coarse: Head) -> None:
    """The mean of each volume changes by the true drift, from nothing to the amount asked for."""
    series = bold(coarse, tsnr=NO_NOISE, drift=0.05, motion=0.0, n_volumes=10)
    means = series.data[coarse.brain_mask].mean(axis=0)
    np.testing.assert_allclose(1 + series.drift, means / means[0], atol=1e-4)
    assert (0.0, pytest.approx(0.05)) == (series.drift[0], series.drift[-1])


def test_exactly_the_listed_volumes_have_spikes(coarse: Head) -> None:
    """A series with spikes differs from the one without in the listed volumes only, no two side by side."""
    clean = bold(coarse, tsnr=NO_NOISE, n_volumes=30, seed=6)
    struck = bold(coarse, tsnr=NO_NOISE, n_volumes=30, seed=6, spikes=4)
    changed = np.flatnonzero((clean.data != struck.data).any(axis=(0, 1, 2)))
    assert list(struck.spikes) == changed.tolist()
    assert np.diff(changed).min() >= 3


def test_the_seed_decides_everything(coarse: Head) -> None:
    """One seed always gives the same voxels, another seed gives others."""
    first, again, other = (bold(coarse, seed=seed, n_volumes=4).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_t1_contrast_orders_the_tissues(coarse: Head) -> None:
    """In a T1 white matter is brighter than grey, grey than CSF, and bone is nearly black."""
    volume = t1(coarse, snr=NO_NOISE)
    white, grey, fluid, bone = (
        volume.data[fraction > 0.7].mean()
        for fraction in (coarse.white, coarse.grey, coarse.csf, coarse.skull)
    )
    assert white > grey > fluid > bone
