"""Watching, with a real ledger and real job directories; only the cluster is a stand-in, for its silences."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.ledger import created, me, new_task
from support.orders import order
from support.quiet import quiet_workplace
from support.stand_in_cluster import StandInCluster

from cci.cluster.base import Accounting, JobRef, JobReport, JobState
from cci.daemon.ledger import Attempt, NewJob, Stage, TaskEntry
from cci.daemon.order import to_json
from cci.daemon.watching import watch
from cci.daemon.witnesses import RUNNING_SINCE, UNSEEN_SINCE
from cci.daemon.workplace import Workplace
from cci.status import Status
from cci.task import TaskKey

CONTENT = b"done"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One running job, and all that looks at it."""

    workplace: Workplace
    cluster: StandInCluster
    entry: TaskEntry
    attempt: Attempt

    @property
    def directory(self) -> Path:
        """The job directory."""
        return Path(self.attempt.directory)

    def look(self, times: int = 1) -> list[str]:
        """Watch some times; return what the operator is told, in order."""
        with capture_logs() as told:
            for _ in range(times):
                self.workplace.polling.asked.clear()
                watch(self.workplace)
        return [str(one["event"]) for one in told if one["log_level"] in {"error", "warning"}]

    def task(self) -> tuple[Status, str]:
        """Return the task's status and reason."""
        entry = self.workplace.ledger.task(self.entry.id)
        return entry.status, entry.reason

    def now(self) -> Attempt:
        """Return the attempt as it is now."""
        return self.workplace.ledger.attempts(self.entry.id)[0]

    def change(self, **changes: Any) -> None:
        """Change the attempt, as if time had passed."""
        with self.workplace.ledger.in_hand(self.attempt.id) as (_, holder):
            self.workplace.ledger.advance(self.attempt.id, holder, **changes)

    def claim(self) -> None:
        """Leave the claim that the job's runner makes."""
        (self.directory / "claim").write_text('{"job_id": "42"}')

    def end(self, **values: Any) -> None:
        """Leave an exit record."""
        self.claim()
        listed = [
            {
                "resource": "TEXT",
                "path": "summary.txt",
                "size": len(CONTENT),
                "md5": hashlib.md5(CONTENT).hexdigest(),
            }
        ]
        record = {"nonce": self.attempt.nonce, "job_id": "42", "exit_status": 0, "outputs": listed, **values}
        (self.directory / "exit.json").write_text(json.dumps(record))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """One job that was submitted to a cluster which says that it runs."""
    timing = {"exit_grace_s": 100, "unknown_alert_s": 1000, "late_output_s": 5000}
    with quiet_workplace(tmp_path, timing=timing) as workplace:
        cluster = StandInCluster()
        workplace.clusters = {"standin": cluster}
        key = TaskKey(archive=workplace.url, accession_id="E1", scan_id="", proctype="Dti_v1")
        entry = created(workplace.ledger, new_task(key=key), None)
        assert entry is not None
        opened = workplace.ledger.open_attempt(
            entry.id, cluster="standin", directory=str(tmp_path / "work"), inputs=to_json(order())
        )
        assert opened is not None
        Path(opened.directory).mkdir(parents=True)
        holder = me()
        workplace.ledger.take(opened.id, holder)
        workplace.ledger.submitted_all(holder, {opened.id: NewJob(job_id="42", fields={})})
        (attempt,) = workplace.ledger.attempts(entry.id)
        yield Scene(workplace=workplace, cluster=cluster, entry=entry, attempt=attempt)


# -- silence --------------------------------------------------------------------------------------------


def test_a_controller_that_is_down(scene: Scene) -> None:
    """D4: while nothing answers no status changes and the operator is told once; then it goes on."""
    scene.look()
    scene.cluster.away = True
    during = scene.look(60)
    unchanged = scene.task()
    scene.cluster.away = False
    after = scene.look(3)

    assert (["cluster does not answer"], ["cluster answers again"]) == (during, after)
    assert (Status.JOB_RUNNING, "") == unchanged == scene.task()


def test_an_answer_that_nobody_expected(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose answer cannot be read at all is told once; exit records are looked at all the same."""

    def states(jobs: object) -> dict[JobRef, JobReport]:
        raise ValueError(f"no sense in the answer about {jobs}")

    monkeypatch.setattr(scene.cluster, "states", states)
    told = scene.look(3)
    scene.end(exit_status=3)
    scene.look()

    assert (["cluster cannot be asked"], Status.JOB_ERROR) == (told, scene.task()[0])


def test_a_job_that_is_unknown_for_long(scene: Scene) -> None:
    """D3: a job that the cluster forgot, and no books know, runs on as far as we know; one alert tells it."""
    scene.cluster.state = JobState.UNKNOWN
    soon = scene.look(3)
    scene.change(missing_since=datetime.now(UTC) - timedelta(seconds=2000))
    late = scene.look(3)
    scene.cluster.state = JobState.RUNNING
    known = scene.look(3)

    assert ([], ["job is unknown for long"], ["job is known again"]) == (soon, late, known)
    assert (Status.JOB_RUNNING, "") == scene.task()


def test_a_cluster_that_nobody_configured(scene: Scene) -> None:
    """A section that was taken out of the settings is told once."""
    scene.workplace.clusters = {}

    assert ["cluster is not configured"] == scene.look(3)


# -- what comes late ------------------------------------------------------------------------------------


def put_output(scene: Scene) -> None:
    """Let the output appear."""
    (scene.directory / "outputs" / "TEXT").mkdir(parents=True)
    (scene.directory / "outputs" / "TEXT" / "summary.txt").write_bytes(CONTENT)


def test_outputs_that_appear_late(scene: Scene) -> None:
    """A file that the record lists is waited for; then the results are brought home."""
    scene.end()
    scene.look(2)
    waiting, message = scene.now().state, scene.now().job_message
    put_output(scene)
    scene.look()

    assert Stage.SUBMITTED is waiting
    assert "TEXT/summary.txt" in message
    assert Status.JOB_COMPLETE is scene.task()[0]


def test_half_an_output(scene: Scene) -> None:
    """A file that is shorter than the record says is not there yet."""
    put_output(scene)
    (scene.directory / "outputs" / "TEXT" / "summary.txt").write_bytes(CONTENT[:2])
    scene.end()
    scene.look()

    assert Status.JOB_RUNNING is scene.task()[0]


def long_ago(scene: Scene, seconds: float) -> None:
    """Let the outputs be late for so long."""
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    scene.change(outputs={**scene.now().outputs, UNSEEN_SINCE: since.isoformat()})


def test_outputs_that_never_appear(scene: Scene) -> None:
    """After five graces the operator is told once, and in the end the task fails with its own cause."""
    scene.end()
    soon = scene.look(2)
    long_ago(scene, 501)
    late = scene.look(3)
    status = scene.task()[0]
    long_ago(scene, 5001)
    scene.look()

    assert ([], ["outputs are late"], Status.JOB_RUNNING) == (soon, late, status)
    assert Status.JOB_ERROR is scene.task()[0]
    assert "1 output file that the exit record lists cannot be seen here" in scene.task()[1]
    assert "lost-output" == scene.now().cause


def test_a_work_directory_that_is_not_there(scene: Scene) -> None:
    """While the file system is not mounted here no job is taken for one that never began, or run again."""
    scene.end(exit_status=3)
    place, elsewhere = scene.directory.parent, scene.directory.parent.with_name("unmounted")
    place.rename(elsewhere)
    scene.cluster.state, scene.cluster.books = JobState.ENDED, Accounting(exit_status=3)
    scene.look()
    scene.change(missing_since=datetime.now(UTC) - timedelta(seconds=2000))
    told, during = scene.look(3), scene.task()[0]
    elsewhere.rename(place)
    scene.look()

    assert (["job is unknown for long"], Status.JOB_RUNNING) == (told, during)
    assert (Status.JOB_ERROR, "exit-3") == (scene.task()[0], scene.now().cause)


def test_a_record_that_appears_late(scene: Scene) -> None:
    """A job that the cluster calls over waits for its record, and for the books after that."""
    scene.claim()
    scene.cluster.state = JobState.ENDED
    scene.look(2)
    before = scene.task()[0]
    put_output(scene)
    scene.end()
    scene.look()

    assert (Status.JOB_RUNNING, Status.JOB_COMPLETE) == (before, scene.task()[0])


# -- who killed it --------------------------------------------------------------------------------------

KILLED: dict[str, Any] = {"exit_status": None, "signal": 15, "cause": "killed", "outputs": []}


def test_the_books_say_who_killed_it(scene: Scene) -> None:
    """A record that only says killed waits for the books, which know by whom."""
    scene.end(**KILLED)
    scene.look()
    waiting = scene.task()[0]
    scene.cluster.books = Accounting(cause="killed-by-administrator", message="cancelled by root")
    scene.look()

    assert Status.JOB_RUNNING is waiting
    assert (
        Status.JOB_ERROR,
        "the job was killed by an administrator of the cluster: cancelled by root",
    ) == scene.task()
    assert "killed-by-administrator" == scene.now().cause


def test_books_that_never_come(scene: Scene) -> None:
    """Without books the record stands, after the grace."""
    scene.end(**KILLED)
    scene.look()
    scene.change(missing_since=datetime.now(UTC) - timedelta(seconds=101))
    scene.look()

    assert (Status.JOB_ERROR, "the job was killed") == scene.task()


def test_out_of_memory_is_the_clusters_word(scene: Scene) -> None:
    """SIGKILL is out of memory where the cluster says so, and then another attempt asks for more."""
    scene.end(exit_status=137, outputs=[], node="n7")
    scene.cluster.books = Accounting(cause="out-of-memory", node="n7")
    scene.look()
    status, reason = scene.task()
    left = scene.now().outputs["again"]

    assert Status.PRE_COMPLETE is status
    assert (
        "attempt 2 with 6144 MB after out-of-memory: the job needed more memory than it asked for" == reason
    )
    assert {"memory_mb": 6144, "walltime_s": 3600, "avoid": []} == left["request"]


@pytest.mark.parametrize(
    ("state", "hours", "told"),
    [
        (JobState.RUNNING, 3, ["job runs long after its wall time"]),
        (JobState.RUNNING, 1, []),
        (JobState.SUSPENDED, 3, []),
    ],
)
def test_a_job_that_never_ends(scene: Scene, state: JobState, hours: int, told: list[str]) -> None:
    """The operator is told, once, of a job that is said to run long after its runner would have ended it."""
    scene.look()
    began = datetime.now(UTC) - timedelta(hours=hours)
    scene.change(outputs={RUNNING_SINCE: began.isoformat()})
    scene.cluster.state = state

    assert told == scene.look(3)
    assert Status.JOB_RUNNING is scene.task()[0]


def test_a_pause_is_no_run_time(scene: Scene) -> None:
    """D10: a job that goes on after it was suspended has its wall time before it again."""
    began = datetime.now(UTC) - timedelta(hours=3)
    scene.change(outputs={RUNNING_SINCE: began.isoformat()})
    told = []
    for scene.cluster.state in (JobState.SUSPENDED, JobState.RUNNING):
        told += scene.look()

    assert [] == told


@pytest.mark.parametrize("hours", [-50_000, -3, 3, 50_000])
def test_the_clock_of_a_node_decides_nothing(scene: Scene, hours: int) -> None:
    """A claim and a record from a node whose clock is wrong, even by years, count like any other."""
    node = datetime.now(UTC) + timedelta(hours=hours)
    (scene.directory / "claim").write_text(json.dumps({"job_id": "42", "started": node.isoformat()}))
    told = scene.look(2)
    running = scene.task()[0]
    output = scene.directory / "outputs" / "TEXT" / "summary.txt"
    output.parent.mkdir(parents=True)
    output.write_bytes(CONTENT)
    scene.end(started=node.isoformat(), ended=(node - timedelta(hours=1)).isoformat(), wall_s=60)
    for path in (output, scene.directory / "claim", scene.directory / "exit.json"):
        os.utime(path, (node.timestamp(), node.timestamp()))
    told += scene.look()

    assert [] == told
    assert (Status.JOB_RUNNING, Status.JOB_COMPLETE) == (running, scene.task()[0])
    assert 60 == scene.now().use["wall_s"]


@pytest.mark.parametrize(
    ("books", "cause"),
    [
        (Accounting(exit_status=0, signal=9), "out-of-memory"),
        (Accounting(cause="killed"), "out-of-memory"),
        (Accounting(cause="walltime"), "walltime"),
        (Accounting(exit_status=1), "exit-1"),
    ],
)
def test_the_systems_word_in_the_log(scene: Scene, books: Accounting, cause: str) -> None:
    """Of a job that was killed, and whose books say nothing of why, the batch system's line is heard."""
    scene.claim()
    (scene.directory / "batch.log").write_text("the system's own words\n", encoding="utf-8")
    scene.cluster.state, scene.cluster.in_log = JobState.ENDED, "out-of-memory"
    scene.cluster.books = books
    scene.look()
    scene.change(missing_since=datetime.now(UTC) - timedelta(seconds=101))
    scene.look()

    assert cause == scene.now().cause


def test_a_failed_node_is_avoided(scene: Scene) -> None:
    """A job whose node failed leaves no record; the next attempt goes elsewhere."""
    scene.claim()
    scene.cluster.state = JobState.ENDED
    scene.cluster.books = Accounting(cause="node-failure", node="n7")
    scene.look()
    scene.change(missing_since=datetime.now(UTC) - timedelta(seconds=101))
    scene.look()

    assert Status.PRE_COMPLETE is scene.task()[0]
    assert "attempt 2 elsewhere than on n7 after node-failure" in scene.task()[1]
    assert ["n7"] == scene.now().outputs["again"]["request"]["avoid"]
