"""What the header dump refuses; no server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian
from support.dicom import dicom

from cci.archive.errors import BadRequest, Unprocessable
from cci.archive.headerdump import dump, tag_of


@pytest.mark.parametrize("content", [b"", b"no image", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_no_image(tmp_path: Path, content: bytes) -> None:
    """A file that is no image has no headers."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(Unprocessable):
        dump(file)


def test_packed_image(tmp_path: Path) -> None:
    """A file whose headers are packed is not unpacked: it may be a bomb."""
    image = dcmread(io.BytesIO(dicom()))
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = tmp_path / "file"
    image.save_as(file)
    with pytest.raises(Unprocessable):
        dump(file)


@pytest.mark.parametrize(("word", "tag"), [("PatientID", 0x00100020), ("0010002f", 0x0010002F)])
def test_tag(word: str, tag: int) -> None:
    """A tag is given by name or number."""
    assert tag == tag_of(word)


@pytest.mark.parametrize("word", ["", "Nothing", "0010", "001000200"])
def test_no_tag(word: str) -> None:
    """Whatever is neither is refused."""
    with pytest.raises(BadRequest):
        tag_of(word)
