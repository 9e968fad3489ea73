"""Rigid registration of volumes of one head: how it moved between them, and how to undo it.

Gauss–Newton on intensities, for volumes that share a grid (a series); not for different modalities at large
distances, and not for shapes that bend.

Every transform here is a 4×4 matrix in world millimetres (the space of the image's affine) that maps a
coordinate *in the reference* to the coordinate of the same tissue *in the moving volume*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Full width at half maximum over standard deviation of a Gaussian.
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
#: Median absolute deviation to standard deviation, for a normal distribution.
_SIGMA_PER_MAD = 1.4826
#: Residuals beyond this many standard deviations have no weight (Tukey's biweight).
_TUKEY_CUT = 6.0
#: Slopes below this fraction of the steep ones (99th percentile) count as flat.
_FLAT = 0.05
#: A step that moves no point of the mask farther than this ends a level.
_CONVERGED_MM = 0.003
_MAX_STEPS = 25


class RigidRegistration:
    r"""Registers any number of volumes to one reference.

    The moving volume *m* is modelled as a weighted sum of the reference's channels,
    :math:`m(Tx) = \sum_k c_k r_k(x)`; the rigid *T* and the weights are found together by Gauss–Newton steps
    in the inverse compositional form (the derivatives are those of the reference and are computed once), from
    coarse to fine, with Tukey's biweight so that dropped slices have no say. One channel leaves an unknown
    intensity scale; its powers as further channels follow a change of contrast.

    Parameters
    ----------
    reference
        Shape (X, Y, Z), or (K, X, Y, Z) for K channels.
    affine
        Shape (4, 4), voxel index to world mm, of the reference and of every moving volume.
    mask
        Shape (X, Y, Z); where intensities are compared. A margin around the head helps. All voxels if left
        out.
    smoothing_mm
        Full width at half maximum of the Gaussian applied to both volumes, one per level, coarse to fine.

    Raises
    ------
    ValueError
        If the mask is empty.

    Notes
    -----
    Inverse compositional alignment: Baker and Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd.
    Robust registration of brain volumes: Reuter et al. 2010, doi:10.1016/j.neuroimage.2010.07.020.
    """

    def __init__(
        self,
        reference: npt.ArrayLike,
        affine: npt.ArrayLike,
        *,
        mask: BoolArray | None = None,
        smoothing_mm: Sequence[float] = (8.0, 4.0),
    ) -> None:
        channels = np.asarray(reference, dtype=np.float64)
        channels = channels[None] if channels.ndim == 3 else channels
        self.affine = np.asarray(affine, dtype=np.float64)
        inside = np.ones(channels.shape[1:], dtype=bool) if mask is None else mask
        if not inside.any():
            raise ValueError("the mask of a registration holds no voxel")
        self.centre = world_points(inside, self.affine).mean(axis=0)
        self._levels = [_level(channels, self.affine, inside, fwhm) for fwhm in smoothing_mm]

    def fit(self, moving: npt.ArrayLike, start: FloatArray | None = None) -> FloatArray:
        """Find the transform from the reference to *moving*.

        Parameters
        ----------
        moving
            Shape (X, Y, Z), on the reference's grid.
        start
            Shape (4, 4); a first guess. The identity if left out.

        Returns
        -------
        numpy.ndarray
            Shape (4, 4), rigid, world mm: reference coordinates to moving coordinates.
        """
        return self.fit_spline(spline(moving), start)

    def fit_spline(
        self, moving: npt.NDArray[np.floating[Any]], start: FloatArray | None = None
    ) -> FloatArray:
        """Find the transform to a volume whose `spline` serves other purposes too.

        Parameters
        ----------
        moving
            Shape (X, Y, Z), its coefficients.
        start
            As for `fit`.
        """
        matrix = np.eye(4) if start is None else np.asarray(start, dtype=np.float64)
        for level in self._levels:
            # to smooth the coefficients is to smooth the volume
            matrix = self._fit_level(level, _smooth(moving, self.affine, level.fwhm_mm), matrix)
        return matrix

    def _fit_level(
        self, level: _Level, coefficients: npt.NDArray[np.floating[Any]], matrix: FloatArray
    ) -> FloatArray:
        to_voxel = np.linalg.inv(self.affine)
        for _ in range(_MAX_STEPS):
            values, inside = _sample(coefficients, _transform(to_voxel @ matrix, level.points))
            change = rigid_matrix(_step(level, values, inside, self.centre), self.centre)
            matrix = matrix @ np.linalg.inv(change)
            if _largest_displacement_mm(change, level.points) < _CONVERGED_MM:
                break
        return matrix


@dataclass(frozen=True, kw_only=True)
class _Level:
    """The reference at one smoothness, seen at N points of the mask.

    Attributes
    ----------
    fwhm_mm
        Width of the Gaussian.
    points
        (N, 3) world mm.
    values
        (N, K) channels, each scaled to a largest magnitude of one.
    gradients
        (K, N, 3) their slopes per world mm.
    """

    fwhm_mm: float
    points: FloatArray
    values: FloatArray
    gradients: FloatArray


def _level(channels: FloatArray, affine: FloatArray, mask: BoolArray, fwhm_mm: float) -> _Level:
    """Smooth, differentiate, and keep about one point per smoothing width where something can be learnt."""
    smooth = np.stack([_smooth(channel, affine, fwhm_mm) for channel in channels])
    slopes = np.stack([np.gradient(smooth, axis=axis) for axis in (1, 2, 3)], axis=-1)
    chosen = _informative(slopes, mask, fwhm_mm / voxel_sizes_mm(affine))
    values = smooth[:, chosen].T
    # columns of like size keep the normal equations well conditioned
    scale = np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    gradients = slopes[:, chosen] @ np.linalg.inv(affine[:3, :3]) / scale[:, None, None]
    return _Level(
        fwhm_mm=fwhm_mm, points=world_points(chosen, affine), values=values / scale, gradients=gradients
    )


def _informative(slopes: FloatArray, mask: BoolArray, fwhm_voxels: FloatArray) -> BoolArray:
    """Thin the mask to every so many voxels, without the places where every channel is flat.

    Flat places teach nothing, and an empty background would make the spread of the residuals, against which
    outliers are judged, too small.
    """
    grid = tuple(slice(None, None, max(1, int(width))) for width in fwhm_voxels)
    thinned = slopes[:, *grid]
    steepness = np.sqrt(np.einsum("...i,...i->...", thinned, thinned))
    steep = steepness > _FLAT * np.quantile(steepness, 0.99, axis=(1, 2, 3), keepdims=True)
    thin = np.zeros_like(mask)
    thin[grid] = mask[grid] & steep.any(axis=0)
    return thin if thin.any() else mask


def _sample(coefficients: npt.NDArray[np.floating[Any]], voxels: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Read a volume's spline *coefficients* at voxel coordinates (N, 3), and which of them it covers."""
    limits = np.asarray(coefficients.shape) - 1
    inside: BoolArray = np.all((voxels >= 0) & (voxels <= limits), axis=1)
    values = ndimage.map_coordinates(
        coefficients, voxels.T, output=np.float64, order=3, mode="nearest", prefilter=False
    )
    return values, inside


def _largest_displacement_mm(change: FloatArray, points: FloatArray) -> float:
    return float(np.linalg.norm(_transform(change, points) - points, axis=1).max())


def _step(level: _Level, values: FloatArray, inside: BoolArray, centre: FloatArray) -> FloatArray:
    """One Gauss–Newton step: translation (mm) and rotation vector (radians) about *centre*, shape (6,)."""
    weights = inside.astype(np.float64)
    mapping = _weighted_solution(level.values, values, weights)
    weights *= _tukey_weights(values - level.values @ mapping, inside)
    mapping = _weighted_solution(level.values, values, weights)
    gradient = np.tensordot(mapping, level.gradients, axes=1)
    jacobian = np.concatenate([gradient, np.cross(level.points - centre, gradient), level.values], axis=1)
    return _weighted_solution(jacobian, values - level.values @ mapping, weights)[:6]


def _weighted_solution(design: FloatArray, values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted least squares by normal equations; directions without information stay at zero."""
    weighted = design * weights[:, None]
    solution = np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=1e-10)[0]
    return np.asarray(solution, dtype=np.float64)


def _tukey_weights(residual: FloatArray, inside: BoolArray) -> FloatArray:
    """Tukey's biweight with a scale from the median absolute deviation, shape (N,)."""
    if not inside.any():
        return np.zeros_like(residual)
    spread = _SIGMA_PER_MAD * float(np.median(np.abs(residual[inside])))
    if spread == 0.0:
        return np.ones_like(residual)
    return np.clip(1.0 - (residual / (_TUKEY_CUT * spread)) ** 2, 0.0, None) ** 2


def _smooth(volume: npt.NDArray[np.floating[Any]], affine: FloatArray, fwhm_mm: float) -> FloatArray:
    sigma = fwhm_mm / _FWHM_PER_SIGMA / voxel_sizes_mm(affine)
    smoothed: FloatArray = ndimage.gaussian_filter(volume, sigma, mode="nearest")
    return smoothed


def _transform(matrix: FloatArray, points: FloatArray) -> FloatArray:
    transformed: FloatArray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return transformed


def voxel_sizes_mm(affine: FloatArray) -> FloatArray:
    """Return the edge lengths of a voxel in mm, shape (3,)."""
    sizes: FloatArray = np.linalg.norm(affine[:3, :3], axis=0)
    return sizes


def world_points(mask: BoolArray, affine: FloatArray) -> FloatArray:
    """Return the world coordinates in mm of the voxels in *mask*, shape (N, 3)."""
    return _transform(affine, np.argwhere(mask).astype(np.float64))


def rigid_matrix(parameters: npt.ArrayLike, centre: npt.ArrayLike = (0.0, 0.0, 0.0)) -> FloatArray:
    """Build a rigid transform.

    Parameters
    ----------
    parameters
        Shape (6,): translation in mm (x, y, z), then the rotation vector in *radians* about *centre*.
    centre
        Shape (3,), world mm: the point that only the translation moves.

    Returns
    -------
    numpy.ndarray
        Shape (4, 4).
    """
    values, about = np.asarray(parameters, dtype=np.float64), np.asarray(centre, dtype=np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(values[3:]).as_matrix()
    matrix[:3, 3] = values[:3] + about - matrix[:3, :3] @ about
    return matrix


def parameters(matrix: FloatArray, centre: npt.ArrayLike = (0.0, 0.0, 0.0)) -> FloatArray:
    """Read a rigid transform as six numbers.

    Parameters
    ----------
    matrix
        Shape (4, 4), rigid.
    centre
        Shape (3,), world mm: the point about which the rotation is told; translations depend on it, so take
        the middle of the brain when they are shown to people.

    Returns
    -------
    numpy.ndarray
        Shape (6,): translation of *centre* along world x, y, z in mm, then the Euler angles about x, y, z in
        degrees (applied in the order x, y, z about fixed axes).
    """
    about = np.asarray(centre, dtype=np.float64)
    translation = _transform(matrix, about[None])[0] - about
    angles = Rotation.from_matrix(matrix[:3, :3]).as_euler("xyz", degrees=True)
    return np.concatenate([translation, angles])


def rotation_angle_deg(matrix: FloatArray) -> float:
    """Return the angle of the rotation in a rigid transform, in degrees, about whatever axis."""
    return float(np.degrees(Rotation.from_matrix(matrix[:3, :3]).magnitude()))


def displacements_mm(matrices: FloatArray, mask: BoolArray, affine: FloatArray) -> FloatArray:
    """Return the root mean square distances in mm by which *matrices* move the voxels of *mask*.

    Parameters
    ----------
    matrices
        Shape (V, 4, 4), world mm. For the difference of two transforms give ``inv(estimated) @ true``.
    mask
        Shape (X, Y, Z).
    affine
        Shape (4, 4), voxel index to world mm.

    Returns
    -------
    numpy.ndarray
        Shape (V,).
    """
    points = world_points(mask, affine)
    # the mean square is a quadratic form in the matrix: one pass over the voxels serves all of them
    homogeneous = np.column_stack([points, np.ones(len(points))])
    moments = homogeneous.T @ homogeneous / len(points)
    change = (matrices - np.eye(4))[:, :3]
    squares = np.einsum("vij,jk,vik->v", change, moments, change)
    distances: FloatArray = np.sqrt(np.maximum(squares, 0.0))
    return distances


def apply(volume: npt.ArrayLike, affine: FloatArray, matrix: FloatArray, order: int = 3) -> FloatArray:
    """Bring a moving volume into the reference's space by one interpolation.

    Parameters
    ----------
    volume
        Shape (X, Y, Z), the moving volume.
    affine
        Shape (4, 4), voxel index to world mm, of both.
    matrix
        Shape (4, 4): reference coordinates to moving coordinates, as `RigidRegistration.fit` returns it.
    order
        Of the spline: 0 nearest, 1 linear, 3 cubic.

    Returns
    -------
    numpy.ndarray
        Shape (X, Y, Z). Outside the moving volume's field of view the nearest voxel is repeated.
    """
    voxels = np.linalg.inv(affine) @ matrix @ affine
    resampled: FloatArray = ndimage.affine_transform(
        np.asarray(volume, dtype=np.float64),
        voxels[:3, :3],
        offset=voxels[:3, 3],
        order=order,
        mode="nearest",
    )
    return resampled


def spline(volume: npt.ArrayLike) -> FloatArray:
    """Return the coefficients of a volume's cubic spline, for what reads between its voxels, (X, Y, Z)."""
    coefficients: FloatArray = ndimage.spline_filter(
        np.asarray(volume, dtype=np.float64), order=3, mode="nearest"
    )
    return coefficients


def value_at(
    coefficients: npt.NDArray[np.floating[Any]], affine: FloatArray, matrix: FloatArray, points: FloatArray
) -> FloatArray:
    """Read a moving volume where some points of the reference lie: `apply` for these points only.

    Parameters
    ----------
    coefficients
        Shape (X, Y, Z), of the moving volume, from `spline`.
    affine, matrix
        As for `apply`.
    points
        Shape (N, 3), world mm in the reference.

    Returns
    -------
    numpy.ndarray
        Shape (N,).
    """
    places = _transform(np.linalg.inv(affine) @ matrix, points).T
    values: FloatArray = ndimage.map_coordinates(
        coefficients, places, output=np.float64, order=3, mode="nearest", prefilter=False
    )
    return values
