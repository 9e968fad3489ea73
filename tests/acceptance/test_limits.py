"""Caps as people use them: never exceeded, changed while the daemon runs, and fair between projects."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from support.batch_systems import BATCH_SYSTEMS, BatchSystem, use
from support.lab import Lab, MakeLab, Row
from support.waiting import wait_until

from cci.daemon.caps import in_use
from cci.daemon.staging import job_ref

#: Returns which jobs a cluster has now, by whatever it knows them by.
Queue = Callable[[], set[str]]


def local_queue(lab: Lab) -> Queue:
    """Return the queue of the local cluster: what lies in its spool."""
    folders = [lab.home / "spool" / part for part in ("queue", "running")]
    return lambda: {path.name for folder in folders for path in folder.glob("*")}


def sge_queue(system: BatchSystem) -> Queue:
    """Return what qstat lists, by full names."""
    environment = {**os.environ, **system.settings["environment"]}

    def look() -> set[str]:
        command = ["qstat", "-r", "-u", "*"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return set(re.findall(r"Full jobname:\s+(\S+)", said.stdout))

    return look


@contextmanager
def watched(lab: Lab, queue: Queue) -> Iterator[list[tuple[set[str], set[str]]]]:
    """Look at a queue all the time; yields for each look its jobs, and the directories of ended jobs."""
    seen: list[tuple[set[str], set[str]]] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.01):
            jobs = queue()
            ended = {str(path.parent) for path in (lab.home / "work").glob("*/*/*/exit.json")}
            seen.append((jobs, ended))

    thread = Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def most_at_once(lab: Lab, seen: list[tuple[set[str], set[str]]]) -> int:
    """Return how many jobs of a lab its cluster had at most, but for those that had ended."""
    attempts = [attempt for task in lab.tasks() for attempt in lab.attempts_of(task)]
    places = {name: one.directory for one in attempts for name in (one.job_id, job_ref(one).name)}
    return max(len([job for job in jobs if places.get(job, "") not in {"", *ended}]) for jobs, ended in seen)


def open_now(lab: Lab) -> Counter[str]:
    """Return what is in use under each cap, from the ledger."""
    with lab.ledger() as ledger:
        return in_use(ledger.open_counts(lab.archive.url))


def limits(lab: Lab) -> dict[str, Row]:
    """Return what ``cci limit`` says, by the name of the cap."""
    return {row["name"]: row for row in lab.answer("limit")}


@pytest.mark.slow
def test_twenty_tasks_under_a_cap_of_three(lab: Lab) -> None:
    """S10: twenty ready tasks all run, and the cluster never has more than three of their jobs."""
    lab.change_settings(limits={"max_running": 3})
    lab.sessions(20, behave="sleep 1")
    with watched(lab, local_queue(lab)) as seen:
        lab.sweep()
    assert (["COMPLETE"] * 20, 3) == (list(lab.statuses().values()), most_at_once(lab, seen))


@pytest.mark.slow
def test_twenty_tasks_on_sge(lab: Lab) -> None:
    """S10 on a real Grid Engine: qstat never lists more than three jobs that have not ended."""
    system = BATCH_SYSTEMS["sge"]()
    use(lab, system)
    lab.change_settings(limits={"max_running": 3})
    lab.sessions(20, behave="sleep 1")
    with watched(lab, sge_queue(system)) as seen:
        lab.sweep()
    assert (["COMPLETE"] * 20, 3) == (list(lab.statuses().values()), most_at_once(lab, seen))


def test_caps_are_shown_set_and_given_back(lab: Lab) -> None:
    """A person sees each cap with its origin, sets one, is told of typing mistakes, and gives it back."""
    lab.change_settings(
        limits={"max_running": 50}, processors={"copy": {"use": lab.uses["copy"], "max_running": 3}}
    )
    before = limits(lab)
    set_ = lab.answer("limit", "set", "processor:copy", "7")
    during = lab.cci("limit").stdout
    wrong = lab.cci("limit", "set", "processor:cpy", "7", check=False)
    below = lab.cci("limit", "set", "total", "-1", check=False)
    unset = lab.answer("limit", "unset", "processor:copy")
    again = lab.cci("limit", "unset", "processor:copy", check=False)

    assert {
        "total": 50,
        "pending": 20,
        f"project:{lab.project}": None,
        "processor:copy": 3,
        "cluster:local": None,
        "pending:local": None,
    } == {name: row["value"] for name, row in before.items()}
    assert (7, 3, True, 3, "") == (
        set_["value"],
        set_["in_settings"],
        bool(set_["set_by"]),
        unset["value"],
        unset["set_by"],
    )
    assert "in place of 3" in during
    assert (2, 2, 2) == (wrong.returncode, below.returncode, again.returncode)
    assert "did you mean 'processor:copy'?" in wrong.stderr


@pytest.mark.slow
def test_a_cap_changes_while_the_daemon_runs(lab: Lab) -> None:
    """S10: what is set holds from the next sweep on, without a restart; 0 lets nothing start."""
    lab.cci("limit", "set", "processor:copy", "0")
    lab.sessions(3, behave="wait")
    daemon = lab.start("run", "--yes")
    wait_until(lambda: len(lab.tasks()) == 3 and limits(lab)["processor:copy"]["value"] == 0, "they wait")
    none_open = open_now(lab)
    why = lab.cci("why", lab.task("E1")["label"]).stdout
    lab.cci("limit", "set", "processor:copy", "2")
    wait_until(lambda: open_now(lab)["processor:copy"] == 2, "two are open")
    told = lab.cci("why", lab.task("E3")["label"]).stdout
    lab.cci("limit", "unset", "processor:copy")
    wait_until(lambda: open_now(lab)["processor:copy"] == 3, "all are open")
    # an open attempt may still be staged
    wait_until(lambda: sum((path / "claim").exists() for path in lab.attempts()) == 3, "all run")
    for directory in lab.attempts():
        (directory / "go").touch()
    wait_until(lambda: ["COMPLETE"] * 3 == list(lab.statuses().values()), "all are done")
    daemon.terminate()

    assert (0, 0) == (none_open["total"], daemon.wait(300))
    assert "jobs of processor copy may not start, the cap processor:copy is 0" in why
    assert "waits for a place: 2 of 2 jobs of processor copy are open" in told


def second_project(lab: Lab, make_lab: MakeLab) -> Lab:
    """Make another project in the archive and list it in the first lab's settings."""
    other = make_lab("other")
    lab.change_settings(projects={other.project: ["copy"]})
    return other


@pytest.mark.slow
def test_projects_share_the_places(lab: Lab, make_lab: MakeLab) -> None:
    """Of four places each of two projects has two, though the first one alone could fill all."""
    lab.change_settings(limits={"max_running": 4})
    other = second_project(lab, make_lab)
    for project in (lab, other):
        project.sessions(5, behave="wait")
    told = lab.cci("sweep", "--yes").stdout
    used = open_now(lab)
    assert [
        f"{project}: 5 tasks, 2 started, 3 wait for a place (`cci limit`); 3 PRE_COMPLETE, 2 JOB_RUNNING"
        for project in (lab.project, other.project)
    ] == told.splitlines()
    assert (4, 2, 2) == (used["total"], used[f"project:{lab.project}"], used[f"project:{other.project}"])


@pytest.mark.slow
def test_free_places_are_filled_between_sweeps(lab: Lab) -> None:
    """The daemon need not sweep again for what its last sweep left waiting."""
    lab.change_settings(limits={"max_running": 2}, timing={"sweep": "1d"})
    lab.sessions(6)
    daemon = lab.run_daemon()
    wait_until(lambda: ["COMPLETE"] * 6 == list(lab.statuses().values()), "all are done")
    daemon.terminate()
    said = (lab.home / "daemon.txt").read_text(encoding="utf-8")
    assert (0, 1) == (daemon.wait(300), said.count('"sweep done"'))


@pytest.mark.slow
def test_a_choice_of_clusters(lab: Lab) -> None:
    """A processor with two clusters uses both, each up to its cap, and the attempt says which."""
    lab.change_settings(
        clusters={"small": {"slots": 1, "memory_mb": 100, "max_running": 1}},
        processors={"copy": {"use": lab.uses["copy"], "cluster": ["small", "local"]}},
    )
    lab.sessions(4, behave="wait")
    lab.cci("sweep", "--yes")
    used = Counter(lab.attempts_of(task)[0].cluster for task in lab.tasks())
    assert {"small": 1, "local": 3} == used


@pytest.mark.slow
@pytest.mark.parametrize(("interval_s", "tasks"), [(0.3, 6), (6, 2)])
def test_jobs_are_handed_over_at_a_pace(lab: Lab, interval_s: float, tasks: int) -> None:
    """Each submission takes one turn of the cluster, though several workers hand jobs over."""
    lab.change_settings(limits={"submit_interval_s": interval_s, "stage_workers": 4})
    lab.sessions(tasks)
    before = datetime.now(UTC)
    lab.sweep()
    with lab.ledger() as ledger:
        next_turn, _ = ledger.next_turn("cluster local", 0, within_s=0)
    times = sorted(lab.attempts_of(task)[0].submitted or before for task in lab.tasks())
    assert ["COMPLETE"] * tasks == list(lab.statuses().values())
    assert next_turn >= before + tasks * timedelta(seconds=interval_s)
    assert times[-1] >= before + (tasks - 1) * timedelta(seconds=interval_s)
