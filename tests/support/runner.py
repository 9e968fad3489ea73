"""The job runner, run for real in directories of its own, for its tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cci.spiders import run

SOURCE = Path(run.__file__)
JobMaker = Callable[..., Path]
#: Longer than anything here takes, however busy the machine is.
PATIENCE_S = 300.0


def job_maker(tmp_path: Path) -> JobMaker:
    """Make job directories that run a line of shell."""

    def make(line: str, **changes: Any) -> Path:
        directory = tmp_path / "job"
        directory.mkdir()
        job = {
            "format": 1,
            "task": "p-x-s-x-e-x-Echo_v1",
            "attempt": 1,
            "nonce": "0123456789abcdef",
            "command": ["/bin/sh", "-c", line],
            "environment": {},
            "required": [],
            "cores": 2,
            "memory_mb": 4096,
            "walltime_s": 60,
            "shell": False,
            **changes,
        }
        (directory / "job.json").write_text(json.dumps(job), encoding="utf-8")
        shutil.copy(SOURCE, directory / "runner.py")
        return directory

    return make


def start(directory: Path, job_id: str = "17", **variables: str) -> subprocess.Popen[bytes]:
    """Start the runner as a batch script does."""
    environment = {"PATH": os.environ["PATH"], "CCI_JOB_ID": job_id, **variables}
    return subprocess.Popen([sys.executable, "-I", "runner.py"], cwd=directory, env=environment)


def run_job(directory: Path, job_id: str = "17") -> int:
    """Run the runner to its end."""
    return start(directory, job_id).wait(timeout=PATIENCE_S)


def record(directory: Path) -> dict[str, Any]:
    """Read the exit record."""
    return dict(json.loads((directory / "exit.json").read_text(encoding="utf-8")))


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    wait_until(path.exists)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "in vain"
        time.sleep(0.01)
    assert condition()
