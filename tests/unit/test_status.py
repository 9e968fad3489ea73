"""The table of statuses: every move that is allowed, every one that is not, and the page that shows them."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from cci.errors import IllegalTransition
from cci.status import INITIAL, TRANSITIONS, Status, check_transition, parse_status

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "states.md"
NEW = None

#: Written out by hand, so that a change of the table is a change here too. ``x`` is an allowed move; a status
#: may always stay.
TABLE = """
              PRE_RUNNING PRE_COMPLETE JOB_RUNNING JOB_COMPLETE XVFB_ERROR JOB_ERROR COMPLETE
new           x           x            .           .            .          .         .
PRE_RUNNING   x           x            .           .            .          .         .
PRE_COMPLETE  x           x            x           .            .          x         .
JOB_RUNNING   x           x            x           x            x          x         .
JOB_COMPLETE  x           x            .           x            .          x         x
XVFB_ERROR    x           x            .           .            x          .         .
JOB_ERROR     x           x            .           .            .          x         .
COMPLETE      x           x            .           .            .          .         x
"""


def _moves() -> list[tuple[Status | None, Status, bool]]:
    """Return every pair of statuses with whether the table has it."""
    header, *rows = TABLE.strip().splitlines()
    moves = []
    for row in rows:
        name, *marks = row.split()
        before = NEW if name == "new" else Status(name)
        moves += [
            (before, Status(after), mark == "x") for after, mark in zip(header.split(), marks, strict=True)
        ]
    return moves


def test_the_table_has_every_pair() -> None:
    """Nothing is left open: each status, and a new task, with each status."""
    assert set(product([NEW, *Status], Status)) == {(before, after) for before, after, _ in _moves()}


@pytest.mark.parametrize(("before", "after"), [(a, b) for a, b, allowed in _moves() if allowed])
def test_a_move_in_the_table_is_allowed(before: Status | None, after: Status) -> None:
    """A task may go along the arrows, and may stay."""
    check_transition(before, after)


@pytest.mark.parametrize(("before", "after"), [(a, b) for a, b, allowed in _moves() if not allowed])
def test_any_other_move_is_refused(before: Status | None, after: Status) -> None:
    """The refusal names both ends."""
    with pytest.raises(IllegalTransition) as caught:
        check_transition(before, after)
    assert f"{before or 'a new task'} cannot become {after}" == caught.value.message


def test_only_a_verified_result_is_complete() -> None:
    """COMPLETE follows JOB_COMPLETE and nothing else."""
    assert [Status.JOB_COMPLETE] == [before for before in Status if Status.COMPLETE in TRANSITIONS[before]]


def test_a_final_status_is_left_only_to_be_done_again() -> None:
    """From a final status a task only goes back to waiting."""
    final = {status for status in Status if status.final}
    assert (
        {Status.COMPLETE, Status.JOB_ERROR, Status.XVFB_ERROR},
        {Status.PRE_RUNNING, Status.PRE_COMPLETE},
    ) == (final, set().union(*(TRANSITIONS[status] for status in final)))


@pytest.mark.parametrize("status", Status)
def test_a_status_is_its_own_text(status: Status) -> None:
    """What the archive holds reads back as the same status."""
    assert status is parse_status(str(status))


@pytest.mark.parametrize("text", ["", "complete", "COMPLETE ", "NEED_INPUTS", "READY_TO_UPLOAD"])
def test_other_systems_words_are_no_status(text: str) -> None:
    """A procstatus that is not literally ours is somebody else's."""
    assert parse_status(text) is None


# -- docs/explanation/states.md -------------------------------------------------------------------


def _arrows() -> list[tuple[str, str, str]]:
    """Return both ends and the letter of each arrow on the page."""
    return re.findall(r"^\s+(\S+) --> (\S+): (\w)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_diagram_has_the_arrows_of_the_table() -> None:
    """The page shows what the code allows, no more and no less."""
    table = {(str(before), str(after)) for before in Status for after in TRANSITIONS[before]}
    born = {("[*]", str(status)) for status in INITIAL}
    assert sorted(table | born) == sorted((before, after) for before, after, _ in _arrows())


def test_every_letter_is_explained_once() -> None:
    """Each arrow's letter has one sentence that says what causes it."""
    explained = re.findall(r"^\* \*\*(\w)\*\* \S", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted({letter for _, _, letter in _arrows()}) == explained


def test_every_status_has_its_line() -> None:
    """The page says of each status why it is not its neighbour."""
    lines = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [str(status) for status in Status] == lines
