"""What is too large, too deep, or made to explode is refused, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dicom import dicom

from cci.archive.archives import open_zip, unpack
from cci.archive.dicom import read_instance
from cci.archive.errors import BadRequest, TooLarge, Unprocessable
from cci.archive.limits import Limits
from cci.archive.searchdoc import parse_search
from cci.archive.xmlread import parse_document

SMALL = Limits(unpacked_least=1000, unpacked_ratio=2, members=5)
#: A document that would grow to gigabytes, in attributes too.
LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY a "'
    + b"a" * 1000
    + b'">'
    + b"".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 30}">'.encode() for n in range(6))
    + b']><xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="&g;">&g;</xnat:Subject>'
)
FILE_READER = (
    b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:group>&f;</xnat:group></xnat:Subject>'
)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def read_all(path: Path, body: bytes) -> Iterator[tuple[str, bytes]]:
    path.write_bytes(body)
    for name, content in unpack(path, path.name, SMALL):
        yield name, content.read()


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
@pytest.mark.parametrize(
    "members",
    [
        {"a": bytes(100_000)},
        {"a": bytes(900), "b": bytes(900), "c": bytes(900)},
        {str(n): b"" for n in range(6)},
    ],
    ids=["large", "together", "many"],
)
def test_bomb(tmp_path: Path, pack: Callable[..., bytes], name: str, members: dict[str, bytes]) -> None:
    """An archive that unfolds to too much, or has too many files, is refused on the way."""
    with pytest.raises(TooLarge):
        list(read_all(tmp_path / name, pack(members)))


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_within_the_limits(tmp_path: Path, pack: Callable[..., bytes], name: str) -> None:
    """An archive within the limits is unpacked whole."""
    members = {"a": bytes(500), "d/b": b"x" * 400}
    assert members == dict(read_all(tmp_path / name, pack(members)))


def test_large_archives_may_unfold_to_more() -> None:
    """A large archive may unfold to so many times its size."""
    assert (1000, 20_000) == (SMALL.unpacked(10), SMALL.unpacked(10_000))


def test_bomb_in_a_tar_header(tmp_path: Path) -> None:
    """A header that announces gigabytes is refused, and not read into memory."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    with pytest.raises(BadRequest):
        list(read_all(tmp_path / "a.tar.gz", gzip.compress(header.tobuf() + bytes(1 << 16))))


def sparse(size: int) -> bytes:
    """Return a tar of one sparse file whose map goes on for so many bytes."""
    header = tarfile.TarInfo("a")
    header.type = tarfile.GNUTYPE_SPARSE
    first = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    more = bytearray(512)
    first[482] = more[504] = 1
    first[148:156] = b"%06o\0 " % sum(first[:148] + b" " * 8 + first[156:])
    return bytes(first) + bytes(more) * (size // 512) + bytes(1024)


def test_bomb_in_a_sparse_map(tmp_path: Path) -> None:
    """A sparse file whose map alone would fill the memory is refused."""
    assert [("a", b"")] == list(read_all(tmp_path / "a.tar.gz", gzip.compress(sparse(0))))
    with pytest.raises(BadRequest):
        list(read_all(tmp_path / "a.tar.gz", gzip.compress(sparse(1 << 25))))


def folders_in_tar(count: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for number in range(count):
            info = tarfile.TarInfo(f"d{number}")
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    return buffer.getvalue()


def folders_in_zip(count: int) -> bytes:
    return zipped({f"d{number}/": b"" for number in range(count)})


@pytest.mark.parametrize(("pack", "name"), [(folders_in_zip, "a.zip"), (folders_in_tar, "a.tar.gz")])
def test_bomb_of_folders(tmp_path: Path, pack: Callable[[int], bytes], name: str) -> None:
    """Folders count, too: a million of them fits in a few kilobytes, and not in memory."""
    assert [] == list(read_all(tmp_path / name, pack(5)))
    with pytest.raises(TooLarge):
        list(read_all(tmp_path / name, pack(6)))


def test_directory_of_a_zip(tmp_path: Path) -> None:
    """The directory of a zip is not read if it is far too large for the files that there may be."""
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"n" * 3000: b""}))
    with pytest.raises(TooLarge), open_zip(path, SMALL):
        pass


def test_encrypted_zip(tmp_path: Path) -> None:
    """An encrypted entry is refused: nobody could give the password."""
    body = bytearray(zipped({"a": b"secret"}))
    central = body.index(b"PK\x01\x02")
    for at in (6, central + 8):
        struct.pack_into("<H", body, at, 1)
    with pytest.raises(BadRequest):
        list(read_all(tmp_path / "a.zip", bytes(body)))


def test_damaged_content(tmp_path: Path) -> None:
    """A file that is damaged inside of a zip is refused when it is read."""
    body = zipped({"a": b"content " * 50})
    at = body.index(b"a", 26) + 3
    with pytest.raises(BadRequest):
        list(read_all(tmp_path / "a.zip", body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]))


def test_refused_bomb_leaves_nothing(filled: Any) -> None:
    """What a bomb unfolded to before it was refused is removed."""
    resource = "projects/P/subjects/S/experiments/E/resources/B"
    blobs = filled.store.root / "files"
    before = {path for path in blobs.rglob("*") if path.is_file()}
    filled.store.limits = SMALL
    body = zipped({"a": b"1" * 900, "b": b"2" * 900})
    answer = filled.upload(f"{resource}/files/a.zip", body, extract="true")
    assert (413, before) == (answer.status, {path for path in blobs.rglob("*") if path.is_file()})
    assert 404 == filled.get(f"{resource}/files").status


@pytest.mark.parametrize("body", [LAUGHS, FILE_READER, b"<a>" * 100_000, b"\x00", b"", b"<a b='&#0;'/>"])
@pytest.mark.parametrize("parse", [parse_document, parse_search])
def test_hostile_xml(parse: Callable[[bytes], object], body: bytes) -> None:
    """Entities, depth and what is no XML are refused, without a pause."""
    begun = time.process_time()
    with pytest.raises(Unprocessable):
        parse(body)
    # seconds of work, not of waiting: a bomb would take minutes and gigabytes
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "content",
    [b"", b"no dicom", dicom()[:200], dicom()[:140] + b"\xff" * 5000, bytes(128) + b"DICM", dicom()[132:]],
)
def test_hostile_dicom(tmp_path: Path, content: bytes) -> None:
    """A file that only looks like DICOM is none, whatever is wrong with it."""
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    assert read_instance(path) is None


def test_deflated_dicom(tmp_path: Path) -> None:
    """A DICOM file that would be unpacked in memory is not read."""
    path = tmp_path / "a.dcm"
    plain, deflated = b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.1.99"
    content = dicom()
    at = content.index(plain)
    length = struct.pack("<H", len(deflated))
    path.write_bytes(content[: at - 2] + length + deflated + content[at + len(plain) :])
    assert read_instance(path) is None
