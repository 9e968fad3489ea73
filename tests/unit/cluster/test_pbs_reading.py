"""What PBS prints, as manuals and public threads show it; see the README beside the data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Row
from cci.cluster.pbs_reading import STATES, read_entries, read_jobs, read_listing

DATA = Path(__file__).parents[2] / "data" / "clusters" / "pbs"


def text(name: str) -> str:
    """Return an output."""
    return (DATA / name).read_text(encoding="utf-8")


def test_listing() -> None:
    """States, nodes and comments, whose lines are folded."""
    rows = {row.name[-2:]: row for row in read_listing(text("qstat-xf-pbs.txt")).rows}
    at = datetime(2020, 6, 24, 15, 33, 10, tzinfo=UTC)
    waits = "Not Running: Placement set is too small: Not enough free nodes available"

    assert (
        Row(id="49220.hpcadm", name=rows["aa"].name, state=JobState.QUEUED, message=waits, submitted=at)
        == rows["aa"]
    )
    assert (JobState.RUNNING, "n001") == (rows["ab"].state, rows["ab"].node)
    assert rows["ab"].message.startswith("Job run at Wed Jun 24")
    assert JobState.HELD is rows["ac"].state
    assert {JobState.ENDED} == {rows[end].state for end in ("ad", "ae", "af", "b0", "b1", "b2", "b3", "b4")}


def test_folded_value() -> None:
    """A value that was folded in the middle of a word is whole again."""
    jobs = dict(read_jobs(text("qstat-xf-pbs.txt")))

    assert (
        "login1.cluster:/data/work/P1/P1-x-S1-x-E1-x-Dti_v1/1/cci-Dti_v1-00000000000000aa.e49220"
        == jobs["49220.hpcadm"]["error_path"]
    )


def end_of(books: Accounting | None) -> tuple[int | None, int | None, str] | None:
    """Return exit status, signal and cause."""
    return (books.exit_status, books.signal, books.cause) if books else None


def ends(name: str) -> dict[str, tuple[int | None, int | None, str] | None]:
    """Return how jobs ended, by the ends of their names."""
    return {entry.name[-2:]: end_of(entry.accounting) for entry in read_entries(text(name))}


def test_ends() -> None:
    """What PBS Professional says of an end: status, signal, limits, deletion in the queue, no start."""
    assert {
        "aa": None,
        "ab": None,
        "ac": None,
        "ad": (0, None, ""),
        "ae": (3, None, ""),
        "af": (None, 15, "killed"),
        "b0": (None, 15, "walltime"),
        "b1": (None, None, "walltime"),
        "b2": (None, None, "out-of-memory"),
        "b3": (None, None, "killed"),
        "b4": (None, None, "could-not-start"),
    } == ends("qstat-xf-pbs.txt")


def test_ends_of_torque() -> None:
    """Torque has other codes below zero."""
    assert {
        "ba": (None, None, "could-not-start"),
        "bb": (None, 15, "killed"),
        "bc": (None, None, "walltime"),
        "bd": (None, None, "out-of-memory"),
    } == ends("qstat-f-torque.txt")


def test_whole_entry() -> None:
    """Times are in UTC, memory in MB."""
    entry = next(entry for entry in read_entries(text("qstat-xf-pbs.txt")) if entry.name.endswith("ad"))
    torque = read_entries(text("qstat-f-torque.txt"))[1].accounting
    started = datetime(2020, 6, 24, 15, 33, 18, tzinfo=UTC)

    assert started == entry.submitted
    assert (
        Accounting(
            exit_status=0,
            message="Job run at Wed Jun 24 at 15:33 on (n001:ncpus=1) and finished",
            node="n001",
            started=started,
            ended=datetime(2020, 6, 24, 15, 38, 20, tzinfo=UTC),
            cpu_s=270.0,
            peak_memory_mb=200.0,
        )
        == entry.accounting
    )
    assert ("r2i7n16", datetime(2015, 6, 18, 22, 36, 3, tzinfo=UTC)) == (
        torque and torque.node,
        torque and torque.ended,
    )


def test_a_time_that_is_none() -> None:
    """A time that no calendar has is not known; the rest of the entry counts."""
    job = f"    job_state = F\n    Exit_status = 3\n    history_timestamp = {'9' * 30}\n"
    books = read_entries(f"Job Id: 5.s\n{job}")[0].accounting

    assert (3, None) == (books and books.exit_status, books and books.ended)


@pytest.mark.parametrize("letter", sorted(STATES))
def test_states(letter: str) -> None:
    """Every letter of the manuals has its meaning."""
    assert (STATES[letter],) == tuple(
        row.state for row in read_listing(f"Job Id: 5.s\n    job_state = {letter}\n").rows
    )


def test_odd_listing() -> None:
    """An unknown letter is UNKNOWN and told; a job without a state is unreadable; noise is none."""
    listing = read_listing("noise\nJob Id: 5.s\n    job_state = Z\n\nJob Id: 6.s\n    Job_Name = x\n")

    assert [("5.s", JobState.UNKNOWN, "PBS says 'Z', which is not known here")] == [
        (row.id, row.state, row.message) for row in listing.rows
    ]
    assert ("job 6.s without a state",) == listing.unreadable
    assert () == read_listing("").rows


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Exit_status": "137"}, (137, None, "")),
        ({"Exit_status": "265"}, (None, 9, "killed")),
        (
            {"Exit_status": "1", "comment": "job killed: mem 5kb exceeded limit 4kb"},
            (1, None, "out-of-memory"),
        ),
        ({"Exit_status": "0", "comment": "job killed: mem 5kb exceeded limit 4kb"}, (0, None, "")),
        ({"Exit_status": "-4"}, (None, None, "node-failure")),
        ({"Exit_status": "-99"}, (None, None, "could-not-start")),
        ({"Exit_status": "odd"}, None),
        ({}, None),
    ],
)
def test_statuses(fields: dict[str, str], expected: tuple[int | None, int | None, str] | None) -> None:
    """What each kind of exit status means; an end of which nothing is said proves nothing."""
    lines = "".join(f"    {name} = {value}\n" for name, value in fields.items())
    books = read_entries(f"Job Id: 5.s\n    job_state = F\n{lines}")[0].accounting

    assert expected == end_of(books)
