"""Mistakes in settings in plain words: what pydantic finds, as a person would say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_TEXT = "must be text: put it in quotes"
_TIME = 'write hours, minutes and seconds as "4:00:00"'
_MAPPING = "must be a section with 'name: value' lines"
_LIST = "must be a list, such as [one, two]"
_PROCESSORS = "must be a list of processors, such as [dti_qa]"

#: Sentences by pydantic's kind of mistake; a family of kinds goes by how their names begin.
_BY_KIND: Mapping[str, str] = MappingProxyType(
    {
        "extra_forbidden": "there is no such setting",
        "missing": "is missing",
        "int": _WHOLE,
        "float": _NUMBER,
        "string": _TEXT,
        "path": "must be the name of a file or folder",
        "bool": "must be true or false",
        "time_delta": _TIME,
        "list": _LIST,
        "dict": _MAPPING,
        "model": _MAPPING,
    }
)
_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "greater_than": lambda limits: f"must be more than {limits['gt']}",
        "greater_than_equal": lambda limits: f"must be at least {limits['ge']}",
        "less_than_equal": lambda limits: f"must be at most {limits['le']}",
        "literal_error": lambda limits: f"must be {limits['expected']}",
    }
)


def sentence(mistake: ErrorDetails) -> str:
    """Return what is wrong with one setting, and where it helps, what was written."""
    place = mistake["loc"][-1:] or ("",)
    if place == ("processors",) and mistake["type"] in {"list_type", "missing"}:
        return _PROCESSORS
    return f"{_rule(mistake)}{_written(mistake)}"


def _rule(mistake: ErrorDetails) -> str:
    kind = mistake["type"]
    if kind in _BOUNDS:
        return _BOUNDS[kind](mistake.get("ctx", {}))
    fitting = [name for name in _BY_KIND if kind == name or kind.startswith(f"{name}_")]
    text = mistake["msg"].removeprefix("Value error, ")
    return _BY_KIND[fitting[0]] if fitting else text[:1].lower() + text[1:]


def _written(mistake: ErrorDetails) -> str:
    """Return the value, if it is a plain one that the sentence does not quote already."""
    value = mistake["input"]
    if mistake["type"] in {"extra_forbidden", "missing", "value_error"}:
        return ""
    if isinstance(value, str):
        return f", not '{value}'"
    return f", not {value}" if isinstance(value, (int, float)) else ""
