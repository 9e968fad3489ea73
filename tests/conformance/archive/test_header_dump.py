"""Headers of DICOM files, told by the archive (``/data/services/dicomdump``)."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from support.dicom import dicom
from support.fill import Fill
from support.rest import Rest

URI = "/data/services/dicomdump"


def image() -> bytes:
    """A DICOM file with a name in angle brackets and a sequence."""
    item = Dataset()
    item.CodeValue = "T-A0100"
    return dicom(SeriesDescription="a <b>", AnatomicRegionSequence=[item])


@pytest.fixture
def scan(project: str, fill: Fill) -> str:
    """A scan with two DICOM files, the second of which is none; its URI."""
    session = fill.session(project, "S1", "MR1")
    scan = fill.scan(session, "1", type="T1")
    fill.files(scan, "DICOM", {"1.dcm": image(), "2.dcm": b"no image"}, format="DICOM")
    fill.scan(session, "2", type="T1")
    return scan


def rows(rest: Rest, scan: str, **parameters: str) -> list[dict[str, str]]:
    return rest.rows(URI, {"src": scan.replace("/data/", "/archive/"), **parameters})


def test_headers(rest: Rest, scan: str) -> None:
    """Each header is a row: tag, kind, value, name; values are escaped."""
    found = {row["tag1"]: row for row in rows(rest, scan) if not row["tag2"]}
    row = found["(0008,103E)"]
    assert ("LO", "a &lt;b&gt;", "Series Description") == (row["vr"], row["value"], row["desc"])
    assert "(7FE0,0010)" not in found


def test_sequence(rest: Rest, scan: str) -> None:
    """Headers inside of a sequence have the tag of the sequence too."""
    (row,) = [row for row in rows(rest, scan) if row["tag2"] == "(0008,0100)"]
    assert ("(0008,2218)", "T-A0100") == (row["tag1"], row["value"])


@pytest.mark.parametrize("field", ["PatientID", "00100020"])
def test_one_field(rest: Rest, scan: str, field: str) -> None:
    """One header is asked for by name or number."""
    assert ["jane 01"] == [row["value"] for row in rows(rest, scan, field=field)]


def test_without_a_file(rest: Rest, scan: str) -> None:
    """A scan without DICOM files has no headers."""
    source = scan.replace("/data/", "/archive/").replace("/scans/1", "/scans/2")
    assert 404 == rest.get(URI, {"src": source, "format": "json"}).status_code


def test_of_xnatpy(connection: Any, project: str, scan: str) -> None:
    """What xnatpy dumps of a scan, whole and some fields, is what it reads from the file itself."""
    assert scan
    found = connection.projects[project].experiments["MR1"].scans["1"]
    whole = {row["tag1"]: row["value"] for row in found.dicom_dump()}
    some = found.dicom_dump(fields=["Modality", "PatientID"])
    assert "jane 01" == whole["(0010,0020)"] == str(found.read_dicom().PatientID)
    assert ["MR", "jane 01"] == [row["value"] for row in some]
