"""Addresses of custom fields, and what is refused of them; no server."""

from __future__ import annotations

import pytest

from cci.archive.address import Address
from cci.archive.errors import BadRequest, Missing
from cci.archive.routes.customfields import parse_custom, read_fields

SCAN = Address(project="P", experiment="E", scan="1", level="scans")


@pytest.mark.parametrize(
    ("path", "address", "name"),
    [
        ("projects/P/fields", Address(project="P", level="projects"), ""),
        ("subjects/S/fields/a", Address(subject="S", level="subjects"), "a"),
        ("projects/P/experiments/E/scans/1/fields", SCAN, ""),
        ("projects/P/experiments/E/scans/1/fields/x", SCAN, "x"),
        # a project may be called as the word that ends the item
        ("projects/fields/fields", Address(project="fields", level="projects"), ""),
        ("projects/fields/fields/fields", Address(project="fields", level="projects"), "fields"),
    ],
)
def test_address(path: str, address: Address, name: str) -> None:
    """An item and a field are read off the path."""
    assert (address, name) == parse_custom(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "fields", "projects/fields", "projects/P", "projects//fields", "scans/1/fields"),
        *("projects/P/scans/1/fields", "experiments/E/reconstructions/R/fields", "subjects/S/scans/1/fields"),
        "experiments/E/scans/1/assessors/A/fields",
    ],
)
def test_no_address(path: str) -> None:
    """Whatever is no item with fields is missing."""
    with pytest.raises(Missing):
        parse_custom(path)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"3", b'"a"', b"null", b"\xff"),
        *(b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"\\udfff": 1}'),
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}" * 2,
    ],
)
def test_no_fields(body: bytes) -> None:
    """Whatever is no JSON object that can be sent back is refused."""
    with pytest.raises(BadRequest):
        read_fields(body)
