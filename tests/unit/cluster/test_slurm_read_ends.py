"""What Slurm tells of how jobs ended, as it was recorded and as its manual pages list it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cci.cluster.base import Accounting
from cci.cluster.commands import Entry
from cci.cluster.slurm_read import (
    BOOKS,
    COMPLETIONS,
    MEMORY_FORMAT,
    STATES,
    cause_in_log,
    read_books,
    read_completions,
    read_memory,
)

DATA = Path(__file__).parents[2] / "data" / "clusters" / "slurm"


def text(name: str) -> str:
    """Return a recorded output."""
    return (DATA / name).read_text(encoding="utf-8")


def at(seconds: int) -> datetime:
    """Return a moment of the recorded day, from the end of its seconds since 1970."""
    return datetime.fromtimestamp(1_795_176_000 + seconds, UTC)


# -- how a job ended -----------------------------------------------------------------------------


def ends(entries: tuple[Entry, ...]) -> dict[str, tuple[int | None, int | None, str] | None]:
    """Return exit status, signal and cause by id; None for a job that is not over."""
    return {
        entry.id: (books.exit_status, books.signal, books.cause) if (books := entry.accounting) else None
        for entry in entries
    }


def test_memory() -> None:
    """The controller remembers how a job ended, in the form of wait(2), and not by whom."""
    entries, unreadable = read_memory(text("squeue-long.txt"))

    assert () == unreadable
    assert {
        "1": (0, None, ""),
        "2": (0, None, ""),
        "3": (3, None, ""),
        "4": (None, 9, ""),
        "5": (None, 15, "walltime"),
        "6": (None, 15, "killed"),
        "7": (None, 15, "killed"),
        "8": (None, None, "killed"),
        "9": None,
        "10": (2, None, ""),
        "11": None,
        "12": (None, None, "node-failure"),
        "13": None,
        "14": None,
        "15": None,
    } == ends(entries)
    assert Entry(
        id="5",
        name="cci-Time_v1-0123456789abcdef",
        submitted=at(539),
        accounting=Accounting(
            signal=15,
            cause="walltime",
            message="TIMEOUT: TimeLimit",
            node="localhost",
            started=at(539),
            ended=at(605),
        ),
    ) == next(entry for entry in entries if entry.id == "5")


def test_memory_is_wide_enough() -> None:
    """A field of the long format holds the longest id, state, name and reason that Slurm and we give."""
    widths = dict(field.split(":") for field in MEMORY_FORMAT.split(","))

    assert int(widths["state"]) > max(map(len, STATES))
    assert int(widths["name"]) > 64
    assert int(widths["jobid"]) > len(str(2**32))


def test_books() -> None:
    """The books of slurmdbd tell who cancelled a job; 0:0 beside a cause is no exit status."""
    entries, unreadable = read_books(text("sacct.txt"))

    assert () == unreadable
    assert {
        "1": (0, None, ""),
        "2": (0, None, ""),
        "3": (3, None, ""),
        "4": (None, 9, ""),
        "5": (None, None, "walltime"),
        "6": (None, None, "killed-by-administrator"),
        "7": (None, None, "killed-by-user"),
        "8": (None, None, "killed-by-user"),
        "9": None,
        "10": (2, None, ""),
        "11": None,  # the later of two entries: it was queued again
        "12": (None, None, "node-failure"),
        "13": None,
        "14": None,
        "15": None,
    } == ends(entries)


def test_use_in_books() -> None:
    """Memory is that of the greatest step, processor time that of the job."""
    entries, _ = read_books(text("sacct.txt"))

    assert Entry(
        id="2",
        name="cci-Cpu_v1-0123456789abcdef",
        submitted=at(519),
        accounting=Accounting(
            exit_status=0,
            node="localhost",
            started=at(520),
            ended=at(524),
            cpu_s=1.957,
            peak_memory_mb=95228 / 1024,
        ),
    ) == next(entry for entry in entries if entry.id == "2")


def test_completions() -> None:
    """The text file tells the same, without the one who cancelled and without any use."""
    entries, unreadable = read_completions(text("sacct-completion.txt"))

    assert () == unreadable
    assert {
        "1": (0, None, ""),
        "2": (0, None, ""),
        "3": (3, None, ""),
        "4": (None, 9, ""),
        "5": (None, None, "walltime"),
        "6": (None, None, "killed"),
        "7": (None, None, "killed"),
        "8": (None, None, "killed"),
        "10": (2, None, ""),
        "11": (None, None, "node-failure"),
        "12": (None, None, "node-failure"),
    } == ends(entries)


def books_line(**fields: str) -> str:
    """Return a line of the books for a job that failed, with some fields changed."""
    usual = dict.fromkeys(BOOKS, "") | {
        "JobIDRaw": "7",
        "State": "FAILED",
        "ExitCode": "1:0",
        "UID": "1000",
    }
    return "|".join((usual | fields).values())


@pytest.mark.parametrize(
    ("state", "exit_code", "expected"),
    [
        ("COMPLETED", "0:0", (0, None, "")),
        ("FAILED", "137:0", (137, None, "")),
        ("FAILED", "0:11", (None, 11, "")),
        ("FAILED", "0:0", (None, None, "could-not-start")),
        ("OUT_OF_MEMORY", "0:125", (None, None, "out-of-memory")),
        ("OUT_OF_MEMORY", "137:0", (137, None, "out-of-memory")),
        ("TIMEOUT", "0:15", (None, 15, "walltime")),
        ("DEADLINE", "0:0", (None, None, "killed")),
        ("PREEMPTED", "0:15", (None, 15, "killed")),
        ("NODE_FAIL", "1:0", (1, None, "node-failure")),
        ("BOOT_FAIL", "0:0", (None, None, "could-not-start")),
        ("LAUNCH_FAILED", "0:0", (None, None, "could-not-start")),
        ("CANCELLED by 1000", "0:15", (None, 15, "killed-by-user")),
        ("CANCELLED by 0", "0:15", (None, 15, "killed-by-administrator")),
        ("CANCELLED by 1001", "0:0", (None, None, "killed-by-administrator")),
        ("CANCELLED", "0:0", (None, None, "killed")),
        ("RUNNING", "0:0", None),
        ("COMPLETING", "0:0", None),
        ("REVOKED", "0:0", None),
        ("NEW_ONE", "0:0", None),
    ],
)
def test_causes(state: str, exit_code: str, expected: tuple[int | None, int | None, str] | None) -> None:
    """Each end has its stable cause; a state that is no end has none, whatever exit code stands beside it."""
    entries, _ = read_books(books_line(State=state, ExitCode=exit_code))

    assert {"7": expected} == ends(entries)


def test_step_out_of_memory() -> None:
    """A job that failed as what it ran by srun had too little memory is out of memory."""
    step = books_line(JobIDRaw="7.0", State="OUT_OF_MEMORY", ExitCode="0:125", MaxRSS="64683948K")
    entries, _ = read_books(f"{books_line(ExitCode='90:0')}\n{step}\n")

    assert {"7": (90, None, "out-of-memory")} == ends(entries)


#: Written by slurmstepd 22.05 into the logs of jobs that it killed.
OVER_MEMORY = """\
slurmstepd-n7: error: StepId=2.batch exceeded memory limit (323637248 > 41943040), being killed
slurmstepd-n7: error: Exceeded job memory limit
slurmstepd-n7: error: *** JOB 2 ON n7 CANCELLED AT 2026-11-20T14:54:21 ***
"""
BY_KERNEL = """\
slurmstepd-n7: error: Detected 1 oom-kill event(s) in StepId=2.batch. Some of your processes may have been \
killed by the cgroup out-of-memory handler.
"""
CANCELLED = "slurmstepd-n7: error: *** JOB 3 ON n7 CANCELLED AT 2026-11-20T14:56:30{} ***\n"


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (OVER_MEMORY, "out-of-memory"),
        (BY_KERNEL, "out-of-memory"),
        (CANCELLED.format(" DUE TO TIME LIMIT"), "walltime"),
        (CANCELLED.format(" DUE TO PREEMPTION"), ""),
        (CANCELLED.format(""), ""),
        (f"a program said: {OVER_MEMORY.splitlines()[0]}\n", ""),
        ("", ""),
    ],
)
def test_cause_in_log(written: str, cause: str) -> None:
    """The system's own line in the log of a job that it killed tells why, and nobody else's does."""
    assert cause == cause_in_log(written)


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("00:01.957", 1.957),
        ("03:04", 184.0),
        ("02:03:04", 7384.0),
        ("1-02:03:04", 93784.0),
        ("", None),
        ("INVALID", None),
    ],
)
def test_cpu_time(printed: str, seconds: float | None) -> None:
    """Processor time is read in each of its forms."""
    entries, _ = read_books(books_line(TotalCPU=printed))
    assert entries[0].accounting is not None

    assert seconds == entries[0].accounting.cpu_s


@pytest.mark.parametrize(
    ("printed", "mb"),
    [
        ("2048K", 2.0),
        ("1.50G", 1536.0),
        ("3M", 3.0),
        ("1T", 2.0**20),
        ("1048576", 1.0),
        ("", None),
        ("0", None),
        ("16?c", None),
    ],
)
def test_memory_used(printed: str, mb: float | None) -> None:
    """A size is read with whatever unit it has; none is no size."""
    entries, _ = read_books(f"{books_line()}\n{books_line(JobIDRaw='7.batch', MaxRSS=printed)}\n")
    assert entries[0].accounting is not None

    assert mb == entries[0].accounting.peak_memory_mb


@pytest.mark.parametrize(
    "line",
    [
        "sacct: some warning",
        "7|COMPLETED",
        "x|COMPLETED|0:0|||||||1|n",
        "7| |0:0|||||||1|n",
        "7|FAILED|x:y|||||||1|n",
    ],
)
def test_bad_books(line: str) -> None:
    """A line of the books that cannot be read is no entry, and is told."""
    entries, unreadable = read_books(f"{books_line()}\n{line}\n")

    assert ["7"] == [entry.id for entry in entries]
    assert 1 == len(unreadable)


@pytest.mark.parametrize("moment", ["9" * 30, "253402300800", "Unknown", "-", ""])
def test_times_that_are_none(moment: str) -> None:
    """A time that no calendar has is not known; the rest of the entry counts."""
    books = next(iter(read_books(f"7|COMPLETED|0:0|{moment}|{moment}|{moment}|||||n\n")[0])).accounting

    assert (0, None, None) == (books and books.exit_status, books and books.started, books and books.ended)


def test_names_with_bars() -> None:
    """A name may hold what separates the fields."""
    entries, _ = read_completions("7|COMPLETED|0:0|1|2|n1|1000|a|b|c\n")

    assert len(COMPLETIONS) == 8
    assert ["a|b|c"] == [entry.name for entry in entries]
