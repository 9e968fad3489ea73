"""The picture that a series gives: brain mask, smoothness, ghost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders import fmri_spatial
from cci.spiders.registration import BoolArray
from cci.spiders.staging import BadInput

SHAPE = (30, 32, 24)
VOXEL_MM = np.array([2.0, 3.0, 4.0])


def ball(radius: float) -> BoolArray:
    """Return a ball (X, Y, Z) in the middle."""
    offset = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2
    return np.asarray(np.square(offset).sum(axis=0) < radius**2)


@pytest.mark.parametrize("fwhm_mm", [6.0, 9.0])
def test_smoothness_of_smoothed_noise(fwhm_mm: float) -> None:
    """White noise smoothed by a Gaussian has that Gaussian's width, whatever the voxel's shape."""
    rng = np.random.default_rng(0)
    sigma = fwhm_mm / np.sqrt(8 * np.log(2)) / VOXEL_MM
    volumes = [ndimage.gaussian_filter(rng.normal(size=SHAPE), sigma, mode="wrap") for _ in range(30)]
    mask = ball(11.0)
    series = np.stack([volume[mask] for volume in volumes], axis=1).astype(np.float32)

    widths = fmri_spatial.noise_fwhm_mm(series, mask, VOXEL_MM, np.arange(29))

    assert widths == pytest.approx([fwhm_mm] * 3, rel=0.1)


def test_white_noise_has_no_width() -> None:
    """Where neighbours do not correlate there is no width to tell."""
    mask = ball(11.0)
    series = np.random.default_rng(0).normal(size=(int(mask.sum()), 30)).astype(np.float32)

    assert fmri_spatial.noise_fwhm_mm(series, mask, VOXEL_MM, np.arange(29)) == [None, None, None]


def test_a_ghost_is_measured() -> None:
    """A copy of the brain shifted by half the field of view is told relative to the brain."""
    brain = ball(7.0)
    mean = np.where(brain, 1000.0, 10.0)
    mean += 0.05 * np.roll(np.where(brain, 1000.0, 0.0), SHAPE[1] // 2, axis=1)

    assert fmri_spatial.ghost_to_signal(mean.astype(np.float32), brain, 1) == pytest.approx(0.05, rel=0.01)


def test_a_head_that_fills_the_field_of_view_hides_its_ghost() -> None:
    """Without air around the head a ghost cannot be told from it."""
    everything = np.ones(SHAPE, dtype=bool)

    assert fmri_spatial.ghost_to_signal(everything.astype(np.float32), everything, 1) is None


def test_the_brain_is_found_without_holes() -> None:
    """The mask is the bright middle, its holes included, without bright spots elsewhere."""
    brain = ball(9.0)
    noise = np.random.default_rng(0).normal(scale=5.0, size=SHAPE)
    mean = np.where(brain & ~ball(2.0), 1000.0, 30.0) + noise
    mean[:4, :4, :4] = 1000.0

    mask = fmri_spatial.brain_mask(mean.astype(np.float32), "run.nii.gz")

    assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.94
    assert (bool(mask[15, 16, 12]), bool(mask[:4, :4, :4].any())) == (True, False)


def noise_only() -> NDArray[np.float32]:
    """Return a picture of nothing."""
    return np.abs(np.random.default_rng(0).normal(size=SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    "picture",
    [ball(1.0) * np.float32(100.0), noise_only(), 500 + noise_only()],
    ids=["one bright spot", "noise", "no air"],
)
def test_what_is_no_head_is_refused(picture: NDArray[np.float32]) -> None:
    """A picture without a head is refused by name."""
    with pytest.raises(BadInput, match=r"no brain can be found in run\.nii\.gz") as refusal:
        fmri_spatial.brain_mask(picture, "run.nii.gz")

    assert refusal.value.code == "no-brain"
