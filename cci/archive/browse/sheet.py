"""The beginning of a CSV file as a table. Text in, values out."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

#: So much of a file is read, in bytes; so much of that is shown.
READ = 1 << 18
_ROWS, _COLUMNS, _CELL = 200, 40, 200


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table. *whole* is False if the file has more than is here; *numeric* has one flag for each column."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    whole: bool


def read_sheet(content: bytes, *, cut: bool = False) -> Sheet | None:
    """Read a CSV file with a header; None if it is not one.

    Parameters
    ----------
    content
        The file, or its beginning.
    cut
        Whether it is the beginning only: its last line is left out then.
    """
    text = content.decode("utf-8-sig", "replace")
    if cut:
        text = text.rpartition("\n")[0]
    try:
        lines = [line for line in csv.reader(io.StringIO(text)) if line]
    except csv.Error:
        return None
    if len(lines) < 2:
        return None
    header, rows = _cells(lines[0]), [_cells(line) for line in lines[1 : _ROWS + 1]]
    width = len(header)
    even = tuple((*row[:width], *[""] * (width - len(row))) for row in rows)
    whole = not cut and len(lines) <= _ROWS + 1 and all(len(line) <= _COLUMNS for line in lines)
    return Sheet(header=header, rows=even, numeric=_numeric(even, width), whole=whole)


def _cells(line: list[str]) -> tuple[str, ...]:
    return tuple(cell.strip()[:_CELL] for cell in line[:_COLUMNS])


def _numeric(rows: tuple[tuple[str, ...], ...], width: int) -> tuple[bool, ...]:
    return tuple(all(_is_number(row[column]) for row in rows) for column in range(width))


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
