"""What the words of a DRMAA library mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from cci.cluster.base import JobState
from cci.cluster.drmaa_states import (
    ABOUT_ONE_JOB,
    NO_SUCH_JOB,
    REFUSALS,
    STATES,
    WRONG_STATE,
    accounting_of,
    report_of,
    state_of,
)

#: The package cannot be imported without a library.
PACKAGE = Path(__import__("importlib.util", fromlist=["util"]).find_spec("drmaa").origin).parent


def test_every_state() -> None:
    """The table has each state of the Python package, and no other."""
    source = (PACKAGE / "const.py").read_text(encoding="utf-8")
    states = source.partition("class JobState")[2].partition("# Job control")[0]

    assert set(re.findall(r"= '(\w+)'", states)) == set(STATES)


def test_every_exception() -> None:
    """Each exception that we tell apart is one that the package, or Python itself in it, raises."""
    source = (PACKAGE / "errors.py").read_text(encoding="utf-8")
    known = set(re.findall(r"^class (\w+)", source, re.MULTILINE)) | {"KeyError", "UnicodeEncodeError"}

    assert set() == (REFUSALS | NO_SUCH_JOB | ABOUT_ONE_JOB | WRONG_STATE) - known


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("undetermined", (JobState.UNKNOWN, "undetermined")),
        ("queued_active", (JobState.QUEUED, "")),
        ("system_on_hold", (JobState.HELD, "system on hold")),
        ("user_on_hold", (JobState.HELD, "user on hold")),
        ("user_system_on_hold", (JobState.HELD, "user system on hold")),
        ("running", (JobState.RUNNING, "")),
        ("system_suspended", (JobState.SUSPENDED, "system suspended")),
        ("user_suspended", (JobState.SUSPENDED, "user suspended")),
        ("user_system_suspended", (JobState.SUSPENDED, "user system suspended")),
        ("done", (JobState.ENDED, "")),
        ("failed", (JobState.ENDED, "")),
    ],
)
def test_state(word: str, expected: tuple[JobState, str]) -> None:
    """Each state is one of ours; a held or suspended job says by whom."""
    report = report_of(word)

    assert expected == (report.state, report.message)


def test_unknown_state() -> None:
    """A state that DRMAA does not have is unknown, and is logged."""
    with capture_logs() as logs:
        state = state_of("dreaming")

    assert JobState.UNKNOWN is state
    assert ["dreaming"] == [entry["state"] for entry in logs]


def info(**changes: Any) -> dict[str, Any]:
    """Return the fields of a ``JobInfo`` of a job that ended by itself, with these changes."""
    usual: dict[str, Any] = {
        "jobId": "7",
        "hasExited": True,
        "hasSignal": False,
        "terminatedSignal": "",
        "hasCoreDump": False,
        "wasAborted": False,
        "exitStatus": 0,
        "resourceUsage": {},
    }
    return {**usual, **changes}


#: As Grid Engine 8.1.9 tells it; its numbers all have four decimals.
RAN = {
    "start_time": "1795174667.0000",
    "end_time": "1795174670.0000",
    "cpu": "0.0083",
    "ru_maxrss": "4608.0000",
    "maxvmem": "8388608.0000",
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(info(exitStatus=3), (3, None, ""), id="exit status"),
        pytest.param(
            info(hasExited=False, hasSignal=True, terminatedSignal="SIGKILL", resourceUsage=RAN),
            (None, 9, ""),
            id="signal",
        ),
        pytest.param(
            info(hasExited=False, hasSignal=True, terminatedSignal="unknown signal"),
            (None, None, ""),
            id="a signal without a name proves nothing",
        ),
        pytest.param(
            info(hasExited=False, wasAborted=True), (None, None, "could-not-start"), id="aborted before"
        ),
        pytest.param(
            info(hasExited=False, wasAborted=True, resourceUsage={**RAN, "exit_status": "137.0000"}),
            (137, None, ""),
            id="aborted while it ran",
        ),
        pytest.param(
            info(hasExited=False, wasAborted=True, resourceUsage=RAN), (None, None, ""), id="aborted, no more"
        ),
    ],
)
def test_end(told: dict[str, Any], expected: tuple[int | None, int | None, str]) -> None:
    """An end is taken as it was told; what was not told stays open."""
    books = accounting_of(told)

    assert expected == (books.exit_status, books.signal, books.cause)
    assert books.never_began is (books.cause == "could-not-start")


def test_usage() -> None:
    """Times, CPU time and memory are read from the usage; the resident set goes before the address space."""
    books = accounting_of(info(resourceUsage=RAN))

    assert datetime.fromtimestamp(1795174667, UTC) == books.started
    assert datetime.fromtimestamp(1795174670, UTC) == books.ended
    assert (0.0083, 4.5) == (books.cpu_s, books.peak_memory_mb)
    assert 8.0 == accounting_of(info(resourceUsage={**RAN, "ru_maxrss": "0.0000"})).peak_memory_mb


@pytest.mark.parametrize("usage", [None, {}, {"cpu": "much", "start_time": "", "maxvmem": "4G"}])
def test_odd_usage(usage: dict[str, str] | None) -> None:
    """Usage in words of another system is left out."""
    books = accounting_of(info(resourceUsage=usage))

    assert (None, None, None, None) == (books.started, books.ended, books.cpu_s, books.peak_memory_mb)
