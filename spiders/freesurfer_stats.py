"""FreeSurfer's ``.stats`` files: read them, and give volumes and thicknesses names and units.

The names are those of FreeSurfer's own ``asegstats2table`` and ``aparcstats2table``
(https://surfer.nmr.mgh.harvard.edu/fswiki/asegstats2table), so that tables from both can be joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cci.spiders.measures import Measure
from cci.spiders.staging import BadInput

HEMISPHERES = ("lh", "rh")


@dataclass(frozen=True, kw_only=True)
class Stats:
    """One ``.stats`` file.

    Attributes
    ----------
    measures
        The global measures of the header, by their short name.
    units
        Unit by column of the table.
    rows
        Cells as text, by column, in the order of the file.
    """

    measures: Mapping[str, Measure]
    units: Mapping[str, str]
    rows: tuple[Mapping[str, str], ...]

    def column(self, name: str) -> dict[str, float]:
        """Return one column of numbers by structure."""
        return {row["StructName"]: float(row[name]) for row in self.rows}


@dataclass(frozen=True, kw_only=True)
class SubjectStats:
    """The three files that make the tables: of the volume, and of the cortex by hemisphere."""

    aseg: Stats
    aparc: Mapping[str, Stats]


def read_subject(stats: Path) -> SubjectStats:
    """Read ``aseg.stats`` and ``?h.aparc.stats`` of a subject's folder ``stats``."""
    aparc = {side: read_stats(stats / f"{side}.aparc.stats") for side in HEMISPHERES}
    return SubjectStats(aseg=read_stats(stats / "aseg.stats"), aparc=aparc)


def read_stats(path: Path) -> Stats:
    """Read a ``.stats`` file.

    Raises
    ------
    BadInput
        ``corrupt-stats`` if it is not such a file, or is cut off.
    """
    try:
        return parse_stats(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, KeyError, IndexError) as error:
        raise BadInput("corrupt-stats", f"stats/{path.name} cannot be read: {error}") from error


def parse_stats(text: str) -> Stats:
    """Parse the text of a ``.stats`` file as ``mri_segstats`` and ``mris_anatomical_stats`` write it.

    Header lines begin with ``#``: ``Measure <structure>, <short name>, <description>, <value>, <unit>``;
    ``TableCol <n> ColHeader <name>`` with ``TableCol <n> Units <unit>``; ``ColHeaders <name> …``. The other
    lines are the table, its cells separated by blanks.

    Raises
    ------
    ValueError
        If a line has not this form, or there is no table.
    """
    header = [line[1:].split() for line in text.splitlines() if line.startswith("#")]
    columns = next((words[1:] for words in header if words[:1] == ["ColHeaders"]), [])
    rows = tuple(_rows(text, columns))
    if not rows:
        raise ValueError("it has no table")
    measures = [_measure(line) for line in text.splitlines() if line.startswith("# Measure ")]
    return Stats(measures={measure.name: measure for measure in measures}, units=_units(header), rows=rows)


def _measure(line: str) -> Measure:
    """Parse one global measure; its description may have commas of its own."""
    _, name, *description, value, unit = line.removeprefix("# Measure ").split(", ")
    shown = "" if unit.strip() == "unitless" else unit.strip()
    return Measure(name=name.strip(), value=float(value), unit=shown, description=", ".join(description))


def _units(header: list[list[str]]) -> dict[str, str]:
    """Return the unit of each column."""
    facts = [words for words in header if words[:1] == ["TableCol"] and len(words) > 3]
    names = {words[1]: words[3] for words in facts if words[2] == "ColHeader"}
    return {names[words[1]]: words[3] for words in facts if words[2] == "Units"}


def _rows(text: str, columns: list[str]) -> Iterator[dict[str, str]]:
    """Yield the lines of the table by column."""
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split()
        if line.startswith("#") or not cells:
            continue
        if len(cells) != len(columns):
            raise ValueError(f"line {number} has {len(cells)} cells instead of {len(columns)}")
        yield dict(zip(columns, cells, strict=True))


def volumes(stats: SubjectStats) -> list[Measure]:
    """Return the global measures, then every structure's volume, then each cortical region's grey matter."""
    aseg = stats.aseg
    structures = [
        _of(aseg, "Volume_mm3", name, value, name) for name, value in aseg.column("Volume_mm3").items()
    ]
    return [*aseg.measures.values(), *structures, *_cortical(stats, "GrayVol", "volume")]


def thicknesses(stats: SubjectStats) -> list[Measure]:
    """Return the mean thickness of each hemisphere and of each cortical region."""
    means = [
        Measure(
            name=f"{side}_MeanThickness_thickness",
            value=mean.value,
            unit=mean.unit,
            description=mean.description,
            digits=4,
        )
        for side in HEMISPHERES
        if (mean := stats.aparc[side].measures.get("MeanThickness")) is not None
    ]
    return [*means, *_cortical(stats, "ThickAvg", "thickness")]


def _cortical(stats: SubjectStats, column: str, suffix: str) -> Iterator[Measure]:
    """Yield one column of both hemispheres' tables under ``aparcstats2table``'s names."""
    for side in HEMISPHERES:
        table = stats.aparc[side]
        for region, value in table.column(column).items():
            yield _of(table, column, f"{side}_{region}_{suffix}", value, region)


def _of(table: Stats, column: str, name: str, value: float, structure: str) -> Measure:
    """Return a cell of the table as a measure."""
    what = (
        "volume"
        if column == "Volume_mm3"
        else {"GrayVol": "grey-matter volume"}.get(column, "mean thickness")
    )
    return Measure(
        name=name,
        value=value,
        unit=table.units.get(column, "NA"),
        description=f"{what} of {structure}",
        digits=4,
    )


def euler_numbers(stats: SubjectStats) -> dict[str, int]:
    """Return the Euler number of each hemisphere's surface before its topology was corrected.

    It is ``2 − 2·holes``; 2 is a perfect surface, and the lower it is the worse is the image
    (Rosen et al. 2018, doi:10.1016/j.neuroimage.2017.12.059). FreeSurfer reports it since version 6; empty
    before.
    """
    holes = {side: stats.aseg.measures.get(f"{side}SurfaceHoles") for side in HEMISPHERES}
    return {
        side: 2 - 2 * int(found.value) for side, found in holes.items() if found and found.value is not None
    }
