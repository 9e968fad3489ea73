"""Addresses below ``/data``."""

from __future__ import annotations

import pytest

from cci.archive.address import Address, parse_address
from cci.archive.errors import BadRequest

TABLE: list[tuple[str, Address]] = [
    ("projects", Address(collection="projects")),
    ("projects/P", Address(level="projects", project="P")),
    ("projects/P/subjects", Address(level="projects", project="P", collection="subjects")),
    (
        "projects/P/subjects/S/experiments/E",
        Address(level="experiments", project="P", subject="S", experiment="E"),
    ),
    ("experiments/X/scans/1", Address(level="scans", experiment="X", scan="1")),
    (
        "experiments/X/assessors/A/in/resources/R/files/a/b",
        Address(
            level="assessors",
            experiment="X",
            assessor="A",
            grouping="in",
            collection="files",
            resource="R",
            file="a/b",
        ),
    ),
    (
        "experiments/X/assessors/A/resources",
        Address(level="assessors", experiment="X", assessor="A", grouping="out", collection="resources"),
    ),
    ("subjects/X/files/sub/", Address(level="subjects", subject="X", collection="files", file="sub/")),
    (
        "experiments/X/projects/P2",
        Address(level="experiments", experiment="X", collection="shares", share="P2"),
    ),
    # the project alone leads to no scans: the session itself is meant
    (
        "projects/P/experiments/E/scans",
        Address(level="experiments", project="P", experiment="E", extra=("scans",)),
    ),
    (
        "projects/P/accessibility/public",
        Address(level="projects", project="P", extra=("accessibility", "public")),
    ),
]


@pytest.mark.parametrize(("path", "expected"), TABLE)
def test_parse(path: str, expected: Address) -> None:
    """An address names items from the outside in, and then what of the innermost one is meant."""
    assert expected == parse_address(path)


def test_only_files_follow_a_resource() -> None:
    """A resource has files and nothing else."""
    with pytest.raises(BadRequest):
        parse_address("experiments/X/resources/R/catalog")


def test_member() -> None:
    """A collection's member has the collection's address with its name."""
    collection = parse_address("projects/P/subjects")
    assert parse_address("projects/P/subjects/S") == collection.member("subjects", "S")
