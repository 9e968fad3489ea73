"""Pages, tables and snapshots of a quality report, and the measures they show."""

from __future__ import annotations

import csv
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cci.spiders.measures import Measure, write_measures
from cci.spiders.report import (
    Report,
    draw_cards,
    draw_measures,
    draw_notes,
    draw_table,
    shorten,
    target_line,
    versions,
)

HOSTILE = {"project": "P $x^2$", "subject": "s'; $(rm -rf)", "session": "名前\n\x00" * 30, "scan": "7"}


def pages_of(pdf: Path) -> int:
    """Count the page objects of a PDF."""
    return pdf.read_bytes().count(b"/Type /Page ")


def png_width(png: Path) -> int:
    """Read the width from a PNG's header."""
    width: int = struct.unpack(">I", png.read_bytes()[16:20])[0]
    return width


def test_a_report_has_each_page_once(tmp_path: Path) -> None:
    """A report of three pages is a PDF of three pages, whatever the labels contain."""
    report = Report(title="QA", target=HOSTILE, software=versions("numpy"))
    for heading in ("one", "two", "three"):
        with report.page(heading) as page:
            draw_notes(page.axes(page.grid(1, 1)[0]), ["a note with $ and \\ in it"])
    report.save(tmp_path / "report.pdf")

    assert pages_of(tmp_path / "report.pdf") == 3


def test_a_failed_page_is_not_in_the_report(tmp_path: Path) -> None:
    """A page whose drawing failed is left out; the error is the caller's to handle."""
    report = Report(title="QA")
    with pytest.raises(ZeroDivisionError), report.page("broken"):
        _ = 1 / 0
    with report.page("good"):
        pass
    report.save(tmp_path / "report.pdf")

    assert pages_of(tmp_path / "report.pdf") == 1


@pytest.mark.parametrize("width_px", [256, 1240])
def test_a_snapshot_has_the_width_asked_for(tmp_path: Path, width_px: int) -> None:
    """A page's snapshot is exactly as wide as asked, in pixels."""
    report = Report(title="QA")
    with report.page("one") as page:
        draw_table(page.axes(page.grid(1, 1)[0]), [("a", "1"), ("b", "2")], columns=(0, 1), align="lr")
        page.save_png(tmp_path / "page.png", width_px=width_px)

    assert png_width(tmp_path / "page.png") == width_px


def test_unknown_measures_are_drawn_without_a_value(tmp_path: Path) -> None:
    """Cards and tables show a dash for what is not known, and the report still closes."""
    measures = [Measure(name="a", value=None, unit="mm"), Measure(name="b", value=1.5, unit="mm")]
    report = Report(title="QA", created=datetime(2020, 1, 2, tzinfo=UTC))
    with report.page("one") as page:
        grid = page.grid(2, 1)
        draw_cards(page, grid[0], measures, ["first", "second"])
        draw_measures(page.axes(grid[1]), measures)
    report.save(tmp_path / "report.pdf")

    drawn = [text.get_text() for axes in report.pages[0].figure.axes for text in axes.texts]
    assert drawn[:4] == ["–", "first", "1.50 mm", "second"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, "run by hand: no project, subject or session is known"),
        ({"project": "P", "subject": "S", "session": "E", "scan": "3"},
         "project P  ·  subject S  ·  session E  ·  scan 3"),
        ({"project": "P", "session": ""}, "project P"),
        ({"scan": "1\n2"}, "scan 1?2"),
    ],
)  # fmt: skip
def test_target_line(target: dict[str, str], expected: str) -> None:
    """The header names each level that is known."""
    assert expected == target_line(target)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("short", "short"), ("abcdefghij", "abcd…ghij"), ("名", "?"), ("äß", "äß")],
)
def test_shorten(text: str, expected: str) -> None:
    """A long label keeps its beginning and its end; what the font lacks becomes a question mark."""
    assert expected == shorten(text, limit=9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, "3"), (1.0, "1.00"), (123.456, "123"), (0.04567, "0.0457"), (2.5e7, "2.50e+07"), (None, "–"),
     (float("nan"), "–")],
)  # fmt: skip
def test_measure_text(value: float | None, expected: str) -> None:
    """A value is shown with three significant digits, a count in full, an unknown one as a dash."""
    assert expected == Measure(name="m", value=value).text


def test_stats_csv_has_an_empty_cell_for_the_unknown(tmp_path: Path) -> None:
    """``stats.csv`` names each measure; an unknown value is empty and the description says why."""
    measures = [
        Measure(name="motion_max", value=0.1, unit="mm", description="greatest, of all"),
        Measure(name="duration", value=None, unit="s", description="unknown TR"),
        Measure(name="nothing", value=float("inf")),
    ]
    write_measures(tmp_path / "stats.csv", measures)

    with (tmp_path / "stats.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["name", "value", "unit", "description"],
        ["motion_max", "0.1", "mm", "greatest, of all"],
        ["duration", "", "s", "unknown TR"],
        ["nothing", "", "", ""],
    ]
