"""How strong the noise is in a magnitude series, from the air around the head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from dipy.denoise.noise_estimate import piesno

#: Air voxels without which nothing is said.
MIN_AIR_VOXELS = 500
#: Values of exactly zero beyond this part of the air mean that someone cut the air away.
_MASKED_PART = 0.05
#: Standard deviation over mean of noise in air, which has a Rayleigh distribution; and how far it may differ.
_RAYLEIGH_RATIO, _RATIO_TOLERANCE = 0.5227, 0.05


def noise_sigma(data: npt.NDArray[np.float32]) -> float | None:
    """Estimate the standard deviation of the Gaussian noise behind the Rician magnitude.

    PIESNO (Koay et al. 2009, doi:10.1016/j.jmr.2009.03.005), for one receiving channel or a combination that
    keeps the noise Rician, as dipy has it.

    Parameters
    ----------
    data
        Shape (X, Y, Z, V), as acquired: interpolation would make the noise smaller.

    Returns
    -------
    float or None
        In units of the signal. None if there is no air, if it was set to zero, or if what was taken for air
        is not distributed as noise.
    """
    if np.percentile(data, 5) <= 0 and np.mean(data == 0) > _MASKED_PART:
        return None
    sigma, air = piesno(data, N=1, return_mask=True)
    heard = air.any(axis=(0, 1)) & (sigma > 0)
    if np.count_nonzero(air) < MIN_AIR_VOXELS or not heard.any():
        return None
    values = data[air]
    ratio = float(values.std(dtype=np.float64) / values.mean(dtype=np.float64))
    if abs(ratio - _RAYLEIGH_RATIO) > _RATIO_TOLERANCE:
        return None
    return float(np.median(sigma[heard]))
