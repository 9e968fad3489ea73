"""What Grid Engine's commands print, as it was recorded and as other versions show it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cci.cluster.base import Accounting, JobState
from cci.cluster.commands import Row
from cci.cluster.sge_reading import (
    IN_ERROR,
    books_late_s,
    is_whole,
    read_entries,
    read_listing,
    reasons,
    state_of,
    time_of,
)

DATA = Path(__file__).parents[2] / "data" / "clusters" / "sge"


def text(name: str) -> str:
    """Return a recorded output."""
    return (DATA / name).read_text(encoding="utf-8")


def at(hour: int, minute: int, second: int) -> datetime:
    """Return a time of the recorded day."""
    return datetime(2026, 11, 20, hour, minute, second, tzinfo=UTC)


# -- states -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("qw", JobState.QUEUED),
        ("Rq", JobState.QUEUED),
        ("hqw", JobState.HELD),
        ("hRwq", JobState.HELD),
        ("r", JobState.RUNNING),
        ("t", JobState.RUNNING),
        ("hr", JobState.RUNNING),
        ("Rr", JobState.RUNNING),
        ("dr", JobState.RUNNING),
        ("dt", JobState.RUNNING),
        ("s", JobState.SUSPENDED),
        ("ts", JobState.SUSPENDED),
        ("S", JobState.SUSPENDED),
        ("tT", JobState.SUSPENDED),
        ("RtS", JobState.SUSPENDED),
        ("dS", JobState.SUSPENDED),
        ("N", JobState.SUSPENDED),
        ("Eqw", JobState.HELD),
        ("EhRqw", JobState.HELD),
        ("z", JobState.ENDED),
        ("", None),
        ("q?", None),
        ("X", None),
        ("w", None),
    ],
)
def test_states(letters: str, expected: JobState | None) -> None:
    """Every state of sge_status(5) has a meaning, and what is not there has none."""
    assert expected == state_of(letters)


# -- qstat ------------------------------------------------------------------------------------


def test_listing() -> None:
    """A recorded listing: whole names, nodes, and the times that it has."""
    listing = read_listing(text("qstat-8.1.9.xml"))
    found = [(row.id, row.name[-2:], row.state, row.node, row.submitted) for row in listing.rows]

    assert () == listing.unreadable
    assert [
        ("350", "aa", JobState.RUNNING, "node1", None),
        ("356", "af", JobState.SUSPENDED, "node1", None),
        ("352", "ac", JobState.HELD, "", at(11, 58, 23)),
        ("360", "b3", JobState.QUEUED, "", at(11, 58, 24)),
        ("351", "ab", JobState.HELD, "", at(11, 58, 23)),
        ("359", "b2", JobState.HELD, "", at(11, 58, 24)),
        ("354", "ad", JobState.ENDED, "", at(11, 58, 23)),
        ("357", "b0", JobState.ENDED, "", at(11, 58, 24)),
        ("358", "b1", JobState.ENDED, "", at(11, 58, 24)),
        ("355", "ae", JobState.ENDED, "", at(11, 58, 23)),
    ] == found
    assert [IN_ERROR] == [row.message for row in listing.rows if row.message]


def a_job(number: str, name: str, state: str) -> str:
    """Return a job as a listing has it."""
    inner = f"<JB_job_number>{number}</JB_job_number><JB_name>{name}</JB_name><state>{state}</state>"
    return f'<job_list state="running">{inner}</job_list>'


def a_listing(*jobs: str) -> str:
    """Return a listing."""
    return f"<?xml version='1.0'?>\n<job_info><queue_info>{''.join(jobs)}</queue_info></job_info>\n"


@pytest.mark.parametrize("bad", [a_job("7", "a&b", "r"), a_job("7", "\x01", "r"), a_job("7", "<", "r")])
def test_name_that_is_no_xml(bad: str) -> None:
    """A job whose name makes the listing no XML costs that job alone."""
    listing = read_listing(a_listing(a_job("6", "ours", "r"), bad, a_job("8", "ours", "qw")))

    assert ["6", "8"] == [row.id for row in listing.rows]
    assert 1 == len(listing.unreadable)


def test_job_without_number() -> None:
    """What has no number is counted as unreadable."""
    listing = read_listing(a_listing("<job_list><state>r</state></job_list>", a_job("8", "x", "r")))

    assert (["8"], 1) == ([row.id for row in listing.rows], len(listing.unreadable))


def test_unknown_letters() -> None:
    """A state that is not known is UNKNOWN, and says so."""
    said = "Grid Engine says 'X', which is not known here"

    assert (Row(id="8", name="x", state=JobState.UNKNOWN, message=said),) == read_listing(
        a_listing(a_job("8", "x", "X"))
    ).rows


@pytest.mark.parametrize("length", [0, 100, 1000, 3000])
def test_cut_listing(length: int) -> None:
    """A listing that was cut off is seen to be."""
    whole = text("qstat-8.1.9.xml")

    assert (True, False) == (is_whole(whole), is_whole(whole[:length]))


def test_reasons() -> None:
    """The sentence of a job in error, without its time; of a job that has none, nothing."""
    assert {"352": "can't chdir to /nosuch/dir: No such file or directory"} == reasons(
        text("qstat-j-8.1.9.xml")
    )
    assert {} == reasons("<?xml version='1.0'?><unknown_jobs><ST_name>5</ST_name></unknown_jobs>")
    assert {} == reasons("")


# -- qacct ------------------------------------------------------------------------------------


def test_books() -> None:
    """Recorded ends: exit status, wall time, qdel, a process of its own, kill, no directory, memory."""
    entries = {entry.id: entry.accounting for entry in read_entries(text("qacct-8.1.9.txt"))}
    found = {
        number: (books.exit_status, books.signal, books.cause) if books else None
        for number, books in entries.items()
    }

    assert {
        "354": (3, None, ""),
        "355": (None, 9, "walltime"),
        "356": (None, 9, "killed"),
        "357": (1, None, ""),
        "358": (None, 9, "killed"),
        "352": (None, None, "could-not-start"),
        "361": (None, 9, "out-of-memory"),
        "362": None,
        "363": (100, None, ""),
    } == found


def test_whole_entry() -> None:
    """Times are in UTC, memory in MB."""
    entry = read_entries(text("qacct-8.1.9.txt"))[1]

    assert ("355", "cci-Dti_v1-00000000000000ae", at(11, 58, 23)) == (entry.id, entry.name, entry.submitted)
    assert (
        Accounting(
            signal=9,
            cause="walltime",
            message="Grid Engine says: failed 37, qmaster enforced h_rt, h_cpu, or h_vmem limit",
            node="node1",
            started=at(11, 58, 23),
            ended=at(11, 58, 26),
            cpu_s=0.006,
            peak_memory_mb=3.441,
        )
        == entry.accounting
    )


def test_other_versions() -> None:
    """Univa says who deleted a job; Sun's has no units."""
    univa = [entry.accounting for entry in read_entries(text("qacct-univa.txt"))]
    sun = read_entries(text("qacct-6.2u5.txt"))[0].accounting
    started = datetime(2020, 6, 11, 13, 22, 37, 680_000, tzinfo=UTC)

    assert ["", "killed-by-user", "killed-by-administrator"] == [books.cause for books in univa if books]
    assert (0, started, 300.736, 1.656 * 1024) == (
        univa[0] and univa[0].exit_status,
        univa[0] and univa[0].started,
        univa[0] and univa[0].cpu_s,
        univa[0] and univa[0].peak_memory_mb,
    )
    assert ("walltime", 512.25, 3500.403) == (
        sun and sun.cause,
        sun and sun.peak_memory_mb,
        sun and sun.cpu_s,
    )


def a_record(**fields: str) -> str:
    """Return a record of the books."""
    whole = {"jobnumber": "7", "jobname": "x", "failed": "0", "exit_status": "0", **fields}
    return "=" * 62 + "\n" + "".join(f"{name:12} {value}\n" for name, value in whole.items())


@pytest.mark.parametrize(
    ("failed", "exit_status", "expected"),
    [
        *((str(code), "0", (None, None, "could-not-start")) for code in (1, 3, 8, 10, 11, 26, 27, 28, 38)),
        *((str(code), "0", (None, None, "node-failure")) for code in (18, 19, 20, 21)),
        # it ran well; what came after it went wrong
        *((str(code), "0", (0, None, "")) for code in (12, 13, 14, 15, 16)),
        ("24", "0", None),
        ("25", "99", None),
        ("100", "143", (None, 15, "killed")),
        ("17", "137", (None, 9, "killed")),
        ("100", "0", (0, None, "killed")),
        ("", "0", None),
    ],
)
def test_failed_codes(
    failed: str, exit_status: str, expected: tuple[int | None, int | None, str] | None
) -> None:
    """What sge_status(5) says of each code."""
    books = read_entries(a_record(failed=failed, exit_status=exit_status))[0].accounting

    assert expected == (books and (books.exit_status, books.signal, books.cause))


@pytest.mark.parametrize(
    ("category", "used", "expected"),
    [
        ("-l h_rt=60", {"ru_wallclock": "60s"}, "walltime"),
        ("-l h_rt=60", {"ru_wallclock": "59s"}, "killed"),
        ("-u maria -l h_vmem=1G,h_rt=0:1:0 -pe smp 2", {"ru_wallclock": "61s"}, "walltime"),
        ("-l h_vmem=100M", {"maxvmem": "101.000MB"}, "out-of-memory"),
        ("-l h_vmem=100M", {"maxvmem": "99.000MB"}, "killed"),
        ("-l h_vmem=100M", {"maxvmem": "99.000MB", "failed": "37"}, "out-of-memory"),
        ("NONE", {"maxvmem": "99.000MB", "failed": "37"}, "killed"),
        ("-l h_rt=INFINITY,h_vmem=x", {"ru_wallclock": "59s"}, "killed"),
        ("-l", {}, "killed"),
    ],
)
def test_limits(category: str, used: dict[str, str], expected: str) -> None:
    """A limit is the cause only where the job reached what it had asked for."""
    record = a_record(**{"failed": "100", "exit_status": "137", "category": category, **used})
    books = read_entries(record)[0].accounting

    assert expected == (books and books.cause)


@pytest.mark.parametrize("printed", ["", "error: job id 5 not found\n", "=====\n", a_record(jobnumber="x")])
def test_no_entry(printed: str) -> None:
    """What is no record is none."""
    assert [] == read_entries(printed)


@pytest.mark.parametrize("text", ["-/-", "", "yesterday", "Wed Mar 13"])
def test_no_time(text: str) -> None:
    """What is no time is None."""
    assert None is time_of(text)


# -- qconf ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("accounting=true reporting=false flush_time=00:00:15 joblog=false", 15),
        ("accounting=true reporting=false flush_time=00:01:00", 60),
        ("accounting=true flush_time=00:00:10 accounting_flush_time=00:00:00", 0),
        ("accounting=true accounting_flush_time=00:02:00 flush_time=00:00:10", 120),
        ("accounting=true accounting_flush_time=0 flush_time=00:00:10", 0),
        ("accounting=true flush_time=00:00:00", 15),
        ("accounting=true flush_time=20", 20),
        ("accounting=true \\\n                 flush_time=00:00:05", 5),
        ("accounting=true accounting_flush_time=odd", 15),
        ("none", 15),
    ],
)
def test_how_late_the_books_are(parameters: str, expected: float) -> None:
    """As sge_conf(5) has it; a zero for both kinds of records is the default, as 8.1.9 shows."""
    assert expected == books_late_s(f"#global:\nreporting_params   {parameters}\nfinished_jobs  100\n")


def test_recorded_configuration() -> None:
    """A recorded configuration, which is folded."""
    assert 0 == books_late_s(text("qconf-sconf-8.1.9.txt"))
