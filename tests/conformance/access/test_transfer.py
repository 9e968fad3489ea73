"""Files to and from the embedded archive, kind and awkward."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.archive import RunningArchive
from support.fill import Fill

from cci.errors import Conflict, DigestMismatch, NotFound
from cci.model import File
from cci.xnat import Archive, uris
from cci.xnat.disk import files_below
from cci.xnat.upload import measure

Connect = Callable[..., Archive]

CONTENT = {
    "plain.txt": b"plain",
    "empty": b"",
    "sub folder/deep/ä – ü.txt": b"umlauts",
    "$(touch x);'\"&.txt": b"shell",
    "100%25.txt": b"percent",
    "a+b#c?d=e.txt": b"url",
    "large.bin": bytes(range(256)) * 5000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "out"


@pytest.fixture
def session(fill: Fill, request: pytest.FixtureRequest) -> str:
    name = hashlib.md5(request.node.nodeid.encode()).hexdigest()[:12]
    return fill.session("FILES", f"S{name}", f"E{name}")


def tree(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files_below(folder).items()}


def expected(folder: Path) -> tuple[File, ...]:
    return measure(files_below(folder))


def test_round_trip(archive: Archive, session: str, folder: Path, tmp_path: Path) -> None:
    """What was uploaded is verified, listed and downloaded as it was, whatever the names."""
    archive.upload(session, "DATA", folder)
    assert archive.verify(session, {"DATA": expected(folder)}) == []
    listed = archive.list_files(session, ["DATA"])
    assert sorted(CONTENT) == sorted(file.path for file in listed["DATA"])
    archive.download(session, ["DATA"], tmp_path / "in", listed)
    assert tree(tmp_path / "in" / "DATA") == CONTENT


def test_cost(kind_archive: Archive, session: str, folder: Path, tmp_path: Path) -> None:
    """Uploading costs one request a resource; verifying, listing and downloading one for all of them."""
    kind_archive.connection.login()
    before = kind_archive.requests
    for label in ("A", "B", "C"):
        kind_archive.upload(session, label, folder)
    kind_archive.verify(session, dict.fromkeys(("A", "B", "C"), expected(folder)))
    listed = kind_archive.list_files(session, ["A", "B", "C"])
    kind_archive.download(session, ["A", "B", "C"], tmp_path / "in", listed)
    assert kind_archive.requests - before == 3 + 1 + 1 + 1


def test_second_upload(archive: Archive, session: str, folder: Path) -> None:
    """Uploading the same again changes nothing; other content is a conflict, unless it is to be replaced."""
    archive.upload(session, "DATA", folder)
    archive.upload(session, "DATA", folder)
    (folder / "plain.txt").write_bytes(b"other")
    with pytest.raises(Conflict, match=r"plain\.txt"):
        archive.upload(session, "DATA", folder)
    problems = archive.verify(session, {"DATA": expected(folder)})
    assert [True] == ["another content" in problem for problem in problems]
    archive.upload(session, "DATA", folder, overwrite=True)
    assert archive.verify(session, {"DATA": expected(folder)}) == []


def test_no_digests(server: RunningArchive, archive: Archive, session: str, folder: Path) -> None:
    """Without digests each file is read back, and a wrong one is found."""
    archive.upload(session, "DATA", folder)
    server.fault(match="GET .*files.*format=json", fault="no-digest")
    assert archive.verify(session, {"DATA": expected(folder)}) == []
    wrong = tuple(replace(file, digest="0" * 32) for file in expected(folder))
    assert len(archive.verify(session, {"DATA": wrong})) == len(CONTENT)


def test_passing_damage(
    server: RunningArchive, kind_archive: Archive, session: str, folder: Path, tmp_path: Path
) -> None:
    """A download that arrives damaged once is repeated until it is right."""
    kind_archive.upload(session, "DATA", folder)
    server.fault(match="GET .*format=zip", fault="wrong-digest", times=1)
    kind_archive.download(session, ["DATA"], tmp_path / "in")
    assert tree(tmp_path / "in" / "DATA") == CONTENT


def test_lasting_damage(
    server: RunningArchive, connect: Connect, session: str, folder: Path, tmp_path: Path
) -> None:
    """A file that never arrives right is an error that names it, and is not left in place."""
    archive = connect()
    archive.upload(session, "DATA", folder)
    server.fault(match=r"GET .*(format=zip|plain\.txt)", fault="wrong-digest")
    with pytest.raises(DigestMismatch, match=r"plain\.txt"):
        archive.download(session, ["DATA"], tmp_path / "in")
    assert not (tmp_path / "in" / "DATA" / "plain.txt").exists()


def test_missing_resource(archive: Archive, session: str) -> None:
    """A resource that is not there has no files, and verifying says what is missing."""
    assert archive.list_files(session, ["NONE"]) == {"NONE": ()}
    problems = archive.verify(session, {"NONE": [File(path="a", size=1)]})
    assert problems == ["file 'a' of resource NONE is not in the archive"]


def test_missing_session(archive: Archive, folder: Path) -> None:
    """An upload to a session that is not there says so."""
    with pytest.raises(NotFound):
        archive.upload(uris.session("XNAT_E99999"), "DATA", folder)


def test_refused_duplicate(server: RunningArchive, archive: Archive, session: str, folder: Path) -> None:
    """An upload that the archive answers with 200 and duplicates of nothing is not taken for done."""
    server.fault(match="PUT .*cci-upload", fault="duplicate")
    with pytest.raises(Conflict):
        archive.upload(session, "DATA", folder)


def test_records(archive: Archive, session: str) -> None:
    """A record is read as it was last written, and is None where there is none."""
    assert archive.read_json(session, "CCI", "owner.json") is None
    for value in ({"host": "ä", "n": 1}, {"host": "b"}):
        archive.write_json(session, "CCI", "owner.json", value)
        assert value == archive.read_json(session, "CCI", "owner.json")


def test_deleting(archive: Archive, session: str, folder: Path) -> None:
    """A resource is gone after it was deleted, and may be deleted again."""
    archive.upload(session, "DATA", folder)
    for _ in range(2):
        archive.delete_resource(uris.resource(session, "DATA"))
        assert archive.list_files(session, ["DATA"]) == {"DATA": ()}
