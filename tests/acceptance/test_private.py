"""What the system writes is about people: nobody but its user may read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from support.lab import Lab


def open_to_others(folder: Path) -> list[str]:
    """Return what below a folder others could reach or read, walking in only where they could."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not stat.S_IMODE(path.stat().st_mode) & 0o077:
            continue
        found += [path.name, *(open_to_others(path) if path.is_dir() else [])]
    return found


@pytest.mark.slow
def test_everything_is_private(lab: Lab) -> None:
    """After a sweep, under any umask, others can read nothing but what a person had put there so."""
    theirs = open_to_others(lab.home)
    (lab.home / "ledger.db").touch(mode=0o644)
    lab.scan("E1")
    lab.sweep()

    assert theirs == open_to_others(lab.home)
