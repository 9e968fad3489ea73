"""The real Grid Engine that ``tests/clusters/sge.sh`` runs in this machine, for tests. It is no back-end.

All tests, and all test processes, share one; it goes on running when they are done. A test that takes the
qmaster away has it alone: it waits until no other test uses it, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "clusters" / "sge.sh"
_PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qacct")
_START_S = 600
#: Longer than a job takes to end that obeys when it is told to.
_CLEAR_S = 20
_IN_USE = Path(tempfile.gettempdir(), f"cci-grid-engine-{os.getuid()}.lock")
_DOOR = _IN_USE.with_suffix(".door")
_held: list[int] = []
_shaken: list[str] = []


@dataclass(frozen=True)
class GridEngine:
    """The cluster that runs.

    Attributes
    ----------
    environment
        What a program needs to talk to it: ``SGE_ROOT``, ``SGE_CELL``, ``DRMAA_LIBRARY_PATH`` and
        ``GLIBC_TUNABLES``.
    slots
        How many slots its one node has.
    memory_mb
        How much memory its one node hands out, as ``mem_free``.
    """

    environment: Mapping[str, str]
    slots: int = 8
    memory_mb: int = 4096

    def stop_qmaster(self) -> None:
        """End the qmaster alone; no other test may need it meanwhile."""
        _shaken.append("stopped")
        _script("stop-qmaster")

    def start_qmaster(self) -> None:
        """Start the qmaster again."""
        _script("start-qmaster")

    def restart_execd(self) -> None:
        """End execd and start it again; jobs go on.

        When the qmaster was stopped in the wrong moment, execd 8.1.9 may keep the ends of jobs to itself for
        many minutes, or until this. It returns when a new job has run, if one can: one that is handed to an
        execd which is only starting is lost for minutes too.
        """
        _script("restart-execd")

    def clear(self) -> None:
        """Delete every job, and wait until none is left."""
        if not self.run("qstat", "-u", "*"):
            return
        self.run("qdel", "-u", "*", check=False)
        if not self._becomes_empty(_CLEAR_S):
            self.restart_execd()
        if not self._becomes_empty(_CLEAR_S):
            # a job that was stopped when it was deleted hears of neither
            self.run("qdel", "-f", "-u", "*", check=False)
            assert self._becomes_empty(_CLEAR_S), self.run("qstat", "-u", "*")

    def _becomes_empty(self, patience_s: float) -> bool:
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            if not self.run("qstat", "-u", "*"):
                return True
            time.sleep(0.3)
        return False

    def run(self, *command: str, check: bool = True) -> str:
        """Run one of its programs and return what it prints."""
        return subprocess.run(
            command,
            env={**os.environ, **self.environment, "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
        ).stdout


def grid_engine() -> GridEngine:
    """Start Grid Engine unless it runs, and use it until the test ends, beside other tests.

    Where that cannot be, the test is skipped; with CI=true it fails.
    """
    _lock(fcntl.LOCK_SH)
    return _running()


def grid_engine_alone() -> GridEngine:
    """Do the same as the only test that uses it, without the jobs that others may have left."""
    _lock(fcntl.LOCK_EX)
    running = _running()
    running.clear()
    return running


def let_go() -> None:
    """Let other tests have it; called when a test ends."""
    try:
        if _shaken:
            # the qmaster was away, and execd may tell of ended jobs minutes late: see `restart_execd`
            _shaken.clear()
            # a test that ended badly may have left it away, and all that come after would fail of that
            _script("start-qmaster")
            _script("restart-execd")
    finally:
        while _held:
            os.close(_held.pop())


def _lock(kind: int) -> None:
    if _held and kind == fcntl.LOCK_SH:
        return  # this test has it already, maybe alone
    let_go()
    # one after the other through the door: whoever wants it alone is not passed by for ever
    door = os.open(_DOOR, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        _held.append(os.open(_IN_USE, os.O_RDWR | os.O_CREAT, 0o600))
        fcntl.flock(_held[0], kind)
    finally:
        os.close(door)


@cache
def _running() -> GridEngine:
    lacking = [name for name in _PROGRAMS if shutil.which(name) is None]
    if lacking or os.getuid() != 0:
        why = f"{', '.join(lacking)} not installed" if lacking else "only root can start it"
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Grid Engine: {why}")
        pytest.skip(f"no Grid Engine: {why}")
    lines = _script("start").splitlines()
    return GridEngine(dict(line.split("=", 1) for line in lines))


def _script(command: str) -> str:
    # the daemons must not keep a pipe of ours open: the script closes what they would inherit
    done = subprocess.run(
        [str(SCRIPT), command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{SCRIPT.name} {command} ended with {done.returncode}: {done.stderr}")
    return done.stdout
