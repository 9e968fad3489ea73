"""Pages of a quality report: A4 with header and footer, tables, figures of merit, PNG snapshots.

It knows paper, not measures or pipelines; pictures of brains are in ``cci.spiders.mosaic``. Figures never
touch ``pyplot``, so that nothing global is left behind.

::

    report = Report(title="fMRI QA", target=folders.target, software=versions("nibabel", "numpy"))
    with report.page("Motion") as page:
        axes = page.figure.add_subplot(page.grid(2, 1)[0])
        ...
    report.save(folders.output("PDF", "report.pdf"))
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.rcsetup import cycler
from matplotlib.typing import RcKeyType

from cci.spiders.measures import Measure

#: A4 portrait, inches.
PAGE_SIZE = (8.27, 11.69)
#: Distinguishable by colour-blind readers (Okabe & Ito 2008, https://jfly.uni-koeln.de/color/).
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GREY, HAIRLINE, PANEL = "#1b1f24", "#667080", "#d5dae1", "#f4f6f8"
#: Sequential, perceptually uniform and safe for colour-blind readers.
SEQUENTIAL, DIVERGING = "viridis", "PuOr"

_FONT = "DejaVu Sans"
STYLE: dict[RcKeyType, Any] = {
    "font.family": _FONT,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY]),
    "lines.linewidth": 1.0,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "text.color": INK,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
}

_LEFT, _RIGHT, _TOP, _BOTTOM = 0.09, 0.94, 0.89, 0.08
_POINTS_PER_INCH = 72.0


def versions(*distributions: str) -> dict[str, str]:
    """Return the version of Python and of each installed distribution, for the footer."""
    return {"Python": platform.python_version(), **{name: version(name) for name in distributions}}


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page while it is drawn; draw on *figure*, inside the body that `grid` divides."""

    figure: Figure
    heading: str

    def grid(self, rows: int, columns: int, **options: Any) -> GridSpec:
        """Divide the body of the page; *options* are ``GridSpec``'s (``height_ratios``, ``top``, …)."""
        area = {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM}
        return self.figure.add_gridspec(rows, columns, **{**area, **options})

    def axes(self, place: SubplotSpec, title: str = "", **options: Any) -> Axes:
        """Add axes at *place* of a grid."""
        axes: Axes = self.figure.add_subplot(place, **options)
        axes.set_title(title)
        return axes

    def save_png(self, path: Path, *, width_px: int) -> None:
        """Write this page as it is now, *width_px* wide."""
        save_png(self.figure, path, width_px=width_px)


@dataclass(kw_only=True)
class Report:
    """The pages of one report, kept until `save`, because each shows how many there are.

    Attributes
    ----------
    title
        Name of the pipeline, as people know it.
    target
        Labels by level: ``project``, ``subject``, ``session``, ``scan``; absent ones are left out.
    software
        Versions by name, for the footer.
    created
        When the report was made; now if left out.
    """

    title: str
    target: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    pages: list[Page] = field(default_factory=list)

    @contextmanager
    def page(self, heading: str) -> Iterator[Page]:
        """Add a page with header and footer, and draw on it in the report's style."""
        with mpl.rc_context(STYLE):
            page = Page(figure=new_figure(*PAGE_SIZE), heading=heading)
            self._draw_header(page)
            yield page
        self.pages.append(page)

    def save(self, path: Path) -> None:
        """Write all pages as one PDF."""
        facts = {"Title": self.title, "Creator": "cci", "CreationDate": self.created}
        with mpl.rc_context(STYLE), PdfPages(path, metadata=facts) as pdf:
            for number, page in enumerate(self.pages, start=1):
                self._draw_footer(page, f"page {number} of {len(self.pages)}")
                pdf.savefig(page.figure)

    def _draw_header(self, page: Page) -> None:
        """Title and target on the left, the page's heading on the right, a line below."""
        figure = page.figure
        figure.text(_LEFT, 0.962, self.title, size=15, weight="bold", va="center", color=BLUE)
        figure.text(_RIGHT, 0.962, page.heading, size=11, ha="right", va="center", color=GREY)
        figure.text(_LEFT, 0.937, target_line(self.target), size=8, va="center", color=INK, parse_math=False)
        _rule(figure, 0.924, BLUE, 1.0)

    def _draw_footer(self, page: Page, number: str) -> None:
        """Versions and date on the left, page number on the right."""
        made_by = " · ".join(f"{name} {text}" for name, text in self.software.items())
        stamp = self.created.strftime("%Y-%m-%d %H:%M %Z")
        _rule(page.figure, 0.036, HAIRLINE, 0.6)
        page.figure.text(_LEFT, 0.024, f"{stamp}    {made_by}", size=6, va="center", color=GREY)
        page.figure.text(_RIGHT, 0.024, number, size=6, ha="right", va="center", color=GREY)


def target_line(target: Mapping[str, str]) -> str:
    """Return ``project P · subject S · session E · scan 3``; long labels are cut in the middle."""
    levels = ("project", "subject", "session", "scan")
    known = [f"{level} {shorten(str(target[level]))}" for level in levels if target.get(level)]
    return "  ·  ".join(known) or "run by hand: no project, subject or session is known"


def shorten(text: str, limit: int = 34) -> str:
    """Cut *text* to *limit* characters, from its middle; what the font cannot draw becomes ``?``."""
    drawable = "".join(letter if ord(letter) in _glyphs() else "?" for letter in text)
    if len(drawable) <= limit:
        return drawable
    half = (limit - 1) // 2
    return f"{drawable[:half]}…{drawable[-half:]}"


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the report's font has."""
    return frozenset(get_font(findfont(_FONT)).get_charmap())


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return a white figure on Agg, unknown to ``pyplot``."""
    figure = Figure(figsize=(width_in, height_in), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path, *, width_px: int) -> None:
    """Write *figure* as PNG, exactly *width_px* wide."""
    figure.savefig(path, format="png", dpi=width_px / figure.get_figwidth())


def _rule(figure: Figure, y: float, color: str, width: float) -> None:
    """Draw a line across the body's width."""
    figure.add_artist(Line2D([_LEFT, _RIGHT], [y, y], color=color, linewidth=width))


def blank(axes: Axes) -> Axes:
    """Turn axes into a plain area whose coordinates run from 0 to 1; the title stays."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return axes


def draw_table(
    axes: Axes,
    rows: Sequence[Sequence[str]],
    *,
    columns: Sequence[float],
    header: Sequence[str] = (),
    align: str = "",
    size: float = 7.5,
) -> None:
    """Draw a table from the top of *axes*, a hairline below each row.

    Parameters
    ----------
    rows
        Cells as text; nothing in them is taken for mathematics.
    columns
        Left edge of each column as a fraction of the width; for a right-aligned column its right edge.
    header
        Names of the columns.
    align
        One letter a column, ``l`` or ``r``; all left if empty.
    size
        Points.
    """
    blank(axes)
    step = 1.9 * size / (axes.get_position().height * PAGE_SIZE[1] * _POINTS_PER_INCH)
    sides = ["right" if letter == "r" else "left" for letter in align.ljust(len(columns), "l")]
    lines = ([header] if header else []) + [list(row) for row in rows]
    for index, cells in enumerate(lines):
        y = 1 - (index + 0.5) * step
        is_header = bool(header) and index == 0
        weight, color = ("bold", GREY) if is_header else ("normal", INK)
        for x, cell, side in zip(columns, cells, sides, strict=True):
            axes.text(
                x, y, cell, size=size, ha=side, va="center", weight=weight, color=color, parse_math=False
            )
        axes.plot([0, 1], [y - step / 2] * 2, color=GREY if is_header else HAIRLINE, lw=0.5, clip_on=False)


def draw_cards(page: Page, place: SubplotSpec, measures: Sequence[Measure], names: Sequence[str]) -> None:
    """Draw the figures of merit side by side, each in a panel: the value large, its *name* below."""
    grid = place.subgridspec(1, len(measures), wspace=0.08)
    for index, (measure, name) in enumerate(zip(measures, names, strict=True)):
        axes = blank(page.axes(grid[index]))
        axes.set_facecolor(PANEL)
        value = f"{measure.text} {measure.unit}".strip() if measure.known else measure.text
        # a panel, one of six across the page, holds eight large letters
        size = 12 * min(1.0, 8 / len(value))
        axes.text(0.5, 0.62, value, size=size, weight="bold", ha="center", va="center", color=BLUE)
        axes.text(0.5, 0.22, name, size=6.5, ha="center", va="center", color=GREY)


def draw_measures(axes: Axes, measures: Sequence[Measure]) -> None:
    """Draw measures as a table: name, value, unit, description."""
    draw_table(
        axes,
        [(measure.name, measure.text, measure.unit, measure.description) for measure in measures],
        columns=(0.0, 0.36, 0.375, 0.46),
        header=("measure", "value", "unit", "description"),
        align="lrll",
        size=6.5,
    )


def draw_notes(axes: Axes, notes: Sequence[str], *, width: int = 140, size: float = 6.5) -> None:
    """Draw paragraphs from the top of *axes*, broken after *width* characters."""
    from textwrap import fill

    text = "\n\n".join(fill(note, width) for note in notes)
    blank(axes).text(0, 1, text, size=size, va="top", linespacing=1.35, color=INK, parse_math=False)
