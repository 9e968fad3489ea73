"""A daemon asks only for what changed, and sees it all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci import settings
from cci.daemon.sweep import SweepOptions, SweepReport, sweep
from cci.daemon.workplace import Workplace, open_workplace

CHANGED = 10


def idle_session(lab: Lab, number: int) -> None:
    """Make a session in which nothing is to be done."""
    uri = lab.fill.session(lab.project, f"S{number}", f"idle{number}")
    lab.fill.scan(uri, "1", type="T2", quality="usable")


@pytest.fixture
def small_lab(lab: Lab) -> Lab:
    """A lab with one processed session, and many others."""
    lab.scan("E1")
    for number in range(CHANGED):
        idle_session(lab, number)
    lab.sweep()
    return lab


@pytest.fixture
def workplace(small_lab: Lab) -> Iterator[Workplace]:
    """The lab's workplace, with the whole project remembered as if nothing in it were young."""
    with open_workplace(settings.load(small_lab.settings_file, home=small_lab.home)) as opened:
        assert sweep_again(opened, small_lab).whole
        settle(opened, small_lab)
        yield opened


def settle(workplace: Workplace, lab: Lab) -> None:
    """Let what is remembered be old."""
    before = workplace.remembered[lab.project]
    workplace.remembered[lab.project] = replace(before, known=replace(before.known, young=frozenset()))


def sweep_again(workplace: Workplace, lab: Lab) -> SweepReport:
    """Sweep as the daemon does."""
    report = sweep(workplace, lab.project, SweepOptions(remember=True))
    assert report.error is None
    return report


def requests_of_sweep(workplace: Workplace, lab: Lab) -> tuple[int, SweepReport]:
    """Return what a sweep costs the archive, by its own count, and its report."""
    before = int(lab.archive.requests()["total"])
    report = sweep_again(workplace, lab)
    return int(lab.archive.requests()["total"]) - before, report


@pytest.mark.slow
def test_cost(workplace: Workplace, small_lab: Lab) -> None:
    """It costs one request, one for each session type, and one for each changed session."""
    asked, report = requests_of_sweep(workplace, small_lab)
    assert (1 + 1, 0, False) == (asked, report.read, report.whole)

    for number in range(CHANGED):
        idle_session(small_lab, number)
    asked, report = requests_of_sweep(workplace, small_lab)
    assert (1 + 1 + CHANGED, CHANGED, False) == (asked, report.read, report.whole)


@pytest.mark.slow
def test_wrong_memory(workplace: Workplace, small_lab: Lab) -> None:
    """A memory that is wrong undoes nothing: the session is read again first."""
    before = workplace.remembered[small_lab.project]
    parts = replace(before.known.parts, assessors={})
    workplace.remembered[small_lab.project] = replace(before, known=replace(before.known, parts=parts))
    report = sweep_again(workplace, small_lab)
    assert (0, 1, False) == (report.moved, report.read, report.whole)
    assert "COMPLETE" == small_lab.task("E1")["status"]


@pytest.mark.slow
def test_whole_look_in_time(workplace: Workplace, small_lab: Lab) -> None:
    """What no stamp tells is seen by a whole look, which comes when its time is over."""
    before = workplace.remembered[small_lab.project]
    assert not sweep_again(workplace, small_lab).whole
    long_ago = before.whole_at - workplace.settings.timing.whole_sweep_s
    workplace.remembered[small_lab.project] = replace(before, whole_at=long_ago)
    assert sweep_again(workplace, small_lab).whole


@pytest.mark.slow
def test_outage(workplace: Workplace, small_lab: Lab) -> None:
    """An archive that is away changes nothing in what is remembered, and nothing else."""
    before = workplace.remembered[small_lab.project]
    small_lab.archive.fault(match=f"GET /data/projects/{small_lab.project}", fault="503")
    report = sweep(workplace, small_lab.project, SweepOptions(remember=True))
    assert report.error is not None
    assert before is workplace.remembered[small_lab.project]
    small_lab.archive.clear_faults()
    assert not sweep_again(workplace, small_lab).whole


def sweeps(lab: Lab) -> list[bool]:
    """Return of each sweep of the daemon whether it looked at the whole."""
    return [line["whole"] for line in lab.daemon_lines() if line.get("event") == "sweep done"]


@pytest.mark.slow
def test_daemon_sees_every_change(make_lab: MakeLab) -> None:
    """New scans, wishes, deleted assessors and deleted sessions are seen without looking at the whole."""
    lab = make_lab()
    lab.scan("E1")
    lab.scan("E2", subject="S2")
    lab.run_daemon()
    wait_until(lambda: list(lab.statuses().values()) == ["COMPLETE"] * 2, "both tasks")
    wait_until(lambda: not all(sweeps(lab)), "a sweep of what changed")
    wholes = sum(sweeps(lab))

    lab.scan("E3", subject="S3")
    wait_until(lambda: lab.statuses().get("E3/1 copy") == "COMPLETE", "the new session")
    lab.set_qc(lab.task("E1"), "Rerun")
    wait_until(lambda: len(lab.attempts_of(lab.task("E1"))) == 2, "the wish")
    lab.rest.http.delete(f"{lab.archive.url}{lab.assessor_uri(lab.task('E2'))}").raise_for_status()
    wait_until(lambda: len(lab.attempts_of(lab.task("E2"))) == 2, "the task of the deleted assessor")
    wait_until(lambda: list(lab.statuses().values()) == ["COMPLETE"] * 3, "all tasks")
    assert wholes == sum(sweeps(lab))

    uri = f"/data/projects/{lab.project}/subjects/S3/experiments/E3"
    lab.rest.http.delete(f"{lab.archive.url}{uri}").raise_for_status()
    gone = "what it ran on is no longer in the archive"
    wait_until(lambda: gone == lab.task("E3")["reason"], "the deleted session")
    # what a sweep has found stands in the ledger before the line that tells of its end
    wait_until(lambda: wholes < sum(sweeps(lab)), "the end of a look at the whole")
