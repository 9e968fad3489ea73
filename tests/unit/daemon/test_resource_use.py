"""What a job used: which witness tells it, and the form in which the assessor gets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cci.cluster.base import Accounting
from cci.daemon.jobdir import ExitRecord
from cci.daemon.resource_use import CPU_FIELD, use_fields, use_of

START = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
RECORD = ExitRecord(
    nonce="n",
    exit_status=0,
    started=START,
    ended=START + timedelta(seconds=90),
    node="n7",
    wall_s=90.2,
    cpu_s=170.5,
    peak_memory_mb=812.4,
)
BOOKS = Accounting(
    exit_status=137,
    signal=9,
    node="n8",
    started=START,
    ended=START + timedelta(seconds=120),
    cpu_s=100.0,
    peak_memory_mb=900.0,
)
BY_RECORD = {
    "wall_s": 90.2,
    "cpu_s": 170.5,
    "peak_memory_mb": 812.4,
    "node": "n7",
    "started": "2026-03-01T23:30:00+00:00",
    "ended": "2026-03-01T23:31:30+00:00",
    "exit_status": 0,
    "signal": None,
}
BY_BOOKS = {
    "wall_s": 120.0,
    "cpu_s": 100.0,
    "peak_memory_mb": 900.0,
    "node": "n8",
    "started": "2026-03-01T23:30:00+00:00",
    "ended": "2026-03-01T23:32:00+00:00",
    "exit_status": 137,
    "signal": 9,
}
NOTHING_KNOWN = dict.fromkeys(BY_BOOKS)


@pytest.mark.parametrize(
    ("record", "books", "expected"),
    [
        (None, None, {}),
        (RECORD, None, BY_RECORD),
        (RECORD, BOOKS, BY_RECORD),
        (None, BOOKS, BY_BOOKS),
        (None, Accounting(), NOTHING_KNOWN),
        (None, Accounting(started=START), {**NOTHING_KNOWN, "started": BY_BOOKS["started"]}),
        (
            ExitRecord(nonce="n", exit_status=1, wall_s=5.0, cpu_s=0.0),
            BOOKS,
            {**BY_BOOKS, "wall_s": 5.0, "cpu_s": 0.0, "exit_status": 1, "signal": None},
        ),
    ],
)
def test_which_witness_tells(
    record: ExitRecord | None, books: Accounting | None, expected: dict[str, Any]
) -> None:
    """The exit record comes first; what it lacks is in the books; what nobody measured is not zero."""
    assert expected == use_of(record, books)


def test_a_clock_that_was_set_back() -> None:
    """Books in which a job ended before it started do not tell how long it ran."""
    assert use_of(None, replace(BOOKS, ended=START - timedelta(seconds=1)))["wall_s"] is None


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ({}, ("", "", "", "", "")),
        (NOTHING_KNOWN, ("", "", "", "", "")),
        ({"wall_s": 0.4, "peak_memory_mb": 0.4, "node": "n7"}, ("00:00:00", "0MB", "0", "n7", "")),
        ({"wall_s": 59.6, "peak_memory_mb": 99.6, "cpu_s": 61}, ("00:01:00", "100MB", "100", "", "00:01:01")),
        ({"wall_s": 3661, "peak_memory_mb": 4096}, ("01:01:01", "4096MB", "4096", "", "")),
        ({"wall_s": 360_000}, ("100:00:00", "", "", "", "")),
        ({"wall_s": -1, "peak_memory_mb": 1e300}, ("00:00:00", "2147483647MB", "2147483647", "", "")),
    ],
)
def test_fields(use: dict[str, object], expected: tuple[str, ...]) -> None:
    """Times as hours, minutes and seconds, memory in whole megabytes; what is not known is empty."""
    names = ("walltimeused", "memused", "memusedmb", "jobnode", CPU_FIELD)
    assert dict(zip(names, expected, strict=True)) == use_fields(use)


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        (START.isoformat(), "2026-03-01"),
        (START.astimezone(timezone(timedelta(hours=2))).isoformat(), "2026-03-01"),
        ("2026-03-01T23:30:00-05:00", "2026-03-02"),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (None, None),
    ],
)
def test_the_day_of_the_start(started: str | None, expected: str | None) -> None:
    """The day is that of the start, in UTC; where it cannot be told, that of the submission stays."""
    assert expected == use_fields({"started": started}).get("jobstartdate")
