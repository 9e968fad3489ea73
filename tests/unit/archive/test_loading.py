"""Loading a folder without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cci.archive.cli import archive
from cci.archive.errors import BadRequest
from cci.archive.loading import Loaded, Loader, read_tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for name in ("S1/E1/1-T1/NIFTI/a.nii", "S1/E1/2/DICOM/sub/b.dcm", "S1/E1/NOTES/n.txt", "S 2/E2/7/R/x"):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(name, encoding="utf-8")
    return root


def test_tree(folder: Path) -> None:
    """A folder with files of its own is a session's resource, one with folders only is a scan."""
    found = {
        (session.subject, session.label, resource.scan, resource.scan_type, resource.label)
        for session in read_tree(folder)
        for resource in session.resources
    }
    expected = {
        ("S 2", "E2", "7", "", "R"),
        ("S1", "E1", "", "", "NOTES"),
        ("S1", "E1", "1", "T1", "NIFTI"),
        ("S1", "E1", "2", "", "DICOM"),
    }
    assert expected == found


def test_load(world: Any, folder: Path) -> None:
    """What was loaded is in the archive as if it had been uploaded."""
    loader = Loader(world.store, world.user, "P")
    loaded = sum((loader.load(session) for session in read_tree(folder)), Loaded())
    path = "projects/P/subjects/S1/experiments/E1/scans/1/resources/NIFTI/files/a.nii"
    assert (4, 0) == (loaded.files, loaded.known)
    assert b"S1/E1/1-T1/NIFTI/a.nii" == world.get(path).body
    assert "T1" == world.get("projects/P/subjects/S1/experiments/E1/scans").rows[0]["type"]


def test_load_again(world: Any, folder: Path) -> None:
    """Loading again adds only what is new."""
    loader = Loader(world.store, world.user, "P")
    sessions = read_tree(folder)
    for session in sessions:
        loader.load(session)
    (folder / "S1/E1/NOTES/new.txt").write_text("new", encoding="utf-8")
    loaded = sum((loader.load(session) for session in sessions), Loaded())
    assert (1, 4) == (loaded.files, loaded.known)


def test_links_are_left_out(world: Any, folder: Path) -> None:
    """A link brings nothing in, wherever it leads."""
    (folder / "S1/E1/NOTES/link").symlink_to("/etc/hostname")
    (folder / "S1/E1/NOTES/circle").symlink_to(folder)
    loader = Loader(world.store, world.user, "P")
    loaded = sum((loader.load(session) for session in read_tree(folder)), Loaded())
    assert 4 == loaded.files


def test_no_sessions(tmp_path: Path) -> None:
    """A folder without sessions is refused by name."""
    with pytest.raises(BadRequest, match=str(tmp_path)):
        read_tree(tmp_path)


def test_command(tmp_path: Path, folder: Path) -> None:
    """The command loads and tells in one line what it did."""
    result = CliRunner().invoke(
        archive, ["load", "--root", str(tmp_path / "a"), "--project", "P", str(folder)]
    )
    assert "loaded 4 files of 2 sessions into P; 0 were there already\n" in result.output
