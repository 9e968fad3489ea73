"""The figures of ``stats.csv`` and the columns of ``timeseries.csv``: names, units, meanings.

It takes them from an `Analysis` and computes nothing but means, medians, maxima and counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cci.spiders import fmri_temporal
from cci.spiders.fmri_analysis import EROSION_VOXELS, Analysis
from cci.spiders.measures import Measure, measure
from cci.spiders.registration import FloatArray

#: Framewise displacements that papers call large (Power 2012; 2014, doi:10.1016/j.neuroimage.2013.08.048).
FD_LIMITS_MM = (0.2, 0.5)
MOTION_COLUMNS = (
    "translation_x_mm",
    "translation_y_mm",
    "translation_z_mm",
    "rotation_x_deg",
    "rotation_y_deg",
    "rotation_z_deg",
)
_MATRIX_COLUMNS = tuple(f"m{row}{column}" for row in range(1, 4) for column in range(1, 5))


def measures(analysis: Analysis) -> list[Measure]:
    """Return every figure of ``stats.csv``, in the order in which a person reads them."""
    return [
        *_acquisition(analysis),
        *_motion(analysis),
        *_noise(analysis),
        *_events(analysis),
        *_picture(analysis),
    ]


def _acquisition(analysis: Analysis) -> list[Measure]:
    bold = analysis.bold
    return [
        Measure(name="volumes", value=bold.n_volumes, description="length of the series"),
        Measure(name="tr", value=bold.tr_s, unit="s", description=f"time between volumes ({bold.tr_source})"),
        Measure(name="duration", value=bold.duration_s, unit="s", description="volumes × TR"),
        Measure(
            name="unsteady_volumes",
            value=analysis.unsteady,
            description="volumes at the start before the steady state",
        ),
    ]


def _motion(analysis: Analysis) -> list[Measure]:
    motion, fd = analysis.motion, analysis.motion.fd_mm
    translation = np.abs(motion.parameters[:, :3]).max()
    rotation = np.abs(motion.parameters[:, 3:]).max()
    rows = [
        ("displacement_mean", motion.displacement_mm.mean(), "mm", "from volume 0, RMS over the brain, mean"),
        (
            "displacement_max",
            motion.displacement_mm.max(),
            "mm",
            "from volume 0, RMS over the brain, largest",
        ),
        ("translation_max", translation, "mm", "largest along an axis, from volume 0"),
        ("rotation_max", rotation, "deg", "largest about an axis, from volume 0"),
        ("fd_mean", fd.mean(), "mm", "framewise displacement (Power 2012), mean"),
        ("fd_median", np.median(fd), "mm", "framewise displacement, median"),
        ("fd_max", fd.max(), "mm", "framewise displacement, largest"),
    ]
    counts = [
        Measure(
            name=f"fd_above_{limit:.1f}mm".replace(".", "p"),
            value=int((fd > limit).sum()),
            description=f"volumes that moved more than {limit} mm",
        )
        for limit in FD_LIMITS_MM
    ]
    return [measure(*row) for row in rows] + counts


def _noise(analysis: Analysis) -> list[Measure]:
    deep = analysis.deep[analysis.mask]
    inner = f"in the mask eroded by {EROSION_VOXELS} voxels" if deep.any() else "mask too thin to be eroded"
    signal = float(analysis.series[deep].mean()) if deep.any() else 0.0
    steady = analysis.residuals[deep][:, analysis.keep]
    snr = fmri_temporal.spatial_snr(steady, signal) if deep.any() else None
    course = analysis.global_signal
    drift = fmri_temporal.linear_drift_percent(course[None].astype(np.float32), analysis.keep)[0]
    spread = 100 * fmri_temporal.fluctuation(
        fmri_temporal.detrend(course[None].astype(np.float32), analysis.order), analysis.order
    )
    return [
        measure(
            "tsnr_median", np.median(analysis.tsnr), "", "temporal SNR without drift and spikes, in the mask"
        ),
        measure("tsnr_deep_median", _median(analysis.tsnr[deep]), "", f"the same, {inner}"),
        measure("sfnr_median", np.median(analysis.sfnr[analysis.mask]), "", "SFNR as acquired, in the mask"),
        measure("sfnr_deep_median", _median(analysis.sfnr[analysis.deep]), "", f"the same, {inner}"),
        measure("snr_deep", snr, "", f"SNR from odd and even volumes without spikes, {inner}"),
        measure("global_signal_mean", course.mean(), "a.u.", "mean of the mask"),
        measure("global_signal_sd", spread[0] / course.mean(), "%", "its fluctuation without drift"),
        measure("global_drift", drift, "%", "its linear change over the series"),
        measure(
            "voxel_drift", np.median(np.abs(analysis.drift_percent)), "%", "median over voxels of |change|"
        ),
    ]


def _events(analysis: Analysis) -> list[Measure]:
    dvars, outliers = analysis.dvars, analysis.outlier_fraction
    return [
        measure("dvars_mean", dvars.raw.mean(), "‰", "DVARS relative to the brain's median, mean"),
        measure("dvars_std_mean", dvars.standardised.mean(), "", "standardised DVARS (Nichols 2013), mean"),
        measure("dvars_std_max", dvars.standardised.max(), "", "standardised DVARS, largest"),
        Measure(
            name="spikes", value=int(analysis.spikes.sum()), description="volumes that stand out for a moment"
        ),
        measure(
            "outlier_fraction_mean", 100 * outliers.mean(), "%", "outlying voxels (AFNI 3dToutcount), mean"
        ),
        measure("outlier_fraction_max", 100 * outliers.max(), "%", "outlying voxels, most in one volume"),
    ]


def _picture(analysis: Analysis) -> list[Measure]:
    millilitres = analysis.mask.sum() * float(np.prod(analysis.bold.voxel_mm)) / 1000.0
    rows = [measure("mask_volume", millilitres, "ml", "volume of the brain mask")]
    for axis, width in zip("ijk", analysis.fwhm_mm, strict=True):
        why = f"width of the noise's correlation along voxel axis {axis} (Forman 1995)"
        nothing = f"noise of neighbours along voxel axis {axis} does not correlate: no width"
        rows.append(measure(f"fwhm_{axis}", width, "mm", nothing if width is None else why))
    return [*rows, measure("ghost_to_signal", _percent(analysis.ghost), "%", _ghost_description(analysis))]


def _ghost_description(analysis: Analysis) -> str:
    if analysis.bold.phase_axis is None:
        return "N/2 ghost: unknown, the header does not tell the phase-encoding axis"
    if analysis.ghost is None:
        return "N/2 ghost: unknown, the head fills the field of view"
    return "N/2 ghost outside the head, relative to the brain (Giannelli 2010)"


def _median(values: NDArray[np.floating]) -> float | None:
    return float(np.median(values)) if values.size else None


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100.0 * fraction


def time_series(analysis: Analysis) -> dict[str, FloatArray]:
    """Return the columns of ``timeseries.csv``, each (T,); not-a-number where a volume has no value."""
    bold, motion = analysis.bold, analysis.motion
    index = np.arange(bold.n_volumes, dtype=np.float64)
    return {
        "volume": index,
        "time_s": index * (np.nan if bold.tr_s is None else bold.tr_s),
        "fd_mm": after_first(motion.fd_mm),
        "dvars": after_first(analysis.dvars.raw),
        "dvars_std": after_first(analysis.dvars.standardised),
        "global_signal": analysis.global_signal,
        "outlier_fraction": analysis.outlier_fraction,
        "spike": analysis.spikes.astype(np.float64),
        **dict(zip(MOTION_COLUMNS, motion.parameters.T, strict=True)),
        "displacement_mm": motion.displacement_mm,
    }


def motion_table(analysis: Analysis) -> dict[str, FloatArray]:
    """Return the columns of ``motion.csv``: each volume's 4×4 matrix without its last row, world mm."""
    entries = analysis.motion.matrices[:, :3, :].reshape(-1, 12).T
    index = np.arange(analysis.bold.n_volumes, dtype=np.float64)
    return {"volume": index, **dict(zip(_MATRIX_COLUMNS, entries, strict=True))}


def after_first(values: FloatArray) -> FloatArray:
    """Put changes between volumes (T - 1,) beside the later one of the two, (T,); the first has none."""
    return np.concatenate([[np.nan], values])
