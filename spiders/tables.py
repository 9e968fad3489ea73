"""CSV as all spiders write it: UTF-8, one header line. It knows nothing of what the columns mean."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a header and rows of text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_columns(path: Path, columns: Mapping[str, Sequence[float] | NDArray[np.float64]]) -> None:
    """Write columns of numbers of equal length; not-a-number becomes an empty cell."""
    rows = zip(*columns.values(), strict=True)
    write_rows(path, columns, (["" if np.isnan(value) else f"{value:.10g}" for value in row] for row in rows))
