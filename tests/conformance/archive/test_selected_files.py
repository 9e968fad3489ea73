"""Files by other ways than one resource: structures of zips, selections, patterns, no resource at all."""

from __future__ import annotations

import io
import zipfile

import pytest
from support.fill import Fill, zip_bytes
from support.rest import Rest
from support.site import Site


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


# -- several at once --------------------------------------------------------------------------------


@pytest.fixture
def resource(session: str, fill: Fill) -> str:
    """URI of a resource with files in folders."""
    files = dict.fromkeys(("a1.txt", "a2.txt", "b.dcm", "c.dcm", "f/d.txt", "f/g/e.txt"), b"1")
    return fill.files(session, "R", files)


@pytest.mark.parametrize(
    ("folder", "parameters", "expected"),
    [
        ("f/", {}, {"f/d.txt", "f/g/e.txt"}),
        ("f/", {"recursive": "false"}, {"f/d.txt"}),
        ("", {"recursive": "false"}, {"a1.txt", "a2.txt", "b.dcm", "c.dcm"}),
    ],
)
def test_list_of_a_folder(
    rest: Rest, resource: str, *, folder: str, parameters: dict[str, str], expected: set[str]
) -> None:
    """A folder is listed with what is in the folders below it, unless the client says otherwise."""
    rows = rest.rows(f"{resource}/files/{folder}", parameters)
    assert expected == {row["URI"].partition("/files/")[2] for row in rows}


@pytest.mark.parametrize(
    ("names", "left"),
    [("a*.txt", {"b.dcm", "c.dcm"}), ("*.dcm", {"a1.txt", "a2.txt"}), ("a1.txt,c.dcm", {"a2.txt", "b.dcm"})],
)
def test_delete_several_files(rest: Rest, resource: str, names: str, left: set[str]) -> None:
    """A pattern or a list deletes all files that it names."""
    assert 200 == rest.delete(f"{resource}/files/{names}").status_code
    assert left == set(rest.files(resource)) - {"f/d.txt", "f/g/e.txt"}


def test_delete_several_resources(rest: Rest, session: str, resource: str, fill: Fill) -> None:
    """A list deletes the resources that it names, and passes over labels that are unknown."""
    fill.files(session, "R2", {"x": b"1"})
    fill.files(session, "R3", {"x": b"1"})
    assert 200 == rest.delete(f"{resource},NO,R3", {"removeFiles": "true"}).status_code
    assert ["R2"] == [row["label"] for row in rest.rows(f"{session}/resources")]


def test_delete_by_a_foreign_number(rest: Rest, session: str, resource: str) -> None:
    """A number that is another item's resource deletes nothing: 403."""
    number = rest.rows(f"{session}/resources")[0]["xnat_abstractresource_id"]
    assert 403 == rest.delete(f"{session}/scans/1/resources/{number}").status_code
    assert 6 == len(rest.files(resource))


@pytest.mark.parametrize(
    ("kind", "selector"),
    [("a/b,c", "a[SLASH]b[COMMA]c"), ("a/b,c", "a%5BSLASH%5Db%5BCOMMA%5Dc"), ("", "NULL")],
)
def test_selection_by_an_odd_type(rest: Rest, session: str, fill: Fill, kind: str, selector: str) -> None:
    """Words stand for what an address cannot have: a slash, a comma, no type at all."""
    scan = fill.scan(session, "9", **({"type": kind} if kind else {}))
    fill.files(scan, "NIFTI", {"odd.nii": b"1"})
    rows = rest.rows(f"{session}/scans/{selector}/files")
    assert ["odd.nii"] == [row["Name"] for row in rows]


def test_catalog_of_images(rest: Rest, session: str, fill: Fill) -> None:
    """The catalog of DICOM files has an element of its own, which clients look for."""
    fill.files(f"{session}/scans/1", "DICOM", {"1.dcm": b"1"}, format="DICOM", content="RAW")
    text = rest.get(f"{session}/scans/1/resources/DICOM").text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<cat:DCMCatalog ')


def test_several_files_of_a_form(rest: Rest, session: str) -> None:
    """Of the files of a form those that are called as archives are unpacked, others stored as they are."""
    files = {"a": ("u.zip", zip_bytes({"in/x.txt": b"1"})), "b": ("note.txt", b"2"), "c": ("m.nii.gz", b"3")}
    answer = rest.send("POST", f"{session}/resources/R/files", {"extract": "true"}, files=files)
    assert (200, {"in/x.txt", "note.txt", "m.nii.gz"}) == (
        answer.status_code,
        set(rest.files(f"{session}/resources/R")),
    )


def test_words_on_a_file(rest: Rest, session: str) -> None:
    """What a client says of a file stands in the list of files."""
    words = {"format": "NIFTI", "content": "MASK", "tags": "a,b"}
    rest.put(f"{session}/resources/R/files/m.nii", {"inbody": "true", **words}, b"1").raise_for_status()
    (row,) = rest.rows(f"{session}/resources/R/files")
    assert tuple(words.values()) == (row["file_format"], row["file_content"], row["file_tags"])


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("resource=/archive{session}&options=append,delete,checksum,populateStats", 200),
        ("resource=/data{session}&resource=/archive{session}/scans/1/resources/NIFTI&append=true", 200),
        ("resource=/archive{session}/scans/1/resources/NO", 404),
        ("resource=/archive{session}/scans/99", 404),
        ("options=append", 400),
    ],
)
def test_refresh_by_an_address(rest: Rest, session: str, query: str, status: int) -> None:
    """Catalogs are refreshed by the address of an item or of a resource, in both spellings."""
    asked = query.format(session=session.removeprefix("/data"))
    assert status == rest.send("POST", f"/data/services/refresh/catalog?{asked}").status_code


def test_columns_are_told(rest: Rest, session: str) -> None:
    """A list of files in JSON names its columns before its rows, and tells no number of rows."""
    table = rest.get(f"{session}/scans/1/files", {"format": "json"}).json()["ResultSet"]
    told = {column["key"] for column in table["Columns"]}
    assert (set(table["Result"][0]), "Columns", False) == (told, next(iter(table)), "totalRecords" in table)


def test_catalog_is_no_file(site: Site, rest: Rest, resource: str) -> None:
    """A file whose name is that of a catalog is refused, and left out of a zip."""
    if site.process is None:
        pytest.skip("a real XNAT does one or the other without saying so")
    refused = rest.upload(resource, "R_catalog.xml", b"<x/>").status_code
    packed = zip_bytes({"n.txt": b"1", "x/R_catalog.xml": b"<x/>"})
    rest.upload(resource, "u.zip", packed, extract="true").raise_for_status()
    assert (400, {"n.txt"}) == (refused, {path for path in rest.files(resource) if path[0] in "nxR"})
