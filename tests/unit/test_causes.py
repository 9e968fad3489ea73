"""Codes of causes: each has words, the page shows the same, and every code that a pipeline gives is known."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cci.causes import CAUSES, Retry, find_cause, sentence_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "causes.md"


def test_the_page_is_the_table() -> None:
    """The page lists exactly what the code knows."""
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head = ["| code | what happened | what to do | another run by itself |", "|---|---|---|---|"]
    rows = [f"| `{one.code}` | {one.means} | {one.remedy} | {one.retry} |" for one in CAUSES.values()]

    assert [*head, *rows] == shown


def _codes_of(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "BadInput":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_every_code_of_a_pipeline_is_explained() -> None:
    """What a pipeline that comes with cci gives as its code has a row, and no row is of no pipeline."""
    given = {code for source in (ROOT / "spiders").glob("*.py") for code in _codes_of(source)}
    own = {code for code in CAUSES if code not in given}

    assert given <= set(CAUSES)
    assert "corrupt-image" in given
    assert {"exit-N", "out-of-memory", "lost", "abandoned"} <= own
    assert not {"license-missing", "not-dicom"} & own


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("exit-3", "the command ended with exit status 3"),
        ("exit-127", "the command ended with exit status 127 (a shell says so of a missing program)"),
        ("exit-137", "the command ended with exit status 137 (a command of it was ended by SIGKILL)"),
        ("signal-11", "the command was ended by signal 11 (SIGSEGV)"),
        ("signal-99", "the command was ended by signal 99"),
        ("EXIT-N", "the command ended with exit status N"),
        ("walltime", "the job ran longer than its wall time"),
        ("licence-missing", "the licence file is missing or cannot be read on the node"),
        ("no such code", ""),
    ],
)
def test_codes_in_words(code: str, means: str) -> None:
    """A code is a sentence; numbers are explained as far as they mean something by convention."""
    assert means == sentence_of(code)


def test_no_advice_is_missing() -> None:
    """Each cause says what happened and what can be done; it is part of a sentence, without a full stop."""
    assert [] == [
        cause.code
        for cause in CAUSES.values()
        if not cause.means or not cause.remedy or cause.means.endswith(".") or cause.remedy.endswith(".")
    ]


def test_what_a_person_ended_is_never_run_again() -> None:
    """The kill of a person is a wish."""
    found = find_cause("killed-by-user")

    assert found is not None
    assert Retry.NEVER is found.retry
