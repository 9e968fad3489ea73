"""The log of writes: what is told of a request, how logs are put aside, and who may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cci.archive import audit
from cci.archive.audit import Entry, Wanted
from cci.archive.routes.words import events
from cci.errors import UsageError


def entry(**changes: Any) -> Entry:
    """Return an entry of the log with some words changed."""
    usual = {
        "time": "2026-01-02T03:04:05.678+00:00",
        "user": "ada",
        "method": "PUT",
        "path": "/data/experiments/E1?x=1",
        "item": "E1",
        "status": 200,
        "bytes": 0,
    }
    return {**usual, **changes}


def append(root: Path, *entries: Entry) -> None:
    log = audit.Log(root)
    for each in entries:
        log.append(each)
    log.close()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("PUT", "/data/projects/P", True),
        ("DELETE", "/data/projects/P", True),
        ("GET", "/data/projects/P", False),
        ("HEAD", "/data/projects/P", False),
        ("GET", "/data/services/tokens/issue", True),
        ("GET", "/data/services/tokens/issue/user/bob", True),
        ("GET", "/data/services/tokens/invalidate/a/b", True),
        ("GET", "/data/services/tokens/validate/a/b", False),
    ],
)
def test_is_write(method: str, path: str, expected: bool) -> None:
    """Whatever changes something is a write, also the GETs of XNAT that do."""
    assert expected == audit.is_write(method, path)


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/data/projects/P", "", "/data/projects/P"),
        ("/data/projects/P", "a=1&b=2", "/data/projects/P?a=1&b=2"),
        ("/data/services/auth", "username=u&password=x", "/data/services/auth?username=u&password=***"),
        ("/data/x", "Secret=1&y=2", "/data/x?Secret=***&y=2"),
        ("/data/x", "nosecret=1", "/data/x?nosecret=1"),
        ("/data/services/tokens/invalidate/ali/sec", "", "/data/services/tokens/invalidate/ali/***"),
    ],
)
def test_no_secrets(path: str, query: str, expected: str) -> None:
    """Passwords and secrets of tokens are not told."""
    assert expected == audit.spelt(path, query)


def test_first_note_counts() -> None:
    """A request is of the item that it found or made first."""
    noted = audit.begin()
    audit.note("E1")
    audit.note("S1")
    assert ["E1"] == noted.items


def test_all_that_is_written_counts() -> None:
    """A request that is known to write several items is of each of them once, and not of what it found."""
    noted = audit.begin()
    audit.note("S1")
    for name in ("E1", "E2", "E1"):
        audit.wrote(name)
    assert ["E1", "E2"] == noted.items


def test_full_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full log gets another name, a new one begins, and both are read in order."""
    monkeypatch.setattr(audit, "FULL", 300)
    append(tmp_path, *(entry(status=number) for number in range(8)))
    assert len(audit.files(tmp_path)) > 1
    assert list(range(8)) == [each["status"] for each in audit.entries(tmp_path)]


def test_removed_log_begins_anew(tmp_path: Path) -> None:
    """Lines that come after a log was removed stand in another one."""
    log = audit.Log(tmp_path)
    log.append(entry(status=1))
    (tmp_path / "write.log").unlink()
    log.append(entry(status=2))
    log.close()
    assert [2] == [each["status"] for each in audit.entries(tmp_path)]


def test_entries_of_items(tmp_path: Path) -> None:
    """The entries of some items and of their scans are found; no others, whatever their address says."""
    items = ("E1", "E12", "E1/scans/1", "", "E2")
    append(tmp_path, *(entry(item=item, path='/data/x?"item": "E1') for item in items))
    found = [each["item"] for each in audit.entries_of(tmp_path, frozenset({"E1", "E2"}))]
    assert ["E1", "E1/scans/1", "E2"] == found


def test_torn_line(tmp_path: Path) -> None:
    """A line that a crash cut off is passed over."""
    append(tmp_path, entry())
    with (tmp_path / "write.log").open("a") as log:
        log.write('{"time": "2026-')
    assert [entry()] == list(audit.entries(tmp_path))


@pytest.mark.parametrize(
    ("wanted", "changes", "expected"),
    [
        ({}, {}, True),
        ({"user": "ada"}, {}, True),
        ({"user": "bob"}, {}, False),
        ({"item": "E1"}, {}, True),
        ({"item": "E1"}, {"item": "E1/scans/2"}, True),
        ({"item": "E1/scans/2"}, {"item": "E1/scans/2"}, True),
        ({"item": "E1"}, {"item": "E12"}, False),
        ({"since": "2026-01-02"}, {}, True),
        ({"since": "2026-01-02T04:00"}, {}, False),
        ({"since": "2026-01-02T04:00+01:00"}, {}, True),
        ({"failed": True}, {}, False),
        ({"failed": True}, {"status": 403}, True),
        ({"failed": True}, {"status": 0}, True),
    ],
)
def test_wanted(wanted: dict[str, Any], changes: dict[str, Any], expected: bool) -> None:
    """The log is narrowed by user, item, time and outcome."""
    assert expected == Wanted.of(**wanted).takes(entry(**changes))


def test_no_time() -> None:
    """What is no time is refused."""
    with pytest.raises(UsageError):
        Wanted.of(since="yesterday")


def test_line() -> None:
    """A line for a person has six words, and no characters that would break it up."""
    line = audit.line(entry(path="/data/a\n\x1b[2Jb"))
    assert ["2026-01-02T03:04:05.678+00:00", "ada", "200", "PUT", "E1", "/data/a??[2Jb"] == line.split("\t")


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"status": 201}, "Added"),
        ({}, "Modified"),
        ({"method": "DELETE"}, "Removed"),
        ({"path": "/data/experiments/E1/resources/R/files/a"}, "Uploaded File"),
        ({"path": "/data/experiments/E1/resources/R/files/a", "method": "DELETE"}, "Removed File"),
        ({"path": "/data/experiments/E1?event_action=Fixed+it"}, "Fixed it"),
    ],
)
def test_action(changes: dict[str, Any], action: str) -> None:
    """An event says what was done, in the client's words if it gave some."""
    (event,) = events([entry(**changes)])
    assert (action, "ada", 1767323045678) == (event["event_action"], event["event_user"], event["event_date"])


def test_refused_writes_are_no_history() -> None:
    """What was refused happened to no item."""
    assert [] == events([entry(status=403), entry(status=0), entry(status=500)])
