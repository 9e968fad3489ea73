"""The notebook's three functions on every cluster that there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.jobs import BackEnd
from support.waiting import wait_until

from cci import cluster


@pytest.fixture
def chosen(back_end: BackEnd) -> Iterator[BackEnd]:
    """Choose the back-end as the default."""
    cluster.set_default_cluster(back_end.cluster)
    yield back_end
    cluster.set_default_cluster(None)


@pytest.mark.parametrize("folder", ["plain", "my work"])
def test_a_script_runs(chosen: BackEnd, folder: str) -> None:
    """make_pbs writes bash, submit_pbs runs it where it lies, and check_status says when it is over."""
    place = chosen.root / folder
    commands = ["words=(one two)", 'echo "${words[1]}"', "pwd", 'echo "$NSLOTS$SLURM_CPUS_PER_TASK"']
    asked = {"name": "echo", "directory": place, "cores": 2, "walltime_s": 600, "memory_mb": 20}
    path = cluster.make_pbs(commands, asked)
    job_id = cluster.submit_pbs(path)
    wait_until(lambda: cluster.check_status(job_id) == "ended", "the job is over")
    log = place / "echo.log"
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= 3, "its log is there")

    slots = "2" if chosen.dialect in {"sge", "slurm"} else ""
    assert f"two\n{place}\n{slots}\n" == log.read_text(encoding="utf-8")
