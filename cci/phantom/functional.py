"""A BOLD series of the phantom's head: thermal noise, drift, motion and spikes; no brain activity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cci.phantom.acquisition import WHITE_MAGNITUDE, choose, reach, rician, scanned_points, trajectory
from cci.phantom.anatomy import FloatArray, Head
from cci.phantom.series import Bold

#: T2*-weighted magnitudes relative to white matter.
CONTRAST = {"white": 1.0, "grey": 1.2, "csf": 1.5, "skull": 0.05, "scalp": 0.3}
#: Edge of the mask in which the median tSNR is taken (voxels from the brain's surface).
EROSION_VOXELS = 3
#: Slices with at least this many brain voxels may be hit by a spike, this many in one volume.
_SPIKE_VOXELS, _SPIKE_SLICES = 400, 6


def bold(
    head: Head,
    *,
    seed: int = 0,
    n_volumes: int = 100,
    tr_s: float = 2.0,
    tsnr: float = 70.0,
    drift: float = 0.02,
    motion: float = 0.6,
    spikes: int = 0,
) -> Bold:
    """Scan *head* with BOLD contrast.

    Parameters
    ----------
    tsnr
        Temporal signal-to-noise ratio of grey matter; ``inf`` for no noise.
    drift
        Relative change of the signal from the first to the last volume.
    motion
        The largest translation (mm) and rotation (degrees) of the head; 0 for none.
    spikes
        Number of volumes with a spike: six slices each get stripes, as from one wrong point in k-space.
    """
    rng = np.random.default_rng([seed, 2])
    matrices = trajectory(rng, n_volumes, motion, head.centre_mm)
    course = _drift(n_volumes, drift)
    still = head.anatomy.field({name: WHITE_MAGNITUDE * value for name, value in CONTRAST.items()})
    voxels = reach(head, matrices)
    points = head.points(voxels)
    signal = np.zeros((*head.shape, n_volumes), dtype=np.float32)
    for volume, matrix in enumerate(matrices):
        signal[voxels, volume] = still.at(scanned_points(points, matrix)) * (1 + course[volume])
    hit = _spike(rng, signal, head, spikes)
    sigma = WHITE_MAGNITUDE * CONTRAST["grey"] / tsnr
    truth = _true_tsnr(head, still.at(head.points(head.brain_mask)), sigma)
    inner = ndimage.binary_erosion(head.brain_mask, iterations=EROSION_VOXELS)
    return Bold(
        data=rician(rng, signal, sigma),
        affine=head.affine,
        tr_s=tr_s,
        te_s=0.03,
        description="ep2d_bold",
        tsnr=truth,
        median_tsnr=float(np.median(truth[inner])),
        brain_mask=head.brain_mask,
        drift=course,
        motion=matrices,
        spikes=hit,
        sigma=sigma,
    )


def _drift(n_volumes: int, change: float) -> FloatArray:
    """Return a slightly bent course (N,) from 0 to *change*."""
    time = np.linspace(0.0, 1.0, n_volumes)
    return change * (0.7 * time + 0.3 * time**2)


def _true_tsnr(head: Head, mean: FloatArray, sigma: float) -> FloatArray:
    tsnr = np.zeros(head.shape)
    tsnr[head.brain_mask] = mean / sigma if sigma > 0 else np.inf
    return tsnr


def _spike(rng: np.random.Generator, signal: NDArray[np.float32], head: Head, count: int) -> tuple[int, ...]:
    """Add stripes to some slices of *count* volumes of *signal*, in place; return the volumes."""
    slices = np.flatnonzero(head.brain_mask.sum(axis=(0, 1)) >= _SPIKE_VOXELS).tolist()
    # every third volume may be hit, so that no two spikes touch
    volumes = choose(rng, range(2, signal.shape[3] - 1, 3), count)
    for volume in volumes:
        for slice_ in choose(rng, slices, _SPIKE_SLICES):
            signal[:, :, slice_, volume] += _stripes(rng, head.shape[:2])
    return tuple(volumes)


def _stripes(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return one plane wave (X, Y) with the strength of a fifth of the signal or more."""
    x, y = np.indices(shape)
    waves_x, waves_y = rng.integers(4, 20, size=2)
    phase = 2 * np.pi * (waves_x * x / shape[0] + waves_y * y / shape[1] + rng.uniform())
    return np.asarray(WHITE_MAGNITUDE * rng.uniform(0.2, 0.4) * np.cos(phase), dtype=np.float32)
