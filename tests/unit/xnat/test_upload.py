"""Uploads: one zip, and what the archive says to it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.scripted_server import ScriptedServer, reply

from cci.errors import Conflict, Malformed, UsageError
from cci.xnat import Connection
from cci.xnat.upload import parse_duplicates, put_bytes, upload, write_zip

PARENT = "/data/experiments/E1/assessors/A1/out"
TARGET = f"{PARENT}/resources/R/files/cci-upload.zip"

Connect = Callable[..., Connection]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"alpha")
    (tmp_path / "sub" / "ä b.gz").write_bytes(b"beta")
    (tmp_path / "empty").touch()
    return tmp_path


def test_one_request(folder: Path, server: ScriptedServer, connect: Connect) -> None:
    """A folder travels as one zip in one request, with empty files and odd names."""
    server.say(TARGET, reply(""))
    upload(connect(), PARENT, "R", folder)
    asked = server.asked[-1]
    with zipfile.ZipFile(io.BytesIO(asked.body)) as sent:
        content = {name: sent.read(name) for name in sent.namelist()}
    assert content == {"a.txt": b"alpha", "sub/ä b.gz": b"beta", "empty": b""}
    assert asked.target.partition("?")[2] == "extract=true&inbody=true&overwrite=false"
    assert len(server.asked) == 2


def test_lost_answer(folder: Path, server: ScriptedServer, connect: Connect) -> None:
    """An upload whose answer is lost is sent again, whole; files of the same content are no conflict."""
    server.say(TARGET, b"", reply('{"duplicates":["a.txt"]}', kind="text/html"))
    server.say(f"{PARENT}/resources/R/files", _listing("a.txt", b"alpha"))
    upload(connect(), PARENT, "R", folder)
    bodies = [asked.body for asked in server.asked if asked.method == "PUT"]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def _listing(path: str, content: bytes) -> bytes:
    digest = hashlib.md5(content).hexdigest()
    uri = f"{PARENT}/resources/12/files/{path}"
    row = {"Name": path, "Size": str(len(content)), "URI": uri, "collection": "R", "digest": digest}
    return reply(json.dumps({"ResultSet": {"Result": [row]}}), kind="application/json")


def test_conflict(folder: Path, server: ScriptedServer, connect: Connect) -> None:
    """A file of another content under one of the names is a conflict, which the answer 200 hides."""
    server.say(TARGET, reply('{"duplicates":["a.txt"]}', kind="text/html"))
    server.say(f"{PARENT}/resources/R/files", _listing("a.txt", b"other"))
    with pytest.raises(Conflict, match=r"a\.txt"):
        upload(connect(), PARENT, "R", folder)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("", ()), (" \n", ()), ('{"duplicates":[]}', ()), ('{"duplicates":["a","b/c"]}', ("a", "b/c"))],
)
def test_duplicates(answer: str, expected: tuple[str, ...]) -> None:
    """An upload is answered with nothing or with what was there already."""
    assert expected == parse_duplicates(answer)


@pytest.mark.parametrize("answer", ["<html>Log in</html>", "[]", "{}", "ok"])
def test_other_answers(answer: str) -> None:
    """Anything else does not mean that the files arrived."""
    with pytest.raises(Malformed):
        parse_duplicates(answer)


def test_links_are_refused(folder: Path, connect: Connect) -> None:
    """What a link points to may be anywhere, so it is not followed."""
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="link"):
        upload(connect(), PARENT, "R", folder)


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"\xff.txt"), "a\tb"])
def test_names_that_cannot_travel(name: str, tmp_path: Path) -> None:
    """A name with control characters or bytes that are no text is refused with the name."""
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="cannot be the name"):
        write_zip(io.BytesIO(), {name: tmp_path / "x"})


def test_records_are_replaced(server: ScriptedServer, connect: Connect) -> None:
    """A record is written over an older one; a duplicate in the answer means that it was not."""
    target = f"{PARENT}/resources/R/files/owner.json"
    server.say(target, reply(""), reply('{"duplicates":["owner.json"]}'))
    put_bytes(connect(), PARENT, "R", "owner.json", b"{}")
    assert "overwrite=true" in server.asked[-1].target
    with pytest.raises(Conflict):
        put_bytes(connect(), PARENT, "R", "owner.json", b"{}")
