"""Tables as XNAT sends them: JSON, CSV, XML and HTML, piece by piece. Rows in, bytes out; no HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from cci.archive.negotiation import negotiate

Row = Sequence[Any]
#: ``xlist`` is XNAT's word for a table to be put into a page.
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "xml": "text/xml",
    "html": "text/html",
    "xlist": "text/html",
}
#: What a table is offered as; its other forms are for those who ask by ``format=``.
_OFFERED = {"application/json": "json", "text/html": "html", "text/xml": "xml"}
_EXCEL = frozenset({"excel", "vnd.ms-excel"})
_CHUNK = 1000


def table_format(name: str, accept: str = "") -> str:
    """Return the format of a table for a ``format=`` parameter, or else for an ``Accept`` header.

    What tables have no form for is answered with HTML, as XNAT does.

    Raises
    ------
    NotAcceptable
        The header takes none of what tables are offered as, whatever the parameter says.
    """
    offered = _OFFERED[negotiate(accept, tuple(_OFFERED))]
    word = name.lower().rpartition("/")[2].partition(";")[0]
    if word in _EXCEL:
        return "csv"
    return (word if word in MEDIA_TYPES else "html") if word else offered


def sorted_rows(rows: Iterable[Row], places: Sequence[int], *, descending: bool = False) -> list[Row]:
    """Return a table's rows in the order of the columns at these places, numbers before texts.

    Rows that are equal there keep their order, or are turned round with the others.
    """
    ordered = sorted(rows, key=lambda row: [_sort_key(row[place]) for place in places])
    return ordered[::-1] if descending else ordered


def _sort_key(value: Any) -> tuple[int, float, str]:
    return (0, value, "") if isinstance(value, int | float) else (1, 0, _text(value))


def encode_table(
    form: str, headers: Sequence[str], rows: Iterable[Row], *, extra: str = "", total: bool = True
) -> Iterator[bytes]:
    """Encode a table.

    Parameters
    ----------
    extra
        Members of the JSON ``ResultSet`` before ``Result``, as JSON text with a comma at the end.
    total
        Whether JSON tells the number of rows.
    """
    if form == "csv":
        return _csv(headers, rows)
    if form == "xml":
        return _xml(headers, rows)
    if form in {"html", "xlist"}:
        return _html(headers, rows)
    return _json(headers, rows, extra=extra, total=total)


def _json(headers: Sequence[str], rows: Iterable[Row], *, extra: str, total: bool) -> Iterator[bytes]:
    yield f'{{"ResultSet":{{{extra}"Result":['.encode()
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
    count = 0
    for chunk in _chunks(rows):
        texts = [encode(dict(zip(headers, map(_text, row), strict=True))) for row in chunk]
        yield ((", " if count else "") + ", ".join(texts)).encode("utf-8", "replace")
        count += len(chunk)
    tail = f', "totalRecords": "{count}"' if total else ""
    yield f"]{tail}}}}}".encode()


def _csv(headers: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    yield _csv_chunk([headers])
    for chunk in _chunks(rows):
        yield _csv_chunk(chunk)


def _csv_chunk(rows: Sequence[Row]) -> bytes:
    text = _csv_text(rows)
    # XNAT puts a space for a newline inside a value; counting is cheaper than looking at every value
    if text.count("\n") != len(rows) or "\r" in text:
        text = _csv_text([[_one_line(value) for value in row] for row in rows])
    return text.encode("utf-8", "replace")


def _csv_text(rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _one_line(value: Any) -> str:
    return _text(value).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


def _xml(headers: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    body = list(rows)
    columns = "".join(f"<column>{escape(name)}</column>" for name in headers)
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<ResultSet totalRecords={quoteattr(str(len(body)))}><results><columns>{columns}</columns><rows>"
    ).encode()
    for chunk in _chunks(body):
        cells = ("".join(f"<cell>{escape(_text(value))}</cell>" for value in row) for row in chunk)
        yield "".join(f"<row>{row}</row>" for row in cells).encode("utf-8", "replace")
    yield b"</rows></results></ResultSet>"


def _html(headers: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    # the table alone, as XNAT has it: clients take a body that begins as a page for an error
    columns = "".join(f"<th>{escape(name)}</th>" for name in headers)
    yield f"<table>\n<thead>\n<tr>{columns}</tr>\n</thead>\n<tbody>\n".encode()
    for chunk in _chunks(rows):
        cells = ("".join(f"<td>{escape(_text(value))}</td>" for value in row) for row in chunk)
        yield "".join(f"<tr>{row}</tr>\n" for row in cells).encode("utf-8", "replace")
    yield b"</tbody>\n</table>\n"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
