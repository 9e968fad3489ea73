"""What the reports of the QA pipelines share: summary, courses over volumes, methods, pictures as files.

It shows what it is given and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cci.spiders.images import size_text
from cci.spiders.measures import Measure
from cci.spiders.mosaic import draw_mosaic
from cci.spiders.registration import BoolArray, FloatArray, voxel_sizes_mm
from cci.spiders.report import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    Page,
    Report,
    blank,
    draw_cards,
    draw_measures,
    draw_notes,
    draw_table,
    new_figure,
    save_png,
    shorten,
    versions,
)
from cci.spiders.staging import Folders, say

#: Rows of a table: name and value.
Facts = list[tuple[str, str]]
#: Translation is of the brain's centre, rotation about it; both from volume 0.
MOTION_TITLES = ("Translation of the brain's centre, from volume 0", "Rotation about it, from volume 0")
_SIDES = ("x (to the right)", "y (to the front)", "z (upwards)")
#: Letters that fit beside the name of a fact.
_LONGEST_FACT = 40
_LARGE_PX, _THUMBNAIL_PX = 1240, 256


def draw_report(title: str, target: Mapping[str, str], pages: Mapping[str, Callable[[Page], None]]) -> Report:
    """Draw a report that names the libraries behind its figures.

    Parameters
    ----------
    target
        Labels of project, subject, session and scan.
    pages
        By heading, what draws each page.
    """
    software = versions("dipy", "nibabel", "numpy", "scipy", "matplotlib")
    report = Report(title=title, target=target, software=software)
    for heading, draw in pages.items():
        with report.page(heading) as page:
            draw(page)
    return report


def draw_head(
    page: Page,
    places: tuple[SubplotSpec, SubplotSpec],
    *,
    figures: Sequence[Measure],
    cards: Mapping[str, str],
    acquisition: Facts,
    findings: Sequence[str],
) -> None:
    """Draw the top of the first page: figures of merit, and below them what was acquired and what stands out.

    Parameters
    ----------
    places
        For the cards, and for the two tables.
    figures
        All measures.
    cards
        Which of them are figures of merit: name to what people call it.
    """
    by_name = {measure.name: measure for measure in figures}
    draw_cards(page, places[0], [by_name[name] for name in cards], list(cards.values()))
    halves = places[1].subgridspec(1, 2, wspace=0.08)
    facts = [(name, shorten(value, _LONGEST_FACT)) for name, value in acquisition]
    draw_table(page.axes(halves[0], "Acquisition"), facts, columns=(0.0, 0.31))
    draw_notes(page.axes(halves[1], "Findings"), findings, width=60, size=7.5)


def draw_methods(page: Page, figures: Sequence[Measure], notes: str, *, table_part: float) -> None:
    """Draw the last page: a table of all measures in *table_part* of its height, and how they were found."""
    grid = page.grid(2, 1, height_ratios=(table_part, 1.0 - table_part), hspace=0.11)
    draw_measures(page.axes(grid[0], "All measures"), figures)
    draw_notes(page.axes(grid[1], "How they were found"), notes.strip().split("\n\n"))


def size_facts(name: str, shape: tuple[int, ...], affine: FloatArray) -> Facts:
    """Return file name, matrix, voxel size and orientation of a series as rows of a table."""
    voxel = " × ".join(f"{edge:.2f}" for edge in voxel_sizes_mm(affine))
    return [
        ("file", name),
        ("matrix", size_text(shape[:3])),
        ("voxel", f"{voxel} mm"),
        ("voxel axes run to", "".join(nib.aff2axcodes(affine))),
    ]


# -- charts ---------------------------------------------------------------------------------------


def over_volumes(axes: Axes, volumes: int, ylabel: str, xlabel: str = "volume") -> None:
    """Let *axes* run over volumes."""
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.5, volumes - 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_translation(axes: Axes, parameters: FloatArray, **style: Any) -> None:
    """Draw the first three of six motion parameters (V, 6), mm."""
    _draw_three(axes, parameters[:, :3], _SIDES, style)


def draw_rotation(axes: Axes, parameters: FloatArray, **style: Any) -> None:
    """Draw the last three of six motion parameters (V, 6), degrees."""
    _draw_three(axes, parameters[:, 3:], [f"about {side[0]}" for side in _SIDES], style)


def _draw_three(axes: Axes, courses: FloatArray, names: Sequence[str], style: Mapping[str, Any]) -> None:
    for name, course, color in zip(names, courses.T, (BLUE, VERMILION, GREEN), strict=True):
        axes.plot(course, color=color, label=name, **style)
    legend_above(axes, 3)


def legend_above(axes: Axes, columns: int) -> None:
    """Put the legend beside the title."""
    axes.legend(ncols=columns, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def bar_above(axes: Axes, picture: Any, label: str, **options: Any) -> None:
    """Draw a colour bar beside the title; *options* are ``colorbar``'s."""
    bar = axes.inset_axes((0.74, 1.035, 0.26, 0.022))
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.colorbar(picture, cax=bar, orientation="horizontal", **options)
    bar.xaxis.set_ticks_position("top")
    bar.tick_params(labelsize=6, length=2)
    bar.set_ylabel(f"{label}  ", rotation=0, ha="right", va="center", size=7)


def say_unknown(axes: Axes, reason: str) -> None:
    """Say why there is no chart."""
    blank(axes).text(0.0, 0.9, f"unknown: {reason}", color=GREY, va="top")


def bright_limits(volume: NDArray[Any], mask: BoolArray) -> tuple[float, float]:
    """Return limits of grey for an anatomical picture (X, Y, Z): no tissue in *mask* is cut off."""
    return 0.0, float(np.percentile(volume[mask], 99.5))


# -- files ----------------------------------------------------------------------------------------


def save_pages(
    folders: Folders, report: Report, rows: Sequence[Mapping[str, Any]], affine: FloatArray, within: BoolArray
) -> None:
    """Write the report as PDF, its first page as a large snapshot, and the thumbnail.

    Parameters
    ----------
    rows, affine, within
        As for `save_thumbnail`.
    """
    report.save(folders.output("PDF", "report.pdf"))
    report.pages[0].save_png(folders.output("SNAPSHOTS", "large.png"), width_px=_LARGE_PX)
    save_thumbnail(folders.output("SNAPSHOTS", "thumbnail.png"), rows, affine, within)
    say(f"wrote report.pdf, {len(report.pages)} pages, and two snapshots")


def save_thumbnail(
    path: Path, rows: Sequence[Mapping[str, Any]], affine: FloatArray, within: BoolArray
) -> None:
    """Write three slices each of two volumes as a small PNG.

    Parameters
    ----------
    rows
        Arguments of ``draw_mosaic`` for each of them, ``data`` among them.
    affine
        (4, 4), voxel to world, mm.
    within
        (X, Y, Z); its box is shown.
    """
    figure = new_figure(2.56, 2.2)
    figure.set_facecolor("black")
    layout: dict[str, Any] = {"rows": 1, "columns": 3, "within": within, "labels": False}
    for index, row in enumerate(rows):
        axes = figure.add_axes((0, 0.5 - 0.5 * index, 1, 0.5))
        draw_mosaic(axes, affine=affine, **row, **layout)
        axes.set_anchor("C")
    for x, side in ((0.01, "L"), (0.96, "R")):
        figure.text(x, 0.95, side, color="white", size=7, weight="bold", va="center")
    save_png(figure, path, width_px=_THUMBNAIL_PX)
