"""Jobs that a cluster refuses: they wait with its own sentence, block nobody, and go on when it is mended."""

from __future__ import annotations

from collections import Counter

import pytest
from support.lab import Lab, MakeLab

TINY = {"slots": 1, "memory_mb": 10}


@pytest.fixture
def small(make_lab: MakeLab) -> Lab:
    """A lab whose cluster is too small for its processor."""
    lab = make_lab()
    lab.change_settings(clusters={"local": TINY})
    return lab


def test_a_refused_job_waits_with_the_sentence(small: Lab) -> None:
    """The task stays PRE_COMPLETE, the reason is what the cluster said, and no job directory piles up."""
    small.sessions(3)
    done = small.cci("sweep", "--wait", "--yes", check=False)
    reasons = sorted(row["reason"] for row in small.tasks())
    waits = next(row for row in small.tasks() if not row["reason"])

    assert {"PRE_COMPLETE"} == set(small.statuses().values())
    assert 1 == done.returncode
    assert "a cluster refuses the job of 1 task" in " ".join(done.stderr.split())
    assert ["", ""] == reasons[:2]
    assert "MB of memory, and cluster local has 10 in all" in reasons[2]
    assert reasons[2] in small.answer("why", waits["label"])["next_step"]
    assert 1 == len(small.attempts())
    assert [] == small.ended_jobs()


def test_other_settings_are_tried_at_once(small: Lab) -> None:
    """A change of the settings does not wait for the back-off, however long that has become."""
    small.change_settings(timing={"retry_s": 3000})
    small.sessions(2)
    small.cci("sweep", "--wait", "--yes", check=False)
    small.change_settings(clusters={"local": {"slots": 4, "memory_mb": 1000}})
    small.sweep()

    assert {"COMPLETE"} == set(small.statuses().values())
    assert 2 == len(small.ended_jobs())


def test_a_person_may_ask_again(small: Lab) -> None:
    """`cci rerun` tries a refused job at once, and leaves a task alone that only waits for a place."""
    small.change_settings(timing={"retry_s": 3000})
    small.sessions(1)
    small.cci("sweep", "--wait", "--yes", check=False)
    small.cci("rerun", small.task()["label"])
    before = len(small.attempts())
    small.cci("sweep", "--wait", check=False)

    assert (1, 2) == (before, len(small.attempts()))
    assert "cluster local has 10 in all" in small.task()["reason"]


def test_a_hold_keeps_it_from_being_tried(small: Lab) -> None:
    """A refused task that is held is not handed over when the cluster would take it, until it is released."""
    small.sessions(1)
    small.cci("sweep", "--wait", "--yes", check=False)
    small.cci("hold", small.task()["label"])
    small.change_settings(clusters={"local": {"slots": 4, "memory_mb": 1000}})
    small.sweep()
    held, jobs = small.task(), small.ended_jobs()
    small.cci("release", held["label"])
    small.sweep()

    assert ("PRE_COMPLETE", []) == (held["status"], jobs)
    assert "Do Not Run" in held["reason"]
    assert "COMPLETE" == small.task()["status"]


def test_another_processor_goes_on(make_lab: MakeLab) -> None:
    """What one processor asks too much for is no other's trouble."""
    lab = make_lab(processors={"copy": "CopyProcessor", "other": "OtherProcessor"})
    lab.change_settings(
        processors={
            "copy": {"use": lab.uses["copy"], "memory_mb": 100_000},
            "other": {"use": lab.uses["other"]},
        },
        limits={"max_staged": 1, "min_free_mb": 0},
    )
    lab.sessions(3)
    lab.cci("sweep", "--wait", "--yes", check=False)

    assert Counter({"PRE_COMPLETE": 3, "COMPLETE": 3}) == Counter(lab.statuses().values())
