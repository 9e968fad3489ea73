"""Listings of files, and whether what is there is what should be there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

import pytest
from support.scripted_server import ScriptedServer, reply

from cci.errors import Malformed, NotFound
from cci.model import File
from cci.xnat import Connection, files

PARENT = "/data/experiments/E1/assessors/A1/out"

Connect = Callable[..., Connection]


def listing(*rows: Mapping[str, object]) -> bytes:
    return reply(json.dumps({"ResultSet": {"Result": rows}}), kind="application/json")


def row(path: str, content: bytes = b"", *, label: str = "R", digest: str | None = None) -> dict[str, str]:
    return {
        "Name": path.rpartition("/")[2],
        "Size": str(len(content)),
        "URI": f"{PARENT}/resources/12/files/{path}",
        "collection": label,
        "digest": hashlib.md5(content).hexdigest() if digest is None else digest,
    }


@pytest.mark.parametrize(
    ("name", "uri_path", "expected"),
    [
        ("a.txt", "a.txt", "a.txt"),
        ("a.txt", "sub/a.txt", "sub/a.txt"),
        ("a b.txt", "sub/a%20b.txt", "sub/a b.txt"),
        ("a b.txt", "sub/a b.txt", "sub/a b.txt"),
        ("a%20b.txt", "a%2520b.txt", "a%20b.txt"),
        ("a%20b.txt", "a%20b.txt", "a%20b.txt"),
        ("ä.txt", "x%20y/%C3%A4.txt", "x y/ä.txt"),
        ("a", "files/a", "files/a"),
    ],
)
def test_paths(name: str, uri_path: str, expected: str) -> None:
    """A path is read right whether the archive quotes its URIs or not."""
    found = files.parse_file({"Name": name, "Size": "1", "URI": f"/data/x/resources/1/files/{uri_path}"})
    assert expected == found.path


@pytest.mark.parametrize(
    "bad",
    [{}, {"URI": "/data/files/a"}, {"URI": "/data/files/a", "Size": "-1"}, {"URI": "/data/a", "Size": "1"}],
)
def test_bad_rows(bad: dict[str, str]) -> None:
    """A row without a path or a size makes the listing malformed."""
    with pytest.raises(Malformed):
        files.parse_file(bad)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"ResultSet": {}}', '{"ResultSet": {"Result": 5}}', "<html>", '{"ResultSet']
)
def test_no_listing(body: str, server: ScriptedServer, connect: Connect) -> None:
    """What is no listing is malformed, never an empty one."""
    server.say(f"{PARENT}/files", reply(body, kind="application/json"))
    with pytest.raises(Malformed):
        files.list_files(connect(), PARENT)


def test_several_resources_in_one_request(server: ScriptedServer, connect: Connect) -> None:
    """Files of several resources come in one request; a resource without files has its key."""
    server.say(f"{PARENT}/resources/A,B,C/files", listing(row("y", label="B"), row("x", label="B")))
    found = files.list_files(connect(), PARENT, ["A", "B", "C"])
    assert {label: [file.path for file in some] for label, some in found.items()} == {
        "A": [],
        "B": ["x", "y"],
        "C": [],
    }
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 404])
def test_archive_that_takes_no_lists(status: int, server: ScriptedServer, connect: Connect) -> None:
    """Where a list of labels is refused, each resource is asked for; a missing one has no files."""
    server.say(f"{PARENT}/resources/A,B/files", reply("", status=status))
    server.say(f"{PARENT}/resources/B/files", listing(row("x", label="B")))
    found = files.list_files(connect(), PARENT, ["A", "B"])
    assert {label: [file.path for file in some] for label, some in found.items()} == {"A": [], "B": ["x"]}


def test_missing_parent(server: ScriptedServer, connect: Connect) -> None:
    """Asking for everything of a thing that is not there says so."""
    server.say(f"{PARENT}/files", reply("", status=404))
    with pytest.raises(NotFound):
        files.list_files(connect(), PARENT)


def expected_file(path: str, content: bytes) -> File:
    return File(path=path, size=len(content), digest=hashlib.md5(content).hexdigest())


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        (row("a", b"new"), ""),
        (row("a", b"old"), "another content"),
        (row("a", b"longer"), "6 bytes in the archive instead of 3"),
        (row("b", b"new"), "not in the archive"),
        (row("a", b"new", label="S"), "not in the archive"),
    ],
)
def test_verify(there: dict[str, str], problem: str, server: ScriptedServer, connect: Connect) -> None:
    """A file counts as there only with its size and MD5, in its resource."""
    server.say(f"{PARENT}/resources/R/files", listing(there))
    problems = files.verify(connect(), PARENT, {"R": [expected_file("a", b"new")]})
    assert [problem in sentence for sentence in problems] == ([True] if problem else [])


@pytest.mark.parametrize(("content", "count"), [(b"new", 0), (b"old", 1)])
def test_no_digest(content: bytes, count: int, server: ScriptedServer, connect: Connect) -> None:
    """Where the archive gives no digest the file is read back."""
    server.say(f"{PARENT}/resources/R/files", listing(row("a", content, digest="")))
    server.say(f"{PARENT}/resources/R/files/a", reply(content))
    problems = files.verify(connect(), PARENT, {"R": [expected_file("a", b"new")]})
    assert len(problems) == count


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply('{"host": "a"}', kind="application/json"), {"host": "a"}),
        (reply('{"host": "a"}', kind="application/octet-stream"), {"host": "a"}),
        (reply("", status=404), None),
    ],
)
def test_records(
    answer: bytes, expected: dict[str, str] | None, server: ScriptedServer, connect: Connect
) -> None:
    """A record is its JSON object, and None only on a 404."""
    server.say("/data/projects/P/resources/CCI/files/owner.json", answer)
    assert expected == files.read_value(connect(), "/data/projects/P", "CCI", "owner.json")


@pytest.mark.parametrize("body", [b"", b"[]", b"half a rec", b"\xff"])
def test_broken_records(body: bytes, server: ScriptedServer, connect: Connect) -> None:
    """An empty or broken record is malformed, not missing."""
    server.say("/data/projects/P/resources/CCI/files/owner.json", reply(body, kind="application/json"))
    with pytest.raises(Malformed):
        files.read_value(connect(), "/data/projects/P", "CCI", "owner.json")
