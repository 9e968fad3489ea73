"""What is found in ``outputs/`` when no exit record tells of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cci.daemon.jobdir import JobDirectory
from cci.daemon.witnesses import hash_outputs
from cci.model import File


def make(path: Path, content: bytes = b"x") -> Path:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_every_file_of_a_resource(tmp_path: Path) -> None:
    """Each file below a resource's folder is listed with size and MD5, at whatever depth."""
    make(tmp_path / "outputs" / "PDF" / "report.pdf", b"abc")
    make(tmp_path / "outputs" / "DATA" / "mri" / "a b.mgz", b"")
    make(tmp_path / "outputs" / "lies in no resource")
    expected = {
        "DATA": (File(path="mri/a b.mgz", size=0, digest=hashlib.md5(b"").hexdigest()),),
        "PDF": (File(path="report.pdf", size=3, digest=hashlib.md5(b"abc").hexdigest()),),
    }
    assert expected == hash_outputs(JobDirectory(tmp_path))


def test_nothing(tmp_path: Path) -> None:
    """Without the folder there is no output."""
    assert {} == hash_outputs(JobDirectory(tmp_path))


@pytest.mark.parametrize("place", ["PDF/link", "PDF", "PDF/sub", "."])
def test_links_lead_nowhere(tmp_path: Path, place: str) -> None:
    """A link to a file, as a resource, inside one or in place of all brings nothing of what is outside."""
    secret = make(tmp_path / "home" / "keys" / "secret").parent
    link = tmp_path / "job" / "outputs" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(secret / "secret" if place == "PDF/link" else secret.parent)
    assert {} == hash_outputs(JobDirectory(tmp_path / "job"))
