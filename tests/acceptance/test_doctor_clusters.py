"""`cci doctor` on real batch systems: what it proves of them, and what it says where they do not work."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.grid_engine import GridEngine, grid_engine
from support.lab import CCI, Lab
from support.slurm import slurm

#: What trial jobs prove, in the order in which it is told.
PROOFS = ["submit", "status", "work directory", "exit code", "hold", "re-attach", "kill"]
Rows = dict[str, dict[str, Any]]


@pytest.fixture
def engine() -> GridEngine:
    """The real Grid Engine."""
    return grid_engine()


def alone(lab: Lab, section: Mapping[str, Any]) -> None:
    """Let the lab have this one cluster, named site."""
    content = yaml.safe_load(lab.settings_file.read_text(encoding="utf-8"))
    content["clusters"] = {"site": dict(section)}
    lab.settings_file.write_text(yaml.safe_dump(content), encoding="utf-8")


def examined(lab: Lab, section: Mapping[str, Any], *options: str) -> tuple[int, Rows]:
    """Let the lab have this one cluster; return the exit code, and what was told of it, by its name."""
    alone(lab, section)
    done = lab.cci("doctor", "--json", *options, check=False)
    rows = json.loads(done.stdout)
    told = {row["name"].removeprefix("cluster site: "): row for row in rows if "cluster site" in row["name"]}
    return done.returncode, told


def assert_proved(lab: Lab, section: Mapping[str, Any], *looks: str) -> None:
    """Check that these looks and all trial jobs are well, in this order, and that nothing is left."""
    code, rows = examined(lab, section)
    bad = [row for row in rows.values() if row["verdict"] != "ok"]

    assert (0, []) == (code, bad)
    assert ["cluster site", *looks, *PROOFS] == list(rows)
    assert [] == list((lab.home / "work").glob(".*"))


GRID_ENGINE_LOOKS = ("commands", "controller", "accounting", "memory")


@pytest.mark.slow
def test_grid_engine_by_commands(lab: Lab, engine: GridEngine) -> None:
    """Grid Engine by its commands runs, tells, holds, finds and kills jobs."""
    section = {"kind": "sge", "environment": dict(engine.environment)}
    assert_proved(lab, section, *GRID_ENGINE_LOOKS)


@pytest.mark.slow
def test_grid_engine_by_drmaa(lab: Lab, engine: GridEngine) -> None:
    """The same through the DRMAA library."""
    section = {"kind": "drmaa", "environment": dict(engine.environment)}
    assert_proved(lab, section, "library", *GRID_ENGINE_LOOKS)


@pytest.mark.slow
def test_slurm(lab: Lab) -> None:
    """Slurm by its commands runs, tells, holds, finds and kills jobs."""
    section = {"kind": "slurm", "environment": slurm().environment}
    assert_proved(lab, section, "commands", "controller", "accounting")


@pytest.mark.slow
def test_slurm_that_forgets(lab: Lab) -> None:
    """MinJobAge shorter than a missed job is looked for, and no books: that is told, with what to change."""
    cluster = slurm()
    with cluster.configured(MIN_JOB_AGE="20", JOBCOMP="none"):
        code, rows = examined(lab, {"kind": "slurm", "environment": cluster.environment}, "--no-jobs")

    assert (0, "warn") == (code, rows["accounting"]["verdict"])
    assert "MinJobAge 20 s" in rows["accounting"]["detail"]
    assert "timing.watch_max_s" in rows["accounting"]["hint"]


@pytest.mark.parametrize(
    ("kind", "command"), [("sge", "qsub"), ("slurm", "sbatch"), ("pbs", "qsub"), ("lsf", "bsub")]
)
def test_commands_that_are_not_there(lab: Lab, tmp_path: Path, kind: str, command: str) -> None:
    """Missing commands are named, and no trial job is tried."""
    code, rows = examined(lab, {"kind": kind, "commands": str(tmp_path)})

    assert (1, "fail") == (code, rows["commands"]["verdict"])
    assert command in rows["commands"]["detail"]
    assert str(tmp_path) in rows["commands"]["detail"]
    assert "clusters.site.commands" in rows["commands"]["hint"]
    assert ["cluster site", "commands"] == list(rows)


def test_grid_engine_without_its_environment(lab: Lab, engine: GridEngine, tmp_path: Path) -> None:
    """A wrong SGE_ROOT, and a library that is not there or lacks SGE_ROOT: each has its own hint."""
    del engine
    away = {"SGE_ROOT": str(tmp_path)}
    by_commands = examined(lab, {"kind": "sge", "environment": away})[1]
    by_library = examined(lab, {"kind": "drmaa", "environment": away})[1]
    missing = examined(lab, {"kind": "drmaa", "library": str(tmp_path / "libdrmaa.so")})[1]

    for rows, look, word in (
        (by_commands, "controller", "SGE_ROOT"),
        (by_library, "library", "SGE_ROOT"),
        (missing, "library", "library"),
    ):
        assert "fail" == rows[look]["verdict"], rows
        assert word in rows[look]["hint"], rows
        assert "submit" not in rows


def test_resources_that_are_not_there(lab: Lab, engine: GridEngine) -> None:
    """A resource for memory that Grid Engine lacks is told before a job is refused for it."""
    section = {"kind": "sge", "environment": dict(engine.environment), "memory_resource": "mem_fre"}
    rows = examined(lab, section)[1]

    assert ("fail", "there is no resource 'mem_fre'") == (rows["memory"]["verdict"], rows["memory"]["detail"])
    assert "fail" == rows["submit"]["verdict"]


#: Mounts an empty file system for the command that it runs, and for nobody else.
_PRIVATE = 'mount -t tmpfs none "$0" && exec "$@"'


def unshared(work: Path, *command: str) -> list[str]:
    """Return a command that sees another disk below *work* than everybody else."""
    begin = ["unshare", "--mount", "sh", "-c", _PRIVATE, str(work)]
    tried = subprocess.run([*begin, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"cannot mount a disk for one process: {tried.stderr}")
        pytest.skip("only root can mount a disk for one process")
    return [*begin, *command]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sge", "slurm"])
def test_a_node_that_does_not_see_the_work_directory(lab: Lab, kind: str) -> None:
    """A work directory that is on another disk here than on the node is told as such; jobs are taken back."""
    environment = dict(grid_engine().environment) if kind == "sge" else slurm().environment
    alone(lab, {"kind": kind, "environment": environment})
    (lab.home / "work").mkdir(mode=0o700)
    doctor = (str(CCI), "--home", str(lab.home), "doctor", "--json", "--patience", "15")
    done = subprocess.run(
        unshared(lab.home / "work", *doctor),
        stdout=subprocess.PIPE,
        text=True,
        env=lab.environment,
        check=False,
    )
    (row,) = [row for row in json.loads(done.stdout) if row["name"] == "cluster site: submit"]

    assert (1, "fail") == (done.returncode, row["verdict"]), row
    assert "work_dir must lie on a disk that every node mounts" in row["hint"], row
    assert "site: exit code" not in done.stdout
