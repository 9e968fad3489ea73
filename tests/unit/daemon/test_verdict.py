"""The end of a job: the table of docs/explanation/end-of-a-job.md, row by row and in every combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from cci.cluster.base import Accounting, JobReport, JobState
from cci.daemon.jobdir import ExitRecord
from cci.daemon.verdict import End, Evidence, Verdict, judge, missing_outputs
from cci.model import File

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "end-of-a-job.md"
REQUIRED = (("PDF", "report.pdf"), ("FA", "*.nii.gz"))
GRACE_S = 120.0

# -- the words of the page ----------------------------------------------------------------------------

OUTPUTS: Mapping[str, dict[str, tuple[File, ...]]] = {
    "all": {"PDF": (File(path="report.pdf", size=1),), "FA": (File(path="fa.nii.gz", size=1),)},
    "some": {"PDF": (File(path="report.pdf", size=1),)},
    "none": {},
    "not seen yet": {},
    "never seen": {},
}
#: Of outputs that the record lists, for how long some have not been seen.
UNSEEN_S = {"not seen yet": 86399.0, "never seen": 86400.0}
RECORDS: Mapping[str, ExitRecord | None] = {
    "–": None,
    "status 0": ExitRecord(nonce="n", exit_status=0),
    "status 3": ExitRecord(nonce="n", exit_status=3),
    "signal 9": ExitRecord(nonce="n", signal=9),
    "status 137": ExitRecord(nonce="n", exit_status=137),
    "over its wall time": ExitRecord(nonce="n", signal=9, cause="walltime"),
    "killed": ExitRecord(nonce="n", signal=15, cause="killed"),
    "bad input": ExitRecord(
        nonce="n", exit_status=65, error_code="corrupt-image", error_message="x.nii is cut"
    ),
}
REPORTS: Mapping[str, JobReport | None] = {
    **{str(state): JobReport(state=state) for state in JobState},
    "no answer": None,
}
GONE = ("ended", "unknown", "no answer")
BOOKS: Mapping[str, Accounting | None] = {
    "–": None,
    "no word of how": Accounting(message="COMPLETED?"),
    "status 0": Accounting(exit_status=0),
    "status 1": Accounting(exit_status=1),
    "status 113": Accounting(exit_status=113),
    "signal 11": Accounting(signal=11),
    "out of memory": Accounting(exit_status=0, cause="out-of-memory"),
    "over its wall time": Accounting(cause="walltime"),
    "node failed": Accounting(cause="node-failure"),
    "could not start": Accounting(cause="could-not-start"),
    "status 137": Accounting(exit_status=137),
    "killed": Accounting(signal=9, cause="killed"),
    "killed before it began": Accounting(cause="killed", never_began=True),
    "killed by its user": Accounting(cause="killed-by-user", message="deleted by anna"),
    "killed by an administrator": Accounting(cause="killed-by-administrator"),
}
#: Books that do not say why a job was killed.
NO_CAUSE = (
    *("no word of how", "status 0", "status 1", "status 113", "signal 11", "status 137", "could not start"),
)
WORDS = {"gone": GONE, "no cause": NO_CAUSE}
CLAIMS = {"–": "", "this job": "42", "another job": "41", "no place": ""}
LATENESS = {"late": GRACE_S, "not late": GRACE_S - 1}
VOCABULARY: tuple[Mapping[str, object], ...] = (RECORDS, REPORTS, BOOKS, CLAIMS, LATENESS, OUTPUTS)
ENDS = {
    End.NOT_PROVED: "JOB_RUNNING",
    End.SUCCEEDED: "JOB_COMPLETE",
    End.EMPTY: "XVFB_ERROR",
    End.FAILED: "JOB_ERROR",
    End.LOST: "submitted again",
}

Case = tuple[str, ...]


def _rows() -> list[list[str]]:
    """Return the cells of the page's table."""
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines][1:]


def _meant(cell: str, words: Mapping[str, object]) -> tuple[str, ...]:
    """Return the words that a cell stands for."""
    if cell == "any":
        return tuple(words)
    return tuple(word for part in cell.split(" or ") for word in WORDS.get(part, (part,)))


def _cases(row: list[str]) -> Iterator[Case]:
    yield from product(*(_meant(cell, words) for cell, words in zip(row, VOCABULARY, strict=False)))


def evidence(case: Case) -> Evidence:
    """Make the evidence that the words of a case describe."""
    said, cluster, books, claim, late, outputs = case
    record = RECORDS[said]
    listed = OUTPUTS["all" if outputs in UNSEEN_S else outputs]
    return Evidence(
        required=REQUIRED,
        job_id="42",
        record=replace(record, outputs=listed) if record else None,
        report=REPORTS[cluster],
        accounting=BOOKS[books],
        claimed_by=CLAIMS[claim],
        place_seen=claim != "no place",
        missing_s=LATENESS[late],
        grace_s=GRACE_S,
        found=OUTPUTS[outputs],
        unseen=("PDF/report.pdf",) if outputs in UNSEEN_S else (),
        unseen_s=UNSEEN_S.get(outputs, 0.0),
        give_up_s=86400.0,
    )


def outcome(verdict: Verdict) -> str:
    """Return a verdict in the words of the page."""
    word = ENDS[verdict.end]
    return f"{word} ({verdict.cause})" if verdict.cause and verdict.end is not End.LOST else word


@pytest.mark.parametrize("row", _rows(), ids=", ".join)
def test_each_row_of_the_page(row: list[str]) -> None:
    """Every combination that a row stands for ends as the row says."""
    assert {row[-1]} == {outcome(judge(evidence(case))) for case in _cases(row)}


def test_the_page_leaves_nothing_open() -> None:
    """Each combination of witnesses is in the table."""
    told = {case for row in _rows() for case in _cases(row)}
    assert set(product(*VOCABULARY)) == told


def test_nothing_is_concluded_from_silence() -> None:
    """Without an exit record and without books, no word of a cluster ends a job, however long it lasts."""
    silent = Evidence(required=REQUIRED, job_id="42", missing_s=1e9, claimed_by="42")
    assert {End.NOT_PROVED} == {
        judge(replace(silent, report=report, found=OUTPUTS["all"])).end for report in REPORTS.values()
    }


# -- what people are told -----------------------------------------------------------------------------

MESSAGES: dict[str, tuple[Evidence, str]] = {
    "the last line of the log": (
        replace(evidence(("status 3", "ended", "–", "–", "late", "none")), last_line="ValueError: no b"),
        "the command ended with exit status 3: ValueError: no b",
    ),
    "no log": (
        evidence(("signal 9", "ended", "–", "–", "late", "none")),
        "the command was ended by signal 9 (SIGKILL)",
    ),
    "a program that is not there": (
        replace(
            evidence(("status 0", "ended", "–", "–", "late", "none")),
            record=ExitRecord(
                nonce="n",
                cause="could-not-start",
                error_code="could-not-start",
                error_message="the command could not be started: no such file: 'recon-all'",
            ),
        ),
        "the command could not be started: no such file: 'recon-all'",
    ),
    "who killed it": (
        evidence(("killed", "ended", "killed by its user", "this job", "not late", "none")),
        "the job was killed by its user: deleted by anna",
    ),
    "killed by a person before it began": (
        evidence(("–", "ended", "killed by its user", "–", "late", "none")),
        "the job was killed by its user before it began: deleted by anna",
    ),
    "a script that could not start": (
        replace(
            evidence(("–", "ended", "status 1", "–", "late", "none")), last_line="python9: command not found"
        ),
        "the job's script could not start: exit status 1: python9: command not found",
    ),
    "outputs that are late": (
        evidence(("status 0", "ended", "–", "this job", "late", "not seen yet")),
        "1 output file that the exit record lists cannot be seen here, such as PDF/report.pdf",
    ),
    "outputs that never came": (
        evidence(("status 0", "ended", "–", "this job", "late", "never seen")),
        (
            "1 output file that the exit record lists cannot be seen here, such as PDF/report.pdf, "
            "after 24.0 hours"
        ),
    ),
    "a known cause in words": (
        evidence(("over its wall time", "ended", "–", "–", "late", "none")),
        "the job ran longer than its wall time",
    ),
    "what the spider says of its input": (
        evidence(("bad input", "ended", "–", "–", "late", "none")),
        "x.nii is cut",
    ),
    "no output": (
        evidence(("status 0", "ended", "–", "–", "late", "none")),
        "the job ended normally and left no output",
    ),
    "a missing output by its pattern": (
        evidence(("status 0", "ended", "–", "–", "late", "some")),
        "the job ended normally without FA/*.nii.gz",
    ),
    "a cause from the books": (
        evidence(("–", "ended", "out of memory", "this job", "late", "none")),
        "the job needed more memory than it asked for",
    ),
    "a bare status from the books": (
        evidence(("–", "ended", "status 1", "this job", "late", "none")),
        "the cluster says: exit status 1",
    ),
    "killed before it began": (
        evidence(("–", "unknown", "killed", "–", "late", "none")),
        "the job was killed before it began",
    ),
    "lost": (
        evidence(("–", "unknown", "node failed", "–", "late", "none")),
        "the cluster lost the job: node-failure",
    ),
    "not proved": (evidence(("–", "unknown", "–", "this job", "late", "all")), ""),
}


@pytest.mark.parametrize("row", MESSAGES)
def test_the_message_is_for_people(row: str) -> None:
    """The sentence beside a verdict says what happened, in words and with what the job itself said last."""
    given, message = MESSAGES[row]
    assert message == judge(given).message


@pytest.mark.parametrize(
    ("outputs", "lacking"),
    [
        ({}, ["PDF/report.pdf", "FA/*.nii.gz"]),
        ({"PDF": (File(path="sub/report.pdf", size=1),)}, ["PDF/report.pdf", "FA/*.nii.gz"]),
        ({"FA": (File(path="sub/fa.nii.gz", size=1),)}, ["PDF/report.pdf"]),
        ({"FA": ()}, ["PDF/report.pdf", "FA/*.nii.gz"]),
        (OUTPUTS["all"], []),
    ],
    ids=["nothing", "elsewhere", "below a folder", "an empty resource", "all"],
)
def test_required_outputs(outputs: dict[str, tuple[File, ...]], lacking: list[str]) -> None:
    """A required output is there if a file of its resource matches the pattern."""
    assert lacking == missing_outputs(REQUIRED, outputs)
