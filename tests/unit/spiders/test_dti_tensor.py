"""Tensor fit, slice check, noise and mask, on small series whose truth is written down here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cci.spiders.dti_input import Series
from cci.spiders.dti_mask import brain_mask
from cci.spiders.dti_motion import Motion, estimate_motion, rotated_directions
from cci.spiders.dti_noise import noise_sigma
from cci.spiders.dti_slices import judge_slices
from cci.spiders.dti_tensor import condition_number, fa_precision, fit_tensor
from cci.spiders.masks import interior, widened
from cci.spiders.registration import BoolArray, FloatArray, rigid_matrix

SHAPE = (12, 11, 10)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
#: mm²/s.
EIGENVALUES = np.array([1.7e-3, 0.3e-3, 0.3e-3])
FA, MD = 0.79902, 0.76667e-3
ALL: BoolArray = np.ones(SHAPE, dtype=bool)


def _directions(count: int) -> FloatArray:
    """Spread *count* directions over a hemisphere along a golden spiral."""
    z = (np.arange(count) + 0.5) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)


def _series(*, weighted: int = 24, weak: int = 3, noise: float = 0.0) -> Series:
    """Build a series with one tensor everywhere, its main axis to the right, of a signal of 1000."""
    directions = np.vstack([np.zeros((weak, 3)), _directions(weighted)])
    b_values = np.repeat([0.0, 1000.0], [weak, weighted])
    signal = 1000.0 * np.exp(-b_values * (directions**2 @ EIGENVALUES))
    grid = np.broadcast_to(signal, (*SHAPE, signal.size))
    noisy = grid + np.random.default_rng(3).normal(0.0, noise, grid.shape)
    return Series(data=noisy.astype(np.float32), affine=AFFINE, b_values=b_values, directions=directions)


@pytest.mark.parametrize(
    ("weighted", "weak"), [pytest.param(24, 3, id="robust"), pytest.param(6, 1, id="the least")]
)
def test_recovers_a_known_tensor(weighted: int, weak: int) -> None:
    """Without noise FA, diffusivities, colours and signal are those that the series was made of."""
    maps = fit_tensor(_series(weighted=weighted, weak=weak), ALL)

    np.testing.assert_allclose(FA, maps.fa, atol=1e-4)
    np.testing.assert_allclose(MD, maps.md, rtol=1e-3)
    np.testing.assert_allclose(EIGENVALUES[0], maps.ad, rtol=1e-3)
    np.testing.assert_allclose(EIGENVALUES[1], maps.rd, rtol=1e-3)
    np.testing.assert_allclose([FA, 0.0, 0.0], maps.color_fa[5, 5, 5], atol=1e-2)
    np.testing.assert_allclose(1000.0, maps.s0, rtol=1e-3)


def test_everything_is_zero_outside_the_mask() -> None:
    """A map says nothing where there is no brain."""
    inside = np.zeros(SHAPE, dtype=bool)
    inside[4:8, 4:8, 4:8] = True

    maps = fit_tensor(_series(), inside)

    outside: list[npt.NDArray[np.floating[Any]]] = [
        maps.fa,
        maps.md,
        maps.ad,
        maps.rd,
        maps.color_fa,
        maps.s0,
        maps.predicted,
        maps.residual_percent,
    ]
    assert [0.0] * 8 == [float(np.abs(volume[~inside]).max()) for volume in outside]


def test_a_lost_volume_does_not_change_the_tensor() -> None:
    """The robust fit leaves out a volume without signal, and counts it."""
    series = _series(noise=10.0)
    clean = fit_tensor(series, ALL)
    series.data[..., 10] *= 0.2

    damaged = fit_tensor(series, ALL)

    assert clean.fa.mean() == pytest.approx(damaged.fa.mean(), abs=0.005)
    assert (damaged.outlier_fraction or 0.0) > 1 / 27


@pytest.mark.parametrize("weak", [1, 2, 3, 5])
def test_few_b0_volumes_are_enough(weak: int) -> None:
    """However few b0 volumes there are, noise does not make the robust fit leave them all out."""
    maps = fit_tensor(_series(weighted=15, weak=weak, noise=40.0), ALL)

    assert maps.fa.mean() == pytest.approx(FA, abs=0.01)


def test_with_few_volumes_outliers_are_unknown() -> None:
    """Where no outlier can be told, their number is not said to be zero."""
    assert fit_tensor(_series(weighted=6, weak=1), ALL).outlier_fraction is None


def test_precision_of_fa_is_what_noise_makes_of_it() -> None:
    """The bootstrap tells the spread of FA over voxels that differ by noise alone, within a quarter."""
    series = _series(noise=20.0)

    found = fa_precision(series, ALL)

    assert found == pytest.approx(float(fit_tensor(series, ALL).fa.std()), rel=0.25)


@pytest.mark.parametrize(
    ("series", "where"),
    [
        pytest.param(_series(), ~ALL, id="no voxel"),
        pytest.param(_series(weighted=6, weak=1), ALL, id="as many volumes as unknowns"),
    ],
)
def test_precision_is_unknown_without_evidence(series: Series, where: BoolArray) -> None:
    """Without voxels or without spare volumes there is no precision to tell."""
    assert fa_precision(series, where) is None


def test_condition_number_of_evenly_spread_directions_is_known() -> None:
    """A thousand evenly spread directions have the condition number that theory gives them."""
    assert condition_number(_series(weighted=1000)) == pytest.approx(np.sqrt(5 / 2), rel=0.01)


def _moved(shift_mm: float) -> FloatArray:
    transforms = np.tile(np.eye(4), (27, 1, 1))
    transforms[12:, 0, 3] = shift_mm
    return transforms


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
@pytest.mark.parametrize("shift_mm", [pytest.param(0.0, id="still"), pytest.param(1.0, id="moved")])
def test_finds_dropped_slices_and_no_others(slice_axis: int, shift_mm: float) -> None:
    """A slice that lost a quarter of its signal is a dropout, whatever axis slices run along."""
    series = _series(noise=20.0)
    predicted = fit_tensor(series, ALL).predicted
    tilted = Series(
        data=series.data.copy(),
        affine=AFFINE,
        b_values=series.b_values,
        directions=series.directions,
        slice_axis=slice_axis,
    )
    np.moveaxis(tilted.data, slice_axis, 0)[4, ..., 20] *= 0.75

    report = judge_slices(tilted, _moved(shift_mm), predicted, ALL)

    assert [(20, 4)] == report.dropout_list
    assert 1 == np.count_nonzero(report.outliers)


def test_slices_with_little_brain_are_not_judged() -> None:
    """A slice with fewer brain voxels than needed has no value, and is no outlier."""
    series = _series()
    mask = ALL.copy()
    mask[:, :, 0] = False
    predicted = fit_tensor(series, ALL).predicted

    report = judge_slices(series, _moved(0.0), predicted, mask)

    assert (False, True) == (bool(report.judged[0].any()), bool(report.judged[1:].all()))


def test_noise_comes_from_the_air() -> None:
    """Sigma of Rician noise is found within five percent, a bright object notwithstanding."""
    rng = np.random.default_rng(5)
    signal = np.zeros((40, 40, 12, 10))
    signal[12:28, 12:28] = 800.0
    magnitude = np.hypot(signal + rng.normal(0, 30, signal.shape), rng.normal(0, 30, signal.shape))

    assert noise_sigma(magnitude.astype(np.float32)) == pytest.approx(30.0, rel=0.05)


def test_noise_is_unknown_without_air() -> None:
    """Where the air was set to zero, or the object fills the image, there is no noise to tell."""
    filled = np.random.default_rng(5).normal(800, 30, (20, 20, 8, 10)).astype(np.float32)
    cut = np.zeros((40, 40, 8, 10), dtype=np.float32)
    cut[10:30, 10:30] = filled

    assert [None, None] == [noise_sigma(cut), noise_sigma(filled)]


def test_mask_is_the_ball_without_its_shell() -> None:
    """Of a ball within a thin shell, as brain and scalp, the mask is the ball."""
    far = np.linalg.norm(np.indices((50, 50, 50)) - 24.5, axis=0)
    ball, shell = far < 15, (far > 19) & (far < 21)
    b0 = 1000.0 * ball + 600.0 * shell + np.random.default_rng(0).uniform(0, 20, far.shape)

    found = brain_mask(b0, np.diag([3.0, 3.0, 3.0, 1.0]))

    overlap = 2 * np.count_nonzero(found & ball) / (np.count_nonzero(found) + np.count_nonzero(ball))
    assert overlap > 0.97


def test_mask_of_a_flat_image_is_empty() -> None:
    """Where nothing stands out there is no brain."""
    assert not brain_mask(np.full(SHAPE, 100.0), AFFINE).any()


def test_margins_are_in_millimetres() -> None:
    """Masks shrink and grow by the voxels that make up a distance."""
    mask = np.zeros((21, 21, 21), dtype=bool)
    mask[8:13, 8:13, 8:13] = True

    sizes = [
        int(found[:, 10, 10].sum()) for found in (interior(mask, AFFINE, 4.0), widened(mask, AFFINE, 4.0))
    ]

    assert [1, 9] == sizes


def test_motion_of_a_crumb_is_unknown() -> None:
    """Where too little brain is in view, motion is unknown and the transforms are identities."""
    motion, _ = estimate_motion(_series())

    assert not motion.known
    np.testing.assert_array_equal(np.tile(np.eye(4), (27, 1, 1)), motion.transforms)


def test_gradients_turn_with_the_head() -> None:
    """When the head turns by ten degrees, its gradients turn back by ten."""
    turn = rigid_matrix([1.0, 2.0, 3.0, 0.0, 0.0, np.radians(10.0)])
    angle = np.radians(-10.0)

    seen = rotated_directions(np.array([[1.0, 0.0, 0.0]]), turn[None])

    np.testing.assert_allclose([[np.cos(angle), np.sin(angle), 0.0]], seen, atol=1e-12)


def test_motion_is_told_from_volume_zero() -> None:
    """Whatever the reference, volume 0 has not moved."""
    shift = rigid_matrix([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])

    relative = Motion(transforms=np.stack([shift, shift @ shift])).relative

    np.testing.assert_allclose(np.stack([np.eye(4), shift]), relative, atol=1e-12)
