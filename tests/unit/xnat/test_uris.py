"""Addresses in an archive."""

from __future__ import annotations

import pytest

from cci.errors import Refused
from cci.xnat import uris

SESSION = "/data/experiments/XNAT_E00001"


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (uris.project("P1"), "/data/projects/P1"),
        (uris.subject("P1", "S 1"), "/data/projects/P1/subjects/S%201"),
        (uris.session("XNAT_E00001"), SESSION),
        (uris.session_in("P1", "S1", "MR1"), "/data/projects/P1/subjects/S1/experiments/MR1"),
        (uris.scan(SESSION, "301-MR1"), f"{SESSION}/scans/301-MR1"),
        (uris.scan(SESSION, "3/1"), f"{SESSION}/scans/3%5BSLASH%5D1"),
        (uris.assessor(SESSION, "a;b$(c)"), f"{SESSION}/assessors/a%3Bb%24%28c%29"),
        (uris.results(uris.assessor(SESSION, "A")), f"{SESSION}/assessors/A/out"),
        (uris.subject_assessor("P1", "S1", "A"), "/data/projects/P1/subjects/S1/experiments/A"),
        (uris.resource(SESSION, "NIFTI"), f"{SESSION}/resources/NIFTI"),
        (uris.files(SESSION), f"{SESSION}/files"),
        (uris.files(SESSION, ["NIFTI", "B VAL"]), f"{SESSION}/resources/NIFTI,B%20VAL/files"),
        (
            uris.file(SESSION, "R", "a/b c#?%+ä.txt"),
            f"{SESSION}/resources/R/files/a/b%20c%23%3F%25%2B%C3%A4.txt",
        ),
    ],
)
def test_addresses(built: str, expected: str) -> None:
    """Every part is quoted, so that a name never changes which thing is meant."""
    assert expected == built


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_directions_are_no_names(name: str) -> None:
    """A name that HTTP clients take for a direction is refused."""
    with pytest.raises(Refused):
        uris.scan(SESSION, name)
    with pytest.raises(Refused):
        uris.file(SESSION, "R", f"a/{name}/b")
