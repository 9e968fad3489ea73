"""Entries of a zip that is stored as a file have addresses of their own."""

from __future__ import annotations

import pytest
from support.fill import Fill, zip_bytes
from support.rest import Rest
from support.site import Site


def encrypted(content: bytes) -> bytes:
    """Return a zip that says of its first entry that it is encrypted."""
    changed = bytearray(content)
    for at in (6, content.index(b"PK\x01\x02") + 8):
        changed[at] |= 1
    return bytes(changed)


@pytest.fixture
def packed(site: Site, rest: Rest, project: str, fill: Fill) -> str:
    """URI of a zip in a resource."""
    if site.process is None:
        pytest.skip("not tried on a real XNAT")
    session = fill.session(project, "S1", "MR1")
    content = zip_bytes({"in/x.txt": b"hello", "y.txt": b""})
    rest.upload(f"{session}/resources/Z", "sub/a.zip", content).raise_for_status()
    rest.upload(f"{session}/resources/Z", "no.zip", b"no zip at all").raise_for_status()
    rest.upload(f"{session}/resources/Z", "odd.zip", encrypted(content)).raise_for_status()
    return f"{session}/resources/Z/files/sub/a.zip"


def test_entry(rest: Rest, packed: str) -> None:
    """An entry is sent by its name behind an exclamation mark, with or without a slash."""
    answers = [rest.get(f"{packed}!{name}").content for name in ("in/x.txt", "/in/x.txt", "y.txt")]
    assert [b"hello", b"hello", b""] == answers


def test_list(rest: Rest, packed: str) -> None:
    """``listContents=true`` lists the entries with addresses that work."""
    rows = rest.rows(packed, {"listContents": "true"})
    assert {"x.txt": "5", "y.txt": "0"} == {row["Name"]: row["Size"] for row in rows}
    assert b"hello" == rest.get(rows[0]["URI"]).content


@pytest.mark.parametrize("entry", ["nothing.txt", "../../x.txt", "%2e%2e/x.txt", "in"])
def test_no_such_entry(rest: Rest, packed: str, entry: str) -> None:
    """What is not in the zip is not found, whatever the name looks like."""
    assert rest.get(f"{packed}!{entry}").status_code in {400, 404}


def test_no_zip(rest: Rest, packed: str) -> None:
    """A file that only looks like a zip is refused."""
    uri = packed.replace("sub/a.zip", "no.zip")
    statuses = [rest.get(f"{uri}!x").status_code, rest.get(uri, {"listContents": "true"}).status_code]
    assert [400, 400] == statuses


def test_unreadable_entry(rest: Rest, packed: str) -> None:
    """An entry that cannot be read is refused, not sent by half."""
    uri = packed.replace("sub/a.zip", "odd.zip")
    assert [400, 200] == [rest.get(f"{uri}!{name}").status_code for name in ("in/x.txt", "y.txt")]
