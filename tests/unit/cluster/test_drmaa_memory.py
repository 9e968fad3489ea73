"""What is remembered of jobs, and whose turn it is to be asked for."""

from __future__ import annotations

import pytest

from cci.cluster import drmaa_memory
from cci.cluster.base import Accounting, JobRef, JobReport, JobState
from cci.cluster.drmaa_memory import Allowance, Known, Memory, longest_ago


class Clock:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


RUNNING, ENDED = JobReport(state=JobState.RUNNING), JobReport(state=JobState.ENDED)
QUEUED = JobReport(state=JobState.QUEUED)


def known(asked: int) -> Known:
    """Return a job that was asked for with this question."""
    return Known(name="a", report=RUNNING, asked=asked)


@pytest.mark.parametrize(
    ("ids", "most", "expected"),
    [
        (["1", "2", "3"], 9, ["2", "3", "1"]),
        (["1", "2", "3"], 2, ["2", "3"]),
        (["1", "3"], 9, ["3", "1"]),
        (["1", "9"], 9, ["1"]),
        (["1"], 0, []),
        (["1"], -1, []),
    ],
)
def test_longest_ago(ids: list[str], most: int, expected: list[str]) -> None:
    """Those come first that were asked for longest ago; who is not living is not asked for."""
    living = {"1": known(30), "2": known(10), "3": known(20)}

    assert expected == longest_ago(living, ids, most)


def test_everybody_gets_a_turn() -> None:
    """With room for two of five a round, each job is asked for as often as any other."""
    memory = Memory(Clock())
    for number in range(5):
        memory.note(JobRef(str(number), f"job-{number}"), RUNNING)
    turns = []
    for _ in range(5):
        for id_ in longest_ago(memory.living(), "01234", 2):
            memory.asked(id_)
            turns.append(id_)

    assert ["0", "1", "2", "3", "4"] * 2 == turns


def test_allowance() -> None:
    """Questions are saved up between polls, and not for ever."""
    clock = Clock()
    allowance = Allowance(2.0, clock, saved_s=10.0)
    counts = [allowance.left()]
    for _ in range(2):
        allowance.use()
    counts.append(allowance.left())
    for wait_s in (1.6, 4.0, 1000.0):
        clock.now += wait_s
        counts.append(allowance.left())

    assert [2, 0, 3, 11, 20] == counts


def test_slow_allowance() -> None:
    """Less than one question a second is one now and then."""
    clock = Clock()
    allowance = Allowance(0.1, clock)
    allowance.use()
    clock.now += 9.0
    before = allowance.left()
    clock.now += 1.5

    assert (0, 1) == (before, allowance.left())


def test_id_of_another_name() -> None:
    """An id means a job of one name; the job that gets the id next takes it over."""
    memory = Memory(Clock())
    old, new = JobRef("1", "old"), JobRef("1", "new")
    memory.note(old, ENDED)
    before = (memory.of(old) is not None, memory.of(new))
    memory.note(new, QUEUED)
    after = memory.of(new)

    assert (True, None) == before
    assert after is not None
    assert (QUEUED, None) == (after.report, after.ended)
    assert None is memory.of(old)
    assert memory.of(JobRef("1")) is after


def test_end_is_kept() -> None:
    """When a job ended, and what was told of it, stays when it is noted again."""
    clock = Clock()
    memory = Memory(clock)
    job, told = JobRef("1", "a"), Accounting(exit_status=3)
    memory.note(job, RUNNING)
    memory.note(job, ENDED, told=told)
    clock.now += 50.0
    memory.note(job, ENDED)
    found = memory.of(job)

    assert found is not None
    assert (100.0, told, True) == (found.ended, found.told, found.ran)


def test_living() -> None:
    """A job that is over is not asked for any more; it is still known."""
    memory = Memory(Clock())
    for id_, report in (("1", RUNNING), ("2", ENDED), ("3", QUEUED)):
        memory.note(JobRef(id_, f"job-{id_}"), report)
    memory.forget("3")

    assert ["1"] == list(memory.living())
    assert JobRef("2", "job-2") == memory.named("job-2")
    assert None is memory.named("job-3")


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many jobs are remembered after their end; those that ended first are forgotten first."""
    monkeypatch.setattr(drmaa_memory, "MOST_ENDED", 3)
    memory = Memory(Clock())
    memory.note(JobRef("0", "job-0"), RUNNING)
    for number in range(1, 6):
        memory.note(JobRef(str(number), f"job-{number}"), ENDED)

    assert [True, False, False, True, True, True] == [
        memory.of(JobRef(str(number), f"job-{number}")) is not None for number in range(6)
    ]
