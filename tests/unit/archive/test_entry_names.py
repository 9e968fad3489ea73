"""How files are called inside a zip, by structure; no archive."""

from __future__ import annotations

import pytest

from cci.archive.routes.entrynames import Place, folder_name

SCAN = Place(top="MR1", category="scans", name="1", kind="T1 w/o", label="NIFTI")
PLAIN = Place(top="MR1", label="R")
TASK = Place(top="MR1", category="assessors", name="A1", kind="Processing", grouping="out", label="PDF")


@pytest.mark.parametrize(
    ("place", "structure", "expected"),
    [
        (SCAN, "", "MR1/scans/1-T1_w_o/resources/NIFTI/files"),
        (SCAN, "legacy", "MR1/scans/1-T1_w_o/resources/NIFTI/files"),
        (SCAN, "simplified", "MR1/scans/1/NIFTI"),
        (SCAN, "improved", "scans/1_T1 w_o/NIFTI"),
        (PLAIN, "", "MR1/resources/R/files"),
        (PLAIN, "simplified", "MR1/R"),
        (PLAIN, "improved", "resources/R"),
        (TASK, "", "MR1/assessors/A1/out/resources/PDF/files"),
        (TASK, "simplified", "A1/out/PDF"),
        (TASK, "improved", "assessors/A1_Processing/PDF"),
    ],
)
def test_folder(place: Place, structure: str, expected: str) -> None:
    """Each structure has its own folders; XNAT's usual ones for any other word."""
    assert expected == folder_name(place, structure)


def test_tar_has_short_names() -> None:
    """Improved names in a tar have no types."""
    assert "scans/1/NIFTI" == folder_name(SCAN, "improved", "tar.gz")
