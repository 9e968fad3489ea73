"""Rigid registration, held against transforms that are known because the test made them."""

from __future__ import annotations

import numpy as np
import pytest

from cci.spiders import registration
from cci.spiders.registration import BoolArray, FloatArray, RigidRegistration

SHAPE = (36, 40, 32)
#: 3 mm voxels, x flipped and the axes tilted, as scanners write them.
AFFINE = registration.rigid_matrix([10.0, -20.0, 5.0, 0.1, -0.05, 0.2]) @ np.diag([-3.0, 3.0, 3.0, 1.0])
ALL: BoolArray = np.ones(SHAPE, dtype=bool)


def _head(matrix: FloatArray) -> FloatArray:
    """Evaluate a smooth head of forty blobs that *matrix* moved, without any interpolation."""
    rng = np.random.default_rng(7)
    middle = registration.world_points(ALL, AFFINE).mean(axis=0)
    centres = middle + rng.uniform(-28.0, 28.0, (40, 3))
    heights, widths_mm = rng.uniform(30.0, 100.0, 40), rng.uniform(6.0, 12.0, 40)
    back = np.linalg.inv(matrix)
    points = registration.world_points(ALL, AFFINE) @ back[:3, :3].T + back[:3, 3]
    distances = np.linalg.norm(points[:, None] - centres, axis=2)
    values: FloatArray = np.exp(-0.5 * (distances / widths_mm) ** 2) @ heights
    return values.reshape(SHAPE)


STILL = _head(np.eye(4))
MIDDLE = registration.world_points(ALL, AFFINE).mean(axis=0)


def _error(estimated: FloatArray, true: FloatArray) -> tuple[float, float]:
    """Root mean square displacement (mm) and angle (degrees) that are left over."""
    left = np.linalg.inv(estimated) @ true
    return registration.displacements_mm(left[None], ALL, AFFINE)[0], registration.rotation_angle_deg(left)


@pytest.mark.parametrize(
    "motion",
    [
        pytest.param((0, 0, 0, 0, 0, 0), id="still"),
        pytest.param((0.4, 0, 0, 0, 0, 0), id="a fraction of a voxel"),
        pytest.param((2, -3, 1, 0, 0, 0), id="shift"),
        pytest.param((0, 0, 0, 0.05, 0, 0), id="nod"),
        pytest.param((-3, 2, 4, 0.05, -0.04, 0.08), id="all at once"),
    ],
)
def test_finds_a_known_motion(motion: tuple[float, ...]) -> None:
    """A rigid motion of a few millimetres and degrees is found to a fiftieth of a voxel."""
    true = registration.rigid_matrix(motion, MIDDLE)

    displacement_mm, angle_deg = _error(RigidRegistration(STILL, AFFINE).fit(_head(true)), true)

    assert max(displacement_mm, angle_deg) < 0.06


@pytest.mark.parametrize(
    ("damage", "powers"),
    [
        pytest.param(lambda volume: 3.5 * volume, 1, id="other scale"),
        pytest.param(lambda volume: volume * (np.arange(SHAPE[2]) != 15), 1, id="dropped slice"),
        pytest.param(lambda volume: volume**2 / 100 - volume**3 / 1e5, 3, id="other contrast"),
        pytest.param(
            lambda volume: volume + np.random.default_rng(1).normal(0, 8, SHAPE), 1, id="noise of a tenth"
        ),
    ],
)
def test_is_not_misled(damage: object, powers: int) -> None:
    """Scale, a dropped slice, another contrast and noise cost at most 0.15 mm and 0.15 degrees."""
    assert callable(damage)
    true = registration.rigid_matrix([1.0, -2.0, 1.5, 0.03, 0.02, -0.04], MIDDLE)
    channels = np.stack([STILL**power for power in range(1, powers + 1)])
    fit = RigidRegistration(channels, AFFINE).fit(damage(_head(true)))

    displacement_mm, angle_deg = _error(fit, true)

    assert max(displacement_mm, angle_deg) < 0.15


def test_applying_the_fit_undoes_the_motion() -> None:
    """A moved volume, resampled with its transform, is the reference again, away from the borders."""
    true = registration.rigid_matrix([1.0, -2.0, 1.5, 0.03, 0.02, -0.04], MIDDLE)
    inner = (slice(5, -5),) * 3

    back = registration.apply(_head(true), AFFINE, true)

    np.testing.assert_allclose(STILL[inner], back[inner], atol=0.02 * STILL.max())


def test_a_constant_volume_stays_where_it_is() -> None:
    """Where there is nothing to align, the transform is the identity and not a guess."""
    fit = RigidRegistration(np.zeros(SHAPE), AFFINE).fit(np.zeros(SHAPE))

    np.testing.assert_array_equal(np.eye(4), fit)


def test_refuses_an_empty_mask() -> None:
    """Without a voxel to compare there is no registration."""
    with pytest.raises(ValueError, match="no voxel"):
        RigidRegistration(STILL, AFFINE, mask=np.zeros(SHAPE, dtype=bool))


def test_parameters_are_told_about_a_centre() -> None:
    """The six numbers are the shift of the centre in mm and the angles in degrees about it."""
    matrix = registration.rigid_matrix([1.0, 2.0, 3.0, 0.0, 0.0, np.radians(4.0)], [10.0, 20.0, 30.0])

    np.testing.assert_allclose(
        [1.0, 2.0, 3.0, 0.0, 0.0, 4.0], registration.parameters(matrix, [10.0, 20.0, 30.0]), atol=1e-9
    )


def test_angle_does_not_depend_on_the_axis() -> None:
    """The rotation angle is the whole angle about whatever axis, also for tiny ones."""
    angles = [
        registration.rotation_angle_deg(registration.rigid_matrix([5.0, 0.0, 0.0, *np.radians(vector)]))
        for vector in ([1e-4, 0.0, 0.0], [0.0, 3.0, 4.0])
    ]

    np.testing.assert_allclose([1e-4, 5.0], angles, rtol=1e-6)


def test_displacement_of_a_shift_is_its_length() -> None:
    """A pure translation moves every voxel by the same distance."""
    shift = registration.rigid_matrix([3.0, 0.0, 4.0, 0.0, 0.0, 0.0])

    assert registration.displacements_mm(shift[None], ALL, AFFINE)[0] == pytest.approx(5.0)
