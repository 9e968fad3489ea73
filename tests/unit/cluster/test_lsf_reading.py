"""What LSF prints, as IBM's manual and public threads show it; see the README beside the data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cci.cluster.base import Accounting, JobState
from cci.cluster.lsf_reading import (
    CAUSES,
    STATES,
    is_whole,
    read_entries,
    read_history,
    read_listing,
    time_of,
)

DATA = Path(__file__).parents[2] / "data" / "clusters" / "lsf"
NOW = datetime(2020, 6, 26, 12, 0, tzinfo=UTC)


def text(name: str) -> str:
    """Return an output."""
    return (DATA / name).read_text(encoding="utf-8")


def at(hour: int, minute: int, second: int = 0) -> datetime:
    """Return a time of the day in the data."""
    return datetime(2020, 6, 24, hour, minute, second, tzinfo=UTC)


def end_of(books: Accounting | None) -> tuple[int | None, int | None, str] | None:
    """Return exit status, signal and cause."""
    return (books.exit_status, books.signal, books.cause) if books else None


def one(**fields: str) -> str:
    """Return an answer with one job."""
    given = {"JOBID": "5", "JOB_NAME": "x", "STAT": "EXIT", **fields}
    inner = ",".join(f'"{name}":"{value}"' for name, value in given.items())
    return f'{{"COMMAND":"bjobs","JOBS":1,"RECORDS":[{{{inner}}}]}}'


# -- bjobs ------------------------------------------------------------------------------------


def test_listing() -> None:
    """States, first hosts, times and reasons; a job that is not found is no row."""
    listing = read_listing(text("bjobs.json"), NOW)
    found = [(row.id, row.state, row.node, row.submitted) for row in listing.rows]

    assert () == listing.unreadable
    assert [
        ("930", JobState.QUEUED, "", at(15, 33, 10)),
        ("931", JobState.RUNNING, "hostA", at(15, 33, 11)),
        ("932", JobState.HELD, "", at(15, 33)),
        ("933", JobState.ENDED, "hostA", at(15, 33, 12)),
        ("934", JobState.ENDED, "hostA", at(15, 33, 12)),
        *((number, JobState.ENDED, "hostA", None) for number in ("935", "936", "937")),
        ("938", JobState.ENDED, "", None),
    ] == found
    assert "New job is waiting for scheduling;" == listing.rows[0].message


@pytest.mark.parametrize("word", sorted(STATES))
def test_states(word: str) -> None:
    """Every state of bjobs(1) has its meaning."""
    assert [STATES[word]] == [row.state for row in read_listing(one(STAT=word), NOW).rows]


def test_odd_records() -> None:
    """A state that is not known is UNKNOWN and told; a record without an id is unreadable."""
    strange = read_listing(one(STAT="ODD"), NOW)

    assert [(JobState.UNKNOWN, "LSF says 'ODD', which is not known here")] == [
        (row.state, row.message) for row in strange.rows
    ]
    assert 1 == len(read_listing(one(JOBID=""), NOW).unreadable)


@pytest.mark.parametrize("printed", ["", "{", "[]", '{"COMMAND":"bjobs"}', one()[:-1], "No job found"])
def test_no_answer(printed: str) -> None:
    """Half an answer is seen to be none."""
    assert not is_whole(printed)
    assert () == read_listing(printed, NOW).rows


def test_words_before_the_answer() -> None:
    """What bjobs says while it waits for LSF does not hide the answer."""
    assert ["5"] == [
        row.id for row in read_listing(f"Cannot connect to LSF. Please wait ...\n{one()}", NOW).rows
    ]


def test_ends() -> None:
    """Exit status and termination reason."""
    assert {
        "aa": None,
        "ab": None,
        "ac": None,
        "ad": (0, None, ""),
        "ae": (3, None, ""),
        "af": (None, 2, "killed-by-user"),
        "b0": (None, 12, "walltime"),
        "b1": (None, 9, "out-of-memory"),
        "b2": (None, None, "killed-by-administrator"),
    } == {entry.name[-2:]: end_of(entry.accounting) for entry in read_entries(text("bjobs.json"), NOW)}


def test_whole_entry() -> None:
    """Times are in UTC, memory in MB."""
    entry = next(one for one in read_entries(text("bjobs.json"), NOW) if one.id == "933")

    assert (
        Accounting(
            exit_status=0,
            node="hostA",
            started=at(15, 33, 18),
            ended=at(15, 38, 20),
            cpu_s=270.0,
            peak_memory_mb=1536.0,
        )
        == entry.accounting
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"EXIT_CODE": "137"}, (137, None, "")),
        ({"EXIT_CODE": "137", "EXIT_REASON": "TERM_UNKNOWN: unknown"}, (137, None, "")),
        ({"EXIT_CODE": "1", "EXIT_REASON": "TERM_NEWER: not in our table"}, (None, None, "killed")),
        ({"STAT": "DONE", "EXIT_REASON": "TERM_OWNER: x"}, (0, None, "")),
        ({}, None),
        ({"STAT": "ZOMBI", "EXIT_CODE": "1"}, None),
    ],
)
def test_statuses(fields: dict[str, str], expected: tuple[int | None, int | None, str] | None) -> None:
    """A status above 128 is a signal only where LSF says that something ended the job."""
    assert expected == end_of(read_entries(one(**fields), NOW)[0].accounting)


@pytest.mark.parametrize("reason", sorted(CAUSES))
def test_reasons(reason: str) -> None:
    """Each termination reason of the manual has its cause."""
    books = read_entries(one(EXIT_CODE="1", EXIT_REASON=f"{reason}: words"), NOW)[0].accounting

    assert CAUSES[reason] == (books and books.cause)


# -- bhist ------------------------------------------------------------------------------------


def test_history() -> None:
    """The history of jobs that bjobs has forgotten, in its folded lines."""
    entries = read_history(text("bhist-l.txt"), NOW)

    assert {
        ("933", "ad"): (0, None, ""),
        ("934", "ae"): (3, None, ""),
        ("935", "af"): (None, 2, "killed-by-user"),
        ("936", "b0"): (None, 12, "walltime"),
        ("937", "b1"): None,
    } == {(entry.id, entry.name[-2:]): end_of(entry.accounting) for entry in entries}


def test_whole_history() -> None:
    """Times, host and CPU time of the history."""
    entry = read_history(text("bhist-l.txt"), NOW)[0]

    assert at(15, 33, 12) == entry.submitted
    assert (
        Accounting(exit_status=0, node="hostA", started=at(15, 33, 19), ended=at(15, 38, 20), cpu_s=270.2)
        == entry.accounting
    )


@pytest.mark.parametrize("printed", ["", "No matching job found\n", "Job <x>\n"])
def test_no_history(printed: str) -> None:
    """What is no history is none."""
    assert [] == read_history(printed, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jun 24 15:33", at(15, 33)),
        ("Jun 24 15:33:10 L", at(15, 33, 10)),
        ("Wed Jun 24 15:33:10", at(15, 33, 10)),
        ("Wed Jun 24 15:33:10 2020", at(15, 33, 10)),
        ("Dec 31 23:59", datetime(2019, 12, 31, 23, 59, tzinfo=UTC)),
        ("Dec 31 23:59:59 2021", datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("", None),
        ("-", None),
        ("Feb 30 1:1", None),
    ],
)
def test_times(text: str, expected: datetime | None) -> None:
    """A time without a year is the last one that it can be."""
    assert expected == time_of(text, NOW)


def test_a_day_that_the_year_before_had_not() -> None:
    """A 29th of February that is still to come cannot have been a year ago: it is no time."""
    assert None is time_of("Feb 29 12:00", datetime(2028, 1, 5, tzinfo=UTC))
