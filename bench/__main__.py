"""Run benchmarks, print the figures as a table, and write ``bench/results.json``.

A benchmark is a script ``bench_*.py`` that prints one JSON object a line, with name, value, unit, reference,
target and ok. ``python -m bench`` runs all of them, ``python -m bench sweep`` one; with ``--write PAGE`` the
figures go into the table of a page too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import page

HERE = Path(__file__).parent


def benches() -> list[str]:
    """Return the names of all benchmarks."""
    return sorted(script.stem.removeprefix("bench_") for script in HERE.glob("bench_*.py"))


def run(bench: str) -> list[dict[str, Any]]:
    """Return what a benchmark measured; one that fails says so in its place."""
    script = HERE / f"bench_{bench}.py"
    answer = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False)
    results = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    if answer.returncode or not results:
        results.append(
            {"name": script.stem, "value": None, "unit": "", "reference": "", "target": None, "ok": False}
        )
    return results


def show(results: list[dict[str, Any]]) -> None:
    """Print figures as a table."""
    table = Table(box=None, header_style="bold")
    names = ("name", "value", "unit", "target", "ok", "reference")
    for name in names:
        table.add_column(name)
    for result in results:
        table.add_row(*(str(result[name]) for name in names))
    Console().print(table)


def write(file: Path, measured: dict[str, list[dict[str, Any]]]) -> None:
    """Lay figures into the table of a page."""
    rows = [page.row_of(result, bench) for bench, results in measured.items() for result in results]
    machine = page.describe_machine(Path(tempfile.gettempdir()), datetime.now(UTC).date().isoformat())
    file.write_text(page.with_figures(file.read_text(encoding="utf-8"), rows, machine), encoding="utf-8")


def main() -> int:
    """Run what was named, or all; return 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bench", nargs="*", help=f"of {', '.join(benches())}; default: all")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="lay the figures into a page's table")
    asked = parser.parse_args()
    if unknown := set(asked.bench) - set(benches()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    measured = {bench: run(bench) for bench in asked.bench or benches()}
    results = [result for each in measured.values() for result in each]
    show(results)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if asked.write:
        write(asked.write, measured)
    return int(not all(result["ok"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
