"""When a sweep may rely on what is remembered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.entries import an_entry
from support.snapshots import ARCHIVE, NOW, a_scan, a_session, an_assessor, mark, project_of, with_assessors

from cci import model
from cci.daemon.ledger import TaskEntry
from cci.daemon.plan import Configured, Plan, View, plan
from cci.daemon.sweep_memory import Remembered, doubtful, reason_for_whole
from cci.processor import Output, Scan, SessionProcessor
from cci.status import Status
from cci.xnat import Known
from cci.xnat.assemble import Parts

NOTHING = Parts(experiments={}, subjects={}, images={})


class DtiProcessor(SessionProcessor):
    """A session processor."""

    version = "1.0.0"
    inputs = (Scan("dwi", type=["DTI"], resources=["NIFTI"]),)
    outputs = (Output("PDF", "report.pdf"),)
    spider = "none"


def known(project: model.Project, *read: str, whole: bool = False) -> Known:
    """Return what a look has found that read these sessions."""
    nothing: frozenset[str] = frozenset()
    return Known(
        project=project,
        parts=NOTHING,
        listed={},
        types=nothing,
        others=nothing,
        read=frozenset(read),
        whole=whole,
    )


def entry(status: Status) -> TaskEntry:
    """Return a task of `DtiProcessor` on session E1 whose status the archive has acknowledged."""
    return an_entry(status, acknowledged=status, assessor_id="A_Dti_v1")


def planned(project: model.Project, *entries: TaskEntry) -> Plan:
    """Plan on a project."""
    configured = Configured(name="dti", processor=DtiProcessor(), cluster="local")
    return plan(project, [configured], View.of(entries), archive=ARCHIVE, now=NOW)


SESSION = a_session(a_scan("3", "DTI"))
OURS = an_assessor("Dti_v1", inputs=mark())
DONE = with_assessors(SESSION, OURS)
OTHERWISE = with_assessors(SESSION, an_assessor("Dti_v1", inputs=mark(), procstatus="JOB_RUNNING"))


@pytest.mark.parametrize(
    ("session", "entries", "expected"),
    [
        pytest.param(DONE, [entry(Status.COMPLETE)], set(), id="as it should be"),
        pytest.param(SESSION, [entry(Status.COMPLETE)], {"E1"}, id="its assessor is gone"),
        pytest.param(OTHERWISE, [entry(Status.COMPLETE)], {"E1"}, id="another status"),
        pytest.param(SESSION, [], {"E1"}, id="a new task"),
        pytest.param(DONE, [], {"E1"}, id="a task to adopt"),
        pytest.param(
            with_assessors(SESSION, an_assessor("Dti_v1", inputs=mark(), procstatus="PRE_COMPLETE")),
            [entry(Status.PRE_COMPLETE)],
            set(),
            id="a start",
        ),
    ],
)
def test_what_is_doubted(session: model.Session, entries: list[TaskEntry], expected: set[str]) -> None:
    """What memory alone says is doubted where it would make a task, undo one, or restore its status."""
    project = project_of(session)
    assert expected == doubtful(planned(project, *entries), known(project))


@pytest.mark.parametrize("seen", [known(project_of(SESSION), "E1"), known(project_of(SESSION), whole=True)])
def test_what_was_read_is_not_doubted(seen: Known) -> None:
    """What this very look has read is believed."""
    assert frozenset() == doubtful(planned(seen.project, entry(Status.COMPLETE)), seen)


@pytest.mark.parametrize(
    ("whole_at", "interval", "expected"),
    [
        (None, timedelta(hours=1), "nothing is remembered"),
        (100.0, timedelta(hours=1), ""),
        (100.0, timedelta(minutes=15), "it is time"),
        (100.0, timedelta(0), "it is time"),
    ],
)
def test_whole_look_is_due(whole_at: float | None, interval: timedelta, expected: str) -> None:
    """The whole is looked at first, and again when the interval is over."""
    before = None if whole_at is None else Remembered(known=known(project_of(SESSION)), whole_at=whole_at)
    assert expected == reason_for_whole(before, 1000.0, interval.total_seconds())
