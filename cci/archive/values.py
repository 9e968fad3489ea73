"""The texts that fields hold: what is accepted, and how it is spelt once stored. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from xml.sax.saxutils import escape

from cci.archive.errors import BadRequest
from cci.archive.types import Field, Kind

_ENTITIES = {'"': "&quot;", "'": "&apos;"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "t"}), frozenset({"0", "false", "no", "f"})
#: Characters that XML 1.0 cannot carry; a value with one would make its item's document unreadable.
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def timestamp(moment: datetime) -> str:
    """Spell a moment as XNAT's tables do: ``2026-01-02 03:04:05.678``, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def java_date(text: str) -> str:
    """Spell a moment of a table as Java prints it: ``Thu Apr 08 19:28:45 UTC 2021``."""
    return datetime.fromisoformat(text).strftime("%a %b %d %H:%M:%S UTC %Y")


def escape_parameter(text: str) -> str:
    """XML-escape a value that came as a parameter, as XNAT does before it stores it."""
    return escape(text, _ENTITIES)


def is_null(text: str) -> bool:
    """Whether the value asks for the field to be cleared."""
    return text in {"NULL", "null"}


def normalise(field: Field, text: str) -> str:
    """Check a value against its field and spell it as it is stored.

    Raises
    ------
    BadRequest
        The value is not of the field's kind, too long, or has characters that XML cannot carry.
    """
    if _NOT_XML.search(text):
        raise BadRequest(f"the value of {field.path} has control characters")
    if field.max_length and len(text) > field.max_length:
        raise BadRequest(
            f"the value of {field.path} has {len(text)} characters, more than {field.max_length}"
        )
    if not text.strip() and field.kind is not Kind.STRING:
        return ""
    try:
        return _SPELL[field.kind](text.strip() if field.kind is not Kind.STRING else text)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{text[:200]!r} is no {field.kind} (field {field.path})") from error


def _int(text: str) -> str:
    return str(int(text))


def _float(text: str) -> str:
    number = float(text)
    if not math.isfinite(number):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(number), "NaN")
    # as Java prints it: 42 reads 42.0
    return repr(number)


def _bool(text: str) -> str:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return "1" if word in _TRUE else "0"


def _date(text: str) -> str:
    american = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text)
    if american:
        month, day, year = (int(part) for part in american.groups())
        return date(year, month, day).isoformat()
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError(text)
    return date.fromisoformat(text).isoformat()


def _time(text: str) -> str:
    return time.fromisoformat(text).replace(tzinfo=None).isoformat()


def _datetime(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-5]


_SPELL: dict[Kind, Callable[[str], str]] = {
    Kind.STRING: str,
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.BOOL: _bool,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.DATETIME: _datetime,
}

#: Bytes of a path: what PostgreSQL's index takes, and disks of clients with folders before it.
_LONGEST = 2600
_LABEL = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")


def check_label(label: str) -> str:
    """Return *label* if an item may be called so.

    Raises
    ------
    BadRequest
        It is empty, too long, or has slashes or control characters.
    """
    if not _LABEL.fullmatch(label) or label in {".", ".."}:
        raise BadRequest(f"{label[:80]!r} cannot be a label")
    return label


def check_text(text: str) -> str:
    """Return *text* if it is one that tables and XML documents can hold.

    Raises
    ------
    BadRequest
        It has control characters, or halves of characters.
    """
    if _NOT_XML.search(text):
        raise BadRequest(f"{text[:80]!r} has characters that cannot be stored")
    return text


def safe_path(path: str) -> str:
    """Return a client's relative file path in one spelling.

    Raises
    ------
    BadRequest
        It is empty, too long, absolute, leaves its folder, or has control characters.
    """
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise BadRequest(f"{path[:200]!r} is no path below a resource")
    if any(ord(char) < 32 or ord(char) == 127 for char in path) or any(len(p.encode()) > 255 for p in parts):
        raise BadRequest(f"{path[:200]!r} is no path below a resource")
    if len(path.encode()) > _LONGEST:
        raise BadRequest(f"{path[:200]!r}… is longer than {_LONGEST} bytes")
    return path
