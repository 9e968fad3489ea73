"""``cci show-script``: the batch script that a task has, or would get; nothing is made by asking."""

from __future__ import annotations

from pathlib import Path

import yaml
from support.lab import Lab, MakeLab


def with_clusters(lab: Lab, **clusters: object) -> None:
    """Add clusters to the settings, behind the local one."""
    content = yaml.safe_load(lab.settings_file.read_text(encoding="utf-8"))
    content["clusters"].update(clusters)
    lab.settings_file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def test_the_script_that_ran(lab: Lab) -> None:
    """Of a task with an attempt, the file is printed as it is; on standard error stands whose it is."""
    lab.sessions(1)
    lab.sweep()
    done = lab.cci("show-script", "E1")
    (directory,) = lab.attempts()
    answer = lab.answer("show-script", "E1")

    script = directory / "script.sh"
    assert script.read_text(encoding="utf-8") == done.stdout == answer["text"]
    assert f"attempt 1 on local, job {answer['job_id']}: {script}\n" == done.stderr
    assert (1, "local", str(script), True) == (
        answer["attempt"],
        answer["cluster"],
        answer["path"],
        answer["is_there"],
    )


def test_the_script_of_a_task_that_waits(make_lab: MakeLab) -> None:
    """Of a task without an attempt, what it would get is printed, in any cluster's words, and not made."""
    lab = make_lab(processors={"copy": "CopyProcessor", "after": "AfterProcessor"})
    with_clusters(lab, grid={"kind": "slurm", "queue": "long", "native": "--qos=high"})
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    before = sorted((lab.home / "work").rglob("*"))
    here, there = (
        lab.answer("show-script", "E1 after"),
        lab.cci("show-script", "E1 after", "--cluster", "grid"),
    )

    assert ("local", False, 1) == (here["cluster"], here["is_there"], here["attempt"])
    assert f"cd {Path(here['path']).parent} || exit" in here["text"]
    assert ["#SBATCH --partition=long", "#SBATCH --qos=high"] == [
        line for line in there.stdout.splitlines() if "partition" in line or "qos" in line
    ]
    assert f"attempt 1 on grid: would be {here['path']}\n" == there.stderr
    assert before == sorted((lab.home / "work").rglob("*"))


def test_clusters_that_cannot_be_shown(lab: Lab) -> None:
    """A cluster that there is not is told with those there are; one with a bad template says what is bad."""
    lab.sessions(1)
    lab.sweep()
    with_clusters(lab, grid={"kind": "slurm", "template": "gone.j2"})
    unknown = lab.cci("show-script", "E1", "--cluster", "gird", check=False)
    broken = lab.cci("show-script", "E1", "--cluster", "grid", check=False)

    assert (2, True) == (
        unknown.returncode,
        "there is no cluster 'gird'; did you mean 'grid'?" in unknown.stderr,
    )
    assert f"cannot read the template {lab.home / 'gone.j2'}" in broken.stderr
    assert "left out: clusters.grid.template" in broken.stderr
