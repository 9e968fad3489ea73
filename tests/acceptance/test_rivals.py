"""What others do meanwhile: a rival process, a person who wishes something else, a cluster that is silent."""

from __future__ import annotations

import fcntl
from collections.abc import Callable

import pytest
from support.archive import RunningArchive
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci import settings as configuration
from cci.daemon import steps
from cci.daemon.sweep import SweepOptions, sweep
from cci.daemon.workplace import Workplace, open_workplace
from cci.model import Project

CONSENT = SweepOptions(consent=True)


def workplace(lab: Lab, who: str = "attack") -> Workplace:
    """Open the lab's workplace in this process, as another thread or program of the same installation."""
    path = configuration.find_file(settings=None, home=lab.home)
    return open_workplace(configuration.load(path, home=lab.home), who=who)


def test_write_that_arrives_while_a_sweep_looks(
    lab: Lab, archive: RunningArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox makes an assessor after the snapshot and before the plan: that is no deleted assessor."""
    lab.scan("E1", behave="wait")
    with workplace(lab) as sweeper, workplace(lab, "outbox") as other:
        archive.fault(match=r"PUT /data/experiments/.*/assessors", fault="503")
        sweep(sweeper, lab.project, CONSENT)
        look: Callable[..., Project] = sweeper.archive.snapshot

        def snapshot(*arguments: object, **options: object) -> Project:
            seen = look(*arguments, **options)
            archive.clear_faults()
            wait_until(lambda: steps.outbox_step(other), "the outbox is empty")
            return seen

        monkeypatch.setattr(sweeper.archive, "snapshot", snapshot)
        sweep(sweeper, lab.project, CONSENT)

    assert ["JOB_RUNNING"] == list(lab.statuses().values())
    assert 1 == len(lab.attempts_of(lab.task()))


@pytest.mark.slow
def test_wish_before_the_results_come_home(lab: Lab) -> None:
    """A wish that was made while the job ran is obeyed, not overwritten by Needs QA."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    lab.set_qc(lab.task(), "Rerun")
    folder = lab.attempts()[0]
    (folder / "go").touch()
    wait_until((folder / "exit.json").exists, "the job ends")
    with workplace(lab) as daemon:
        for step in (steps.watch_step, steps.collect_step, steps.outbox_step):
            step(daemon)
    lab.cci("sweep", "--yes")

    assert 2 == lab.task()["attempts"]


@pytest.mark.parametrize("verb", ["release", "hold"])
def test_verbs_leave_a_verdict_alone(lab: Lab, verb: str) -> None:
    """A hold or its end is about tasks that wait; what a person said of results is kept."""
    lab.scan("E1")
    lab.sweep()
    lab.set_qc(lab.task(), "Passed")
    lab.cci(verb, lab.task()["label"], check=False)

    assert "Passed" == lab.fields(lab.task())["validation/status"]


@pytest.mark.slow
def test_former_owner_keeps_its_hands_off(make_lab: MakeLab) -> None:
    """After a takeover the former owner writes nothing: neither its jobs' results nor by its commands."""
    former = make_lab("former")
    former.scan("E1")
    former.sweep()
    make_lab("new", project=former.project).cci("takeover", former.project)
    before = former.fields(former.task())
    former.cci("rerun", former.task()["label"], check=False)

    assert before == former.fields(former.task())


@pytest.mark.slow
def test_kill_that_is_not_confirmed(lab: Lab) -> None:
    """It does not count: the command fails and says so, the task keeps its status, and its job its place."""
    lab.scan("E1", behave="wait")
    lab.cci("sweep", "--yes")
    with (lab.home / "spool" / "line").open("ab") as line:
        fcntl.flock(line, fcntl.LOCK_EX)
        done = lab.cci("kill", lab.task()["label"], check=False)
    status = lab.task()["status"]
    lab.cci("kill", lab.task()["label"])

    assert (4, True, "JOB_RUNNING") == (done.returncode, "not confirmed" in done.stderr, status)
    assert "JOB_ERROR" == lab.task()["status"]


@pytest.mark.slow
def test_hold_of_a_task_that_has_ended(lab: Lab) -> None:
    """It is refused: what becomes of results is said by their QC status."""
    lab.scan("E1")
    lab.sweep()
    done = lab.cci("hold", lab.task()["label"], check=False)

    assert (2, True) == (done.returncode, "has ended" in done.stderr)
