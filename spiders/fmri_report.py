"""The pages of the fMRI QA report. They show an `Analysis`; every figure on them is computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from cci.spiders.fmri_analysis import Analysis
from cci.spiders.fmri_charts import (
    draw_carpet,
    draw_course,
    draw_fd,
    draw_fd_histogram,
    draw_spectrum,
    draw_tsnr_histogram,
    mark_volumes,
)
from cci.spiders.fmri_measures import FD_LIMITS_MM, after_first
from cci.spiders.images import name_volumes
from cci.spiders.measures import Measure
from cci.spiders.mosaic import draw_mosaic
from cci.spiders.qa_pages import (
    MOTION_TITLES,
    Facts,
    bright_limits,
    draw_head,
    draw_methods,
    draw_report,
    draw_rotation,
    draw_translation,
    size_facts,
)
from cci.spiders.report import BLUE, DIVERGING, GREEN, ORANGE, SEQUENTIAL, VERMILION, Page, Report

_CARDS = {
    "tsnr_deep_median": "median tSNR (deep)",
    "fd_mean": "mean FD",
    "displacement_max": "largest displacement",
    "spikes": "spikes",
    "outlier_fraction_mean": "outlying voxels",
    "global_drift": "drift",
}
NOTES = """
Motion: each volume is registered to volume 0 (Gauss–Newton, rigid). Displacement is the root mean square
over the brain. Framewise displacement: Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018 (radius 50
mm).

Motion-corrected series: from each volume the mean image, moved to its pose, is subtracted and the mean at
rest added; noise is never interpolated. DVARS, outliers, carpet and tSNR are of this series.

tSNR: mean over standard deviation without polynomial drift (order 1 + one for every 150 s), spikes and
unsteady volumes; Murphy et al. 2007, doi:10.1016/j.neuroimage.2006.09.032. SFNR and SNR: Friedman and
Glover 2006, doi:10.1002/jmri.20583; SFNR is as acquired (no motion correction, no volume left out).

DVARS: Power et al. 2012; standardised: Nichols 2013 (as nipype's ComputeDVARS). A spike, looked for two
voxels below the surface of the brain, begins or ends with a step of DVARS that is significant (5 %,
Bonferroni) and takes at least 5 % of the variance (Afyouni and Nichols 2018,
doi:10.1016/j.neuroimage.2017.12.098), and lies more than 5 robust standard deviations from the median of
its neighbours.

Outlying voxels: AFNI 3dToutcount. Smoothness: Forman et al. 1995, doi:10.1002/mrm.1910330508, on the change
from one volume to the next. Ghost: Giannelli et al. 2010, doi:10.1120/jacmp.v11i4.3237. Carpet plot: Power
2017, doi:10.1016/j.neuroimage.2016.08.009.

Pictures: left is left (neurological). Brain mask: Otsu's threshold on the median-filtered mean (dipy).
"""


def make_report(analysis: Analysis, figures: Sequence[Measure], target: Mapping[str, str]) -> Report:
    """Draw all pages.

    Parameters
    ----------
    figures
        All measures, as in ``stats.csv``.
    target
        Labels of project, subject, session and scan.
    """
    pages = {
        "Summary": partial(_draw_summary, analysis=analysis, figures=figures),
        "Motion": partial(_draw_motion, analysis=analysis),
        "Time courses and carpet": partial(_draw_carpet_page, analysis=analysis),
        "Temporal signal-to-noise": partial(_draw_tsnr, analysis=analysis),
        "Fluctuation and drift": partial(_draw_fluctuation, analysis=analysis),
        "Measures and methods": partial(draw_methods, figures=figures, notes=NOTES, table_part=0.67),
    }
    return draw_report("fMRI quality", target, pages)


def thumbnail(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the pictures of the thumbnail: the mean image and tSNR."""
    return [
        {"data": analysis.mean, "cmap": "gray"},
        {"data": analysis.volume(analysis.tsnr), **_tsnr_style(analysis)},
    ]


# -- summary ------------------------------------------------------------------------------------


def _draw_summary(page: Page, analysis: Analysis, figures: Sequence[Measure]) -> None:
    grid = page.grid(4, 1, height_ratios=(0.55, 2.5, 4.3, 1.4), hspace=0.17, top=0.91)
    draw_head(
        page,
        (grid[0], grid[1]),
        figures=figures,
        cards=_CARDS,
        acquisition=_acquisition(analysis),
        findings=_findings(analysis),
    )
    draw_mosaic(
        page.axes(grid[2], "Mean of the realigned volumes, with the edge of the brain mask"),
        analysis.mean,
        analysis.bold.affine,
        rows=4,
        columns=7,
        limits=bright_limits(analysis.mean, analysis.mask),
        outline=analysis.mask,
        within=ndimage.binary_dilation(analysis.mask, iterations=3),
        unit="scanner units",
    )
    draw_fd(page.axes(grid[3], "Framewise displacement"), analysis)


def _acquisition(analysis: Analysis) -> Facts:
    """Return what header and sidecar say, as rows of a table."""
    bold = analysis.bold
    return [
        *size_facts(bold.file_name, bold.data.shape, bold.affine),
        ("stored as", bold.stored_as),
        ("volumes", str(bold.n_volumes)),
        ("TR", "unknown" if bold.tr_s is None else f"{bold.tr_s:g} s ({bold.tr_source})"),
        ("duration", "unknown" if bold.duration_s is None else _minutes(bold.duration_s)),
        *bold.sidecar.facts(bold.affine, bold.phase_axis),
    ]


def _minutes(seconds: float) -> str:
    """Return a duration as minutes and seconds."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest:02d} s"


def _findings(analysis: Analysis) -> list[str]:
    """Return what stands out, one sentence each."""
    fd, steps = analysis.motion.fd_mm, analysis.bold.n_volumes - 1
    above = [f"{int((fd > limit).sum())} exceed {limit} mm" for limit in FD_LIMITS_MM]
    far, spikes = analysis.motion.displacement_mm, np.flatnonzero(analysis.spikes)
    lines = [
        f"Of {steps} displacements between volumes, {', '.join(above)}.",
        f"The head was farthest from where it began in volume {far.argmax()}: {far.max():.2f} mm (RMS).",
        f"Spikes: {name_volumes(spikes, 12) if spikes.size else 'none'}.",
    ]
    if analysis.unsteady:
        lines.append(f"The first {analysis.unsteady} volumes are not in steady state; left out of tSNR.")
    if analysis.bold.tr_s is None:
        source = analysis.bold.tr_source
        lines.append(f"{source[0].upper()}{source[1:]}. No times, no frequencies.")
    if not analysis.deep.any():
        lines.append("The brain mask is too thin to be eroded: no figures for the deep brain.")
    return [*lines, "Volumes and slices are counted from 0."]


# -- courses ------------------------------------------------------------------------------------


def _draw_motion(page: Page, analysis: Analysis) -> None:
    grid = page.grid(4, 1, hspace=0.5)
    motion = analysis.motion
    axes = page.axes(grid[0], MOTION_TITLES[0])
    draw_translation(axes, motion.parameters)
    mark_volumes(axes, analysis, "mm")
    axes = page.axes(grid[1], MOTION_TITLES[1])
    draw_rotation(axes, motion.parameters)
    mark_volumes(axes, analysis, "degrees")
    axes = page.axes(grid[2], "Displacement of the brain from volume 0 (root mean square)")
    draw_course(axes, analysis, motion.displacement_mm, "mm", from_0=True)
    last = grid[3].subgridspec(1, 2, width_ratios=(3, 1), wspace=0.2)
    draw_fd(page.axes(last[0], "Framewise displacement"), analysis)
    draw_fd_histogram(page.axes(last[1], "How often"), analysis)


def _draw_carpet_page(page: Page, analysis: Analysis) -> None:
    halves = page.grid(2, 1, height_ratios=(4.2, 4.4), hspace=0.17)
    grid = halves[0].subgridspec(4, 1, hspace=0.55)
    percent = 100 * (analysis.global_signal / analysis.global_signal.mean() - 1)
    courses = (
        ("Global signal", percent, "% of mean", BLUE, False),
        ("Standardised DVARS", after_first(analysis.dvars.standardised), "1 = noise", VERMILION, True),
        ("Framewise displacement", after_first(analysis.motion.fd_mm), "mm", GREEN, True),
        ("Outlying voxels", 100 * analysis.outlier_fraction, "% of brain", ORANGE, True),
    )
    for row, (title, values, unit, color, from_0) in enumerate(courses):
        axes = page.axes(grid[row], title)
        draw_course(axes, analysis, values, unit, color, from_0=from_0)
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    draw_carpet(page.axes(halves[1], "Voxels of the brain, without drift, by slice"), analysis)


# -- maps ---------------------------------------------------------------------------------------


def _tsnr_style(analysis: Analysis) -> dict[str, Any]:
    """Return the colours of tSNR."""
    top = float(np.percentile(analysis.tsnr, 98))
    return {"cmap": SEQUENTIAL, "limits": (0.0, top), "only": analysis.mask}


def _draw_tsnr(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, height_ratios=(4.6, 2.6, 1.6), hspace=0.2)
    volume, affine = analysis.volume(analysis.tsnr), analysis.bold.affine
    options = {**_tsnr_style(analysis), "within": analysis.mask}
    axes = page.axes(grid[0], "Temporal SNR, without drift and spikes")
    draw_mosaic(axes, volume, affine, rows=4, columns=7, unit="tSNR", **options)
    sides = grid[1].subgridspec(2, 1, hspace=0.12)
    draw_mosaic(page.axes(sides[0]), volume, affine, plane="sagittal", rows=1, columns=6, **options)
    draw_mosaic(page.axes(sides[1]), volume, affine, plane="coronal", rows=1, columns=6, **options)
    draw_tsnr_histogram(page.axes(grid[2], "Distribution"), analysis)


def _draw_fluctuation(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, height_ratios=(3.7, 3.7, 1.6), hspace=0.2)
    affine = analysis.bold.affine
    around = ndimage.binary_dilation(analysis.mask, iterations=5)
    top = float(np.percentile(analysis.sfnr[analysis.mask], 98))
    axes = page.axes(grid[0], "SFNR as acquired: motion, spikes and ghosts included; outside the head too")
    layout: dict[str, Any] = {"rows": 3, "columns": 7, "within": around}
    draw_mosaic(axes, analysis.sfnr, affine, cmap=SEQUENTIAL, limits=(0.0, top), unit="SFNR", **layout)
    limit = max(float(np.percentile(np.abs(analysis.drift_percent), 98)), 0.1)
    draw_mosaic(
        page.axes(grid[1], "Drift: linear change over the series, after motion correction"),
        analysis.volume(analysis.drift_percent),
        affine,
        cmap=DIVERGING,
        limits=(-limit, limit),
        only=analysis.mask,
        unit="% of mean",
        **layout,
    )
    draw_spectrum(page.axes(grid[2], "Spectrum of the global signal"), analysis)
