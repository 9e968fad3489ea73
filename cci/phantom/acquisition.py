"""What all acquisitions share: a head that moves, noise, and rounding to whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cci.phantom.anatomy import BoolArray, FloatArray, Head

#: The magnitude of white matter; contrasts are relative to it.
WHITE_MAGNITUDE = 1000.0


def trajectory(rng: np.random.Generator, n_volumes: int, peak: float, centre_mm: FloatArray) -> FloatArray:
    """Return a smooth random head motion, shape (N, 4, 4); volume 0 does not move.

    Parameters
    ----------
    peak
        The largest of all translations (mm) and rotations (degrees).
    centre_mm
        The point (3,) about which the head turns.
    """
    walk = ndimage.gaussian_filter1d(rng.standard_normal((n_volumes, 6)), n_volumes / 16, axis=0)
    walk -= walk[0]
    jitter = 0.05 * np.abs(walk).max() * rng.standard_normal((n_volumes, 6))
    jitter[0] = 0.0
    walk = walk + jitter
    largest = np.abs(walk).max()
    walk *= peak / largest if largest > 0 else 0.0
    return np.stack([rigid(row[:3], row[3:], centre_mm) for row in walk])


def rigid(shift_mm: FloatArray, angles_deg: FloatArray, centre_mm: FloatArray) -> FloatArray:
    """Return the matrix (4, 4) that turns about *centre_mm* by x, y, z angles, then shifts."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = centre_mm - matrix[:3, :3] @ centre_mm + shift_mm
    return matrix


def scanned_points(points: FloatArray, motion: FloatArray) -> FloatArray:
    """Return where in the motionless head the scanner's *points* (N, 3) lie after a *motion* (4, 4)."""
    # the inverse of a rotation is its transpose, applied from the right
    return (points - motion[:3, 3]) @ motion[:3, :3]


def reach(head: Head, motion: FloatArray) -> BoolArray:
    """Return the voxels (X, Y, Z) that hold some head at some time of a *motion* (N, 4, 4)."""
    corners = np.stack(np.meshgrid([-90, 90], [-110, 80], [-80, 90]), axis=-1).reshape(-1, 3)
    moved = np.einsum("nij,kj->nki", motion[:, :3, :3], corners) + motion[:, None, :3, 3]
    return head.surroundings(float(np.abs(moved - corners).max()))


def rician(rng: np.random.Generator, signal: NDArray[np.float32], sigma: float) -> NDArray[np.int16]:
    """Return the magnitude of *signal* with complex Gaussian noise, rounded as a scanner stores it."""
    real = signal + np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    magnitude: NDArray[np.float32] = np.hypot(real, imaginary)
    return np.rint(magnitude).astype(np.int16)


def choose(rng: np.random.Generator, candidates: Sequence[int], count: int) -> list[int]:
    """Return *count* different candidates, sorted.

    Raises
    ------
    ValueError
        If there are fewer candidates than that.
    """
    return sorted(int(index) for index in rng.choice(np.asarray(candidates), size=count, replace=False))
