"""Programs killed at random moments with SIGKILL: what is found afterwards is as if nothing had happened."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.lab import Lab

from cci.daemon.jobdir import JobDirectory, read_claim

#: What a job does, and how its task has to end.
ENDS = {
    "sleep 0.3": "COMPLETE",
    "": "COMPLETE",
    "exit 3": "JOB_ERROR",
    "nothing": "XVFB_ERROR",
}
#: About as many requests as an undisturbed round needs, its snapshots included.
MOST_REQUESTS = 45


def rounds(*, long: bool) -> int:
    """Return how many kills there are."""
    return 20 if long else 5


def add_sessions(lab: Lab, turn: int, chance: random.Random) -> dict[str, str]:
    """Make the sessions of one round; return how the task on each has to end."""
    wanted = {}
    for number in range(2):
        behave = chance.choice(list(ENDS))
        lab.scan(f"E{turn}_{number}", behave=behave, subject=f"S{turn}")
        wanted[f"E{turn}_{number}/1 copy"] = ENDS[behave]
    return wanted


def wait_for_requests(lab: Lab, process: subprocess.Popen[str], number: int) -> None:
    """Wait until the archive had this many more requests, or the process has ended of itself."""
    wanted = lab.archive.requests()["total"] + number
    while process.poll() is None and lab.archive.requests()["total"] < wanted:
        time.sleep(0.01)


def kill_at_a_random_moment(lab: Lab, chance: random.Random) -> subprocess.Popen[str]:
    """Start a waiting sweep and kill it somewhere on its way; return the dead process."""
    process = lab.start("sweep", "--wait", "--yes")
    wait_for_requests(lab, process, chance.randint(1, MOST_REQUESTS))
    time.sleep(chance.uniform(0.0, 0.2))
    process.kill()
    process.wait()
    return process


def ended_right(lab: Lab, wanted: dict[str, str]) -> None:
    """Check that every task ended right, with one job for each attempt and nothing stored twice."""
    attempts = [attempt for row in lab.tasks() for attempt in lab.attempts_of(row)]
    places = [Path(attempt.directory) for attempt in attempts]
    assert wanted == lab.statuses()
    assert [1] * len(wanted) == [attempt.number for attempt in attempts]
    assert sorted(attempt.job_id for attempt in attempts) == lab.ended_jobs()
    assert [attempt.job_id for attempt in attempts] == [read_claim(JobDirectory(place)) for place in places]
    assert [] == list((lab.home / "work").rglob("refused-*.json"))
    assert set(places) == set(lab.attempts())


def stored(lab: Lab) -> Counter[str]:
    """Count successful uploads of results by the resource that they went to."""
    uploads = [row for row in lab.writes() if row["method"] == "PUT" and "cci-upload.zip" in row["path"]]
    return Counter(urlsplit(row["path"]).path for row in uploads if row["status"] < 300)


@pytest.mark.slow
def test_sweeps_killed(lab: Lab, chance: random.Random, *, long: bool) -> None:
    """X13: sweeps killed at random moments, then one to the end: one job an attempt, nothing sent twice."""
    wanted: dict[str, str] = {}
    for turn in range(rounds(long=long)):
        wanted |= add_sessions(lab, turn, chance)
        kill_at_a_random_moment(lab, chance)
    lab.sweep()

    ended_right(lab, wanted)
    assert {1} == set(stored(lab).values())
    assert 3 * list(wanted.values()).count("COMPLETE") == len(stored(lab))


@pytest.mark.slow
def test_sweeps_and_archive_killed(lab: Lab, chance: random.Random, *, long: bool) -> None:
    """The same holds while the archive is killed and started again at random moments as well."""
    wanted: dict[str, str] = {}
    for turn in range(rounds(long=long)):
        wanted |= add_sessions(lab, turn, chance)
        process = lab.start("sweep", "--wait", "--yes")
        wait_for_requests(lab, process, chance.randint(1, MOST_REQUESTS))
        lab.archive.kill()
        time.sleep(chance.uniform(0.0, 0.5))
        lab.archive.start()
        wait_for_requests(lab, process, chance.randint(1, MOST_REQUESTS))
        process.kill()
        process.wait()
    lab.sweep()

    ended_right(lab, wanted)
    assert {1} == set(stored(lab).values())
