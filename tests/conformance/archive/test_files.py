"""Resources and files: upload and delete (XNAT REST reference, section 4)."""

from __future__ import annotations

import io
import tarfile
from urllib.parse import quote

import pytest
from support.fill import Fill, md5, zip_bytes
from support.rest import Rest

CONTENT = b"some content\n"


def tar_bytes(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]  # mode is a variable
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


# -- upload --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    ("parameters", "headers"),
    [
        ({"inbody": "true"}, {}),
        ({"inbody": "true"}, {"Content-Type": "text/plain"}),
        ({}, {"Content-Type": "application/octet-stream"}),
    ],
)
def test_raw_upload(
    rest: Rest, resource: str, method: str, parameters: dict[str, str], headers: dict[str, str]
) -> None:
    """A raw body is stored under the path; the answer is 200 without a body; the resource is made."""
    answer = rest.send(method, f"{resource}/files/sub/a.txt", parameters, data=CONTENT, headers=headers)
    assert (200, "") == (answer.status_code, answer.text)
    assert CONTENT == rest.get(f"{resource}/files/sub/a.txt").content


@pytest.mark.parametrize(("uri", "path"), [("/files/a.txt", "a.txt"), ("/files", "part.txt")])
def test_multipart_upload(rest: Rest, resource: str, uri: str, path: str) -> None:
    """A form's file part is stored under the path of the URI, else under its own name."""
    answer = rest.send("PUT", resource + uri, files={"file": ("part.txt", CONTENT)})
    assert 200 == answer.status_code
    assert {path: md5(CONTENT)} == {name: row["digest"] for name, row in rest.files(resource).items()}


@pytest.mark.parametrize("name", ["u.zip", "u.tar", "u.tar.gz", "u.tgz"])
def test_upload_is_extracted(rest: Rest, resource: str, name: str) -> None:
    """``extract=true`` unpacks an archive into the resource, empty files too, and does not keep it."""
    files = {"a.txt": b"a", "deep/er/b.txt": b"bb", "empty": b""}
    modes = {"u.tar": "w", "u.tar.gz": "w:gz", "u.tgz": "w:gz"}
    body = zip_bytes(files) if name == "u.zip" else tar_bytes(files, modes[name])
    answer = rest.upload(resource, name, body, extract="true")
    assert (200, "") == (answer.status_code, answer.text)
    assert files == {path: rest.get(row["URI"]).content for path, row in rest.files(resource).items()}


def test_zip_without_extract(rest: Rest, resource: str) -> None:
    """Without ``extract`` an archive is a file like any other."""
    body = zip_bytes({"a.txt": b"a"})
    rest.upload(resource, "u.zip", body).raise_for_status()
    assert body == rest.get(f"{resource}/files/u.zip").content


def test_duplicate(rest: Rest, resource: str) -> None:
    """A file that exists stays: 200, and its path in ``duplicates``."""
    rest.upload(resource, "a.txt", CONTENT)
    answer = rest.upload(resource, "a.txt", b"other")
    assert (200, {"duplicates": ["a.txt"]}) == (answer.status_code, answer.json())
    assert CONTENT == rest.get(f"{resource}/files/a.txt").content


def test_duplicate_in_a_zip(rest: Rest, resource: str) -> None:
    """Of a zip the new files are stored and the existing ones are told."""
    rest.upload(resource, "a.txt", CONTENT)
    answer = rest.upload(resource, "u.zip", zip_bytes({"a.txt": b"other", "b.txt": b"b"}), extract="true")
    assert (200, {"duplicates": ["a.txt"]}) == (answer.status_code, answer.json())
    assert {"a.txt": md5(CONTENT), "b.txt": md5(b"b")} == {
        path: row["digest"] for path, row in rest.files(resource).items()
    }


def test_overwrite(rest: Rest, resource: str) -> None:
    """``overwrite=true`` replaces file, size and digest."""
    rest.upload(resource, "a.txt", CONTENT)
    assert "" == rest.upload(resource, "a.txt", b"other", overwrite="true").text
    row = rest.files(resource)["a.txt"]
    assert ("5", md5(b"other")) == (row["Size"], row["digest"])
    assert b"other" == rest.get(f"{resource}/files/a.txt").content


def test_empty_raw_upload(rest: Rest, resource: str) -> None:
    """An empty body is refused with 500, or stored: never half of it."""
    answer = rest.send("PUT", f"{resource}/files/empty", {"inbody": "true"}, data=b"")
    stored = rest.get(f"{resource}/files/empty").status_code
    assert (answer.status_code, stored) in {(500, 404), (200, 200)}


@pytest.mark.parametrize("parent", ["/subjects/S1/experiments/NO", "/subjects/NO"])
def test_upload_below_nothing(rest: Rest, project: str, session: str, parent: str) -> None:
    """An upload below an item that does not exist is 404."""
    assert session
    answer = rest.upload(f"/data/projects/{project}{parent}/resources/R", "a.txt", CONTENT)
    assert 404 == answer.status_code


@pytest.mark.parametrize(
    "below",
    [
        "",
        "/subjects/S1",
        "/subjects/S1/experiments/MR1",
        "/subjects/S1/experiments/MR1/scans/1",
        "/subjects/S1/experiments/MR1/assessors/A1",
        "/subjects/S1/experiments/MR1/assessors/A1/out",
        "/subjects/S1/experiments/MR1/assessors/A1/in",
    ],
)
def test_every_level_has_resources(rest: Rest, project: str, session: str, below: str) -> None:
    """Project, subject, session, scan and assessor have resources; files are found again by their URI."""
    assert session
    resource = f"/data/projects/{project}{below}/resources/R"
    assert 200 == rest.upload(resource, "a.txt", CONTENT).status_code
    row = rest.files(resource)["a.txt"]
    assert CONTENT == rest.get(row["URI"]).content


def test_assessor_resources_are_out(rest: Rest, session: str) -> None:
    """Without a group an assessor's resources are its results."""
    rest.upload(f"{session}/assessors/A1/resources/R", "a.txt", CONTENT)
    assert ["a.txt"] == list(rest.files(f"{session}/assessors/A1/out/resources/R"))
    assert [] == rest.rows(f"{session}/assessors/A1/in/resources")


@pytest.mark.parametrize(
    "name",
    ["a b.txt", "ä 你.txt", "a+b.txt", "a;b.txt", "a&b=c.txt", "#1.txt", "100%.txt", "(1).txt", "'q'.txt"],
)
def test_odd_names(rest: Rest, resource: str, name: str) -> None:
    """Odd file names arrive and come back as they are."""
    assert 200 == rest.upload(resource, quote(name), CONTENT).status_code
    assert [name] == [row["Name"] for row in rest.rows(f"{resource}/files")]
    assert CONTENT == rest.get(f"{resource}/files/{quote(name)}").content


@pytest.mark.parametrize(
    "path", ["..%2Fx", "%2e%2e/%2e%2e/x", "a/%2e%2e/%2e%2e/%2e%2e/x", "%2Fetc%2Fx", "a%00b", "..%5Cx"]
)
def test_hostile_path(rest: Rest, resource: str, path: str) -> None:
    """A path that would leave the resource is refused and stores nothing."""
    rest.put(resource)
    assert rest.upload(resource, path, CONTENT).status_code in {400, 404, 405}
    assert {} == rest.files(resource)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_hostile_zip(rest: Rest, resource: str, name: str) -> None:
    """A zip with an entry that would leave the resource stores nothing outside and no such file."""
    rest.put(resource)
    rest.upload(resource, "u.zip", zip_bytes({name: CONTENT}), extract="true")
    assert all(".." not in path and not path.startswith("/") for path in rest.files(resource))


def test_hostile_tar_link(rest: Rest, resource: str) -> None:
    """A link in a tar never leads out of the resource."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    rest.upload(resource, "u.tar", buffer.getvalue(), extract="true")
    assert b"root:" not in rest.get(f"{resource}/files/link").content


# -- delete --------------------------------------------------------------------------------------


def test_delete_file(rest: Rest, session: str, fill: Fill) -> None:
    """A deleted file is gone and no longer counted."""
    resource = fill.files(session, "R", {"a": b"1", "b": b"2"})
    assert 200 == rest.delete(f"{resource}/files/a").status_code
    assert (404, ["b"]) == (rest.get(f"{resource}/files/a").status_code, list(rest.files(resource)))
    assert "1" == rest.rows(f"{session}/resources")[0]["file_count"]


def test_delete_folder(rest: Rest, session: str, fill: Fill) -> None:
    """A folder's path deletes the folder."""
    resource = fill.files(session, "R", {"f/a": b"1", "f/g/b": b"2", "fa": b"3"})
    assert 200 == rest.delete(f"{resource}/files/f").status_code
    assert ["fa"] == list(rest.files(resource))


def test_delete_missing_file(rest: Rest, session: str, fill: Fill) -> None:
    """Deleting a file that is not there is 404."""
    resource = fill.files(session, "R", {"a": b"1"})
    assert 404 == rest.delete(f"{resource}/files/no").status_code


def test_delete_resource(rest: Rest, session: str, fill: Fill) -> None:
    """A deleted resource is gone with its files; a new one of that name is empty."""
    resource = fill.files(session, "R", {"a": b"1"})
    assert 200 == rest.delete(resource, {"removeFiles": "true"}).status_code
    assert 404 == rest.get(f"{resource}/files").status_code
    rest.put(resource)
    assert {} == rest.files(resource)
