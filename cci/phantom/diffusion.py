"""A diffusion series of the phantom's head.

The tensors come from tissue; the direction of the fibres is an invented smooth field, not anatomy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cci.phantom.acquisition import WHITE_MAGNITUDE, choose, reach, rician, scanned_points, trajectory
from cci.phantom.anatomy import FloatArray, Head
from cci.phantom.series import Diffusion

#: White matter's diffusivity along and across its fibres (mm²/s): FA 0.75, MD 0.77e-3.
WHITE_ALONG, WHITE_ACROSS = 1.60e-3, 0.35e-3
#: Diffusivities of the tissues without direction (mm²/s).
ISOTROPIC = {"grey": 0.85e-3, "csf": 3.0e-3, "skull": 0.2e-3, "scalp": 0.9e-3}
#: T2-weighted magnitudes without diffusion weighting, relative to white matter.
T2_CONTRAST = {"grey": 1.3, "csf": 2.6, "skull": 0.05, "scalp": 0.45}
#: A dropout happens in a slice with at least this many brain voxels.
_DROPOUT_VOXELS = 400


def dwi(
    head: Head,
    *,
    seed: int = 0,
    snr: float = 25.0,
    directions: int = 32,
    b: float = 1000.0,
    n_b0: int = 8,
    motion: float = 1.0,
    dropouts: int = 0,
    tr_s: float = 8.0,
) -> Diffusion:
    """Scan *head* with diffusion weighting.

    Parameters
    ----------
    snr
        White matter's magnitude at b = 0 over the noise; ``inf`` for no noise.
    directions, b, n_b0
        Number of gradient directions, their b-value (s/mm²), and number of volumes with b = 0, the first
        of which is volume 0.
    motion
        The largest translation (mm) and rotation (degrees) of the head; 0 for none.
    dropouts
        Number of slices that lose most of their signal, each in another diffusion-weighted volume.
    """
    rng = np.random.default_rng([seed, 1])
    bvals, gradients = scheme(directions, b, n_b0)
    matrices = trajectory(rng, len(bvals), motion, head.centre_mm)
    sigma = WHITE_MAGNITUDE / snr
    signal = _signal(head, bvals, gradients, matrices)
    lost = _drop(rng, signal, head, bvals, dropouts)
    fa, md = _truth(head, bvals, gradients)
    return Diffusion(
        data=rician(rng, signal, sigma),
        affine=head.affine,
        tr_s=tr_s,
        te_s=0.085,
        description="ep2d_diff",
        bvals=bvals,
        bvecs=fsl_bvecs(gradients, head.affine),
        fa=fa,
        md=md,
        white=head.white,
        brain_mask=head.brain_mask,
        motion=matrices,
        dropouts=lost,
        sigma=sigma,
    )


def scheme(directions: int, b: float, n_b0: int) -> tuple[FloatArray, FloatArray]:
    """Return b-values (N,) and unit gradients in world axes (N, 3), zero where b = 0.

    The directions lie on a golden spiral over a hemisphere, every other one turned round; the volumes with
    b = 0 are spread evenly among them.
    """
    index = np.arange(directions)
    z = (index + 0.5) / directions
    radius, angle = np.sqrt(1 - z**2), np.pi * (1 + np.sqrt(5)) * index
    spiral = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])
    spiral[1::2] *= -1
    weighted = np.ones(directions + n_b0, dtype=bool)
    weighted[np.linspace(0, directions + n_b0, n_b0, endpoint=False).astype(int)] = False
    gradients = np.zeros((directions + n_b0, 3))
    gradients[weighted] = spiral
    return np.where(weighted, float(b), 0.0), gradients


def fsl_bvecs(gradients: FloatArray, affine: FloatArray) -> FloatArray:
    """Return world *gradients* (…, 3) in FSL's convention for an *affine* (4, 4).

    Voxel axes, with x reversed if the affine's determinant is positive (FSL wiki, FDT/FAQ, "What conventions
    do the bvecs use?").
    """
    bvecs: FloatArray = gradients @ _fsl_axes(affine)
    return bvecs + 0.0  # no negative zeros


def world_gradients(bvecs: FloatArray, affine: FloatArray) -> FloatArray:
    """Return FSL's *bvecs* (…, 3) for an *affine* (4, 4) as gradients (…, 3) in world axes (RAS+)."""
    gradients: FloatArray = bvecs @ _fsl_axes(affine).T
    return gradients + 0.0


def _fsl_axes(affine: FloatArray) -> FloatArray:
    """Return FSL's three axes as columns (3, 3), in world axes; the voxel axes must be orthogonal."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.linalg.det(axes) > 0:
        axes[:, 0] *= -1
    return np.asarray(axes, dtype=np.float64)


def fibres(points: FloatArray) -> FloatArray:
    """Return the unit direction of the fibres at *points* (N, 3) of the head (mm).

    Left-right in the middle as in the corpus callosum, upright further out as in the corona radiata,
    front-back far out and below as in the long association bundles. The change is smooth, so that a
    voxel holds nearly one direction.
    """
    x, y, z = points.T
    outward = np.pi / 2 * x**2 / (x**2 + 25.0**2)
    lean = np.pi / 2 / (1 + np.exp((z - 10.0) / 15.0)) + 0.3 * np.sin((y + 18.0) / 30.0)
    side = np.sign(x) * np.sin(outward)
    return np.column_stack([np.cos(outward), side * np.sin(lean), side * np.cos(lean)])


def isotropic_magnitudes(b: float) -> dict[str, float]:
    """Return the magnitude of each tissue without direction under diffusion weighting *b* (s/mm²)."""
    return {
        tissue: WHITE_MAGNITUDE * T2_CONTRAST[tissue] * float(np.exp(-b * diffusivity))
        for tissue, diffusivity in ISOTROPIC.items()
    }


def white_magnitude(directions: FloatArray, b: float, gradient: FloatArray) -> FloatArray:
    """Return white matter's magnitude (N,) with fibres along *directions* (N, 3) under a *gradient* (3,)."""
    along = (directions @ gradient) ** 2
    magnitude: FloatArray = np.exp(-b * (WHITE_ACROSS + (WHITE_ALONG - WHITE_ACROSS) * along))
    return WHITE_MAGNITUDE * magnitude


def _signal(head: Head, bvals: FloatArray, gradients: FloatArray, motion: FloatArray) -> NDArray[np.float32]:
    """Return the noise-free magnitudes (X, Y, Z, N)."""
    voxels = reach(head, motion)
    points = head.points(voxels)
    white = head.anatomy.field({"white": 1.0})
    others = {b: head.anatomy.field(isotropic_magnitudes(b)) for b in np.unique(bvals).tolist()}
    signal = np.zeros((*head.shape, len(bvals)), dtype=np.float32)
    for volume, (b, gradient, matrix) in enumerate(zip(bvals.tolist(), gradients, motion, strict=True)):
        seen = scanned_points(points, matrix)
        # tissue turns with the head, the gradient stays with the scanner: seen from the head it turns back
        turned = white_magnitude(fibres(seen), b, gradient @ matrix[:3, :3])
        signal[voxels, volume] = others[b].at(seen) + white.at(seen) * turned
    return signal


def _drop(
    rng: np.random.Generator, signal: NDArray[np.float32], head: Head, bvals: FloatArray, count: int
) -> tuple[tuple[int, int], ...]:
    """Take most of the signal from *count* slices of *signal*, in place; return where."""
    slices = np.flatnonzero(head.brain_mask.sum(axis=(0, 1)) >= _DROPOUT_VOXELS)
    volumes = choose(rng, np.flatnonzero(bvals > 0).tolist(), count)
    lost = tuple((volume, int(rng.choice(slices))) for volume in volumes)
    for volume, slice_ in lost:
        signal[:, :, slice_, volume] *= rng.uniform(0.1, 0.5)
    return lost


def _truth(head: Head, bvals: FloatArray, gradients: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return FA and MD maps (X, Y, Z) of the motionless, noise-free mixture.

    Not with the library that the pipelines use, so that a fault there cannot hide here.
    """
    brain = head.brain_mask
    directions = fibres(head.points(brain))
    fractions = {tissue: getattr(head, tissue)[brain] for tissue in ISOTROPIC}
    samples = []
    for b, gradient in zip(bvals.tolist(), gradients, strict=True):
        others = isotropic_magnitudes(b)
        still = sum(others[tissue] * fraction for tissue, fraction in fractions.items())
        samples.append(still + head.white[brain] * white_magnitude(directions, b, gradient))
    tensors = _fit(np.log(np.array(samples)), bvals, gradients)
    eigenvalues = np.linalg.eigvalsh(tensors)
    mean = eigenvalues.mean(axis=1)
    spread = ((eigenvalues - mean[:, None]) ** 2).sum(axis=1)
    fa, md = np.zeros(head.shape), np.zeros(head.shape)
    md[brain] = mean
    fa[brain] = np.sqrt(1.5 * spread / (eigenvalues**2).sum(axis=1))
    return fa, md


def _fit(logarithms: FloatArray, bvals: FloatArray, gradients: FloatArray) -> FloatArray:
    """Fit tensors (V, 3, 3) in mm²/s to the logarithms (N, V) of magnitudes, by least squares."""
    x, y, z = gradients.T
    design = np.column_stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z]) * -bvals[:, None]
    solution = np.linalg.pinv(np.column_stack([design, np.ones(len(bvals))])) @ logarithms
    tensors: FloatArray = solution[[0, 3, 4, 3, 1, 5, 4, 5, 2]].T.reshape(-1, 3, 3)
    return tensors
