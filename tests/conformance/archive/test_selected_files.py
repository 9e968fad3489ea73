"""Files by other ways than one resource: structures of zips, selections, uploads without a resource."""

from __future__ import annotations

import io
import zipfile

import pytest
from support.fill import Fill
from support.rest import Rest


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """A session with a scan, two tasks and a reconstruction, a file in each; its URI."""
    session = fill.session(project, "S1", "MR1")
    scan = fill.scan(session, "1", type="T1")
    fill.files(scan, "NIFTI", {"a.nii": b"1", "deep/b.nii": b"2"})
    for label in ("TASK1", "TASK2"):
        task = fill.assessor(session, label)
        fill.files(f"{task}/out", "PDF", {f"{label}.pdf": b"3"})
    fill.put(f"{session}/reconstructions/R1", {"type": "mean"})
    fill.files(f"{session}/reconstructions/R1/out", "MEAN", {"m.nii": b"4"})
    return session


def entries(rest: Rest, uri: str, structure: str = "") -> list[str]:
    """Return the names inside of the zip of some files."""
    answer = rest.get(f"{uri}/files", {"format": "zip", **({"structure": structure} if structure else {})})
    answer.raise_for_status()
    return sorted(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (
            "",
            ["MR1/scans/1-T1/resources/NIFTI/files/a.nii", "MR1/scans/1-T1/resources/NIFTI/files/deep/b.nii"],
        ),
        ("simplified", ["MR1/scans/1/NIFTI/a.nii", "MR1/scans/1/NIFTI/deep/b.nii"]),
        ("improved", ["scans/1_T1/NIFTI/a.nii", "scans/1_T1/NIFTI/deep/b.nii"]),
    ],
)
def test_structure(rest: Rest, session: str, structure: str, expected: list[str]) -> None:
    """A client chooses the folders inside of a zip."""
    assert expected == entries(rest, f"{session}/scans/1", structure)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("assessors/ALL", ["TASK1.pdf", "TASK2.pdf"]),
        ("assessors/TASK2", ["TASK2.pdf"]),
        ("assessors/TASK1,TASK2", ["TASK1.pdf", "TASK2.pdf"]),
        ("assessors/proc:genProcData", ["TASK1.pdf", "TASK2.pdf"]),
        ("reconstructions/ALL", ["m.nii"]),
        ("reconstructions/mean", ["m.nii"]),
    ],
)
def test_selection(rest: Rest, session: str, selection: str, expected: list[str]) -> None:
    """Assessors and reconstructions are selected as scans are: all, by a list, by type."""
    rows = rest.rows(f"{session}/{selection}/out/files")
    assert expected == sorted(row["Name"] for row in rows)


def test_selection_of_none(rest: Rest, session: str) -> None:
    """A selection that names nothing is missing."""
    assert 404 == rest.get(f"{session}/assessors/NO/files").status_code


@pytest.mark.parametrize("item", ["", "/scans/1"])
def test_upload_without_a_resource(rest: Rest, session: str, item: str) -> None:
    """A file that is sent to ``X/files`` lies in a resource of X without a label, and comes back."""
    uri = f"{session}{item}/files/deep/x.txt"
    rest.put(uri, {"inbody": "true"}, b"content").raise_for_status()
    (row,) = [row for row in rest.rows(f"{session}{item}/files") if row["Name"] == "x.txt"]
    assert ("", b"content", b"content") == (
        row["collection"],
        rest.get(uri).content,
        rest.get(row["URI"]).content,
    )


def test_second_upload_without_a_resource(rest: Rest, session: str) -> None:
    """All files that are sent so lie in one resource."""
    for name in ("x.txt", "y.txt"):
        rest.put(f"{session}/files/{name}", {"inbody": "true"}, b"content").raise_for_status()
    rows = rest.rows(f"{session}/resources")
    assert [("", "2")] == [(row["label"], row["file_count"]) for row in rows]
