"""The page of benchmarks has them all, and its figures are laid in as they were measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench import page
from bench.__main__ import benches

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
MACHINE = "Measured on a day."
RESULT: dict[str, Any] = {
    "name": "sweep: time",
    "value": 2.1,
    "unit": "ratio",
    "reference": "curl",
    "target": 3.0,
    "ok": True,
}
EMPTY = f"# Page\n\n{page.BEGIN}\n\n{page.END}\n\nThe end.\n"


def test_every_benchmark_is_on_the_page() -> None:
    """The page says of every benchmark what it compares, and of nothing else."""
    text = PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[0]
    assert benches() == re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_figures_of_benchmarks_that_are_there() -> None:
    """Every figure on the page names a command that prints it."""
    figures = PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    commands = {page.command_of(bench) for bench in benches()}
    assert {row[-1] for row in page.rows_in(figures)} <= commands


def test_figures_are_laid_in() -> None:
    """Text around the table stays, and what was laid in can be read back."""
    rows = [page.row_of(RESULT, "sweep")]
    written = page.with_figures(EMPTY, rows, MACHINE)
    assert written.startswith("# Page\n")
    assert written.endswith("\n\nThe end.\n")
    assert MACHINE in written
    assert [("sweep: time", "2.1", "at most 3.0", "curl", "`python -m bench sweep`")] == rows
    assert rows == page.rows_in(written)


def test_figures_of_one_benchmark_replace_its_own() -> None:
    """Figures of the benchmarks that were not run stay."""
    polling = page.row_of({**RESULT, "name": "poll"}, "polling")
    written = page.with_figures(EMPTY, [polling, page.row_of(RESULT, "sweep")], MACHINE)
    new = page.row_of({**RESULT, "value": 4, "ok": False}, "sweep")
    assert [polling, new] == page.rows_in(page.with_figures(written, [new], MACHINE))
    assert "4 (missed)" == new[1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"value": 2.0, "ok": True}, "at most 3.0"),
        ({"value": 4.0, "ok": False}, "at most 3.0"),
        ({"value": 4.0, "ok": True}, "at least 3.0"),
        ({"value": 2.0, "ok": False}, "at least 3.0"),
        ({"value": 3.0, "ok": True}, "3.0"),
        ({"value": None, "target": None, "ok": False}, ""),
    ],
)
def test_target(values: dict[str, Any], expected: str) -> None:
    """Whether a figure is good tells on which side of its target it should be."""
    assert expected == page.target_of({**RESULT, **values})


def test_page_without_a_place() -> None:
    """A page that has no place for figures is left alone."""
    with pytest.raises(ValueError, match="the page lacks"):
        page.with_figures("# Page\n", [], MACHINE)


def test_machine(tmp_path: Path) -> None:
    """The machine is named by its processor, cores and disk."""
    assert re.search(
        r"2026-11-20: .+, \d+ cores, \d+ GB of memory, a .*disk",
        page.describe_machine(tmp_path, "2026-11-20"),
    )
