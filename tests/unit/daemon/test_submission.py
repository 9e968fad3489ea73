"""Submission, with a real ledger; only the cluster is a stand-in, which refuses and falls silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.ledger import created, me, new_task
from support.orders import order
from support.quiet import quiet_workplace
from support.stand_in_cluster import StandInCluster

from cci.daemon.caps import in_use
from cci.daemon.handing_over import begin
from cci.daemon.ledger import Attempt, Stage
from cci.daemon.order import to_json
from cci.daemon.refusals import reconsider, refusing
from cci.daemon.retrying import Again, Request, as_inputs
from cci.daemon.submission import NO_ROOM
from cci.daemon.watching import watch
from cci.daemon.workplace import Workplace
from cci.settings import Limits, LocalClusterSettings
from cci.status import Status
from cci.task import TaskKey

SENTENCE = 'Unable to run job: unknown queue "long.q"'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace of our own whose cluster refuses every job."""
    with quiet_workplace(tmp_path) as workplace:
        workplace.clusters = {"standin": StandInCluster(refuses=SENTENCE)}
        workplace.owned_until["P"] = float("inf")
        yield workplace


def cluster_of(workplace: Workplace) -> StandInCluster:
    """Return the stand-in."""
    cluster = workplace.clusters["standin"]
    assert isinstance(cluster, StandInCluster)
    return cluster


def announced(workplace: Workplace, number: int = 1, **asked: Any) -> Attempt:
    """Enter a task whose attempt is staged and about to be submitted."""
    key = TaskKey(archive=workplace.url, accession_id=f"E{number}", scan_id="", proctype="Dti_v1")
    entry = created(workplace.ledger, new_task(number, key=key), None)
    assert entry is not None
    folder = str(workplace.settings.work_dir / f"T{number}")
    opened = workplace.ledger.open_attempt(
        entry.id, cluster="standin", directory=folder, inputs=to_json(order(**asked))
    )
    assert opened is not None
    Path(opened.directory).mkdir(parents=True)
    return change(workplace, opened, state=str(Stage.SUBMITTING))


def change(workplace: Workplace, attempt: Attempt, **changes: Any) -> Attempt:
    """Change an attempt as its holder would."""
    holder = me()
    workplace.ledger.take(attempt.id, holder)
    changed = workplace.ledger.advance(attempt.id, holder, **changes)
    workplace.ledger.release(attempt.id, holder)
    return changed


def now(workplace: Workplace, attempt: Attempt) -> Attempt:
    """Return the attempt as it is now."""
    return next(one for one in workplace.ledger.attempts(attempt.task_id) if one.id == attempt.id)


def told(workplace: Workplace, *attempts: Attempt) -> list[str]:
    """Carry attempts on; return what the operator is told."""
    with capture_logs() as logged:
        for attempt in attempts:
            begin(workplace, attempt)
    return [str(one["event"]) for one in logged if one["log_level"] in {"error", "warning"}]


# -- refused --------------------------------------------------------------------------------------------


def test_the_sentence_is_the_reason(place: Workplace) -> None:
    """A refused task stays PRE_COMPLETE, and its reason is what the cluster said."""
    attempt = announced(place)
    events = told(place, attempt)
    entry = place.ledger.task(attempt.task_id)

    assert ["submission refused"] == events
    assert (Status.PRE_COMPLETE, SENTENCE, True) == (entry.status, entry.reason, entry.attempt_open)
    assert {("standin", "dti"): SENTENCE} == refusing(place)


@pytest.mark.parametrize(("tries", "wait_s"), [(0, 60), (1, 120), (5, 1920), (6, 3600), (1000, 3600)])
def test_ever_more_rarely(place: Workplace, tries: int, wait_s: int) -> None:
    """Each refusal doubles the wait, up to an hour."""
    attempt = change(place, announced(place), tries=tries)
    before = datetime.now(UTC)
    begin(place, attempt)
    after = datetime.now(UTC)
    retry_at = now(place, attempt).retry_at

    assert retry_at is not None
    assert before + timedelta(seconds=wait_s) <= retry_at <= after + timedelta(seconds=wait_s)


def test_one_is_kept(place: Workplace) -> None:
    """Of jobs that are refused alike one is kept, which takes no place; the others leave nothing behind."""
    first, second = announced(place, 1), announced(place, 2)
    told(place, first, second)

    assert [first.id] == [one.id for one in place.ledger.open_attempts(place.url)]
    assert {} == in_use(place.ledger.open_counts(place.url))
    assert not Path(second.directory).exists()
    assert (Status.PRE_COMPLETE, "") == (
        place.ledger.task(second.task_id).status,
        place.ledger.task(second.task_id).reason,
    )


def test_another_request_has_its_own_answer(place: Workplace) -> None:
    """A job that asks for something else is not thrown together with one that was refused."""
    first, second = announced(place, 1), announced(place, 2, memory_mb=100_000)
    told(place, first, second)

    assert [first.id, second.id] == [one.id for one in place.ledger.open_attempts(place.url)]


def test_more_than_the_cluster_gives(place: Workplace) -> None:
    """A retry that asks for more than the cluster ever gives ends after some tries: the task has failed."""
    again = Again(
        request=Request(memory_mb=6144, walltime_s=3600),
        causes=("out-of-memory",),
        words="attempt 2 with 6144 MB after out-of-memory",
    )
    attempt = announced(place)
    change(place, attempt, inputs=as_inputs(order(), again))
    statuses = []
    for _ in range(5):
        begin(place, attempt)
        statuses.append(place.ledger.task(attempt.task_id).status)

    assert [*[Status.PRE_COMPLETE] * 4, Status.JOB_ERROR] == statuses
    assert (
        f"{again.words}, which the cluster refuses: {SENTENCE}" == place.ledger.task(attempt.task_id).reason
    )


def test_taken_after_all(place: Workplace) -> None:
    """What the cluster takes at last is a job like any other, without a trace of the refusal."""
    attempt = announced(place)
    begin(place, attempt)
    cluster_of(place).refuses = ""
    begin(place, attempt)
    taken = now(place, attempt)

    assert (Stage.SUBMITTED, "", "") == (taken.state, taken.cause, taken.job_state)
    assert (Status.JOB_RUNNING, "") == (
        place.ledger.task(attempt.task_id).status,
        place.ledger.task(attempt.task_id).reason,
    )
    assert {} == refusing(place)


def with_other_settings(place: Workplace) -> None:
    """Change a setting that a refusal may hang on."""
    place.settings = replace(place.settings, clusters={"standin": LocalClusterSettings(slots=3)})


def test_a_job_that_has_begun_is_known_by_its_claim(place: Workplace) -> None:
    """A job that ran before its id was noted is not submitted again, though its cluster has forgotten it."""
    attempt = announced(place)
    (Path(attempt.directory) / "claim").write_text('{"job_id": "77"}', encoding="ascii")
    cluster_of(place).away = True
    events = told(place, attempt)

    assert ([], Stage.SUBMITTED, "77") == (events, now(place, attempt).state, now(place, attempt).job_id)


def test_other_settings_begin_anew(place: Workplace) -> None:
    """A refused attempt is given up when the settings change, and not before."""
    attempt = announced(place)
    begin(place, attempt)
    unchanged = reconsider(place)
    with_other_settings(place)

    assert (0, 1) == (unchanged, reconsider(place))
    assert (Stage.CLOSED, "abandoned") == (now(place, attempt).state, now(place, attempt).cause)
    assert not place.ledger.task(attempt.task_id).attempt_open


def test_nothing_is_given_up_in_doubt(place: Workplace) -> None:
    """Once the job may have been taken, other settings are no reason to give the attempt up."""
    attempt = announced(place)
    begin(place, attempt)
    cluster_of(place).silent_after_submit = True
    begin(place, attempt)
    with_other_settings(place)

    assert 0 == reconsider(place)
    assert Stage.SUBMITTING is now(place, attempt).state


# -- what all jobs meet alike ---------------------------------------------------------------------------


def test_a_silent_cluster_is_told_once(place: Workplace) -> None:
    """Attempts that cannot be handed over wait; the operator gets one line, and one when it is over."""
    attempts = [announced(place, number) for number in range(3)]
    cluster_of(place).refuses, cluster_of(place).away = "", True
    during = told(place, *attempts, *attempts)
    cluster_of(place).away = False
    after = told(place, *attempts)

    assert (["cluster does not answer"], ["cluster answers again"]) == (during, after)
    assert {Stage.SUBMITTED} == {now(place, attempt).state for attempt in attempts}


def watched(workplace: Workplace) -> list[str]:
    """Ask the cluster for its jobs; return what the operator is told."""
    workplace.polling.asked.clear()
    with capture_logs() as logged:
        watch(workplace)
    return [str(one["event"]) for one in logged if one["log_level"] in {"error", "warning"}]


def test_a_cluster_that_only_answers_questions(place: Workplace) -> None:
    """One that takes no jobs and tells states is told once, until it takes a job."""
    running, waiting = announced(place), announced(place, 2)
    cluster_of(place).refuses = ""
    begin(place, running)
    cluster_of(place).silent_after_submit = True
    during = [told(place, waiting), watched(place), told(place, waiting), watched(place)]
    cluster_of(place).silent_after_submit = False

    assert [["cluster does not answer"], [], [], []] == during
    assert ["cluster answers again"] == told(place, waiting)


@pytest.mark.parametrize("submission_first", [True, False])
def test_one_line_for_one_outage(place: Workplace, *, submission_first: bool) -> None:
    """An outage is told once, whether a submission or a question meets it first."""
    running, waiting = announced(place), announced(place, 2)
    cluster_of(place).refuses = ""
    begin(place, running)
    cluster_of(place).away = True
    turns = [submission_first, not submission_first] * 2
    during = [told(place, waiting) if submits else watched(place) for submits in turns]

    assert [["cluster does not answer"], [], [], []] == during


def test_a_full_disk_is_told_once(place: Workplace) -> None:
    """Where jobs could not write nothing is submitted or lost; one line tells, one when there is room."""
    attempts = [announced(place, number) for number in range(3)]
    cluster_of(place).refuses = ""
    enough = place.settings
    place.settings = replace(enough, limits=Limits(min_free_mb=10**9))
    during = told(place, *attempts, *attempts)
    reasons = {place.ledger.task(attempt.task_id).reason for attempt in attempts}
    place.settings = enough
    after = told(place, *attempts)

    assert ["no room in the work directory: nothing is submitted"] == during
    assert ["there is room in the work directory again"] == after
    assert {NO_ROOM} == reasons
    assert {Stage.SUBMITTED} == {now(place, attempt).state for attempt in attempts}
