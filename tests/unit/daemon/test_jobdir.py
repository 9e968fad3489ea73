"""What a node left in a job directory is data: it is read, and whatever is in it stops and leaks nothing."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cci.daemon.jobdir import (
    ExitRecord,
    JobDirectory,
    last_line,
    not_yet_visible,
    read_claim,
    read_exit_record,
    sees_claim,
    stays_inside,
    write_file,
)
from cci.model import File

PDF = {"resource": "PDF", "path": "report.pdf", "size": 3, "md5": "0" * 32}
WHOLE: dict[str, Any] = {
    "format": 1,
    "nonce": "n1",
    "job_id": "42",
    "node": "node7",
    "started": "2024-05-06T07:08:09.500000+00:00",
    "ended": "2024-05-06T08:08:09+00:00",
    "exit_status": 0,
    "signal": None,
    "cause": "",
    "error": None,
    "wall_s": 3599.5,
    "cpu_s": 12,
    "peak_memory_mb": 100.25,
    "outputs": [PDF],
    "problems": [],
}


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path)


def leave(directory: JobDirectory, content: object) -> None:
    """Write an exit record as a node would."""
    (directory.path / "exit.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_whole_record(directory: JobDirectory) -> None:
    """Everything that the runner wrote is there, with its units."""
    leave(directory, WHOLE)
    expected = ExitRecord(
        nonce="n1",
        job_id="42",
        exit_status=0,
        started=datetime(2024, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC),
        ended=datetime(2024, 5, 6, 8, 8, 9, tzinfo=UTC),
        node="node7",
        wall_s=3599.5,
        cpu_s=12.0,
        peak_memory_mb=100.25,
        outputs={"PDF": (File(path="report.pdf", size=3, digest="0" * 32),)},
    )
    assert expected == read_exit_record(directory, "n1")


def test_a_failure_with_its_cause(directory: JobDirectory) -> None:
    """Signal, cause and what the spider said of its input are read."""
    error = {"code": "corrupt-image", "message": "x.nii is cut"}
    leave(directory, {**WHOLE, "exit_status": None, "signal": 9, "cause": "walltime", "error": error})
    found = read_exit_record(directory, "n1")
    assert found is not None
    assert (None, 9, "walltime", "corrupt-image", "x.nii is cut") == (
        found.exit_status,
        found.signal,
        found.cause,
        found.error_code,
        found.error_message,
    )


def test_no_record(directory: JobDirectory) -> None:
    """While there is no exit record, nothing is known."""
    assert read_exit_record(directory, "n1") is None


def test_the_record_of_another_attempt(directory: JobDirectory) -> None:
    """A record with another nonce is not this attempt's, and is no news."""
    leave(directory, {**WHOLE, "nonce": "n2"})
    assert read_exit_record(directory, "n1") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"n1"', '{"nonce": "n1"', "\udcff", "[" * 100_000], ids=repr
)
def test_a_record_that_is_none(directory: JobDirectory, text: str) -> None:
    """Half a record, or what is no record at all, is no news: it may be whole at the next look."""
    (directory.path / "exit.json").write_text(text[:20_000], encoding="utf-8", errors="surrogateescape")
    assert read_exit_record(directory, "n1") is None


SENSELESS: dict[str, dict[str, object]] = {
    "an exit status in words": {"exit_status": "fine"},
    "an exit status that is a list": {"exit_status": [0]},
    "a signal that is no number": {"signal": {}},
    "an error that is a text": {"error": "it broke"},
    "a time that is a number": {"started": 12345},
    "an amount in words": {"wall_s": "an hour"},
    "an amount without end": {"wall_s": float("inf")},
    "an amount that is none": {"peak_memory_mb": float("nan")},
    "outputs that are a text": {"outputs": "PDF"},
    "outputs that are a number": {"outputs": 3},
    "an output without its size": {"outputs": [{"resource": "PDF", "path": "x", "md5": ""}]},
    "an output of unknown size": {"outputs": [{**PDF, "size": None}]},
    "problems that are a number": {"problems": 3},
    "no word of how it ended": {"exit_status": None, "signal": None, "cause": ""},
}


@pytest.mark.parametrize("row", SENSELESS)
def test_a_record_without_sense(directory: JobDirectory, row: str) -> None:
    """A record of which no sense can be made is no record; it never stops the look at other jobs."""
    leave(directory, {**WHOLE, **SENSELESS[row]})
    assert read_exit_record(directory, "n1") is None


def test_an_exit_status_as_text(directory: JobDirectory) -> None:
    """A number written as text is that number."""
    leave(directory, {**WHOLE, "exit_status": "0"})
    found = read_exit_record(directory, "n1")
    assert (0, False) == (found and found.exit_status, found is None)


def test_where_a_claim_would_be(directory: JobDirectory, tmp_path: Path) -> None:
    """That there is no claim is seen in the task's folder; a place that is not here tells nothing."""
    deleted, away = (JobDirectory(tmp_path / name) for name in ("deleted", "gone/task/1"))
    odd = JobDirectory(tmp_path / "odd")
    (odd.path / "claim").mkdir(parents=True)

    assert [True, True, False, False] == [sees_claim(one) for one in (directory, deleted, away, odd)]


#: Paths that a node might list, and whether they stay below the folder of their resource.
PATHS = {
    "report.pdf": True,
    "a/b/c": True,
    "..x": True,
    "a b;$(c)'\"": True,
    "": False,
    ".": False,
    "..": False,
    "../x": False,
    "a/../../x": False,
    "a/..": False,
    "/etc/passwd": False,
    "//etc/passwd": False,
    "a\0b": False,
}


@pytest.mark.parametrize("path", PATHS)
def test_what_stays_inside(path: str) -> None:
    """A path stays inside if it is relative, is not empty and never goes up."""
    assert PATHS[path] == stays_inside(path)


@pytest.mark.parametrize("path", [path for path, inside in PATHS.items() if not inside])
def test_hostile_paths_are_no_outputs(directory: JobDirectory, path: str) -> None:
    """A path or resource that would leave the job directory is passed over; the others count."""
    leave(directory, {**WHOLE, "outputs": [PDF, {**PDF, "path": path}, {**PDF, "resource": path}]})
    found = read_exit_record(directory, "n1")
    assert {"PDF": ("report.pdf",)} == _paths(found)


def test_a_resource_is_one_folder(directory: JobDirectory) -> None:
    """A resource with a slash in its name is not taken for one."""
    leave(directory, {**WHOLE, "outputs": [PDF, {**PDF, "resource": "A/B"}]})
    assert {"PDF": ("report.pdf",)} == _paths(read_exit_record(directory, "n1"))


def _paths(record: ExitRecord | None) -> dict[str, tuple[str, ...]]:
    assert record is not None
    return {label: tuple(file.path for file in files) for label, files in record.outputs.items()}


def test_what_people_read_is_one_plain_line(directory: JobDirectory) -> None:
    """Control characters and half characters, which databases and XML refuse, are replaced."""
    error = {"code": "c\0", "message": "bad\nfile \udcff \x1b[31mred \x00"}
    leave(directory, {**WHOLE, "error": error, "node": "n\x007"})
    found = read_exit_record(directory, "n1")
    assert found is not None
    assert ("c\ufffd", "bad file \ufffd \ufffd[31mred \ufffd", "n\ufffd7") == (
        found.error_code,
        found.error_message,
        found.node,
    )


# -- the other files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "job_id"),
    [('{"job_id": "42"}', "42"), ('{"job_id": 42}', "42"), ("{}", ""), ("", ""), ("[]", ""), (None, "")],
)
def test_the_claim(directory: JobDirectory, text: str | None, job_id: str) -> None:
    """The claim names the job that runs the attempt; a missing, empty or damaged one names none."""
    if text is not None:
        (directory.path / "claim").write_text(text, encoding="utf-8")
    assert job_id == read_claim(directory)


LOGS = {
    "the last": (b"one\ntwo\n", "two"),
    "blank lines at the end": (b"one\n\n  \n\n", "one"),
    "no new line": (b"one\ntwo", "two"),
    "spaces around it": (b"  two  \n", "two"),
    "no text at all": (b"\n\n", ""),
    "empty": (b"", ""),
    "not UTF-8": (b"one\n\xff two", "\ufffd two"),
    "control characters": (b"one\n\x00\x1b[1mtwo\a", "\ufffd\ufffd[1mtwo\ufffd"),
    "very long": (b"x" * 100_000, "x" * 300),
    "a progress bar": (b"10%\r20%\r30%", "30%"),
}


@pytest.mark.parametrize("row", LOGS)
def test_the_last_line_of_a_log(tmp_path: Path, row: str) -> None:
    """The last line that is not blank, made fit for a reason."""
    content, line = LOGS[row]
    (tmp_path / "output.log").write_bytes(content)
    assert line == last_line(tmp_path / "output.log")


def test_no_log(tmp_path: Path) -> None:
    """Without a log there is no last line."""
    assert last_line(tmp_path / "output.log") == ""


def test_files_that_are_late(directory: JobDirectory) -> None:
    """Outputs that this host does not see, or not whole, are named until they are there."""
    (directory.outputs / "PDF").mkdir(parents=True)
    (directory.outputs / "PDF" / "whole").write_bytes(b"123")
    (directory.outputs / "PDF" / "cut").write_bytes(b"12")
    listed = {"PDF": tuple(File(path=name, size=3) for name in ("whole", "cut", "missing"))}
    assert ["PDF/cut", "PDF/missing"] == not_yet_visible(directory, listed)


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    """A written file has its mode and content, replaces the older one, and leaves nothing beside it."""
    path = tmp_path / "job.json"
    write_file(path, "old")
    write_file(path, "Müller")
    assert (["job.json"], "Müller", 0o600) == (
        [child.name for child in tmp_path.iterdir()],
        path.read_text(encoding="utf-8"),
        stat.S_IMODE(path.stat().st_mode),
    )
