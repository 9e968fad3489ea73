"""Charts of the DTI QA report: courses over volumes, the slice heat map, gradient spheres, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cci.spiders.dti_analysis import Analysis
from cci.spiders.dti_input import Series
from cci.spiders.qa_pages import (
    bar_above,
    draw_rotation,
    draw_translation,
    legend_above,
    over_volumes,
    say_unknown,
)
from cci.spiders.registration import FloatArray
from cci.spiders.report import BLUE, DIVERGING, GREY, HAIRLINE, ORANGE, SKY, VERMILION

_DOTS: dict[str, Any] = {"marker": ".", "markersize": 3}
#: Ends of the heat map's colours, percent.
_HEAT_LIMIT = 20.0


def mark_b0(axes: Axes, series: Series, label: str) -> None:
    """Let *axes* run over volumes, with the b0 volumes shaded."""
    over_volumes(axes, series.volumes, label, "volume   (shaded: b0)")
    for volume in np.flatnonzero(series.b0):
        axes.axvspan(volume - 0.5, volume + 0.5, color=HAIRLINE, alpha=0.6, linewidth=0, zorder=0)


def draw_shift(axes: Axes, analysis: Analysis) -> None:
    """Draw the translation of the brain's centre."""
    mark_b0(axes, analysis.series, "mm")
    draw_translation(axes, analysis.motion_parameters, **_DOTS)


def draw_turn(axes: Axes, analysis: Analysis) -> None:
    """Draw the rotation about the brain's centre."""
    mark_b0(axes, analysis.series, "degrees")
    draw_rotation(axes, analysis.motion_parameters, **_DOTS)


def draw_displacement(axes: Axes, analysis: Analysis) -> None:
    """Draw displacement from volume 0 and from the volume before."""
    mark_b0(axes, analysis.series, "mm")
    volumes = np.arange(analysis.series.volumes)
    axes.plot(volumes, analysis.displacement_mm, color=BLUE, label="from volume 0", **_DOTS)
    axes.plot(volumes[1:], analysis.step_mm, color=ORANGE, lw=0.8, label="from the volume before")
    axes.set_ylim(bottom=0)
    legend_above(axes, 2)


def draw_heat_map(axes: Axes, analysis: Analysis) -> None:
    """Draw the relative signal of each slice of each volume, with the dropouts ringed."""
    slices = analysis.slices
    if not slices.judged.any():
        say_unknown(axes, "no slice holds enough brain")
        return
    shown = np.ma.masked_invalid(100.0 * slices.change)
    options: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    picture = axes.imshow(shown, cmap=DIVERGING, vmin=-_HEAT_LIMIT, vmax=_HEAT_LIMIT, **options)
    axes.grid(visible=False)
    axes.set_facecolor("#e8e8e8")
    dropouts = np.array(slices.dropout_list).reshape(-1, 2)
    axes.plot(dropouts[:, 0], dropouts[:, 1], "o", mfc="none", mec=VERMILION, ms=8, mew=1.2, clip_on=False)
    over_volumes(axes, analysis.series.volumes, "slice", "volume   (○ dropout; grey: too little brain)")
    bar_above(axes, picture, "change, % of expected", extend="both")


def draw_residuals(axes: Axes, analysis: Analysis) -> None:
    """Draw median and quartiles of each volume's residuals."""
    low, middle, high = analysis.residual_quartiles.T
    volumes = np.arange(analysis.series.volumes)
    mark_b0(axes, analysis.series, "measured − fitted\n(% of b0)")
    axes.vlines(volumes, low, high, color=SKY, linewidth=4)
    axes.plot(volumes, middle, "_", color=BLUE, markersize=6, markeredgewidth=1.5)
    axes.axhline(0.0, color=GREY, linewidth=0.6)


def draw_histograms(
    axes: Axes, analysis: Analysis, volume: FloatArray, *, limits: tuple[float, float], unit: str
) -> None:
    """Draw how a map is distributed in the brain and in white matter."""
    for where, name, color in ((analysis.mask, "brain", SKY), (analysis.white, "white matter", BLUE)):
        values = volume[where]
        if values.size:
            label = f"{name}: median {np.median(values):.2f}"
            axes.hist(values, bins=80, range=limits, color=color, label=label)
    axes.set(xlabel=unit, ylabel="voxels")
    axes.legend()


def draw_sphere(
    axes: Any, prescribed: Series, seen: Series, elevation_deg: float, azimuth_deg: float
) -> None:
    """Draw gradient directions on a globe: rings as prescribed, points as the turning head saw them.

    Parameters
    ----------
    axes
        Three-dimensional axes.
    elevation_deg, azimuth_deg
        Where the reader's eye is.
    """
    elevation, azimuth = np.radians([elevation_deg, azimuth_deg])
    towards = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    before, after = (
        _facing(series.directions[~series.b0], np.array(towards)) for series in (prescribed, seen)
    )
    _draw_wires(axes)
    axes.scatter(*before.T, facecolors="none", edgecolors=GREY, s=46, linewidths=0.8, depthshade=False)
    axes.scatter(*after.T, c=np.abs(after), s=20, depthshade=False)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axes.set_axis_off()
    axes.set_box_aspect((1, 1, 1), zoom=1.35)
    axes.view_init(elev=elevation_deg, azim=azimuth_deg)


def _facing(directions: FloatArray, towards: FloatArray) -> FloatArray:
    """Take of each direction and its opposite the one on the reader's side."""
    facing: FloatArray = np.where(directions @ towards < 0, -1.0, 1.0)[:, None] * directions
    return facing


def _draw_wires(axes: Any) -> None:
    """Draw a globe's circles of latitude and longitude, faintly, and the axes."""
    angle = np.linspace(0, 2 * np.pi, 73)
    for turn in np.radians(np.arange(0, 180, 30)):
        ring = np.cos(angle)
        axes.plot(ring * np.cos(turn), ring * np.sin(turn), np.sin(angle), color=HAIRLINE, linewidth=0.5)
    for height in (-0.5, 0.0, 0.5):
        radius = np.sqrt(1 - height**2)
        line = np.full_like(angle, height)
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), line, color=HAIRLINE, linewidth=0.5)
    for name, end in zip("xyz", np.eye(3), strict=True):
        axes.plot(*np.stack([0 * end, 1.12 * end], axis=1), color=GREY, linewidth=0.7)
        axes.text(*(1.2 * end), name, color=GREY, size=8, ha="center", va="center")


def draw_angle_changes(axes: Axes, analysis: Analysis) -> None:
    """Draw the angle between each gradient as prescribed and as the head saw it."""
    weighted = ~analysis.series.b0
    across = np.cross(analysis.series.directions, analysis.aligned.directions)
    angles = np.degrees(np.arcsin(np.minimum(np.linalg.norm(across, axis=1), 1.0)))
    axes.bar(np.flatnonzero(weighted), angles[weighted], color=BLUE, width=0.7)
    over_volumes(axes, analysis.series.volumes, "degrees")
