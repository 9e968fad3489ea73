"""How the head moved during a diffusion series, volume by volume. Rigid motion only: no eddy currents.

The b0 volumes share a contrast and are registered to their mean. A weighted volume looks like none of them,
so it is registered to what it should look like. That cannot simply be the fitted tensor's prediction: a shift
that is a quadratic function of the gradient direction is fitted as if it were tissue and would never be
found. The prediction here is therefore poorer on purpose: b0 signal and the strength of the anisotropy give
the signal's level by one polynomial for all volumes, and only the axially symmetric part of the tensor gives
its dependence on direction. What a shift adds to the tensor mostly falls outside of that, and the estimates
converge in a few rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import design_matrix, from_lower_triangular

from cci.spiders.dti_input import B0_LIMIT, Series
from cci.spiders.dti_mask import brain_mask
from cci.spiders.masks import interior, widened
from cci.spiders.registration import (
    BoolArray,
    FloatArray,
    RigidRegistration,
    apply,
    spline,
    value_at,
    world_points,
)

#: Rounds of predicting and registering the weighted volumes.
_ROUNDS = 3
#: The registration of weighted volumes looks at brain at least this far from the surface: outside, b0 and
#: anisotropy do not tell what the signal should be.
_DEPTH_MM = 6.0
_MARGIN_MM = 6.0
#: Fewer voxels than this say nothing about six degrees of freedom.
MIN_VOXELS = 1000
#: mm²/s to the unit in which diffusivities of tissue are near one.
_MILLI = 1e3
#: Steps of the robust fit; residuals are cut at this many median absolute deviations (two standard ones).
_HUBER_STEPS, _HUBER_CUT = 6, 3.0
#: Largest anisotropy (1e-3 mm²/s) that tissue has; beyond it is noise.
_MAX_ANISOTROPY = 2.0


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Rigid motion of a series.

    Attributes
    ----------
    transforms
        (V, 4, 4) world mm, from a place in the reference (the pose of the first b0 volume) to the same
        tissue's place in each volume.
    known
        False where the brain is too small to tell; the transforms are then identities.
    """

    transforms: FloatArray
    known: bool = True

    @property
    def relative(self) -> FloatArray:
        """From places in volume 0 to places in each volume, shape (V, 4, 4)."""
        relative: FloatArray = self.transforms @ np.linalg.inv(self.transforms[0])
        return relative


def estimate_motion(series: Series) -> tuple[Motion, FloatArray]:
    """Register every volume of a diffusion series to its first b0 volume.

    Returns
    -------
    Motion
        With ``known=False`` if fewer than `MIN_VOXELS` voxels lie deep enough inside the brain.
    numpy.ndarray
        (X, Y, Z), the mean of the aligned b0 volumes.
    """
    transforms = np.tile(np.eye(4), (series.volumes, 1, 1))
    weak = np.flatnonzero(series.b0)
    brain = brain_mask(series.data[..., weak[0]].astype(np.float64), series.affine)
    if np.count_nonzero(interior(brain, series.affine, _DEPTH_MM)) < MIN_VOXELS:
        return Motion(transforms=transforms, known=False), mean_aligned(series, weak, transforms)
    transforms[weak] = _register_b0(series, weak, widened(brain, series.affine, _MARGIN_MM))
    mean_b0 = mean_aligned(series, weak, transforms)
    brain = brain_mask(mean_b0, series.affine)
    weighted = np.flatnonzero(~series.b0)
    transforms[weighted] = _first_guess(series, weighted, transforms, mean_b0, brain)
    # prepared once for all rounds; single precision saves memory
    splines = {volume: spline(series.data[..., volume]).astype(np.float32) for volume in weighted.tolist()}
    for _ in range(_ROUNDS):
        transforms[weighted] = _one_round(series, splines, transforms, mean_b0, brain)
    return Motion(transforms=transforms), mean_b0


def _register_b0(series: Series, weak: npt.NDArray[np.intp], region: BoolArray) -> FloatArray:
    """Register b0 volumes to the first, then to their mean."""
    first = RigidRegistration(series.data[..., weak[0]], series.affine, mask=region)
    found = [np.eye(4)]
    for volume in weak[1:]:
        found.append(first.fit(series.data[..., volume], found[-1]))
    transforms = np.tile(np.eye(4), (series.volumes, 1, 1))
    transforms[weak] = found
    mean = RigidRegistration(mean_aligned(series, weak, transforms), series.affine, mask=region)
    return np.stack([mean.fit(series.data[..., v], transforms[v]) for v in weak])


def mean_aligned(series: Series, chosen: npt.NDArray[np.intp], transforms: FloatArray) -> FloatArray:
    """Average some volumes in the pose of the reference, shape (X, Y, Z)."""
    aligned = [apply(series.data[..., v], series.affine, transforms[v]) for v in chosen]
    # the spline overshoots at edges; a magnitude is never negative
    return np.asarray(np.maximum(np.mean(aligned, axis=0), 0.0))


def _first_guess(
    series: Series,
    weighted: npt.NDArray[np.intp],
    transforms: FloatArray,
    mean_b0: FloatArray,
    brain: BoolArray,
) -> FloatArray:
    """Start from the b0 volume nearest in time; then match smooth volumes across the change of contrast."""
    weak = np.flatnonzero(series.b0)
    level = mean_b0 / mean_b0[brain].mean()
    powers = np.stack([level, level**2, level**3])
    region = widened(brain, series.affine, _MARGIN_MM)
    registration = RigidRegistration(powers, series.affine, mask=region, smoothing_mm=(8.0,))
    nearest = [weak[np.argmin(np.abs(weak - volume))] for volume in weighted]
    return np.stack(
        [
            registration.fit(series.data[..., volume], transforms[start])
            for volume, start in zip(weighted, nearest, strict=True)
        ]
    )


def _one_round(
    series: Series,
    splines: Mapping[int, npt.NDArray[np.float32]],
    transforms: FloatArray,
    mean_b0: FloatArray,
    brain: BoolArray,
) -> FloatArray:
    """Predict each weighted volume from the present alignment, and register it to its prediction."""
    deep = interior(brain, series.affine, _DEPTH_MM)
    weighted = np.array(list(splines))
    directions = rotated_directions(series.directions, transforms)[weighted]
    points = world_points(brain, series.affine)
    aligned = [value_at(one, series.affine, transforms[volume], points) for volume, one in splines.items()]
    signal = np.stack(aligned, axis=1)
    level = mean_b0[brain] / mean_b0[brain].mean()
    predicted = predict(signal, series.b_values[weighted], directions, level, deep[brain])
    found = []
    for column, (volume, one) in enumerate(splines.items()):
        reference = np.zeros(brain.shape)
        reference[brain] = predicted[:, column]
        registration = RigidRegistration(reference, series.affine, mask=deep, smoothing_mm=(4.0,))
        found.append(registration.fit_spline(one, transforms[volume]))
    return np.stack(found)


def predict(
    signal: FloatArray, b_values: FloatArray, directions: FloatArray, level: FloatArray, fitted: BoolArray
) -> FloatArray:
    """Predict weighted volumes from b0 signal and the axially symmetric part of the tensor.

    Parameters
    ----------
    signal
        (N, W) aligned signal of N voxels in W weighted volumes.
    b_values, directions
        (W,) s/mm² and (W, 3) in the reference's pose.
    level
        (N,) b0 signal over its mean.
    fitted
        (N,) voxels from which the polynomial is learnt.

    Returns
    -------
    numpy.ndarray
        (N, W).
    """
    axis, strength = axial_part(signal, b_values, directions)
    # a cubic polynomial in b0 level and anisotropy
    terms = np.stack([level**i * strength**j for i in range(4) for j in range(4 - i)], axis=1)
    predicted = np.zeros_like(signal)
    shells = np.round(b_values, -2)
    for shell in np.unique(shells):
        columns = shells == shell
        attenuation = _attenuation(axis, strength, b_values[columns], directions[columns])
        # every volume's design is its attenuation times the same terms, so that sums over volumes come first
        deep, known = attenuation[fitted], terms[fitted]
        normal = known.T @ (known * np.square(deep).sum(axis=1)[:, None])
        right = known.T @ (deep * signal[np.ix_(fitted, columns)]).sum(axis=1)
        weights = np.linalg.lstsq(normal, right, rcond=1e-10)[0]
        predicted[:, columns] = attenuation * (terms @ weights)[:, None]
    return predicted


def axial_part(
    signal: FloatArray, b_values: FloatArray, directions: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit tensors to weighted volumes alone; return their main axes (N, 3) and anisotropies (N,).

    The anisotropy is the difference of the diffusivities along and across the axis, in 1e-3 mm²/s, of the
    axially symmetric tensor with the same main eigenvalue. The trace is not used: without b0 volumes it
    is not determined.
    """
    table = gradient_table(b_values, bvecs=directions, b0_threshold=B0_LIMIT)
    coefficients = _robust_solution(design_matrix(table), np.log(np.maximum(signal, 1.0)))
    tensors = from_lower_triangular(coefficients[:, :6])
    values, vectors = np.linalg.eigh(tensors)
    deviation = values[:, 2] - values.mean(axis=1)
    return vectors[:, :, 2], np.clip(1.5 * _MILLI * deviation, 0.0, _MAX_ANISOTROPY)


def _robust_solution(design: FloatArray, values: FloatArray) -> FloatArray:
    """Solve ``values = solution @ design.T``, shapes (V, K), (N, V) to (N, K), with Huber's function.

    By modified residuals (Huber 1981, doi:10.1002/0471725250): one solver serves all voxels.
    """
    solver = np.linalg.pinv(design)
    solution: FloatArray = values @ solver.T
    for _ in range(_HUBER_STEPS):
        fitted = solution @ design.T
        residual = values - fitted
        bound = _HUBER_CUT * np.median(np.abs(residual), axis=1, keepdims=True)
        solution = solution + np.clip(residual, -bound, bound) @ solver.T
    return solution


def _attenuation(
    axis: FloatArray, strength: FloatArray, b_values: FloatArray, directions: FloatArray
) -> FloatArray:
    """Return how the anisotropy of N voxels weakens the signal of W volumes, trace apart, shape (N, W)."""
    along = np.square(axis @ directions.T) - 1.0 / 3.0
    return np.asarray(np.exp(-along * strength[:, None] * b_values / _MILLI))


def rotated_directions(directions: FloatArray, transforms: FloatArray) -> FloatArray:
    """Turn gradient directions (V, 3) with the head: as seen from the reference's pose, shape (V, 3).

    Without it motion biases the tensor: Leemans and Jones 2009, doi:10.1002/mrm.21890.
    """
    turned: FloatArray = np.einsum("vi,vij->vj", directions, transforms[:, :3, :3])
    return turned


def align(series: Series, transforms: FloatArray, mask: BoolArray) -> Series:
    """Bring every volume into the reference's pose, by one cubic interpolation, and turn the gradients.

    Parameters
    ----------
    transforms
        (V, 4, 4).
    mask
        (X, Y, Z), the brain in the reference's pose; values elsewhere become zero.
    """
    data = np.zeros(series.data.shape, dtype=np.float32)
    points = world_points(mask, series.affine)
    for volume in range(series.volumes):
        coefficients = spline(series.data[..., volume])
        moved = value_at(coefficients, series.affine, transforms[volume], points)
        # the spline overshoots at edges; a magnitude is never negative
        data[mask, volume] = np.maximum(moved, 0.0)
    directions = rotated_directions(series.directions, transforms)
    return replace(series, data=data, directions=directions)
