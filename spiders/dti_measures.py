"""The figures of the DTI QA's ``stats.csv`` and the columns of its other tables: names, units, meanings.

It takes them from an `Analysis` and computes nothing but means, medians, maxima and counts. The set follows
Lauzon et al. 2013, doi:10.1371/journal.pone.0061737.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cci.spiders.dti_analysis import WHITE_FA, Analysis
from cci.spiders.dti_input import count_directions
from cci.spiders.dti_motion import MIN_VOXELS
from cci.spiders.measures import Measure, measure
from cci.spiders.registration import BoolArray

#: mm²/s in the unit of the figures, 1e-3 mm²/s, in which tissue is near one.
_MILLI = 1e3
DIFFUSIVITY_UNIT = "1e-3 mm²/s"
MOTION_COLUMNS = (
    "volume",
    "b_value_s_per_mm2",
    "translation_x_mm",
    "translation_y_mm",
    "translation_z_mm",
    "rotation_x_deg",
    "rotation_y_deg",
    "rotation_z_deg",
    "displacement_mm",
    "rotation_deg",
    *(f"m{row}{column}" for row in range(1, 4) for column in range(1, 5)),
)
OUTLIER_COLUMNS = ("volume", "slice", "signal_change_percent", "robust_z", "dropout")

_NO_MOTION = f"unknown: fewer than {MIN_VOXELS} voxels lie deep inside the brain"
_NO_NOISE = "unknown: there is no noisy air around the head in the image"
_NO_WHITE = f"unknown: no voxel has FA ≥ {WHITE_FA}"
_NO_SLICES = "unknown: no slice holds enough brain"
_NOT_ROBUST = "unknown: too few volumes for a robust fit"


def measures(analysis: Analysis) -> list[Measure]:
    """Return every figure of ``stats.csv``, in the order in which a person reads them."""
    return [
        *_acquisition(analysis),
        *_motion(analysis),
        *_outliers(analysis),
        *_noise(analysis),
        *_tensor(analysis),
    ]


def _acquisition(analysis: Analysis) -> list[Measure]:
    series = analysis.series
    prescribed, seen = analysis.condition_numbers
    volume_ml = np.count_nonzero(analysis.mask) * float(np.prod(series.voxel_mm)) / 1000.0
    return [
        measure("volumes", series.volumes, "", "length of the series"),
        measure("b0_volumes", int(np.count_nonzero(series.b0)), "", "volumes without diffusion weighting"),
        measure(
            "directions", count_directions(series.directions[~series.b0]), "", "different gradient directions"
        ),
        measure("b_max", float(series.b_values.max()), "s/mm²", "largest b-value"),
        measure(
            "condition_number", prescribed, "", "of the gradient scheme as prescribed; 1.58 if evenly spread"
        ),
        measure(
            "condition_number_rotated",
            seen if analysis.motion.known else None,
            "",
            "of the gradient scheme as the turning head saw it",
            _NO_MOTION,
        ),
        measure("brain_volume", volume_ml, "ml", "volume of the brain mask"),
    ]


def _motion(analysis: Analysis) -> list[Measure]:
    known = analysis.motion.known
    figures: list[tuple[str, float, str, str]] = [
        (
            "displacement_mean",
            analysis.displacement_mm.mean(),
            "mm",
            "RMS over the brain, from volume 0; mean",
        ),
        (
            "displacement_max",
            analysis.displacement_mm.max(),
            "mm",
            "RMS over the brain, from volume 0; largest",
        ),
        ("step_mean", analysis.step_mm.mean(), "mm", "RMS over the brain, from the volume before; mean"),
        ("step_max", analysis.step_mm.max(), "mm", "RMS over the brain, from the volume before; largest"),
        ("rotation_mean", analysis.rotation_deg.mean(), "deg", "angle from volume 0; mean"),
        ("rotation_max", analysis.rotation_deg.max(), "deg", "angle from volume 0; largest"),
    ]
    return [
        measure(name, float(value) if known else None, unit, text, _NO_MOTION)
        for name, value, unit, text in figures
    ]


def _outliers(analysis: Analysis) -> list[Measure]:
    slices, fraction = analysis.slices, analysis.tensor.outlier_fraction
    judged = int(np.count_nonzero(slices.judged))
    outliers = int(np.count_nonzero(slices.outliers))
    return [
        measure(
            "dropouts",
            int(np.count_nonzero(slices.dropouts)) if judged else None,
            "",
            "slices in volumes that lost signal",
            _NO_SLICES,
        ),
        measure(
            "outlier_slices",
            100.0 * outliers / judged if judged else None,
            "%",
            "of slices × volumes with unexpected signal",
            _NO_SLICES,
        ),
        measure(
            "outlier_voxels",
            None if fraction is None else 100.0 * fraction,
            "%",
            "of voxels × volumes left out by the robust fit",
            _NOT_ROBUST,
        ),
        measure(
            "residual_median",
            float(np.median(analysis.tensor.residual_percent[analysis.mask])),
            "%",
            "RMS residual of the tensor fit over b0; median in brain",
        ),
    ]


def _noise(analysis: Analysis) -> list[Measure]:
    sigma, white = analysis.sigma, analysis.white
    weighted = analysis.aligned.data[..., ~analysis.series.b0]
    reason = _NO_NOISE if sigma is None else _NO_WHITE
    return [
        measure("noise_sigma", sigma, "a.u.", "SD of the noise, from the air (PIESNO)", _NO_NOISE),
        measure("snr_b0", _ratio(analysis.b0, white, sigma), "", "white matter at b = 0 over noise", reason),
        measure(
            "snr_weighted", _ratio(weighted, white, sigma), "", "white matter, weighted, over noise", reason
        ),
    ]


def _ratio(volume: npt.NDArray[np.floating[Any]], where: BoolArray, sigma: float | None) -> float | None:
    """Mean signal in *where* over the noise; None if either is unknown."""
    if sigma is None or not where.any():
        return None
    return float(volume[where].mean()) / sigma


def _tensor(analysis: Analysis) -> list[Measure]:
    maps, white = analysis.tensor, analysis.white
    figures = [
        ("fa_white_mean", maps.fa, 1.0, "", "fractional anisotropy in white matter; mean"),
        ("md_white_mean", maps.md, _MILLI, DIFFUSIVITY_UNIT, "mean diffusivity in white matter; mean"),
        ("ad_white_mean", maps.ad, _MILLI, DIFFUSIVITY_UNIT, "axial diffusivity in white matter; mean"),
        ("rd_white_mean", maps.rd, _MILLI, DIFFUSIVITY_UNIT, "radial diffusivity in white matter; mean"),
    ]
    found = [
        measure(name, float(scale * image[white].mean()) if white.any() else None, unit, text, _NO_WHITE)
        for name, image, scale, unit, text in figures
    ]
    return [
        *found,
        measure(
            "fa_white_sd",
            float(maps.fa[white].std()) if white.any() else None,
            "",
            "spread of FA over white matter",
            _NO_WHITE,
        ),
        measure(
            "fa_white_precision",
            analysis.fa_precision,
            "",
            "standard error of FA in a voxel (wild bootstrap); median",
            _NO_WHITE,
        ),
        measure("fa_brain_median", float(np.median(maps.fa[analysis.mask])), "", "FA in the brain; median"),
        measure(
            "md_brain_median",
            float(_MILLI * np.median(maps.md[analysis.mask])),
            DIFFUSIVITY_UNIT,
            "MD in the brain; median",
        ),
    ]


def motion_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return `MOTION_COLUMNS` for each volume; none if motion is unknown.

    The last twelve are the rigid matrix, by rows, from a place (world mm) in volume 0 to the same tissue's
    place in the volume.
    """
    if not analysis.motion.known:
        return []
    columns = zip(
        analysis.series.b_values,
        analysis.motion_parameters,
        analysis.displacement_mm,
        analysis.rotation_deg,
        analysis.motion.relative[:, :3],
        strict=True,
    )
    return [
        (str(volume), f"{b_value:g}", *(f"{number:.6f}" for number in (*six, shift, angle, *rows.ravel())))
        for volume, (b_value, six, shift, angle, rows) in enumerate(columns)
    ]


def outlier_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return `OUTLIER_COLUMNS` for each outlying slice, by volume."""
    slices = analysis.slices
    found = np.argwhere(slices.outliers.T)
    return [
        (
            str(volume),
            str(slice_),
            f"{100.0 * slices.change[slice_, volume]:.2f}",
            f"{slices.z[slice_, volume]:.1f}",
            "yes" if slices.dropouts[slice_, volume] else "no",
        )
        for volume, slice_ in found
    ]
