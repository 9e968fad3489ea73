"""The diffusion tensor in every voxel, robustly fitted with dipy, and the maps that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from dipy.core.gradients import GradientTable, gradient_table
from dipy.reconst.dti import (
    TensorModel,
    axial_diffusivity,
    color_fa,
    design_matrix,
    fractional_anisotropy,
    from_lower_triangular,
    iterative_fit_tensor,
    mean_diffusivity,
    radial_diffusivity,
    tensor_prediction,
)
from dipy.reconst.weights_method import weights_method_wls_m_est

from cci.spiders.dti_input import B0_LIMIT, Series
from cci.spiders.registration import BoolArray, FloatArray

#: With fewer volumes than this an outlier cannot be told from the other residuals.
MIN_ROBUST_VOLUMES = 14
#: With fewer b0 volumes than this they are not judged: where all are left out, no tensor is determined.
MIN_ROBUST_B0 = 4
#: Rounds of reweighting, the last two without outliers.
_ROBUST_ROUNDS = 4
#: Voxels and repetitions of the bootstrap.
_BOOTSTRAP_VOXELS, _BOOTSTRAP_REPEATS = 2000, 100


@dataclass(frozen=True, kw_only=True)
class TensorMaps:
    """What a tensor fit tells; everything is zero outside the mask.

    Attributes
    ----------
    fa
        (X, Y, Z) fractional anisotropy, 0 to 1 (Basser and Pierpaoli 1996, doi:10.1006/jmrb.1996.0086).
    md, ad, rd
        (X, Y, Z) mean, axial and radial diffusivity, mm²/s.
    color_fa
        (X, Y, Z, 3) absolute main direction times FA; red is left–right, green front–back, blue up–down of
        the world axes (Pajevic and Pierpaoli 1999,
        doi:10.1002/(SICI)1522-2594(199909)42:3<526::AID-MRM15>3.0.CO;2-J).
    s0
        (X, Y, Z) fitted signal without weighting.
    predicted
        (X, Y, Z, V) fitted signal.
    residual_percent
        (X, Y, Z) root mean square over volumes of measured minus fitted, in percent of `s0`.
    outlier_fraction
        Part of all values in the mask that the robust fit left out; None if the fit was not robust.
    """

    fa: FloatArray
    md: FloatArray
    ad: FloatArray
    rd: FloatArray
    color_fa: FloatArray
    s0: FloatArray
    predicted: npt.NDArray[np.float32]
    residual_percent: FloatArray
    outlier_fraction: float | None


def fit_tensor(aligned: Series, mask: BoolArray) -> TensorMaps:
    """Fit a tensor in every voxel of *mask* (X, Y, Z) of an aligned series.

    Iteratively reweighted linear least squares with Geman–McClure weights, then a weighted fit without the
    outliers beyond three standard deviations (Collier et al. 2015, doi:10.1002/mrm.25165), by dipy; plainly
    weighted least squares where there are fewer than `MIN_ROBUST_VOLUMES` volumes.
    """
    robust = aligned.volumes >= MIN_ROBUST_VOLUMES
    table = _table(aligned)
    method = _robust_method(aligned.b0) if robust else "WLS"
    model = TensorModel(table, fit_method=method, return_S0_hat=True, min_signal=1.0)
    fit = model.fit(aligned.data, mask=mask)
    eigenvalues = np.where(mask[..., None], fit.evals, 0.0)
    fa = np.nan_to_num(fractional_anisotropy(eigenvalues))
    predicted = np.zeros(aligned.data.shape, dtype=np.float32)
    predicted[mask] = tensor_prediction(fit.model_params[mask], table, fit.S0_hat[mask])
    s0 = np.asarray(fit.S0_hat, dtype=np.float64)
    return TensorMaps(
        fa=fa,
        md=mean_diffusivity(eigenvalues),
        ad=axial_diffusivity(eigenvalues),
        rd=radial_diffusivity(eigenvalues),
        color_fa=color_fa(fa, fit.evecs),
        s0=s0,
        predicted=predicted,
        residual_percent=_residual_percent(aligned.data, predicted, s0, mask),
        outlier_fraction=1.0 - float(np.mean(model.extra["robust"][mask])) if robust else None,
    )


def _robust_method(weak: BoolArray) -> Callable[..., Any]:
    """Return dipy's robust fit, which spares the volumes in *weak* (V,) if they are few."""
    spared = weak if np.count_nonzero(weak) < MIN_ROBUST_B0 else np.zeros_like(weak)

    def weights(data: FloatArray, predicted: FloatArray, *state: Any) -> Any:
        # a volume without residual is never an outlier
        judged = np.where(spared, predicted, data)
        return weights_method_wls_m_est(judged, predicted, *state)

    return partial(iterative_fit_tensor, fit_type="WLS", num_iter=_ROBUST_ROUNDS, weights_method=weights)


def _table(series: Series) -> GradientTable:
    return gradient_table(series.b_values, bvecs=series.directions, b0_threshold=B0_LIMIT)


def _residual_percent(
    data: npt.NDArray[np.float32], predicted: npt.NDArray[np.float32], s0: FloatArray, mask: BoolArray
) -> FloatArray:
    residual = np.zeros(mask.shape)
    squares = np.mean((data[mask] - predicted[mask]) ** 2, axis=1)
    residual[mask] = 100.0 * np.sqrt(squares) / np.maximum(s0[mask], 1.0)
    return residual


def condition_number(series: Series) -> float:
    """Return the condition number of the weighted directions' tensor design.

    Skare et al. 2000, doi:10.1006/jmre.2000.2209. It is the square root of 5/2, 1.58, if the directions
    favour none (Batchelor et al. 2003, doi:10.1002/mrm.10491).
    """
    g = series.directions[~series.b0]
    x, y, z = g.T
    design = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    return float(np.linalg.cond(design))


def fa_precision(aligned: Series, voxels: BoolArray) -> float | None:
    """Return the median standard error of FA over *voxels* (X, Y, Z), by wild bootstrap.

    Residuals of a log-linear fit get random signs and are fitted again (Whitcher et al. 2008,
    doi:10.1002/hbm.20395), as in the report of Lauzon et al. 2013. At most 2000 voxels are taken, evenly.

    Returns
    -------
    float or None
        None if there is no voxel, or no more volumes than unknowns.
    """
    design = design_matrix(_table(aligned))
    index = np.flatnonzero(voxels)
    if index.size == 0 or aligned.volumes <= design.shape[1]:
        return None
    chosen = index[np.unique(np.linspace(0, index.size - 1, _BOOTSTRAP_VOXELS).astype(int))]
    log_signal = np.log(np.maximum(aligned.data.reshape(-1, aligned.volumes)[chosen], 1.0))
    solver = np.linalg.pinv(design)
    leverage = np.clip(np.einsum("vk,kv->v", design, solver), 0.0, 1.0 - 1e-9)
    fitted = log_signal @ solver.T @ design.T
    residual = (log_signal - fitted) / np.sqrt(1.0 - leverage)
    rng = np.random.default_rng(0)
    repeats = [
        _fa((fitted + residual * rng.choice((-1.0, 1.0), residual.shape)) @ solver.T)
        for _ in range(_BOOTSTRAP_REPEATS)
    ]
    return float(np.median(np.std(repeats, axis=0, ddof=1)))


def _fa(coefficients: FloatArray) -> FloatArray:
    """FA of tensors given as lower triangles, shape (N, 7) to (N,)."""
    eigenvalues = np.linalg.eigvalsh(from_lower_triangular(coefficients[:, :6]))
    return np.asarray(np.nan_to_num(fractional_anisotropy(np.maximum(eigenvalues, 1e-9))))
