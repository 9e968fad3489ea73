"""Charts of the fMRI QA report: courses over volumes, the carpet, histograms, the spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders import fmri_temporal
from cci.spiders.fmri_analysis import EROSION_VOXELS, Analysis
from cci.spiders.fmri_measures import FD_LIMITS_MM, after_first
from cci.spiders.qa_pages import bar_above, over_volumes, say_unknown
from cci.spiders.registration import FloatArray
from cci.spiders.report import BLUE, GREY, ORANGE, SKY, VERMILION

#: Rows of the carpet plot; more than a printer's dots would only be slower.
_CARPET_ROWS = 900


def mark_volumes(axes: Axes, analysis: Analysis, label: str) -> None:
    """Let *axes* run over volumes; spikes are marked below, unsteady volumes shaded."""
    axes.margins(y=0.12)
    over_volumes(axes, analysis.bold.n_volumes, label, x_label(analysis))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    if analysis.unsteady:
        axes.axvspan(-0.5, analysis.unsteady - 0.5, color=GREY, alpha=0.15, linewidth=0)
    spikes = np.flatnonzero(analysis.spikes)
    place = axes.get_xaxis_transform()
    axes.plot(
        spikes, np.full(spikes.size, 0.02), "^", color=VERMILION, ms=3.5, transform=place, clip_on=False
    )


def x_label(analysis: Analysis) -> str:
    """Name the axis of volumes, and the marks that are used."""
    timing = "" if analysis.bold.tr_s is None else f", one every {analysis.bold.tr_s:g} s"
    spike = "   (▲ spike)" if analysis.spikes.any() else ""
    unsteady = "   (grey: before the steady state)" if analysis.unsteady else ""
    return f"volume{timing}{spike}{unsteady}"


def draw_course(
    axes: Axes, analysis: Analysis, values: FloatArray, label: str, color: str = BLUE, *, from_0: bool = False
) -> None:
    """Draw one value for each volume."""
    axes.plot(values, color=color)
    mark_volumes(axes, analysis, label)
    if from_0:
        axes.set_ylim(bottom=0)


def draw_fd(axes: Axes, analysis: Analysis) -> None:
    """Draw framewise displacement with the limits that papers use."""
    fd = after_first(analysis.motion.fd_mm)
    draw_course(axes, analysis, fd, "FD (mm)")
    axes.set_ylim(0, 1.15 * max(float(np.nanmax(fd)), 0.25))
    for limit in FD_LIMITS_MM:
        if limit < axes.get_ylim()[1]:
            axes.axhline(limit, color=ORANGE, linewidth=0.8, linestyle="--")


def draw_fd_histogram(axes: Axes, analysis: Analysis) -> None:
    """Draw how often the head moved how far between volumes."""
    axes.hist(analysis.motion.fd_mm, bins=30, color=BLUE)
    axes.set(xlabel="FD (mm)", ylabel="volumes")


def draw_carpet(axes: Axes, analysis: Analysis) -> None:
    """Draw voxels by volumes (Power 2017), by slice, so that what hits a slice is a band."""
    rows = _carpet_rows(analysis)
    mean = np.abs(analysis.series[rows]).mean(axis=1, keepdims=True)
    percent = 100 * fmri_temporal.ratio(analysis.residuals[rows], mean)
    limit = 4 * float(np.median(np.abs(percent)))
    extent = (-0.5, analysis.bold.n_volumes - 0.5, 0.0, float(rows.size))
    options: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    picture = axes.imshow(percent, cmap="gray", vmin=-limit, vmax=limit, extent=extent, **options)
    axes.grid(visible=False)
    over_volumes(axes, analysis.bold.n_volumes, "", x_label(analysis))
    axes.set(yticks=(0, rows.size), yticklabels=("first slice", "last slice"))
    bar_above(axes, picture, "change, % of mean", extend="both")


def _carpet_rows(analysis: Analysis) -> NDArray[np.intp]:
    """Choose voxels of the mask for the carpet: slice by slice, in each from the brain's surface inwards."""
    depth = ndimage.distance_transform_edt(analysis.mask, sampling=analysis.bold.voxel_mm)[analysis.mask]
    order = np.lexsort((depth, np.nonzero(analysis.mask)[2]))
    return np.asarray(order[np.linspace(0, order.size - 1, min(_CARPET_ROWS, order.size)).astype(int)])


def draw_tsnr_histogram(axes: Axes, analysis: Analysis) -> None:
    """Draw how tSNR is distributed in the mask, and in its depth."""
    deep = analysis.tsnr[analysis.deep[analysis.mask]]
    top = float(np.percentile(analysis.tsnr, 99.5))
    inner = f"eroded by {EROSION_VOXELS} voxels"
    for values, name, color in ((analysis.tsnr, "brain mask", SKY), (deep, inner, BLUE)):
        if values.size:
            label = f"{name}: median {np.median(values):.1f}"
            axes.hist(values, bins=80, range=(0, top), color=color, label=label)
    axes.set(xlabel="tSNR", ylabel="voxels")
    axes.legend()


def draw_spectrum(axes: Axes, analysis: Analysis) -> None:
    """Draw the amplitudes of the global signal, or say that without a TR there are no frequencies."""
    if analysis.bold.tr_s is None:
        say_unknown(axes, f"{analysis.bold.tr_source.removeprefix('unknown ')}; no frequencies")
        return
    percent = 100 * analysis.global_signal / analysis.global_signal.mean()
    axes.plot(*fmri_temporal.amplitude_spectrum(percent, analysis.bold.tr_s), color=BLUE)
    axes.set(xlabel="frequency (Hz)", ylabel="amplitude (% of mean)", xlim=(0, 0.5 / analysis.bold.tr_s))
    axes.set_ylim(bottom=0)
