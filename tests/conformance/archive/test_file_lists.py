"""Resources and files: their lists, and downloads (XNAT REST reference, section 4)."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from support.fill import Fill, md5
from support.rest import Rest

CONTENT = b"some content\n"


# -- lists ---------------------------------------------------------------------------------------


def test_file_row(rest: Rest, resource: str, session: str) -> None:
    """A row has name, size, MD5, the label and number of its resource, and the short URI with that number."""
    rest.put(resource, {"format": "TEXT", "content": "NOTE"})
    rest.upload(resource, "sub/a.txt", CONTENT)
    (row,) = rest.rows(f"{resource}/files")
    (listed,) = [each for each in rest.rows(f"{session}/resources") if each["label"] == "R"]
    number = listed["xnat_abstractresource_id"]
    experiment = rest.item(session)["ID"]
    expected = {
        "Name": "a.txt",
        "Size": str(len(CONTENT)),
        "URI": f"/data/experiments/{experiment}/resources/{number}/files/sub/a.txt",
        "collection": "R",
        "cat_ID": number,
        "digest": md5(CONTENT),
    }
    assert expected == {name: row[name] for name in expected}
    assert ("TEXT", "NOTE") == (listed["format"], listed["content"])


def test_resource_row_counts(rest: Rest, session: str, fill: Fill) -> None:
    """A resource row counts files and bytes."""
    fill.files(session, "R", {"a": b"12", "b": b"345"})
    (row,) = rest.rows(f"{session}/resources")
    assert ("2", "5", "resources") == (row["file_count"], row["file_size"], row["category"])


def test_resource_by_number(rest: Rest, resource: str, session: str) -> None:
    """A resource is found by its number as by its label."""
    rest.upload(resource, "a.txt", CONTENT)
    number = rest.rows(f"{session}/resources")[0]["xnat_abstractresource_id"]
    assert CONTENT == rest.get(f"{session}/resources/{number}/files/a.txt").content


def test_label_that_is_a_number(rest: Rest, session: str) -> None:
    """A label that is a number is a label first."""
    rest.upload(f"{session}/resources/1", "a.txt", CONTENT)
    assert ["a.txt"] == list(rest.files(f"{session}/resources/1"))


def test_resource_of_another_project(
    rest: Rest, resource: str, fill: Fill, session: str, project: str
) -> None:
    """Another item's resource number is refused with 403."""
    rest.upload(resource, "a.txt", CONTENT)
    number = rest.rows(f"{session}/resources")[0]["xnat_abstractresource_id"]
    elsewhere = fill.session(project, "S2", "MR2")
    assert rest.get(f"{elsewhere}/resources/{number}/files").status_code in {403, 404}


def test_files_of_several_resources(rest: Rest, session: str, fill: Fill) -> None:
    """``X/files`` lists the files of all resources of X, ``R1,R2`` those of the ones named."""
    for label in ("R1", "R2", "R3"):
        fill.files(session, label, {f"{label}.txt": CONTENT})
    every = {row["collection"] for row in rest.rows(f"{session}/files")}
    some = {row["collection"] for row in rest.rows(f"{session}/resources/R1,R2/files")}
    assert ({"R1", "R2", "R3"}, {"R1", "R2"}) == (every, some)


@pytest.mark.parametrize("scans", ["ALL", "1", "1,2", "T1"])
def test_files_of_scans(rest: Rest, session: str, fill: Fill, scans: str) -> None:
    """Scans are selected by number, list, type or ``ALL``."""
    fill.files(f"{session}/scans/1", "NIFTI", {"a.nii": CONTENT})
    assert ["a.nii"] == [row["Name"] for row in rest.rows(f"{session}/scans/{scans}/files")]


@pytest.mark.parametrize("below", ["/resources/NO", "/resources/NO/files", "/resources/NO/files/a"])
def test_missing_resource(rest: Rest, session: str, below: str) -> None:
    """An unknown resource is 404."""
    assert 404 == rest.get(session + below).status_code


def test_nothing_but_files_below_a_resource(rest: Rest, resource: str) -> None:
    """Below a resource there is only ``files``."""
    rest.put(resource)
    assert 400 == rest.get(f"{resource}/nothing").status_code


def test_catalog(rest: Rest, resource: str) -> None:
    """A resource by itself is its catalog, which begins as xnatpy expects."""
    rest.upload(resource, "a.txt", CONTENT)
    text = rest.get(resource, {"format": "json"}).text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog ')
    assert f'digest="{md5(CONTENT)}"' in text


def test_refresh(rest: Rest, resource: str) -> None:
    """A catalog can be refreshed; nothing is lost."""
    rest.upload(resource, "a.txt", CONTENT)
    asked = {"resource": f"/archive{resource.removeprefix('/data')}", "options": "populateStats"}
    assert 200 == rest.send("POST", "/data/services/refresh/catalog", asked).status_code
    assert ["a.txt"] == list(rest.files(resource))


# -- download ------------------------------------------------------------------------------------


def test_download_headers(rest: Rest, resource: str) -> None:
    """A file comes with its length and modification time."""
    rest.upload(resource, "a.txt", CONTENT)
    answer = rest.get(f"{resource}/files/a.txt")
    assert str(len(CONTENT)) == answer.headers["Content-Length"]
    assert answer.headers["Last-Modified"].endswith("GMT")


def test_head(rest: Rest, resource: str) -> None:
    """HEAD has the headers of GET and no body."""
    rest.upload(resource, "a.txt", CONTENT)
    answer = rest.send("HEAD", f"{resource}/files/a.txt")
    assert (200, b"") == (answer.status_code, answer.content)
    assert answer.headers["Last-Modified"].endswith("GMT")


def test_not_modified(rest: Rest, resource: str) -> None:
    """``If-Modified-Since`` with the file's own time is answered with 304."""
    rest.upload(resource, "a.txt", CONTENT)
    since = rest.get(f"{resource}/files/a.txt").headers["Last-Modified"]
    answer = rest.send("GET", f"{resource}/files/a.txt", headers={"If-Modified-Since": since})
    assert 304 == answer.status_code


def test_accept_not_found(rest: Rest, resource: str) -> None:
    """``accept-not-found=true`` turns 404 of a file into 204."""
    rest.put(resource)
    uri = f"{resource}/files/no"
    assert (404, 204) == (
        rest.get(uri).status_code,
        rest.get(uri, {"accept-not-found": "true"}).status_code,
    )


@pytest.mark.parametrize(
    ("below", "entry"),
    [
        ("", "MR1/resources/R/files/sub/a.txt"),
        ("/scans/1", "MR1/scans/1-T1/resources/R/files/sub/a.txt"),
        ("/assessors/A1", "MR1/assessors/A1/out/resources/R/files/sub/a.txt"),
    ],
)
def test_zip_download(rest: Rest, session: str, fill: Fill, below: str, entry: str) -> None:
    """``format=zip`` packs the files of a resource below the names of their parents."""
    fill.files(session + below, "R", {"sub/a.txt": CONTENT, "empty": b""})
    answer = rest.get(f"{session}{below}/resources/R/files", {"format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {entry, entry.replace("sub/a.txt", "empty")} == set(archive.namelist())
        assert CONTENT == archive.read(entry)


@pytest.mark.parametrize("format_", ["tar", "tar.gz"])
def test_tar_download(rest: Rest, session: str, fill: Fill, format_: str) -> None:
    """``format=tar`` and ``tar.gz`` pack the files likewise."""
    fill.files(session, "R", {"a.txt": CONTENT})
    answer = rest.get(f"{session}/resources/R/files", {"format": format_})
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert ["MR1/resources/R/files/a.txt"] == archive.getnames()


def test_zip_of_scans(rest: Rest, session: str, fill: Fill) -> None:
    """One zip holds the files of all scans."""
    fill.scan(session, "2", type="dwi")
    for scan in ("1", "2"):
        fill.files(f"{session}/scans/{scan}", "NIFTI", {"a.nii": scan.encode()})
    answer = rest.get(f"{session}/scans/ALL/files", {"format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        expected = {f"MR1/scans/{scan}/resources/NIFTI/files/a.nii" for scan in ("1-T1", "2-dwi")}
        assert expected == set(archive.namelist())
