"""The stand-in for a DRMAA library (`stand_in_libdrmaa.c`): compiled here, and told by files what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

SOURCE = Path(__file__).with_name("stand_in_libdrmaa.c")


@cache
def library() -> Path:
    """Compile the library once. Without a compiler the test is skipped; with CI=true it fails."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler for the stand-in DRMAA library")
        pytest.skip("no C compiler for the stand-in DRMAA library")
    made = Path(mkdtemp(prefix="stand-in-drmaa-")) / "libdrmaa.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", made, SOURCE], check=True)
    return made


@dataclass(frozen=True)
class StandIn:
    """What one stand-in does and has seen, in its folder."""

    folder: Path

    def order(self, call: str, what: str) -> None:
        """Say what it does in a call from now on: ``segv``, ``hang``, ``error CODE SENTENCE``, …"""
        (self.folder / call).write_text(what, encoding="utf-8")

    def relax(self, call: str) -> None:
        """Let it do the call as it should."""
        (self.folder / call).unlink()

    def state(self, job_id: str, code: int) -> None:
        """Give a job a state."""
        (self.folder / f"state-{job_id}").write_text(str(code), encoding="ascii")

    def end(self, job_id: str, how: str, *usage: str) -> None:
        """Let a job be over, with what ``drmaa_wait`` is to tell."""
        (self.folder / f"end-{job_id}").write_text("\n".join([how, *usage, ""]), encoding="ascii")
        self.state(job_id, 0x30)

    def template(self, job_id: str) -> list[str]:
        """Return the attributes that a job was submitted with, sorted."""
        return sorted((self.folder / f"template-{job_id}").read_text(encoding="utf-8").splitlines())

    def trace(self) -> list[list[str]]:
        """Return process, thread, call and argument of every call so far."""
        file = self.folder / "trace"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [line.split(" ", 3) for line in lines]

    def calls(self, call: str) -> list[str]:
        """Return the arguments of each time that a call was made."""
        return [argument for _, _, name, argument in self.trace() if name == call]

    def processes(self) -> list[int]:
        """Return the processes that have called it, in their order."""
        return [int(pid) for pid in Counter(pid for pid, *_ in self.trace())]
