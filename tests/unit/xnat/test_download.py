"""Downloads, whose every byte and name is hostile until proved otherwise."""

from __future__ import annotations

import errno
import hashlib
import io
import stat
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.scripted_server import ScriptedServer, reply

from cci.errors import DigestMismatch, DiskFull, Malformed, Refused
from cci.model import File
from cci.xnat import Connection
from cci.xnat.disk import is_safe, writing
from cci.xnat.download import download, find_place

PARENT = "/data/experiments/E1/scans/1"
CONTENT = {"a.txt": b"alpha", "sub/b.txt": b"beta", "empty": b""}

Connect = Callable[..., Connection]


def listed(content: Mapping[str, bytes]) -> tuple[File, ...]:
    return tuple(
        File(path=path, size=len(data), digest=hashlib.md5(data).hexdigest())
        for path, data in content.items()
    )


def packed(content: Mapping[str, bytes], prefix: str = "MR1/scans/1-T1/resources/R/files/") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(f"{prefix}{path}", data)
    return target.getvalue()


def zipped(data: bytes) -> bytes:
    return reply(data, kind="application/zip")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_request_for_several_resources(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """All files of all resources come with one request, empty files and folders too."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path, data in CONTENT.items():
            archive.writestr(f"MR1/scans/1-T1/resources/R/files/{path}", data)
        archive.writestr("MR1/scans/1-T1/resources/Q/files/q", b"q")
    server.say(f"{PARENT}/resources/R,Q,EMPTY/files", zipped(body.getvalue()))
    server.say(f"{PARENT}/resources/R,Q/files", zipped(body.getvalue()))
    expected = {"R": listed(CONTENT), "Q": listed({"q": b"q"}), "EMPTY": ()}
    paths = download(connect(), PARENT, ["R", "Q", "EMPTY"], tmp_path, expected)
    assert tree(tmp_path) == {**{f"R/{path}": data for path, data in CONTENT.items()}, "Q/q": b"q"}
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["R/a.txt", "R/sub/b.txt", "R/empty", "Q/q"]
    assert (tmp_path / "EMPTY").is_dir()
    assert len(server.asked) == 2


ODD = ["a b", "ä–ö", "$(touch x)", "a;b", "'q'\"", "a\nb", "-rf", "%41", "a\\b", ".hidden", "x" * 255, "#?+&"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_arrive(name: str, server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """Files with odd names arrive intact."""
    content = {name: b"1", f"sub/{name}": b"2"}
    server.say(f"{PARENT}/resources/R/files", zipped(packed(content)))
    download(connect(), PARENT, ["R"], tmp_path, {"R": listed(content)})
    assert tree(tmp_path / "R") == content


HOSTILE = ["../x", "a/../../x", "/etc/x", "..", ".", "", "a//b", "a/", "a\0b", "x" * 256]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(
    name: str, server: ScriptedServer, connect: Connect, tmp_path: Path
) -> None:
    """A listed name that would leave the folder is refused before a byte is asked for."""
    with pytest.raises(Refused, match="not safe"):
        download(connect(), PARENT, ["R"], tmp_path / "in", {"R": (File(path=name, size=1),)})
    assert (server.asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("label", ["..", "../x", "/tmp/x", "a/b", ""])
def test_hostile_labels_are_refused(label: str, connect: Connect, tmp_path: Path) -> None:
    """So is a resource's label."""
    with pytest.raises(Refused, match="not safe"):
        download(connect(), PARENT, [label], tmp_path, {label: (File(path="a", size=1),)})


def test_unlisted_entries_are_left_out(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """Entries of a zip that no listing has, hostile ones above all, are not written."""
    content = {"a.txt": b"alpha", "b.txt": b"beta"}
    strange = {"../../../../../../evil": b"x", "/evil": b"x", "c.txt": b"gamma"}
    server.say(f"{PARENT}/resources/R/files", zipped(packed({**strange, **content})))
    download(connect(), PARENT, ["R"], tmp_path / "in", {"R": listed(content)})
    assert tree(tmp_path) == {f"in/R/{path}": data for path, data in content.items()}


def test_links_are_not_made(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """An entry that says it is a link becomes a plain file, and only with the listed content."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in ("a", "b"):
            entry = zipfile.ZipInfo(f"resources/R/files/{name}")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, b"/etc/passwd")
    server.say(f"{PARENT}/resources/R/files", zipped(body.getvalue()))
    server.say(f"{PARENT}/resources/R/files/b", reply(b"good"))
    expected = {"R": listed({"a": b"/etc/passwd", "b": b"good"})}
    download(connect(), PARENT, ["R"], tmp_path, expected)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert tree(tmp_path) == {"R/a": b"/etc/passwd", "R/b": b"good"}


def test_bomb(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """An entry larger than its listing says is not unpacked further than that."""
    server.say(f"{PARENT}/resources/R/files", zipped(packed({"a": b"\0" * 50_000_000, "b": b"beta"})))
    server.say(f"{PARENT}/resources/R/files/a", reply(b"alpha"))
    download(connect(), PARENT, ["R"], tmp_path, {"R": listed({"a": b"alpha", "b": b"beta"})})
    assert tree(tmp_path) == {"R/a": b"alpha", "R/b": b"beta"}


def test_endless_zip(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """A zip larger than all its files together is cut off."""
    server.say(f"{PARENT}/resources/R/files", zipped(b"PK" * 500_000))
    with pytest.raises(Malformed, match="larger than all its files"):
        download(connect(), PARENT, ["R"], tmp_path, {"R": listed(CONTENT)})
    assert tree(tmp_path) == {}


def test_damaged_entry_is_asked_for_again(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """A file that arrives damaged is asked for by itself, and only that one."""
    server.say(f"{PARENT}/resources/R/files", zipped(packed({**CONTENT, "a.txt": b"ALPHA"})))
    server.say(f"{PARENT}/resources/R/files/a.txt", reply(b"wrong"), reply(b"alpha"))
    download(connect(), PARENT, ["R"], tmp_path, {"R": listed(CONTENT)})
    assert tree(tmp_path / "R") == CONTENT
    assert server.paths()[1:] == [
        f"GET {PARENT}/resources/R/files",
        *[f"GET {PARENT}/resources/R/files/a.txt"] * 2,
    ]


@pytest.mark.parametrize("wrong", [b"ALPHA", b"alph", b"alpha and more", b""])
def test_lasting_mismatch(wrong: bytes, server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """A file that never has the listed size and MD5 is an error, and is not left behind."""
    server.say(f"{PARENT}/resources/R/files/a.txt", reply(wrong))
    with pytest.raises(DigestMismatch, match=r"a\.txt"):
        download(connect(), PARENT, ["R"], tmp_path, {"R": listed({"a.txt": b"alpha"})})
    assert tree(tmp_path) == {}


def test_archive_that_takes_no_lists(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """Where a list of labels is refused, each resource is asked for."""
    server.say(f"{PARENT}/resources/R,Q/files", reply("", status=400))
    for label in "RQ":
        body = packed(CONTENT, f"MR1/resources/{label}/files/")
        server.say(f"{PARENT}/resources/{label}/files", zipped(body))
    download(connect(), PARENT, ["R", "Q"], tmp_path, {"R": listed(CONTENT), "Q": listed(CONTENT)})
    assert tree(tmp_path / "R") == tree(tmp_path / "Q") == CONTENT


def test_login_page_instead_of_a_zip(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """A login page is not a zip."""
    server.say(f"{PARENT}/resources/R/files", reply("<html>", kind="text/html"))
    with pytest.raises(Malformed):
        download(connect(), PARENT, ["R"], tmp_path, {"R": listed(CONTENT)})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("MR1/scans/1-T1/resources/R/files/a", ("R", "a")),
        ("MR1/scans/1-T1/resources/R/a", ("R", "a")),
        ("MR1/assessors/A/out/resources/R/files/sub/a", ("R", "sub/a")),
        ("R/files/files/a", ("R", "files/a")),
        ("R/a", ("R", "a")),
        ("resources/resources/files/a", ("resources", "a")),
        ("a", None),
        ("Q/a", None),
        ("MR1/resources/R/files/b", None),
        ("MR1/resources/R/files/", None),
    ],
)
def test_entries(entry: str, expected: tuple[str, str] | None) -> None:
    """An entry is a listed file whatever folders the archive puts around it."""
    places = {("R", "a"): 0, ("R", "sub/a"): 0, ("R", "files/a"): 0, ("resources", "a"): 0}
    assert expected == find_place(entry, places)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.ENAMETOOLONG, Refused),
        (errno.EACCES, OSError),
    ],
)
def test_disk_errors(number: int, expected: type[Exception], tmp_path: Path) -> None:
    """No room, and a name that the disk does not take, are said as such."""
    with pytest.raises(expected), writing(tmp_path):
        raise OSError(number, "from the disk")


def test_full_disk(server: ScriptedServer, connect: Connect, tmp_path: Path) -> None:
    """A disk that fills up while a file arrives is no fault of the archive's."""
    import resource
    import signal

    server.say(f"{PARENT}/resources/R/files/a", reply(b"x" * 300_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    connection = connect()
    connection.login()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DiskFull):
            download(connection, PARENT, ["R"], tmp_path, {"R": listed({"a": b"x" * 300_000})})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert tree(tmp_path) == {}


def test_safe_names() -> None:
    """Odd characters are safe; directions, empty parts and NUL are not."""
    with warnings.catch_warnings():
        assert [is_safe(name) for name in ODD] == [True] * len(ODD)
        assert [is_safe(name) for name in HOSTILE] == [False] * len(HOSTILE)
