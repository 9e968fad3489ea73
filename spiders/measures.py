"""Named measures with units, as every QA spider writes them to ``stats.csv``. It computes nothing.

A measure that cannot be known has no value; its description then says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cci.spiders.tables import write_rows

#: The columns of ``stats.csv``.
COLUMNS = ("name", "value", "unit", "description")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a quality report.

    Attributes
    ----------
    name
        Stable, lower case, words joined by ``_``.
    value
        None if it cannot be known; *description* then says why.
    unit
        SI or the field's (``mm``, ``s``, ``%``); empty for a ratio or a count.
    description
        One phrase for a person.
    digits
        Significant digits on the page; the file has all of them.
    """

    name: str
    value: float | int | None
    unit: str = ""
    description: str = ""
    digits: int = 3

    @property
    def known(self) -> bool:
        """Whether there is a finite value."""
        return self.value is not None and math.isfinite(self.value)

    @property
    def text(self) -> str:
        """The value as a page shows it: whole numbers in full, others with `digits` significant digits."""
        if self.value is None or not self.known:
            return "–"
        if isinstance(self.value, int):
            return str(self.value)
        if 10 ** (self.digits - 1) <= abs(self.value) < 10**6:
            return f"{self.value:.0f}"
        return f"{self.value:#.{self.digits}g}"

    def row(self) -> tuple[str, str, str, str]:
        """Return the line of ``stats.csv``; the value is empty if it is not known."""
        value = repr(self.value) if self.known else ""
        return self.name, value, self.unit, self.description


def measure(name: str, value: float | None, unit: str, description: str, reason: str = "") -> Measure:
    """Make a measure; *reason*, if there is one, replaces the description where the value is not known."""
    if value is None or not math.isfinite(value):
        return Measure(name=name, value=None, unit=unit, description=reason or description)
    # numpy's numbers would be written with their type
    plain = value if isinstance(value, int) else float(value)
    return Measure(name=name, value=plain, unit=unit, description=description)


def write_measures(path: Path, measures: Iterable[Measure]) -> None:
    """Write ``stats.csv``: columns name, value, unit, description; UTF-8."""
    write_rows(path, COLUMNS, (measure.row() for measure in measures))
