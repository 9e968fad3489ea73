"""Carrying out a plan over many new tasks: they enter the ledger in batches; a bad one stops no other."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.quiet import quiet_workplace
from support.snapshots import NOW, a_scan, a_session, an_assessor, mark, project_of, with_assessors

from cci.daemon import sweep as sweeping
from cci.daemon.ledger import LedgerUnavailable
from cci.daemon.plan import Configured, Plan, View, plan
from cci.daemon.starting import make_ready, open_chosen
from cci.daemon.sweep import SweepOptions
from cci.daemon.workplace import Workplace
from cci.model import Session
from cci.processor import Output, Scan, SessionProcessor


class Dti(SessionProcessor):
    """One task for each session with a DTI scan."""

    version = "1.0"
    inputs = (Scan("dwi", type=["DTI"]),)
    outputs = (Output("PDF"),)
    walltime = timedelta(hours=1)
    spider = "lab.dti"


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace whose archive nobody asks; at most three attempts may be open."""
    with quiet_workplace(tmp_path, limits={"max_running": 3}) as opened:
        yield opened


def planned(workplace: Workplace, *sessions: Session) -> Plan:
    """Plan on these sessions with what the ledger knows."""
    processors = [Configured(name="dti", processor=Dti(), cluster="local")]
    view = View.of(workplace.ledger.tasks(workplace.url, "P"))
    return plan(project_of(*sessions), processors, view, archive=workplace.url, now=NOW)


def fresh(number: int) -> Session:
    """Make a session without a task."""
    return a_session(a_scan("3", "DTI"), session_id=f"E{number}")


def adoptable(number: int, status: str) -> Session:
    """Make a session whose task another ledger had brought to this status."""
    names = {"id": f"A{number}", "label": f"task{number}", "session_id": f"E{number}"}
    assessor = an_assessor("Dti_v1", procstatus=status, inputs=mark(), **names)
    return with_assessors(fresh(number), assessor)


def leave_job(workplace: Workplace, number: int, attempt: object) -> None:
    """Leave the job directory of an attempt that another ledger had begun."""
    folder = workplace.settings.work_dir / "P" / f"task{number}" / "1"
    folder.mkdir(parents=True)
    job = {"nonce": "n", "attempt": attempt, "cluster": "local", "order": {}}
    (folder / "job.json").write_text(json.dumps(job))


def test_batches(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tasks than fit into a batch are all entered, each with one line of history; a few may start."""
    monkeypatch.setattr(sweeping, "BATCH", 4)
    moved, startable = sweeping._act_on_all(
        workplace, planned(workplace, *map(fresh, range(1, 11))), SweepOptions()
    )
    opened, _ = open_chosen(workplace, make_ready(workplace, startable))
    entries = workplace.ledger.tasks(workplace.url, "P")
    histories = Counter(len(workplace.ledger.history(entry.id)) for entry in entries)
    assert (10, 10, 3, {1: 10}) == (moved, len(startable), len(opened), histories)
    assert {task.id for task in entries if task.attempt_open} == {attempt.task_id for attempt in opened}


def test_one_bad_task(workplace: Workplace) -> None:
    """A job directory that makes no sense keeps its own task out of the ledger, and no other of its batch."""
    leave_job(workplace, 2, attempt="first")
    leave_job(workplace, 3, attempt=1)
    sessions = (fresh(1), adoptable(2, "JOB_RUNNING"), adoptable(3, "JOB_RUNNING"), adoptable(4, "COMPLETE"))
    moved, _ = sweeping._act_on_all(workplace, planned(workplace, *sessions), SweepOptions())
    entries = workplace.ledger.tasks(workplace.url, "P")
    assert {"E1": ("PRE_COMPLETE", 0), "E3": ("JOB_RUNNING", 1), "E4": ("COMPLETE", 0)} == {
        entry.key.accession_id: (entry.status, entry.attempts) for entry in entries
    }
    assert 3 == moved


def test_twice(workplace: Workplace) -> None:
    """A plan that another process has carried out in the meantime enters nothing, and starts nothing."""
    old = planned(workplace, fresh(1), fresh(2))
    first, startable = sweeping._act_on_all(workplace, old, SweepOptions())
    assert (2, 2, (0, [])) == (first, len(startable), sweeping._act_on_all(workplace, old, SweepOptions()))


def test_ledger_away(workplace: Workplace) -> None:
    """A ledger that cannot be written stops the sweep at once, instead of failing for each task."""
    old = planned(workplace, fresh(1), fresh(2))
    with closing(sqlite3.connect(workplace.settings.home / "ledger.db")) as database:
        database.execute("DROP TABLE history")
    with pytest.raises(LedgerUnavailable):
        sweeping._act_on_all(workplace, old, SweepOptions())
