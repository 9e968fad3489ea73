"""The headers of a DICOM file as rows of a table, as XNAT's header dump shows them. A path in, rows out."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from cci.archive.dicom import header_text, quiet_pydicom, read_all
from cci.archive.errors import BadRequest, Unprocessable

#: Of the table: tag, tag inside of a sequence, value representation, value, name.
HEADERS = ["tag1", "tag2", "vr", "value", "desc"]
#: Longer values are cut, as XNAT's are.
_LONGEST = 64
_HEX = frozenset("0123456789abcdefABCDEF")


def dump(path: Path, tags: frozenset[int] = frozenset()) -> list[list[str]]:
    """Return a row for each header before the pixels, for these tags alone if any are given.

    Sequences are shown one level deep. Values are escaped for HTML.

    Raises
    ------
    Unprocessable
        It is no DICOM file, or a damaged one.
    """
    data = read_all(path)
    if data is None:
        raise Unprocessable("the file's headers cannot be read")
    return [row for element in data if not tags or int(element.tag) in tags for row in _rows(element)]


def tag_of(word: str) -> int:
    """Return the number of a tag that is given by its keyword or as eight hexadecimal digits.

    Raises
    ------
    BadRequest
        There is no such tag.
    """
    if len(word) == 8 and set(word) <= _HEX:
        return int(word, 16)
    found = quiet_pydicom().datadict.tag_for_keyword(word) if word else None
    if found is None:
        raise BadRequest(f"{word[:80]!r} is no DICOM header")
    return int(found)


def _rows(element: Any) -> Iterator[list[str]]:
    if element.VR != "SQ":
        yield _row(element, _tag(element), "")
        return
    outer = _tag(element)
    for item in element.value:
        yield _row(element, outer, outer)
        yield from (_row(each, outer, _tag(each)) for each in item)


def _row(element: Any, outer: str, inner: str) -> list[str]:
    text = "" if element.VR == "SQ" else header_text(_plain(element.value))
    return [outer, inner, str(element.VR), escape(text[:_LONGEST]), escape(str(element.name))]


def _plain(value: Any) -> Any:
    # bytes are shown as numbers; there may be very many
    return list(value[:_LONGEST]) if isinstance(value, bytes) else value


def _tag(element: Any) -> str:
    return f"({element.tag.group:04X},{element.tag.element:04X})"
