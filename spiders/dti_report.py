"""The pages of the DTI QA report. They show an `Analysis`; every figure on them is computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from cci.spiders.dti_analysis import WHITE_FA, Analysis
from cci.spiders.dti_charts import (
    draw_angle_changes,
    draw_displacement,
    draw_heat_map,
    draw_histograms,
    draw_residuals,
    draw_shift,
    draw_sphere,
    draw_turn,
)
from cci.spiders.dti_measures import DIFFUSIVITY_UNIT
from cci.spiders.dti_slices import DROPOUT_LOSS, OUTLIER_CHANGE, OUTLIER_Z
from cci.spiders.images import listed
from cci.spiders.masks import widened
from cci.spiders.measures import Measure
from cci.spiders.mosaic import draw_mosaic
from cci.spiders.qa_pages import (
    MOTION_TITLES,
    Facts,
    bright_limits,
    draw_head,
    draw_methods,
    draw_report,
    say_unknown,
    size_facts,
)
from cci.spiders.report import SEQUENTIAL, Page, Report, draw_notes

_CARDS = {
    "fa_white_mean": "FA in white matter",
    "snr_b0": "SNR at b = 0",
    "displacement_max": "largest displacement",
    "rotation_max": "largest rotation",
    "dropouts": "dropouts",
    "residual_median": "residual of the fit",
}
NOTES = f"""
The set of measures follows Lauzon et al. 2013, doi:10.1371/journal.pone.0061737.

Motion: rigid, volume by volume (Gauss–Newton). b0 volumes are registered to their mean; weighted volumes to
what b0, anisotropy and the axially symmetric part of the tensor predict for their gradient. Eddy currents and
susceptibility are not corrected. Gradients are turned with the head: Leemans and Jones 2009,
doi:10.1002/mrm.21890.

Tensor: iteratively reweighted linear least squares, then without outliers beyond three standard deviations:
Collier et al. 2015, doi:10.1002/mrm.25165 (dipy). FA: Basser and Pierpaoli 1996, doi:10.1006/jmrb.1996.0086.
White matter in the figures: FA ≥ {WHITE_FA}, away from the brain's surface. Precision of FA: wild bootstrap,
Whitcher et al. 2008, doi:10.1002/hbm.20395.

Slices are judged as acquired: measured over predicted signal, without what is common to a volume or to a
slice. Outlier: more than {100 * OUTLIER_CHANGE:.0f} % and {OUTLIER_Z:.0f} robust standard deviations from the
same slice of other volumes; dropout: an outlier that lost {100 * DROPOUT_LOSS:.0f} % or more. After Andersson
et al. 2016, doi:10.1016/j.neuroimage.2016.06.058.

Noise: PIESNO on the air around the head, Koay et al. 2009, doi:10.1016/j.jmr.2009.03.005. Condition number of
the gradient scheme: Skare et al. 2000, doi:10.1006/jmre.2000.2209. Brain mask: Otsu's threshold on the median
filtered b0 (dipy), largest piece.

Pictures: left is left (neurological). Colours of directions: red left–right, green front–back, blue up–down.
"""

GRADIENT_NOTES = """
The condition number tells how evenly directions are spread: 1.58 if they favour no direction at all.

Rings are the gradients as prescribed, points as the turning head saw them, coloured as in the map of main
directions. A gradient and its opposite measure the same: of each pair the one that faces the reader is shown.
Axes are the world's: x to the right, y to the front, z upwards.

GRADIENTS/rotated.bvec holds the turned gradients for the aligned series, in FSL's convention.
"""
#: So many dropouts are named in the summary.
_MOST_DROPOUTS = 8
#: Title, elevation and azimuth (degrees) of each picture of the gradient sphere.
SPHERE_VIEWS = (("Gradients, from the front and the right", 20.0, 50.0), ("From above", 90.0, -90.0))


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
        "Motion and dropouts": partial(_draw_motion, analysis=analysis),
        "Tensor maps": partial(_draw_maps, analysis=analysis),
        "Main directions": partial(_draw_directions, analysis=analysis),
        "Residuals and distributions": partial(_draw_residuals, analysis=analysis),
        "Gradients": partial(_draw_gradients, analysis=analysis),
        "Measures and methods": partial(draw_methods, figures=figures, notes=NOTES, table_part=0.64),
    }
    return draw_report("DTI quality", target, pages)


def thumbnail(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the pictures of the thumbnail: b0 and main directions."""
    bright = float(np.percentile(analysis.b0[analysis.mask], 95))
    return [
        {"data": analysis.b0, "limits": (0.0, bright)},
        {"data": analysis.tensor.color_fa, "limits": (0.0, 1.0)},
    ]


# -- summary ------------------------------------------------------------------------------------


def _draw_summary(page: Page, analysis: Analysis, figures: Sequence[Measure]) -> None:
    grid = page.grid(3, 1, height_ratios=(0.55, 2.25, 5.4), hspace=0.13, top=0.91)
    draw_head(
        page,
        (grid[0], grid[1]),
        figures=figures,
        cards=_CARDS,
        acquisition=_acquisition(analysis),
        findings=findings(analysis),
    )
    draw_mosaic(
        page.axes(grid[2], "Mean of the aligned b0 volumes, with the edge of the brain mask"),
        analysis.b0,
        analysis.series.affine,
        rows=5,
        columns=7,
        limits=bright_limits(analysis.b0, analysis.mask),
        outline=analysis.mask,
        within=widened(analysis.mask, analysis.series.affine, 9.0),
        unit="scanner units",
    )


def _acquisition(analysis: Analysis) -> Facts:
    """Return what header, gradients and sidecar say, as rows of a table."""
    series = analysis.series
    shells = ", ".join(f"{count} × {b_value}" for b_value, count in series.shells.items())
    return [
        *size_facts(series.name, series.data.shape, series.affine),
        ("slices along", f"voxel axis {'ijk'[series.slice_axis]}"),
        ("volumes", str(series.volumes)),
        ("b-values", f"{shells} s/mm²"),
        ("TR", "unknown" if series.tr_s is None else f"{series.tr_s:g} s"),
        *series.sidecar.facts(series.affine, series.phase_axis),
    ]


def findings(analysis: Analysis) -> list[str]:
    """Return what stands out, one sentence each; not more than a few dropouts are named."""
    lines = []
    if analysis.motion.known:
        far = analysis.displacement_mm
        lines.append(
            f"The head was farthest from where it began in volume {far.argmax()}: {far.max():.2f} mm "
            f"(RMS over the brain), turned by {analysis.rotation_deg[far.argmax()]:.2f}°."
        )
    else:
        lines.append("Motion is unknown: too little brain is in view. Volumes are taken as they are.")
    dropouts = analysis.slices.dropout_list
    named = listed([f"volume {volume}, slice {slice_}" for volume, slice_ in dropouts], _MOST_DROPOUTS)
    lines.append(f"Dropouts: {named}." if dropouts else "No slice lost its signal.")
    other = int(np.count_nonzero(analysis.slices.outliers)) - len(dropouts)
    lines.append(f"Further slices with unexpected signal: {other or 'none'}.")
    if analysis.sigma is None:
        lines.append("There is no noisy air around the head: noise and SNR are unknown.")
    lines.append("Volumes and slices are counted from 0.")
    return lines


# -- motion and slices --------------------------------------------------------------------------


def _draw_motion(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, bottom=0.41, hspace=0.52)
    below = page.grid(1, 1, top=0.32)
    titles = (*MOTION_TITLES, "Displacement of the brain (root mean square)")
    areas = [page.axes(grid[row], title) for row, title in enumerate(titles)]
    if analysis.motion.known:
        draw_shift(areas[0], analysis)
        draw_turn(areas[1], analysis)
        draw_displacement(areas[2], analysis)
    else:
        for axes in areas:
            say_unknown(axes, "too little brain is in view")
    draw_heat_map(page.axes(below[0], "Signal of each slice against the tensor's prediction"), analysis)


# -- maps ---------------------------------------------------------------------------------------


def _draw_maps(page: Page, analysis: Analysis) -> None:
    grid = page.grid(4, 1, hspace=0.16)
    maps, milli = analysis.tensor, 1e3
    panels = (
        ("Fractional anisotropy", maps.fa, "FA", (0.0, 1.0)),
        ("Mean diffusivity", milli * maps.md, DIFFUSIVITY_UNIT, (0.0, 3.0)),
        ("Axial diffusivity", milli * maps.ad, DIFFUSIVITY_UNIT, (0.0, 3.0)),
        ("Radial diffusivity", milli * maps.rd, DIFFUSIVITY_UNIT, (0.0, 3.0)),
    )
    for row, (title, volume, unit, limits) in enumerate(panels):
        draw_mosaic(
            page.axes(grid[row], title),
            volume,
            analysis.series.affine,
            rows=2,
            columns=8,
            limits=limits,
            within=analysis.mask,
            unit=unit,
        )


def _draw_directions(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, height_ratios=(5.0, 0.95, 1.15), hspace=0.06)
    title = "Main direction, weighted by FA: red left–right, green front–back, blue up–down"
    planes = (("axial", 5, 7, title), ("sagittal", 1, 6, ""), ("coronal", 1, 6, ""))
    for row, (plane, rows, columns, heading) in enumerate(planes):
        draw_mosaic(
            page.axes(grid[row], heading),
            analysis.tensor.color_fa,
            analysis.series.affine,
            plane=plane,
            rows=rows,
            columns=columns,
            within=analysis.mask,
        )


def _draw_residuals(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, height_ratios=(2.7, 1.6, 1.6), hspace=0.27)
    residual = analysis.tensor.residual_percent
    draw_mosaic(
        page.axes(grid[0], "Root mean square residual of the tensor fit"),
        residual,
        analysis.series.affine,
        rows=3,
        columns=7,
        cmap=SEQUENTIAL,
        limits=(0.0, float(np.percentile(residual[analysis.mask], 98))),
        within=analysis.mask,
        only=analysis.mask,
        unit="% of b0",
    )
    draw_residuals(page.axes(grid[1], "Residuals in the brain, by volume: median and quartiles"), analysis)
    halves = grid[2].subgridspec(1, 2, wspace=0.25)
    draw_histograms(
        page.axes(halves[0], "Distribution of FA"), analysis, analysis.tensor.fa, limits=(0.0, 1.0), unit="FA"
    )
    draw_histograms(
        page.axes(halves[1], "Distribution of MD"),
        analysis,
        1e3 * analysis.tensor.md,
        limits=(0.0, 3.5),
        unit=f"MD ({DIFFUSIVITY_UNIT})",
    )


def _draw_gradients(page: Page, analysis: Analysis) -> None:
    grid = page.grid(3, 1, height_ratios=(2.9, 1.7, 1.5), hspace=0.3)
    halves = grid[0].subgridspec(1, 2, wspace=0.02)
    for half, (title, elevation_deg, azimuth_deg) in enumerate(SPHERE_VIEWS):
        axes = page.axes(halves[half], title, projection="3d")
        draw_sphere(axes, analysis.series, analysis.aligned, elevation_deg, azimuth_deg)
    draw_angle_changes(page.axes(grid[1], "How far each gradient turned against the head"), analysis)
    prescribed, seen = analysis.condition_numbers
    condition = f"Condition number: {prescribed:.2f} as prescribed, {seen:.2f} as the turning head saw it."
    notes = [condition, *GRADIENT_NOTES.strip().split("\n\n")]
    draw_notes(page.axes(grid[2], "Reading"), notes, size=7.5, width=115)
