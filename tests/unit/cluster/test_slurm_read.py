"""What Slurm lists of jobs, and which of several entries counts, as recorded and as its manual pages say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Entry
from cci.cluster.slurm_read import STATES, read_listing, settle, told

DATA = Path(__file__).parents[2] / "data" / "clusters" / "slurm"


def text(name: str) -> str:
    """Return a recorded output."""
    return (DATA / name).read_text(encoding="utf-8")


# -- states -----------------------------------------------------------------------------------

#: "JOB STATE CODES" of squeue(1) from 22.05 to 25.05, with what may stand beside a state as a flag.
IN_THE_MANUAL = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "CONFIGURING", "COMPLETING", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PENDING", "PREEMPTED", "RUNNING", "RESV_DEL_HOLD", "REQUEUE_FED", "REQUEUE_HOLD"),
    *("REQUEUED", "RESIZING", "REVOKED", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED"),
    *("TIMEOUT", "LAUNCH_FAILED", "RECONFIG_FAIL", "POWER_UP_NODE", "EXPEDITING"),
}


def test_all_states() -> None:
    """Every state of the manual has its row."""
    assert IN_THE_MANUAL == set(STATES)


@pytest.mark.parametrize(
    ("native", "reason", "expected"),
    [
        ("PENDING", "Resources", (JobState.QUEUED, "Resources")),
        ("PENDING", "None", (JobState.QUEUED, "")),
        ("PENDING", "JobHeldUser", (JobState.HELD, "JobHeldUser")),
        ("PENDING", "JobHeldAdmin", (JobState.HELD, "JobHeldAdmin")),
        ("PENDING", "launch failed requeued held", (JobState.HELD, "launch failed requeued held")),
        ("PENDING", "JobHoldMaxRequeue", (JobState.HELD, "JobHoldMaxRequeue")),
        (
            "PENDING",
            "ReqNodeNotAvail, UnavailableNodes:n1",
            (JobState.QUEUED, "ReqNodeNotAvail, UnavailableNodes:n1"),
        ),
        ("RUNNING", "JobHeldAdmin", (JobState.RUNNING, "")),
        ("COMPLETING", "None", (JobState.RUNNING, "COMPLETING")),
        ("SUSPENDED", "None", (JobState.SUSPENDED, "SUSPENDED")),
        ("COMPLETED", "None", (JobState.ENDED, "")),
        ("FAILED", "NonZeroExitCode", (JobState.ENDED, "FAILED: NonZeroExitCode")),
        ("OUT_OF_MEMORY", "OutOfMemory", (JobState.ENDED, "OUT_OF_MEMORY: OutOfMemory")),
        ("NEW_ONE", "", (JobState.UNKNOWN, "Slurm says NEW_ONE, which is no state that is known here")),
        ("", "", (JobState.UNKNOWN, "Slurm says , which is no state that is known here")),
    ],
)
def test_told(native: str, reason: str, expected: tuple[JobState, str]) -> None:
    """A state is translated, with what a person may want to know beside it."""
    assert expected == told(native, reason)


def test_listing() -> None:
    """A recorded listing has each job with id, name, state and node."""
    listing = read_listing(text("squeue.txt"))

    assert () == listing.unreadable
    assert {
        "1": ("first", JobState.ENDED, "localhost"),
        "2": ("cci-Cpu_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "3": ("cci-Exit_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "4": ("cci-Sig_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "5": ("cci-Time_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "8": ("cci-CancHeld_v1-0123456789abcdef", JobState.ENDED, ""),
        "9": ("cci-Held_v1-0123456789abcdef", JobState.HELD, ""),
        "10": ("cci-NoInterp_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "11": ("cci-Suspended_v1-0123456789abcdef", JobState.QUEUED, ""),
        "12": ("cci-NodeFail_v1-0123456789abcdef", JobState.ENDED, "localhost"),
        "13": ("cci-Run_v1-0123456789abcdef", JobState.RUNNING, "localhost"),
        "14": ("cci-Pend_v1-0123456789abcdef", JobState.QUEUED, ""),
        "15": ("cci-Susp_v1-0123456789abcdef", JobState.SUSPENDED, "localhost"),
    } == {row.id: (row.name, row.state, row.node) for row in listing.rows}


@pytest.mark.parametrize(
    "line", ["8|RUNNING|None", "|RUNNING|None|n1|x", "8||None|n1|x", "slurm_load_jobs: some warning", "||||"]
)
def test_bad_line(line: str) -> None:
    """A line that is none costs itself."""
    listing = read_listing(f"7|RUNNING|None|n1|a|b c\n{line}\n9|COMPLETED|None|n1|d\n")

    assert [("7", "a|b c"), ("9", "d")] == [(row.id, row.name) for row in listing.rows]
    assert 1 == len(listing.unreadable)
    assert listing.unreadable[0].startswith(repr(line))


# -- who counts ----------------------------------------------------------------------------------

BY_FILE, BY_CONTROLLER, BY_BOOKS = (Accounting(exit_status=number) for number in (1, 2, 3))
ALIVE = Entry(id="7", name="a")
FILE, CONTROLLER, SLURMDBD = (replace(ALIVE, accounting=one) for one in (BY_FILE, BY_CONTROLLER, BY_BOOKS))
OTHER = replace(ALIVE, name="b")


@pytest.mark.parametrize(
    ("completions", "memory", "books", "expected"),
    [
        ([], [], [], []),
        ([FILE], [], [], [FILE]),
        ([FILE], [CONTROLLER], [], [CONTROLLER]),
        ([FILE], [CONTROLLER], [SLURMDBD], [SLURMDBD]),
        ([], [], [SLURMDBD], [SLURMDBD]),
        # it is alive again, or still
        ([FILE], [ALIVE], [SLURMDBD], []),
        ([FILE], [ALIVE], [], []),
        ([], [], [SLURMDBD, ALIVE], []),
        # slurmdbd has missed the end
        ([], [CONTROLLER], [ALIVE], [CONTROLLER]),
        ([FILE], [], [ALIVE], [FILE]),
        # the id has been given to another job
        ([FILE], [OTHER], [], [FILE]),
        ([], [OTHER], [SLURMDBD, OTHER], [SLURMDBD]),
    ],
)
def test_settle(
    completions: list[Entry], memory: list[Entry], books: list[Entry], expected: list[Entry]
) -> None:
    """A job that the controller lists is not over; else whoever knows most of its end is believed."""
    assert expected == list(settle(completions, memory, books))
