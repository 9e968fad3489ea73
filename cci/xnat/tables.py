"""Tables as an archive gives them: CSV read row by row from the wire, JSON ``ResultSet`` read whole.

Joining rows into sessions and scans is done elsewhere. Values are un-escaped once, because an XNAT
escapes what reaches it as a parameter.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TypeVar
from xml.sax.saxutils import escape, unescape

from cci.errors import Malformed
from cci.xnat.answers import Answer

T = TypeVar("T")
Row = dict[str, str]

_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#39;": "'"}


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Resolve the five XML entities, once."""
    return unescape(text, _ENTITIES)


class Table:
    """A listing while it arrives; iterating gives each row as a dictionary by the header's names.

    Parameters
    ----------
    header
        The names of its columns, in lower case.
    rows
        The cells of each row as they came, escaped; read once.
    """

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.header = header
        self.rows = rows

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Table:
        """Make a table of rows that are known already; a column that a row lacks is empty in it."""
        known = list(rows)
        header = list(dict.fromkeys(name for row in known for name in row))
        return cls(header, ([escape(row.get(name, "")) for name in header] for row in known))

    def pick(self, *names: str) -> Callable[[Sequence[str]], tuple[str, ...]]:
        """Return what takes these cells out of a row; one of a column that is not there is empty."""
        places = [self.header.index(name) if name in self.header else None for name in names]
        there = [place for place in places if place is not None]
        if len(there) == len(places) > 1:
            return itemgetter(*there)
        return lambda row: tuple("" if place is None else row[place] for place in places)

    def __iter__(self) -> Iterator[Row]:
        header = self.header
        for cells in self.rows:
            yield dict(zip(header, [resolved(cell) for cell in cells], strict=True))


def resolved(cell: str) -> str:
    """Resolve XML entities where there are any; written out, because few cells have one."""
    return plain(cell) if "&" in cell else cell


def csv_reader(columns: Collection[str], make: Callable[[Table], T]) -> Callable[[Answer], T]:
    """Return a reader that makes a value of the rows of a CSV answer while they arrive.

    Parameters
    ----------
    columns
        Lower-case names that the header must have as soon as there is a row. (An XNAT does not rename
        the header of an empty listing.)
    make
        Makes the value of the table.
    """
    return lambda answer: read_csv(answer.chunks(), columns, answer.what, make)


def read_csv(chunks: Iterable[bytes], columns: Collection[str], what: str, make: Callable[[Table], T]) -> T:
    """Make a value of a CSV table that comes in chunks; see `csv_reader`.

    Raises
    ------
    Malformed
        If there is no header row, if the header lacks a column, or if a row is no row of this table.
    """
    try:
        return make(_table(chunks, columns, what))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Malformed(f"the answer to {what} is not a CSV table: {error}") from error


def _table(chunks: Iterable[bytes], columns: Collection[str], what: str) -> Table:
    table = csv.reader(chain.from_iterable(_lines(chunks)), strict=True)
    header = [name.strip().lower() for name in next(table, [])]
    if not any(header):
        raise Malformed(f"the answer to {what} is empty: not even a header row came")
    return Table(header, _rows(table, header, columns, what))


def _rows(
    table: Iterator[list[str]], header: list[str], columns: Collection[str], what: str
) -> Iterator[list[str]]:
    missing, width = sorted(set(columns) - set(header)), len(header)
    for cells in table:
        if not cells:
            continue
        if missing:
            raise Malformed(f"the answer to {what} lacks the columns {', '.join(missing)}")
        if len(cells) != width:
            raise Malformed(f"a row in the answer to {what} has {len(cells)} cells instead of {width}")
        yield cells


def _lines(chunks: Iterable[bytes]) -> Iterator[list[str]]:
    """Decode to lines, those of a chunk at a time, without ever holding more than a chunk and a line."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield [line + "\n" for line in lines]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield [rest]


def result_set(answer: Answer) -> list[Row]:
    """Return the rows of a JSON ``ResultSet``.

    Raises
    ------
    Malformed
        If the answer is something else.
    """
    try:
        rows = answer.json()["ResultSet"]["Result"]
        return [{str(name): plain(str(cell)) for name, cell in row.items()} for row in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"the answer to {answer.what} is not a listing") from error
