"""The outbox over a stand-in for the archive: side by side, none lost, and no more once it is away."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from support.ledger import created, me, new_task, write_taken
from support.quiet import quiet_workplace

from cci.daemon import posting
from cci.daemon.ledger import TaskEntry
from cci.daemon.posting import Posted, post, post_all
from cci.daemon.workplace import Workplace
from cci.errors import CciError, Forbidden, Unreachable
from cci.task import TaskKey
from cci.xnat import Archive

#: Longer than anything here takes, however busy the machine is.
PATIENCE_S = 300


class StandInArchive:
    """Takes assessors as an archive does, and does what the test says with each."""

    def __init__(self, each: Callable[[str], None] = lambda _: None) -> None:
        self.each = each
        self.taken: list[str] = []

    def put_assessor(self, uri: str, xsi_type: str, fields: Mapping[str, str]) -> str:
        """Take an assessor; its id is the last part of its address."""
        del xsi_type, fields
        name = uri.rpartition("/")[2]
        self.each(name)
        self.taken.append(name)
        return f"id of {name}"

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    with quiet_workplace(tmp_path) as opened:
        opened.owned_until["P"] = math.inf
        yield opened


def behave(workplace: Workplace, each: Callable[[str], None] = lambda _: None) -> StandInArchive:
    """Put the stand-in in the archive's place."""
    stand_in = StandInArchive(each)
    workplace.archive.close()
    workplace.archive = cast("Archive", stand_in)
    return stand_in


def written(workplace: Workplace, *numbers: int) -> list[TaskEntry]:
    """Enter tasks, each with a write that waits for the archive."""
    entries = []
    for number in numbers:
        key = TaskKey(archive=workplace.url, accession_id=f"E{number}", scan_id="", proctype="Dti_v1")
        new: dict[str, Any] = {"key": key, "label": f"T{number}"}
        entry = created(workplace.ledger, new_task(number, **new), {"procstatus": "PRE_COMPLETE"})
        assert entry is not None
        entries.append(entry)
    return entries


def test_every_write_is_sent_once(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """More writes than fit into a batch are each sent once, and the ledger has every id."""
    monkeypatch.setattr(posting, "BATCH", 4)
    written(workplace, *range(10))
    archive = behave(workplace)
    assert (Posted(sent=10), Posted()) == (post_all(workplace), post_all(workplace))
    assert sorted(f"T{number}" for number in range(10)) == sorted(archive.taken)
    assert {f"T{number}": f"id of T{number}" for number in range(10)} == {
        entry.label: entry.assessor_id for entry in workplace.ledger.tasks(workplace.url)
    }


def test_writes_travel_side_by_side(workplace: Workplace) -> None:
    """As many requests are under way at once as the settings allow: each waits here for all others."""
    together = workplace.settings.archive.max_concurrent
    meeting = threading.Barrier(together)
    behave(workplace, lambda _: cast("None", meeting.wait(PATIENCE_S)))
    written(workplace, *range(2 * together))
    assert Posted(sent=2 * together) == post_all(workplace)


def fail_on(name: str, error: Exception) -> Callable[[str], None]:
    """Return what fails on one assessor."""

    def each(taken: str) -> None:
        if taken == name:
            raise error

    return each


def states(workplace: Workplace) -> dict[str, bool]:
    """Return whether a write waits, for each task."""
    return {entry.label: entry.writes_pending for entry in workplace.ledger.tasks(workplace.url)}


def test_a_refused_write_stops_no_other(workplace: Workplace) -> None:
    """What the archive refuses waits alone; an error that nobody expected does too, and is logged whole."""
    behave(workplace, fail_on("T1", Forbidden("no right")))
    written(workplace, 0, 1, 2)
    first = post_all(workplace)
    behave(workplace, fail_on("T4", ZeroDivisionError("by zero")))
    written(workplace, 3, 4, 5)
    with capture_logs() as lines:
        second = post_all(workplace)
    assert (Posted(sent=2, failed=1), Posted(sent=2, failed=1)) == (first, second)
    assert ["T1", "T4"] == [label for label, waits in states(workplace).items() if waits]
    assert ["ZeroDivisionError: by zero"] == [line["error"] for line in lines if "error" in line]


def test_an_outage_stops_the_round(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the archive is away no further batch is tried, and what was not tried is free at once."""
    monkeypatch.setattr(posting, "BATCH", 2)
    behave(workplace, fail_on("T0", Unreachable("refused")))
    entries = written(workplace, *range(9))
    done = post_all(workplace)
    waiting = [entry.id for entry, waits in zip(entries, states(workplace).values(), strict=True) if waits]
    free = [id_ for id_ in waiting if write_taken(workplace.ledger, id_, me())]
    assert (1, True, waiting) == (done.failed, len(waiting) >= 8, free)


def test_a_stop_is_heeded(workplace: Workplace) -> None:
    """When all comes to an end nothing more is sent, and nothing is kept in hand."""
    archive = behave(workplace, lambda _: workplace.stopping.set())
    workplace.stopping.set()
    (entry,) = written(workplace, 1)
    assert (Posted(), None, []) == (post_all(workplace), post(workplace, entry.id), archive.taken)
    assert write_taken(workplace.ledger, entry.id, me()) is not None


@pytest.mark.parametrize("error", [Forbidden("no right"), Unreachable("refused")])
def test_one_write_alone(workplace: Workplace, error: CciError) -> None:
    """Who sends one write is told why it failed, and nothing where there is none."""
    behave(workplace, fail_on("T1", error))
    one, other = written(workplace, 1, 2)
    assert (error, None, None) == (
        post(workplace, one.id),
        post(workplace, other.id),
        post(workplace, other.id),
    )
