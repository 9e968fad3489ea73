"""How the head moved through a BOLD series, and the series without that.

Finding one transform is ``cci.spiders.registration``. Motion is told relative to volume 0: a 4×4 matrix takes
a world coordinate of the head in volume 0 to where it is in volume t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders import registration
from cci.spiders.masks import widened
from cci.spiders.registration import BoolArray, FloatArray

#: Radius of the sphere on which rotations become millimetres (Power 2012).
HEAD_RADIUS_MM = 50.0
#: The head reaches no farther from the brain, the neck apart.
HEAD_MARGIN_MM = 15.0
#: Voxels around the brain that still help registration.
_MARGIN_VOXELS = 3


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The motion of a series of T volumes.

    Attributes
    ----------
    matrices
        (T, 4, 4), world mm, volume 0 to volume t.
    parameters
        (T, 6): translation of the brain's centre along world x, y, z (mm), Euler angles about them (degrees).
    displacement_mm
        (T,): root mean square displacement of the brain's voxels from where they are in volume 0.
    fd_mm
        (T - 1,): framewise displacement of each volume after the first.
    """

    matrices: FloatArray
    parameters: FloatArray
    displacement_mm: FloatArray
    fd_mm: FloatArray


def estimate_motion(
    data: NDArray[np.float32], affine: FloatArray, mask: BoolArray
) -> tuple[Motion, NDArray[np.float32]]:
    """Register every volume to the first, and average them in its pose.

    Parameters
    ----------
    data
        (X, Y, Z, T).
    affine
        (4, 4), voxel to world, mm.
    mask
        (X, Y, Z), the brain.

    Returns
    -------
    Motion
    numpy.ndarray
        (X, Y, Z), the mean of all volumes in the pose of volume 0, by cubic interpolation; farther than
        `HEAD_MARGIN_MM` from the brain, where there is only air, as acquired.
    """
    around = ndimage.binary_dilation(mask, iterations=_MARGIN_VOXELS)
    fitter = registration.RigidRegistration(data[..., 0], affine, mask=around)
    head = widened(mask, affine, HEAD_MARGIN_MM)
    points = registration.world_points(head, affine)
    matrices, total = [np.eye(4)], data[head, 0].astype(np.float64)
    for volume in range(1, data.shape[3]):
        # most of the time goes into the spline; it serves both purposes
        spline = registration.spline(data[..., volume])
        # a head seldom moves far within one repetition time
        matrices.append(fitter.fit_spline(spline, start=matrices[-1]))
        total += registration.value_at(spline, affine, matrices[-1], points)
    mean = data.mean(axis=3)
    mean[head] = total / data.shape[3]
    return describe_motion(np.stack(matrices), affine, mask), mean


def describe_motion(matrices: FloatArray, affine: FloatArray, mask: BoolArray) -> Motion:
    """Derive the figures of a motion (T, 4, 4) of the brain in *mask* (X, Y, Z)."""
    centre = registration.world_points(mask, affine).mean(axis=0)
    parameters = np.stack([registration.parameters(matrix, centre) for matrix in matrices])
    return Motion(
        matrices=matrices,
        parameters=parameters,
        displacement_mm=registration.displacements_mm(matrices, mask, affine),
        fd_mm=framewise_displacement(parameters),
    )


def framewise_displacement(parameters: FloatArray, radius_mm: float = HEAD_RADIUS_MM) -> FloatArray:
    """Sum the absolute changes of the six parameters, rotations as arcs on a sphere.

    Parameters
    ----------
    parameters
        (T, 6): translations in mm, rotations in degrees.
    radius_mm
        Of the sphere.

    Returns
    -------
    numpy.ndarray
        (T - 1,), mm; the first value belongs to volume 1.

    References
    ----------
    Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018.
    """
    change = np.abs(np.diff(parameters, axis=0))
    displacement: FloatArray = change[:, :3].sum(axis=1) + radius_mm * np.radians(change[:, 3:]).sum(axis=1)
    return displacement


def motion_corrected(
    data: NDArray[np.float32],
    mean: NDArray[np.float32],
    affine: FloatArray,
    matrices: FloatArray,
    mask: BoolArray,
) -> NDArray[np.float32]:
    """Take the effect of motion out of a series without interpolating its noise.

    Each volume loses what the mean image, moved to that volume's pose, predicts, and gains the mean at rest:
    ``y_t - mean∘T_t⁻¹ + mean``. Interpolating the volumes themselves would smooth their noise by an amount
    that changes with the fraction of a voxel moved (by a third at half a voxel in all directions), and change
    tSNR, DVARS and smoothness with it.

    Parameters
    ----------
    data
        (X, Y, Z, T), as acquired.
    mean
        (X, Y, Z), the mean image in the pose of volume 0.
    affine
        (4, 4), voxel to world, mm.
    matrices
        (T, 4, 4), volume 0 to volume t, world mm.
    mask
        (X, Y, Z), the voxels wanted.

    Returns
    -------
    numpy.ndarray
        (V, T), the voxels in *mask* in C order.
    """
    coefficients, points = registration.spline(mean), registration.world_points(mask, affine)
    corrected = data[mask]
    for volume, matrix in enumerate(matrices):
        predicted = registration.value_at(coefficients, affine, np.linalg.inv(matrix), points)
        corrected[:, volume] -= (predicted - mean[mask]).astype(np.float32)
    return np.asarray(corrected)
