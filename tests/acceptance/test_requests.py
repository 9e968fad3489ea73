"""What a sweep and a task cost the archive, counted by the archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archive import RunningArchive
from support.lab import Lab, MakeLab
from support.waiting import wait_until

SIZES = (1, 20, 200)


def spent(archive: RunningArchive) -> int:
    """Return how many requests the archive has had since it started."""
    return int(archive.requests()["total"])


def logouts(archive: RunningArchive) -> int:
    """Return how often a session was ended; that is good manners, and no part of the price of a sweep."""
    return sum((row["method"], row["path"]) == ("DELETE", "/data/JSESSION") for row in archive.write_log())


def grow(lab: Lab, wanted: int) -> None:
    """Add sessions in which nothing is to be done."""
    there = len(lab.rest.get(f"/data/projects/{lab.project}/experiments").json()["ResultSet"]["Result"])
    for number in range(there, wanted):
        uri = lab.fill.session(lab.project, f"S{number % 7}", f"E{number}")
        lab.fill.scan(uri, "1", type="T2", quality="usable")


def cost_of_sweep(lab: Lab) -> int:
    """Return the requests of one sweep, its login included."""
    before, ended = spent(lab.archive), logouts(lab.archive)
    lab.cci("sweep", "--yes")
    return spent(lab.archive) - before - (logouts(lab.archive) - ended)


@pytest.mark.slow
def test_sweep_with_nothing_to_do(make_lab: MakeLab) -> None:
    """Such a sweep costs 9 requests + one per session type + one per further assessor type, at any size."""
    lab = make_lab()
    lab.scan("first")
    lab.sweep()
    costs = []
    for size in SIZES:
        grow(lab, size)
        costs.append(cost_of_sweep(lab))

    assert {"COMPLETE"} == set(lab.statuses().values())
    assert 1 == len(set(costs))
    assert costs[0] <= 9 + 1, costs


@pytest.mark.slow
def test_sweep_over_all_types(make_lab: MakeLab) -> None:
    """Two session types, and subject and project tasks, add no more than the price allows."""
    lab = make_lab(
        processors={
            "copy": "CopyProcessor",
            "subject": "EverySubjectProcessor",
            "project": "WholeProjectProcessor",
        }
    )
    lab.scan("MR")
    lab.fill.session(lab.project, "S1", "PET", xsi_type="xnat:petSessionData")
    lab.sweep()

    assert {"COMPLETE"} == set(lab.statuses().values())
    # two session types, and subject-level assessors as a further type
    assert cost_of_sweep(lab) <= 9 + 2 + 1


@pytest.mark.slow
def test_new_task(lab: Lab) -> None:
    """A new task costs 3 requests before its job runs, and R + 3 after it."""
    lab.scan("E0")
    lab.sweep()
    quiet = cost_of_sweep(lab)
    lab.scan("E1", behave="wait")
    before, ended = spent(lab.archive), logouts(lab.archive)
    lab.cci("sweep")
    first = spent(lab.archive) - before - (logouts(lab.archive) - ended)
    directory = Path(lab.attempts_of(lab.task("E1"))[0].directory)
    (directory / "go").touch()
    wait_until((directory / "exit.json").exists, "the job ends")
    second = cost_of_sweep(lab)
    resources = ("TEXT", "COPY", "PROV")

    assert "COMPLETE" == lab.task("E1")["status"]
    assert first - quiet <= 3
    assert second - quiet <= len(resources) + 3
    assert all(lab.files(lab.task("E1"), name) for name in resources)
