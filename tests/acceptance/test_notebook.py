"""The notebook's way: connect, get a task, and take it one step on at a time, beside the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.lab import Lab, MakeLab
from support.trivial_processors import AfterProcessor, CopyProcessor
from support.waiting import wait_until

import cci
from cci import ExperimentLoop, ScanLoop, cluster, xnat
from cci.daemon.connecting import Connected
from cci.errors import NeedsConsent, NotOwner, UsageError
from cci.processor import Processor, RunnableTask
from cci.status import Status

Connect = Callable[..., Connected]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect to labs; everything is given back at the end."""
    opened: list[Connected] = []

    def make(lab: Lab, *, consent: bool = True) -> Connected:
        opened.append(cci.connect(home=lab.home, consent=consent))
        return opened[-1]

    yield make
    for connected in opened:
        connected.close()
    Processor.connected = None


def finish(task: RunnableTask) -> list[Status]:
    """Take a task step by step to its end; return each status that it had, once."""
    seen: list[Status] = []

    def ended() -> bool:
        status = task.update()
        if not seen or seen[-1] is not status:
            seen.append(status)
        return status.final

    wait_until(ended, "the task ends")
    return seen


def test_step_by_step(lab: Lab, connect: Connect) -> None:
    """C4: get_task gives a session's task, update makes, starts, watches it and brings its results home."""
    lab.scan("E1")
    connected = connect(lab)
    session = next(session for _, session in connected.project(lab.project).sessions())
    task = CopyProcessor().get_task(session)
    before = task.status
    seen = finish(task)

    assert before is None
    # how many steps are seen between two looks depends on the machine; their order does not
    order = [Status.PRE_COMPLETE, Status.JOB_RUNNING, Status.JOB_COMPLETE, Status.COMPLETE]
    assert seen == [status for status in order if status in seen]
    assert Status.COMPLETE is task.status is seen[-1]
    assert ("copy", "COMPLETE") == (lab.task()["processor"], lab.fields(lab.task())["procstatus"])


def test_missing_input(lab: Lab, connect: Connect) -> None:
    """C4, C9: the task of a session whose input is missing waits, and says for what."""
    session_uri = lab.fill.session(lab.project, "S1", "E1")
    lab.fill.scan(session_uri, "7", type="T1", quality="usable")
    connected = connect(lab)
    session = next(session for _, session in connected.project(lab.project).sessions())

    assert Status.PRE_RUNNING is CopyProcessor().get_task(session).update()
    assert "scan 7 (T1) has no resource DATA" == lab.task()["reason"]


def test_several_scans(lab: Lab, connect: Connect) -> None:
    """A session with several fitting scans has no single task: the scans are named, and one can be chosen."""
    for scan in ("1", "2"):
        lab.scan("E1", scan)
    connected = connect(lab)
    session = next(session for _, session in connected.project(lab.project).sessions())
    with pytest.raises(UsageError, match="several scans for Copy_v1: 1, 2"):
        CopyProcessor().get_task(session)

    assert Status.COMPLETE is finish(CopyProcessor().get_task(session, "2"))[-1]
    assert ["2"] == [row["scan"] for row in lab.tasks()]


@pytest.mark.slow
def test_loops(make_lab: MakeLab, connect: Connect) -> None:
    """C2, C3: loops take every task of a project, or of one session, one step on."""
    lab = make_lab(processors={"copy": "CopyProcessor", "after": "AfterProcessor"})
    lab.sessions(2)
    connected = connect(lab)
    narrowed = ScanLoop(connected, lab.project, [CopyProcessor], session="E1")
    wait_until(lambda: set(narrowed.run().values()) == {Status.COMPLETE}, "one session is done")
    first = {row["session"] for row in lab.tasks()}
    scans = ScanLoop(connected, lab.project, [CopyProcessor, AfterProcessor])
    wait_until(lambda: set(scans.run().values()) == {Status.COMPLETE}, "all scans are done")
    sessions = ExperimentLoop(connected, lab.project, [CopyProcessor(), AfterProcessor()])
    wait_until(lambda: set(sessions.run().values()) == {Status.COMPLETE}, "all sessions are done")

    assert {"E1"} == first
    assert ["COMPLETE"] * 4 == list(lab.statuses().values())


def test_manners(make_lab: MakeLab, connect: Connect) -> None:
    """A notebook asks before it writes to a new project, and leaves one alone that has another owner."""
    lab = make_lab("service")
    lab.scan("E1")
    connected = connect(lab, consent=False)
    session = next(session for _, session in connected.project(lab.project).sessions())
    with pytest.raises(NeedsConsent):
        CopyProcessor().get_task(session).update()
    lab.sweep()
    other = connect(make_lab("notebook", project=lab.project))
    session = next(session for _, session in other.project(lab.project).sessions())
    with pytest.raises(NotOwner):
        CopyProcessor().get_task(session).update()

    assert 1 == len(lab.ended_jobs())


def test_single_calls(lab: Lab, connect: Connect, tmp_path: Path) -> None:
    """C12, C13: a script is made and submitted, and results handed to an assessor, without a daemon."""
    lab.scan("E1")
    connect(lab)
    report = tmp_path / "report.pdf"
    account_info = {"name": "by_hand", "directory": tmp_path, "memory_mb": 16}
    script = cluster.make_pbs([f"printf %s '%PDF-1.4' > {report}"], account_info)
    job_id = cluster.submit_pbs(script)
    wait_until(lambda: cluster.check_status(job_id) == "ended", "the job ends")
    handler = xnat.JobHandler(lab.project, "S1", "E1", label="by-hand")
    handler.add_pdf(report)
    handler.finish()
    place = f"/data/projects/{lab.project}/subjects/S1/experiments/E1/assessors/by-hand"

    assert b"%PDF-1.4" == lab.rest.get(f"{place}/out/resources/PDF/files/report.pdf").content
    assert "" == lab.rest.get(place, {"format": "json"}).json()["items"][0]["data_fields"].get(
        "procstatus", ""
    )
