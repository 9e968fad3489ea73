"""Unmodified pyxnat against every archive: resources and files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from support.fill import Fill, zip_bytes

CONTENT = b"some content\n"


@pytest.fixture
def session(interface: Any, project: str, fill: Fill) -> Any:
    """A session with a scan and a task."""
    uri = fill.session(project, "S1", "MR1")
    fill.scan(uri, "1", type="T1")
    fill.assessor(uri, "TASK1")
    return interface.select.project(project).subject("S1").experiment("MR1")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_bytes(CONTENT)
    return path


def names(resource: Any) -> list[str]:
    return sorted(resource.files().get())


@pytest.mark.parametrize("name", ["a.txt", "deep/er/a.txt", "with space.txt"])
def test_put_and_get(session: Any, source: Path, tmp_path: Path, name: str) -> None:
    """A file that was put comes back; its size is told; the resource is made on the way."""
    file = session.resource("R").file(name)
    file.put(str(source), format="TEXT", content="NOTE", tags="t")
    assert (True, str(len(CONTENT))) == (file.exists(), file.size())
    assert CONTENT == Path(file.get(str(tmp_path / "copy"))).read_bytes()


def test_file_attributes(session: Any, source: Path) -> None:
    """A file's attributes are its MD5, format, content and tags."""
    file = session.resource("R").file("a.txt")
    file.put(str(source), format="TEXT", content="NOTE", tags="t")
    attributes = file.attributes()
    expected = {
        "Name": "a.txt",
        "digest": hashlib.md5(CONTENT).hexdigest(),
        "file_format": "TEXT",
        "file_content": "NOTE",
    }
    assert expected == {name: attributes[name] for name in expected}


def test_last_modified(session: Any, source: Path) -> None:
    """A file's modification time is told by HEAD."""
    file = session.resource("R").file("a.txt")
    file.put(str(source))
    assert file.last_modified().endswith("GMT")


@pytest.mark.parametrize(("overwrite", "content"), [(False, b"old"), (True, CONTENT)])
def test_overwrite(session: Any, source: Path, tmp_path: Path, overwrite: bool, content: bytes) -> None:
    """A second put changes the file only with ``overwrite``."""
    file = session.resource("R").file("a.txt")
    file.put("old")
    file.put(str(source), overwrite=overwrite)
    assert content == Path(file.get(str(tmp_path / "copy"))).read_bytes()


def test_put_zip(session: Any, tmp_path: Path) -> None:
    """``put_zip`` unpacks on the archive."""
    path = tmp_path / "u.zip"
    path.write_bytes(zip_bytes({"a.txt": b"a", "deep/b.txt": b"b"}))
    resource = session.resource("R")
    resource.put_zip(str(path), extract=True)
    assert ["a.txt", "b.txt"] == sorted(Path(name).name for name in names(resource))


def test_put_dir(session: Any, tmp_path: Path) -> None:
    """``put_dir`` sends a folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_bytes(CONTENT)
    resource = session.resource("R")
    resource.put_dir(str(folder), overwrite=True)
    assert ["a.txt"] == [Path(name).name for name in names(resource)]


def test_put_several(session: Any, source: Path) -> None:
    """``resource.put`` sends several files at once."""
    resource = session.resource("R")
    resource.put([str(source)])
    assert ["source.txt"] == [Path(name).name for name in names(resource)]


def test_get_resource(session: Any, source: Path, tmp_path: Path) -> None:
    """``resource.get`` downloads and unpacks all files."""
    resource = session.resource("R")
    resource.file("sub/a.txt").put(str(source))
    target = tmp_path / "target"
    target.mkdir()
    resource.get(str(target), extract=True)
    assert [CONTENT] == [path.read_bytes() for path in target.rglob("a.txt")]


def test_download_scans(session: Any, source: Path, tmp_path: Path) -> None:
    """``scans().download`` fetches the files of all scans."""
    session.scan("1").resource("NIFTI").file("a.nii").put(str(source))
    session.scans().download(str(tmp_path), type="ALL", extract=True)
    assert [CONTENT] == [path.read_bytes() for path in tmp_path.rglob("a.nii")]


def test_resource_attributes(session: Any, source: Path) -> None:
    """A resource tells its label and counts."""
    resource = session.resource("R")
    resource.file("a.txt").put(str(source))
    attributes = resource.attributes()
    assert ("R", "1", str(len(CONTENT))) == (
        attributes["label"],
        attributes["file_count"],
        attributes["file_size"],
    )


def test_create_resource(session: Any) -> None:
    """``resource.create`` makes an empty resource."""
    resource = session.resource("EMPTY")
    resource.create()
    assert (True, []) == (resource.exists(), resource.files().get())


@pytest.mark.parametrize("group", ["resource", "out_resource", "in_resource"])
def test_assessor_resource(session: Any, source: Path, tmp_path: Path, group: str) -> None:
    """An assessor has resources in both groups, and without naming one."""
    file = getattr(session.assessor("TASK1"), group)("R").file("a.txt")
    file.put(str(source))
    assert CONTENT == Path(file.get(str(tmp_path / "copy"))).read_bytes()


def test_delete_file(session: Any, source: Path) -> None:
    """A deleted file is gone."""
    resource = session.resource("R")
    for name in ("a.txt", "b.txt"):
        resource.file(name).put(str(source))
    resource.file("a.txt").delete()
    assert ["b.txt"] == names(resource)


def test_delete_resource(session: Any, source: Path) -> None:
    """A deleted resource is gone."""
    session.resource("R").file("a.txt").put(str(source))
    session.resource("R").delete()
    assert False is session.resource("R").exists()
