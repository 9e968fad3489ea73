"""What is installed from a wheel works, not only what runs from a checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Runs one job on a local cluster, with the installed package last on the path, as site packages are.
PROGRAM = """
import json, sys, time
from pathlib import Path
sys.path.append(sys.argv[1])
import cci
from cci.cluster import JobSpec, open_cluster
from cci.archive.xsd import schema_names
from cci.daemon.ledger import open_ledger
folder = Path(sys.argv[2])
cluster = open_cluster("local", {"kind": "local", "spool": folder / "spool", "slots": 1, "memory_mb": 100})
script = folder / "script.sh"
script.write_text("#!/bin/sh\\nexit 3\\n")
script.chmod(0o700)
places = {"directory": folder, "script": script, "output_log": folder / "log"}
job_id = cluster.submit(JobSpec(name="x-1", walltime_s=60, memory_mb=10, **places))
for _ in range(3000):
    books = cluster.accounting(job_id)
    if books is not None:
        break
    time.sleep(0.1)
ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
print(json.dumps({
    "from": str(Path(cci.__file__).parent), "exit_status": books.exit_status, "said": books.message,
    "schemas": len(schema_names()), "instance": len(ledger.instance),
}))
"""


def copy_sources(place: Path) -> None:
    """Copy what belongs to the project; building leaves traces in the source tree."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name, follow_symlinks=False)


@pytest.mark.slow
def test_wheel_runs_jobs_and_makes_a_ledger(tmp_path: Path) -> None:
    """A job runs from an installation whose site packages hold an obsolete ``pathlib``, as pyxnat's do."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    copy = tmp_path / "source"
    copy_sources(copy)
    subprocess.run([*pip, "--target", str(site), str(copy)], check=True)
    (site / "pathlib.py").write_text("raise ImportError('this is the obsolete one')\n")
    command = [sys.executable, "-c", PROGRAM, str(site), str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    expected = {"from": str(site / "cci"), "exit_status": 3, "said": "", "schemas": 6, "instance": 16}
    assert expected == json.loads(answer.stdout)
