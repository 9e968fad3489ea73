"""The table of figures in ``docs/reference/benchmarks.md``: made of what benchmarks print, laid into a page.

It knows text only; benchmarks are run by ``python -m bench``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: written by `python -m bench --write` -->", "<!-- end of figures -->"
_HEAD = ("what", "figure", "target", "compared with", "command")

Result = Mapping[str, Any]
Row = tuple[str, ...]


def row_of(result: Result, bench: str) -> Row:
    """Return one line of the table."""
    value, unit = result["value"], result["unit"]
    figure = "failed" if value is None else f"{value}{'' if unit == 'ratio' else f' {unit}'}"
    missed = "" if result["ok"] else " (missed)"
    return (result["name"], figure + missed, target_of(result), result["reference"], command_of(bench))


def command_of(bench: str) -> str:
    """Return the command that prints a benchmark's figures."""
    return f"`python -m bench {bench}`"


def target_of(result: Result) -> str:
    """Say what is aimed at: results tell whether they reach it, and so on which side of it is good."""
    value, target = result["value"], result["target"]
    if value is None or target is None:
        return ""
    if value == target:
        return f"{target}"
    return f"{'at most' if (value < target) == result['ok'] else 'at least'} {target}"


def with_figures(page: str, rows: Sequence[Row], machine: str) -> str:
    """Return the page with these rows in its table, in place of those of the same commands.

    Raises
    ------
    ValueError
        If the page has no place for figures.
    """
    before, begin, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks '{BEGIN}' or '{END}'")
    new = {row[-1] for row in rows}
    kept = [row for row in rows_in(old) if row[-1] not in new]
    every = sorted([*kept, *rows], key=lambda row: row[-1])
    return f"{before}{BEGIN}\n\n{machine}\n\n{_table(every)}\n\n{END}{after}"


def rows_in(text: str) -> list[Row]:
    """Return the rows of a table that was written before."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
    return [row for row in cells if row != _HEAD and len(row) == len(_HEAD)]


def _table(rows: Iterable[Row]) -> str:
    lines = [f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)])


# -- the machine ------------------------------------------------------------------------------------


def describe_machine(folder: Path, day: str) -> str:
    """Say where and when figures were measured: processor, cores, memory, and the disk of *folder*."""
    cpu = _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    memory_gb = int((_field(Path("/proc/meminfo"), "MemTotal") or "0 kB").split()[0]) / 2**20
    cores = os.cpu_count() or 1
    return (
        f"Measured on {day}: {cpu}, {cores} cores, {memory_gb:.0f} GB of memory, {_disk(folder)}; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}."
    )


def _field(file: Path, name: str) -> str:
    """Return the value of the first line ``name: value``; '' where there is none."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _disk(folder: Path) -> str:
    device = folder.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    # a partition's queue is that of its disk
    for place in (block, block.resolve().parent):
        rotational = place / "queue" / "rotational"
        if rotational.exists():
            spins = rotational.read_text(encoding="ascii").strip() == "1"
            return f"a {'rotating' if spins else 'solid-state'} disk ({_file_system(folder)})"
    return f"a disk of unknown kind ({_file_system(folder)})"


def _file_system(folder: Path) -> str:
    """Return the type of the file system that *folder* is on (proc_mounts(5))."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else []
    points = {Path(line.split()[1]): line.split()[2] for line in lines}
    above = (folder.resolve(), *folder.resolve().parents)
    return next((points[point] for point in above if point in points), "unknown file system")
