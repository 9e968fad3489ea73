"""Snapshots and the PDF report of a reconstruction: the surfaces over the T1, then the numbers.

It shows what ``recon-all`` computed and judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D

from cci.spiders.freesurfer_figures import COLOURS, Scene, draw_slice, load_scene, mark_slice
from cci.spiders.freesurfer_stats import HEMISPHERES, Stats, SubjectStats, euler_numbers
from cci.spiders.freesurfer_tree import Workshop
from cci.spiders.measures import Measure
from cci.spiders.report import (
    STYLE,
    Page,
    Report,
    blank,
    draw_cards,
    draw_notes,
    draw_table,
    new_figure,
    save_png,
    versions,
)
from cci.spiders.staging import Folders

#: A plane, and a slice of it.
Slice = tuple[str, int]
#: Title, header and rows.
Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]

PLANES = ("axial", "coronal", "sagittal")
_COLUMNS = 4
#: Rows of slices on the page.
_ROWS = {"axial": 2, "coronal": 1, "sagittal": 1}
#: Points of the tables, and how many of their lines a page holds.
_TABLE_PT, _TABLE_LINES = 6.0, 52.0
_LARGE_PX, _THUMBNAIL_PX = 1600, 480
#: Global measures shown on the page, in this order; ``volumes.csv`` has all.
_GLOBAL = (
    "eTIV",
    "BrainSegVol",
    "BrainSegVolNotVent",
    "TotalGrayVol",
    "CortexVol",
    "SubCortGrayVol",
    "CerebralWhiteMatterVol",
)
_CAPTION = (
    "The lines are the surfaces that thickness and volumes were computed from, where the plane of each slice "
    "cuts them. Look for white matter outside the white surface, for a pial surface in dura or skull, and "
    "for lost temporal poles. Left is left; positions are scanner coordinates."
)


def write_report(workshop: Workshop, stats: SubjectStats, folders: Folders) -> None:
    """Write ``SNAPSHOTS/thumbnail.png``, ``SNAPSHOTS/large.png`` and ``PDF/report.pdf``."""
    scene = load_scene(workshop.root)
    write_snapshots(
        scene, folders.output("SNAPSHOTS", "thumbnail.png"), folders.output("SNAPSHOTS", "large.png")
    )
    software = {"FreeSurfer": freesurfer_version(workshop), **versions("nibabel", "numpy", "matplotlib")}
    report = Report(title="FreeSurfer", target=folders.target, software=software)
    with report.page("Surfaces over the T1") as page:
        draw_surfaces(page, scene, stats)
    with report.page("Volumes and thickness") as page:
        draw_numbers(page, stats, _provenance(workshop))
    report.save(folders.output("PDF", "report.pdf"))


def freesurfer_version(workshop: Workshop) -> str:
    """Return the version out of ``build-stamp.txt``, which ``recon-all`` copies from its installation."""
    stamp = workshop.script("build-stamp.txt").strip()
    number = re.search(r"\d+\.\d+(\.\d+)?", stamp)
    return number.group() if number else stamp or "of unknown version"


# -- pictures -------------------------------------------------------------------------------------


def write_snapshots(scene: Scene, thumbnail: Path, large: Path) -> None:
    """Write one slice of each plane as a strip, and the slices of the report as a sheet."""
    # the second of four: the very middle would be between the hemispheres
    strip = [(plane, scene.slices(plane, 4)[1]) for plane in PLANES]
    _save_sheet(scene, strip, thumbnail, columns=len(strip), width_px=_THUMBNAIL_PX, marked=False)
    _save_sheet(scene, chosen_slices(scene), large, columns=_COLUMNS, width_px=_LARGE_PX, marked=True)


def _save_sheet(
    scene: Scene, slices: Sequence[Slice], path: Path, *, columns: int, width_px: int, marked: bool
) -> None:
    """Draw slices on black, without margins."""
    heights = _heights(scene, slices, columns)
    with mpl.rc_context(STYLE):
        figure = new_figure(2 * columns, 2 * sum(heights))
        figure.set_facecolor("black")
        grid = figure.add_gridspec(
            len(heights), columns, height_ratios=heights, left=0, right=1, top=1, bottom=0, wspace=0, hspace=0
        )
        for order, (plane, index) in enumerate(slices):
            axes = figure.add_subplot(grid[order])
            draw_slice(axes, scene, plane, index, line_pt=0.7)
            if marked:
                mark_slice(axes, scene, plane, index)
        save_png(figure, path, width_px=width_px)


def chosen_slices(scene: Scene) -> list[Slice]:
    """Return the slices of the report: two rows of axial ones, one each of the others."""
    return [(plane, index) for plane in PLANES for index in scene.slices(plane, _COLUMNS * _ROWS[plane])]


def _heights(scene: Scene, slices: Sequence[Slice], columns: int) -> list[float]:
    """Return the height of each row for columns of width 1, so that no picture leaves a gap."""
    ratios = [scene.height_per_width(plane) for plane, _ in slices]
    return [max(ratios[start : start + columns]) for start in range(0, len(ratios), columns)]


def draw_surfaces(page: Page, scene: Scene, stats: SubjectStats) -> None:
    """Draw the first page: figures of merit, slices of all planes, and what the lines are."""
    body = page.grid(4, 1, height_ratios=[0.62, 8.2, 0.25, 0.6], hspace=0.08)
    draw_cards(page, body[0], *headline(stats))
    slices = chosen_slices(scene)
    heights = _heights(scene, slices, _COLUMNS)
    grid = body[1].subgridspec(len(heights), _COLUMNS, height_ratios=heights, wspace=0.02, hspace=0.02)
    for order, (plane, index) in enumerate(slices):
        axes = page.axes(grid[order])
        draw_slice(axes, scene, plane, index, line_pt=0.5)
        mark_slice(axes, scene, plane, index)
    _draw_legend(blank(page.axes(body[2])))
    draw_notes(page.axes(body[3]), [_CAPTION])


def _draw_legend(axes: Axes) -> None:
    """Say which line is which surface, on the dark ground of the pictures."""
    lines = [Line2D([], [], color=colour, label=f"{kind} surface") for kind, colour in COLOURS.items()]
    axes.legend(
        handles=lines,
        loc="upper left",
        ncols=2,
        borderaxespad=0,
        facecolor="#303030",
        labelcolor="white",
        frameon=True,
    )


# -- numbers --------------------------------------------------------------------------------------


def headline(stats: SubjectStats) -> tuple[list[Measure], list[str]]:
    """Return the figures of merit and what each is called on the page."""
    euler = euler_numbers(stats)
    found = stats.aseg.measures
    volume = found.get("BrainSegVol")
    cards = [_in_ml(found.get("eTIV")), _in_ml(volume)]
    cards += [
        stats.aparc[side].measures.get("MeanThickness", _unknown("MeanThickness")) for side in HEMISPHERES
    ]
    cards += [Measure(name=f"{side}_euler", value=euler.get(side)) for side in HEMISPHERES]
    names = [
        "intracranial (estimate)",
        "brain volume",
        "mean thickness, left",
        "mean thickness, right",
    ]
    return cards, [*names, "Euler number, left", "Euler number, right"]


def _in_ml(measure: Measure | None) -> Measure:
    """Return a volume in mL, which is what people compare."""
    if measure is None or measure.value is None or measure.unit != "mm^3":
        return _unknown("volume")
    return Measure(name=measure.name, value=measure.value / 1000, unit="mL", digits=4)


def _unknown(name: str) -> Measure:
    """Return a measure that this version of FreeSurfer does not report."""
    return Measure(name=name, value=None, description="not reported by this version of FreeSurfer")


def draw_numbers(page: Page, stats: SubjectStats, provenance: Mapping[str, str]) -> None:
    """Draw the second page: volumes on the left, thickness on the right, provenance below."""
    body = page.grid(2, 2, height_ratios=[10, 1.4], hspace=0.04, wspace=0.12)
    paired, single = split_pairs(stats.aseg.column("Volume_mm3"))
    sides = [(name, _volume(left), _volume(right)) for name, (left, right) in paired.items()]
    others = [(name, _volume(value)) for name, value in single.items()]
    tables: list[Table] = [
        ("Whole brain", ("measure", "mm³"), _global_rows(stats)),
        ("Structures by side", ("structure", "left, mm³", "right, mm³"), sides),
        ("Other structures", ("structure", "mm³"), others),
    ]
    _draw_tables(page, body[0, 0], tables)
    thickness = ("region", "left, mm", "right, mm")
    _draw_tables(page, body[0, 1], [("Cortical thickness", thickness, thickness_rows(stats.aparc))])
    place = page.axes(body[1, :], "Provenance")
    draw_table(place, list(provenance.items()), columns=(0, 0.16), size=_TABLE_PT)


def _draw_tables(page: Page, place: SubplotSpec, tables: Sequence[Table]) -> None:
    """Draw tables below each other, each as high as its lines with title and header."""
    heights = [len(rows) + 3.0 for _, _, rows in tables]
    rest = max(_TABLE_LINES - sum(heights), 0.1)
    grid = place.subgridspec(len(tables) + 1, 1, height_ratios=[*heights, rest], hspace=0)
    for index, (title, header, rows) in enumerate(tables):
        columns = (0, 1) if len(header) == 2 else (0, 0.78, 1)
        align = "l" + "r" * (len(header) - 1)
        axes = page.axes(grid[index], title)
        draw_table(axes, rows, columns=columns, header=header, align=align, size=_TABLE_PT)


def _global_rows(stats: SubjectStats) -> list[tuple[str, str]]:
    """Return the global volumes that this version reports, then defects of the surfaces."""
    found = stats.aseg.measures
    rows = [(found[name].description, _volume(found[name].value)) for name in _GLOBAL if name in found]
    return [(text.removeprefix("Total ").capitalize(), value) for text, value in rows]


def _volume(value: float | None) -> str:
    """Return cubic millimetres with thousands apart; a tenth of one means nothing."""
    return "–" if value is None else f"{value:,.0f}".replace(",", "\N{THIN SPACE}")


def split_pairs(
    values: Mapping[str, float],
) -> tuple[dict[str, tuple[float | None, float | None]], dict[str, float]]:
    """Split structures into those of the two sides (left, right), by their common name, and the others."""
    names = [name.split("-", 1)[1] for name in values if name.startswith(("Left-", "Right-"))]
    pairs = {name: (values.get(f"Left-{name}"), values.get(f"Right-{name}")) for name in dict.fromkeys(names)}
    single = {name: value for name, value in values.items() if not name.startswith(("Left-", "Right-"))}
    return pairs, single


def thickness_rows(aparc: Mapping[str, Stats]) -> list[tuple[str, str, str]]:
    """Return the mean thickness of each region on both sides; a region may be missing on one."""
    left, right = (aparc[side].column("ThickAvg") for side in HEMISPHERES)
    return [(name, _thickness(left.get(name)), _thickness(right.get(name))) for name in {**left, **right}]


def _thickness(value: float | None) -> str:
    """Return millimetres as FreeSurfer writes them."""
    return "–" if value is None else f"{value:.3f}"


def _provenance(workshop: Workshop) -> dict[str, str]:
    """Return what the scripts folder says of the run."""
    done = dict(
        line.split(" ", 1) for line in workshop.script("recon-all.done").splitlines() if " " in line.strip()
    )
    calls = workshop.script("recon-all.log").count("New invocation of recon-all") + 1
    facts = {
        "build": workshop.script("build-stamp.txt").strip(),
        "arguments": done.get("CMDARGS", ""),
        "started": done.get("START_TIME", ""),
        "ended": done.get("END_TIME", ""),
        "hours": done.get("RUNTIME_HOURS", ""),
        "calls of recon-all": str(calls),
    }
    return {name: text[:150] for name, text in facts.items() if text}
