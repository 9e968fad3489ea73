"""Motion of a BOLD series: framewise displacement, and the series without motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cci.spiders import fmri_motion, registration
from cci.spiders.registration import BoolArray, FloatArray

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
SHAPE = (24, 26, 22)


def walk(n_volumes: int = 40) -> FloatArray:
    """Return motion parameters (T, 6), mm and degrees."""
    return np.cumsum(np.random.default_rng(1).normal(scale=0.1, size=(n_volumes, 6)), axis=0)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ([1.0, 0, 0, 0, 0, 0], 1.0),
        ([-1.0, 2.0, -3.0, 0, 0, 0], 6.0),
        ([0, 0, 0, 1.0, 0, 0], 50 * np.pi / 180),
        ([0.5, 0, 0, 0, -2.0, 0], 0.5 + 100 * np.pi / 180),
    ],
)
def test_framewise_displacement_of_one_step(step: list[float], expected: float) -> None:
    """Translations and the arcs of rotations on a sphere of 50 mm are added up."""
    parameters = np.array([[0.0] * 6, step])

    assert fmri_motion.framewise_displacement(parameters) == pytest.approx([expected])


# nipype 1.11 and its imports are not free of deprecations; they say nothing about these results
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_framewise_displacement_agrees_with_nipype(tmp_path: Path) -> None:
    """The same parameters give the same displacement as nipype's FramewiseDisplacement."""
    from nipype.algorithms.confounds import FramewiseDisplacement

    parameters = walk()
    in_radians = np.column_stack([parameters[:, :3], np.radians(parameters[:, 3:])])
    np.savetxt(tmp_path / "motion.txt", in_radians)
    result = FramewiseDisplacement(
        in_file=str(tmp_path / "motion.txt"), parameter_source="SPM", out_file=str(tmp_path / "fd.txt")
    ).run()

    assert np.loadtxt(result.outputs.out_file, skiprows=1) == pytest.approx(
        fmri_motion.framewise_displacement(parameters)
    )


def blob() -> FloatArray:
    """Return a smooth volume with a bright middle."""
    noise = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=SHAPE), 2.0)
    grid = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    return np.asarray((1000 + 8000 * noise) * np.exp(-np.square(grid).sum(axis=0) / 80))


def test_description_of_motion() -> None:
    """Displacement is told in millimetres of the brain's voxels, parameters about its centre."""
    mask = np.ones(SHAPE, dtype=bool)
    centre = registration.world_points(mask, AFFINE).mean(axis=0)
    moved = registration.rigid_matrix([3.0, 0.0, 4.0, 0.0, 0.0, np.radians(2.0)], centre)

    motion = fmri_motion.describe_motion(np.stack([np.eye(4), moved]), AFFINE, mask)

    assert motion.parameters[1] == pytest.approx([3.0, 0.0, 4.0, 0.0, 0.0, 2.0])
    assert motion.displacement_mm[0] == 0.0
    assert motion.displacement_mm[1] == pytest.approx(np.hypot(5.0, _turning_mm(mask, centre)))
    assert motion.fd_mm == pytest.approx([7.0 + 50 * np.radians(2.0)])


def _turning_mm(mask: BoolArray, centre: FloatArray) -> float:
    """Return the RMS distance that two degrees about z move the voxels of *mask*."""
    offset = registration.world_points(mask, AFFINE)[:, :2] - centre[:2]
    return float(2 * np.sin(np.radians(1.0)) * np.sqrt(np.square(offset).sum(axis=1).mean()))


def test_motion_is_taken_out_and_noise_is_left_alone() -> None:
    """After correction a moving head's series has the variance of its noise, not of its motion."""
    still, rng, sigma = blob(), np.random.default_rng(3), 5.0
    mask = still > 300
    centre = registration.world_points(mask, AFFINE).mean(axis=0)
    matrices = np.stack(
        [registration.rigid_matrix([0.1 * t, -0.05 * t, 0.0, 0, 0, 0.002 * t], centre) for t in range(30)]
    )
    moved = [registration.apply(still, AFFINE, np.linalg.inv(matrix), order=5) for matrix in matrices]
    data = (np.stack(moved, axis=-1) + rng.normal(scale=sigma, size=(*SHAPE, 30))).astype(np.float32)

    aligned = [registration.apply(data[..., t], AFFINE, matrix) for t, matrix in enumerate(matrices)]
    mean = np.asarray(np.mean(aligned, axis=0), dtype=np.float32)
    series = fmri_motion.motion_corrected(data, mean, AFFINE, matrices, mask)

    assert float(data[mask].std(axis=1).mean()) > 4 * sigma
    assert float(np.median(series.std(axis=1, ddof=1))) == pytest.approx(sigma, rel=0.05)


def test_motion_is_found() -> None:
    """A known motion between volumes is found to a hundredth of a millimetre."""
    still = blob()
    mask = still > 300
    centre = registration.world_points(mask, AFFINE).mean(axis=0)
    truth = registration.rigid_matrix([0.7, -0.4, 0.2, 0.01, 0.0, -0.02], centre)
    back = np.asarray(np.linalg.inv(truth), dtype=np.float64)
    data = np.stack([still, registration.apply(still, AFFINE, back, order=5)], axis=-1)

    motion, _ = fmri_motion.estimate_motion(data.astype(np.float32), AFFINE, mask)

    residual: FloatArray = np.linalg.inv(motion.matrices[1]) @ truth
    assert registration.displacements_mm(residual[None], mask, AFFINE)[0] == pytest.approx(0.0, abs=0.01)
