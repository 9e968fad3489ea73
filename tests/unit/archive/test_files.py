"""Resources and files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

E = "projects/P/subjects/S/experiments/E"
R = f"{E}/scans/1/resources/NEW"


def names(world: Any, path: str = R) -> list[str]:
    return [row["URI"].partition("/files/")[2] for row in world.get(f"{path}/files").rows]


def test_upload_and_download(filled: Any) -> None:
    """A file comes back as it was sent, with its MD5 in the list; its resource is made on the way."""
    answer = filled.upload(f"{R}/files/sub/a.txt", b"hello")
    row = filled.get(f"{R}/files").rows[0]
    assert (200, "") == (answer.status, answer.text)
    assert ("a.txt", "5", "5d41402abc4b2a76b9719d911017c592") == (row["Name"], row["Size"], row["digest"])
    assert b"hello" == filled.get(f"{R}/files/sub/a.txt").body


def test_duplicate(filled: Any) -> None:
    """A file that is there stays, and the answer is 200 with its name in JSON."""
    filled.upload(f"{R}/files/a", b"old")
    answer = filled.upload(f"{R}/files/a", b"new")
    assert (200, {"duplicates": ["a"]}) == (answer.status, json.loads(answer.body))
    assert b"old" == filled.get(f"{R}/files/a").body


def test_overwrite(filled: Any) -> None:
    """With ``overwrite=true`` the new content replaces the old one, digest included."""
    filled.upload(f"{R}/files/a", b"old")
    filled.upload(f"{R}/files/a", b"newer", overwrite="true")
    row = filled.get(f"{R}/files").rows[0]
    assert (b"newer", "5") == (filled.get(f"{R}/files/a").body, row["Size"])


def test_empty_raw_upload(filled: Any) -> None:
    """An empty file as the body fails with 500, as on XNAT."""
    assert 500 == filled.upload(f"{R}/files/a", b"").status


def test_extract(filled: Any, make_zip: Any) -> None:
    """A zip is unpacked, empty files too, and is not kept."""
    body = make_zip({"a": b"1", "d/empty": b"", "x_catalog.xml": b"no"})
    filled.upload(f"{R}/files/up.zip", body, extract="true")
    assert ["a", "d/empty"] == names(filled)


def test_extract_tar(filled: Any) -> None:
    """So is a compressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("d/a")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"hi"))
    filled.upload(f"{R}/files/up.tar.gz", buffer.getvalue(), extract="true")
    assert ["d/a"] == names(filled)


def test_extract_tells_duplicates(filled: Any, make_zip: Any) -> None:
    """Unpacking stores what is new and tells what was there."""
    filled.upload(f"{R}/files/a", b"old")
    answer = filled.upload(f"{R}/files/u.zip", make_zip({"a": b"1", "b": b"2"}), extract="true")
    assert ({"duplicates": ["a"]}, ["a", "b"]) == (json.loads(answer.body), names(filled))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\b"])
def test_hostile_zip(filled: Any, make_zip: Any, name: str) -> None:
    """A zip with a name that leaves the resource is refused whole."""
    body = make_zip({"good": b"1", name: b"2"})
    answer = filled.upload(f"{R}/files/u.zip", body, extract="true")
    assert (400, 404) == (answer.status, filled.get(f"{R}/files").status)


def test_zip_with_a_link(filled: Any) -> None:
    """A zip with a symbolic link is refused."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert 400 == filled.upload(f"{R}/files/u.zip", buffer.getvalue(), extract="true").status


@pytest.mark.parametrize("name", ["u.zip", "u.tar.gz"])
def test_damaged_archive(filled: Any, name: str) -> None:
    """What cannot be unpacked is refused, and leaves nothing."""
    assert 400 == filled.upload(f"{R}/files/{name}", b"no archive", extract="true").status


def test_nothing_is_left_on_disk(filled: Any, make_zip: Any) -> None:
    """Contents that no file got (duplicates, packed archives, refused uploads) are removed at once."""
    before = contents(filled)
    filled.upload(f"{R}/files/u.zip", make_zip({"a": b"1"}), extract="true")
    filled.upload(f"{R}/files/a", b"duplicate")
    filled.upload(f"{R}/files/u.zip", b"no zip", extract="true")
    filled.upload("projects/NONE/resources/R/files/a", b"no project")
    assert 1 == len(contents(filled) - before)


def contents(world: Any) -> set[Path]:
    return {path for path in (world.store.root / "files").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sub/a", ["b", "sub/c"]),
        ("sub/", ["b"]),
        ("sub", ["b"]),
        ("*", []),
        ("b,sub/c", ["sub/a"]),
    ],
)
def test_delete_files(filled: Any, make_zip: Any, path: str, expected: list[str]) -> None:
    """A file, a folder, a pattern or a list can be deleted."""
    filled.upload(f"{R}/files/u.zip", make_zip({"sub/a": b"1", "b": b"2", "sub/c": b"3"}), extract="true")
    assert 200 == filled.ask("DELETE", f"{R}/files/{path}").status
    assert expected == names(filled)


def test_delete_nothing(filled: Any) -> None:
    """Deleting what is not there is 404 for a file and 200 for a resource's label."""
    filled.upload(f"{R}/files/a", b"1")
    assert 404 == filled.ask("DELETE", f"{R}/files/zzz").status
    assert 200 == filled.ask("DELETE", f"{E}/resources/UNKNOWN").status
    assert 403 == filled.ask("DELETE", f"{E}/resources/99999").status


def test_resource_twice(filled: Any) -> None:
    """A resource is created once; the second time it is a conflict."""
    assert (200, 409) == (filled.put(R).status, filled.put(R).status)


def test_counts(filled: Any, make_zip: Any) -> None:
    """A resource knows the number and size of its files."""
    filled.upload(f"{R}/files/u.zip", make_zip({"a": b"123", "b": b"4567"}), extract="true")
    rows = {row["label"]: row for row in filled.get(f"{E}/scans/1/resources").rows}
    assert ("2", "7") == (rows["NEW"]["file_count"], rows["NEW"]["file_size"])


def test_all_resources_of_a_session(filled: Any) -> None:
    """``all=true`` tells the resources of scans and assessors too, for several sessions at once."""
    filled.upload(f"{E}/assessors/A/resources/PDF/files/r", b"1")
    filled.put("projects/P/subjects/S/experiments/E2", xsiType="xnat:mrSessionData")
    filled.upload("projects/P/subjects/S/experiments/E2/resources/N/files/r", b"1")
    rows = filled.get("experiments/XNAT_E00001,XNAT_E00003/resources", all="true").rows
    found = {(row["category"], row["cat_id"], row["label"]) for row in rows}
    assert {
        ("scans", "1", "DICOM"),
        ("scans", "1", "NIFTI"),
        ("assessors", "XNAT_E00002", "PDF"),
        ("resources", "XNAT_E00003", "N"),
    } == found


def test_numbers_name_resources(filled: Any) -> None:
    """A resource is named by its label or its number; another item's number is refused."""
    number = filled.get(f"{E}/scans/1/resources").rows[0]["xnat_abstractresource_id"]
    assert 200 == filled.get(f"{E}/scans/1/resources/{number}/files/a.txt").status
    assert 403 == filled.get(f"{E}/scans/2/resources/{number}/files").status


def test_zip_download(filled: Any) -> None:
    """A zip has the layout of XNAT's: session, scan and type, resource, files."""
    body = filled.get(f"{E}/scans/ALL/files", format="zip").body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert None is archive.testzip()
        assert [
            "E/scans/1-T1/resources/DICOM/files/a.txt",
            "E/scans/1-T1/resources/NIFTI/files/a.txt",
        ] == sorted(archive.namelist())


@pytest.mark.parametrize("selector", ["T1", "1,2", "ALL", "*"])
def test_scans_by_type(filled: Any, selector: str) -> None:
    """Scans are chosen by number, list or type."""
    assert 2 == len(filled.get(f"{E}/scans/{selector}/files").rows)


def test_catalog(filled: Any) -> None:
    """A resource itself is its catalog, whose first bytes clients look for."""
    body = filled.get(f"{E}/scans/1/resources/NIFTI", format="json").body
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog')


@pytest.mark.parametrize("path", ["../x", "a/../x", "a\nb"])
def test_hostile_names(filled: Any, path: str) -> None:
    """A name that leaves the resource is refused."""
    assert 400 == filled.upload(f"{R}/files/{path}", b"1").status


def test_not_modified(filled: Any) -> None:
    """A file that has not changed since then is not sent again."""
    path = f"{E}/scans/1/resources/NIFTI/files/a.txt"
    headers = {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert (304, b"") == (
        filled.send("GET", path, [], headers=headers).status,
        filled.send("GET", path, [], headers=headers).body,
    )
