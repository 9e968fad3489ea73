"""What the demo says at its end: how its results are looked at."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cci.archive.cli import archive
from cci.daemon.demo import DemoHome, how_to_look, how_to_open


def test_how_to_look_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that serves the demo's archive again is one that the command line understands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/opt/a b/cci", "demo"])
    home = DemoHome(path=tmp_path / "my demo")
    home.archive.mkdir(parents=True)
    line = next(each.strip() for each in how_to_look(home).splitlines() if "--root" in each)
    program, _, verb, *options = shlex.split(line)
    parsed = archive.commands[verb].make_context(verb, options).params
    assert ("/opt/a b/cci", Path("my demo/archive")) == (program, parsed["root"])
    assert f"http://127.0.0.1:{parsed['port']}/" in how_to_look(home)


def test_how_to_open_says_where_the_password_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, name and the file with the password are told, as seen from where one is."""
    monkeypatch.chdir(tmp_path)
    words = (
        "open http://h:1/ in a browser and log in as admin; the password is in demo/archive/admin.password"
    )
    assert words == how_to_open(DemoHome(path=tmp_path / "demo"), "http://h:1")


def test_what_lies_elsewhere_has_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that is not below where one is is told with its whole path."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert str(tmp_path / "demo" / "archive") in how_to_open(DemoHome(path=tmp_path / "demo"), "http://h:1")
