"""A process that was stopped while it staged, and wakes when another has the attempt and its job runs."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.lab import Lab
from support.waiting import wait_until

from cci import settings as configuration
from cci.daemon import staging, steps
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import attempts
from cci.daemon.sweep import SweepOptions, sweep
from cci.daemon.workplace import Workplace, open_workplace


def workplace(lab: Lab, who: str) -> Workplace:
    """Open the lab's workplace in this process, as another program of the same installation."""
    path = configuration.find_file(settings=None, home=lab.home)
    return open_workplace(configuration.load(path, home=lab.home), who=who)


@pytest.mark.slow
@pytest.mark.parametrize("stopped_in", ["stage", "put_in_place"])
def test_a_running_job_keeps_its_directory(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, stopped_in: str
) -> None:
    """Whoever lost his lease while he staged touches nothing of the job that another has begun meanwhile."""
    lab.scan("E1", behave="wait")
    monkeypatch.setattr(attempts, "LEASE", timedelta(0))
    entered, wake = threading.Event(), threading.Event()
    real = getattr(staging, stopped_in)

    def stopped(*arguments: Any, **options: Any) -> None:
        first = not entered.is_set()
        entered.set()
        if first:
            assert wake.wait(300)
        real(*arguments, **options)

    monkeypatch.setattr(staging, stopped_in, stopped)
    with workplace(lab, "sleeper") as sleeper, workplace(lab, "second") as second:
        late = threading.Thread(target=sweep, args=(sleeper, lab.project, SweepOptions(consent=True)))
        late.start()
        assert entered.wait(300)
        wait_until(lambda: steps.begin_step(second), "another takes the attempt over")
        job = lab.attempts()[0]
        wait_until((job / "claim").exists, "the job runs")
        before = contents(job)
        wake.set()
        late.join(60)

    assert (before, [job.name]) == (contents(job), [path.name for path in job.parent.iterdir()])


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the daemon has put into a job directory."""
    directory = JobDirectory(folder)
    names = (directory.job, directory.script, directory.runner, folder / "claim", folder / "staged.json")
    return {path.name: path.read_bytes() for path in names}
