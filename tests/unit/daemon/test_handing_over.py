"""Groups of attempts that are handed over together, with a real ledger; only the cluster is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Timer

import pytest
from sqlalchemy import select
from support.ledger import created, me, new_task
from support.orders import order
from support.quiet import quiet_workplace
from support.stand_in_cluster import StandInCluster

from cci.cluster.base import JobRef, JobSpec
from cci.daemon import staging
from cci.daemon.asking import ScriptForm
from cci.daemon.handing_over import begin_all, hand_over
from cci.daemon.holder import holding
from cci.daemon.jobdir import JobDirectory
from cci.daemon.ledger import Attempt, Stage
from cci.daemon.ledger.tables import AttemptRow
from cci.daemon.order import to_json
from cci.daemon.pacing import HOLD_S, wait_for_turn
from cci.daemon.submission import Work, prepare
from cci.daemon.workplace import Workplace
from cci.errors import ClusterUnavailable, SubmissionRefused
from cci.status import Status
from cci.task import TaskKey


class StandInForGroups(StandInCluster):
    """Takes three jobs at once; answers by the job's memory in MB: 1 is refused, 2 has no answer."""

    at_once = 3

    def __init__(self, workplace: Workplace) -> None:
        super().__init__()
        self.workplace = workplace
        self.groups: list[list[Stage]] = []
        self.busy = Event()

    def submit_all(self, jobs: Sequence[JobSpec]) -> list[JobRef | Exception]:
        """Note what the ledger says of the jobs when they come, and answer when the cluster is not busy."""
        known = {one.directory: one for one in self.workplace.ledger.open_attempts(self.workplace.url)}
        self.groups.append([known[str(job.directory)].state for job in jobs])
        while self.busy.is_set() and not self.workplace.stopping.wait(0.01):
            pass
        answers = {1: SubmissionRefused("no such queue"), 2: ClusterUnavailable("cut")}
        return [answers.get(job.memory_mb, JobRef(job.directory.parent.name, job.name)) for job in jobs]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace of our own with the stand-in for its cluster."""
    with quiet_workplace(tmp_path) as workplace:
        workplace.clusters = {"standin": StandInForGroups(workplace)}
        workplace.owned_until["P"] = float("inf")
        yield workplace


def cluster_of(place: Workplace) -> StandInForGroups:
    """Return the stand-in."""
    cluster = place.clusters["standin"]
    assert isinstance(cluster, StandInForGroups)
    return cluster


def groups(place: Workplace) -> list[list[Stage]]:
    """Return what the ledger said of the jobs in each group, as they came."""
    return cluster_of(place).groups


def staged(place: Workplace, number: int, memory_mb: int = 100) -> Attempt:
    """Enter a task whose attempt lies in its place and is not announced."""
    key = TaskKey(archive=place.url, accession_id=f"E{number}", scan_id="", proctype="Dti_v1")
    entry = created(place.ledger, new_task(number, key=key), None)
    assert entry is not None
    asked = order(memory_mb=memory_mb)
    folder = place.settings.work_dir / f"T{number}"
    attempt = place.ledger.open_attempt(
        entry.id, cluster="standin", directory=str(folder), inputs=to_json(asked)
    )
    assert attempt is not None
    directory = JobDirectory(Path(attempt.directory))
    directory.inputs.mkdir(parents=True)
    (directory.path / "staged.json").write_text("{}", encoding="ascii")
    staging.write_job(entry, attempt, asked, directory, form=ScriptForm())
    return attempt


def prepared(place: Workplace, attempts: Sequence[Attempt], holder: str) -> list[Work]:
    """Prepare attempts for the cluster, one after the other."""
    return [work for one in attempts if (work := prepare(place, one, holder))]


def outcomes(place: Workplace) -> list[tuple[Stage, str]]:
    """Return state and job of every open attempt, and make sure that nobody holds one."""
    found = place.ledger.open_attempts(place.url)
    assert all(place.ledger.take(one.id, me()) for one in found)
    return [(one.state, one.job_id) for one in found]


def test_announced_before_and_noted_after(place: Workplace) -> None:
    """Jobs go to the cluster in groups, each with its intent in the ledger, and have their ids afterwards."""
    attempts = [staged(place, number) for number in range(8)]
    cluster_of(place).busy.set()
    before: list[Stage] = []

    def told(done: int) -> None:
        if done == 1:
            before.extend(one.state for one in place.ledger.open_attempts(place.url))
        if done == len(attempts):
            cluster_of(place).busy.clear()

    done = begin_all(place, attempts, told)

    assert ([Stage.STAGING] * 8, {one.id for one in attempts}) == (before, done)
    # the first two go alone, for the cluster is free; the others have come together meanwhile
    assert [[Stage.SUBMITTING] * many for many in (1, 1, 3, 3)] == sorted(groups(place), key=len)
    assert [(Stage.SUBMITTED, f"T{number}") for number in range(8)] == outcomes(place)
    assert {Status.JOB_RUNNING} == {place.ledger.task(one.task_id).status for one in attempts}


def test_each_has_its_own_answer(place: Workplace) -> None:
    """In one group one job is taken, one refused, and one without an answer: that one may exist."""
    attempts = [staged(place, number, memory_mb) for number, memory_mb in enumerate((100, 1, 2))]
    with holding() as holder:
        done = hand_over(prepared(place, attempts, holder))

    assert {attempts[0].id} == done
    assert [(Stage.SUBMITTED, "T0"), (Stage.SUBMITTING, ""), (Stage.SUBMITTING, "")] == outcomes(place)
    causes = [place.ledger.attempts(one.task_id)[0].cause for one in attempts]
    assert ["", "submission-refused", ""] == causes
    assert [("dti", 2)] == [(one.processor, one.tries) for one in place.ledger.away()]


def test_one_that_may_not_run_stops_no_other(place: Workplace) -> None:
    """A job whose task was brought to an end meanwhile is not noted; the others of its group are."""
    attempts = [staged(place, number) for number in range(3)]
    with holding() as holder:
        works = prepared(place, attempts, holder)
        place.ledger.move(attempts[1].task_id, Status.JOB_ERROR, "a person was quicker")
        place.ledger.move(attempts[1].task_id, Status.PRE_RUNNING, "and quicker still")
        done = hand_over(works)

    assert {attempts[0].id, attempts[2].id} == done
    assert (Stage.SUBMITTING, "") == outcomes(place)[1]


def test_what_another_has_taken_over_is_left(place: Workplace) -> None:
    """Who lost an attempt between staging and its intent does not hand it over."""
    attempts = [staged(place, number) for number in range(2)]
    with holding() as holder:
        works = prepared(place, attempts, holder)
        place.ledger.release(attempts[0].id, holder)
        place.ledger.take(attempts[0].id, me())
        done = hand_over(works)

    assert ({attempts[1].id}, [[Stage.SUBMITTING]]) == (done, groups(place))
    assert Stage.STAGING is place.ledger.attempts(attempts[0].task_id)[0].state


def test_a_stop_leaves_what_waits(place: Workplace) -> None:
    """What is prepared and not handed over when all comes to an end has no intent, and nobody holds it."""
    attempts = [staged(place, number) for number in range(6)]
    cluster_of(place).busy.set()
    kept: list[Attempt | None] = []

    def told(done: int) -> None:
        if done == len(attempts):
            kept.extend(place.ledger.take(one.id, me()) for one in attempts)
            place.stopping.set()

    done = begin_all(place, attempts, told)

    # who was at work no longer is, so that others might take what was left in hand too
    with place.ledger._reading() as session:
        holders = session.scalars(select(AttemptRow.holder)).all()
    assert ([None] * 6, [""] * 6) == (kept, holders)
    assert (2, [[Stage.SUBMITTING]] * 2) == (len(done), groups(place))
    assert [Stage.STAGING] * 4 + [Stage.SUBMITTED] * 2 == sorted(state for state, _ in outcomes(place))


def test_who_waits_for_a_turn_has_announced_nothing(tmp_path: Path) -> None:
    """An attempt whose turn is far away lies staged, so that nobody need look for its job."""
    with quiet_workplace(tmp_path, limits={"submit_interval_s": 10 * HOLD_S}) as place:
        place.clusters = {"standin": StandInForGroups(place)}
        place.owned_until["P"] = float("inf")
        attempt = staged(place, 1)
        wait_for_turn(place, "standin")
        stop = Timer(0.2, place.stopping.set)
        stop.start()
        done = begin_all(place, [attempt])
        stop.join()

        assert (set(), [(Stage.STAGING, "")], []) == (done, outcomes(place), groups(place))
