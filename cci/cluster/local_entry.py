"""How jobs get into the local cluster's spool, are found by name, and leave it; all with the door locked."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cci.cluster.local_spool import ENDED, NEW, QUEUE, Folder, Spool, sync, try_lock, write_json, write_text

#: How long the records of ended jobs are kept.
KEEP_S = 30 * 24 * 3600


def enter(spool: Spool, spec: Mapping[str, Any], launch: Callable[[Path, int], None]) -> str:
    """Add a job and return its id; *launch* starts its waiter, which gets the locked descriptor of ``alive``.

    The move to ``queue`` is the submission. The waiter does nothing before ``entry`` is unlocked, which is
    when we are through or dead; then it looks whether the move was made, and otherwise goes away.
    """
    for leftover in (spool.root / NEW).iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Folder(spool.root / NEW / _new_id(spool))
    folder.path.mkdir()
    write_json(folder.path / "spec.json", spec)
    with (folder.path / "alive").open("ab") as alive, (folder.path / "entry").open("ab") as entry:
        try_lock(alive.fileno())
        try_lock(entry.fileno())
        launch(folder.path, alive.fileno())
        sync(folder.path)
        _link(spool, spec["name"], folder.job_id)
        return spool.move(folder, QUEUE).job_id


def named(spool: Spool, name: str) -> Folder | None:
    """Return the folder of the job with this name. None is a proof: nothing can be half submitted now."""
    try:
        return spool.find(_name(spool, name).readlink().name)
    except FileNotFoundError:
        return None


def prune(spool: Spool, older_than: float) -> None:
    """Remove the jobs that ended before this time, in seconds since the epoch."""
    for folder in spool.folders(ENDED):
        if folder.path.stat().st_mtime < older_than:
            name = _name(spool, folder.read("spec.json").get("name", ""))
            with suppress(OSError):
                if name.readlink().name == folder.job_id:
                    name.unlink()
            shutil.rmtree(folder.path, ignore_errors=True)


def _name(spool: Spool, name: str) -> Path:
    return spool.root / "names" / f"{quote(name, safe='')}.job"  # a suffix, for names like ".."


def _link(spool: Spool, name: str, job_id: str) -> None:
    place = _name(spool, name)
    place.unlink(missing_ok=True)  # left by a submission that died, or the job would have been found
    place.symlink_to(job_id)
    sync(place.parent)


def _new_id(spool: Spool) -> str:
    last = spool.root / "last"
    number = 1 + (_number_in(last) or max((folder.number for folder in spool.every()), default=0))
    write_text(last, str(number))
    sync(spool.root)
    return f"{number}-{secrets.token_hex(3)}"


def _number_in(last: Path) -> int:
    """Return the number of the last job; 0 if a power cut or a full disk left no number there."""
    try:
        return int(last.read_bytes())
    except (FileNotFoundError, ValueError):
        return 0
