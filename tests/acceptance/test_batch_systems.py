"""D1-D6: the daemon over real batch systems, killed, deceived and left without answers.

Grid Engine through DRMAA and through its commands, and Slurm. What a test needs to be wrong is put between
us and the system's own commands: a folder of commands in which one of them lies, and all others are real.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.batch_systems import (
    BatchSystem,
    jobs_of,
    kill_all,
    killing_library,
    open_attempts,
    ran_once,
    said,
    use,
)
from support.lab import Lab, MakeLab
from support.waiting import wait_until

from cci.cluster import JobState
from cci.daemon.staging import job_ref
from cci.daemon.workplace import configured_cluster
from cci.settings import load

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(make_lab: MakeLab, system: BatchSystem) -> Iterator[Lab]:
    """A lab whose jobs run on the batch system; those that a test leaves are killed."""
    lab = make_lab()
    use(lab, system)
    yield lab
    kill_all(lab)


def killed(daemon: subprocess.Popen[str]) -> None:
    """End the daemon without any warning."""
    daemon.kill()
    daemon.wait()


def started(lab: Lab) -> Path:
    """Wait until the job of the only attempt runs, and return its directory."""
    wait_until(lambda: [path for path in lab.attempts() if (path / "claim").exists()], "the job runs")
    return lab.attempts()[0]


def status_of(lab: Lab) -> str:
    """Return the status of the only task."""
    return str(lab.task()["status"])


def test_restart(lab: Lab, system: BatchSystem) -> None:
    """D1: a daemon killed while a job runs finds its failure when it is started again; one job ran."""
    lab.scan("E1", behave="fail-after 4")
    daemon = lab.run_daemon()
    started(lab)
    killed(daemon)
    daemon = lab.run_daemon()
    wait_until(lambda: "JOB_ERROR" == status_of(lab), "the failure is found")
    daemon.terminate()
    daemon.wait(60)

    assert "exit status 5" in lab.task()["reason"]
    assert ran_once(lab, system)


def ended_while_away(lab: Lab) -> Path:
    """Let a job end well while no daemon runs; return its directory."""
    lab.scan("E1", behave="wait")
    daemon = lab.run_daemon()
    place = started(lab)
    wait_until(lambda: "JOB_RUNNING" == status_of(lab), "the daemon knows that")
    killed(daemon)
    (place / "go").touch()
    wait_until((place / "exit.json").exists, "the job has ended")
    return place


def test_ended_while_away(lab: Lab, system: BatchSystem) -> None:
    """D2: a job that ended in the gap is brought home by its exit record."""
    ended_while_away(lab)
    lab.sweep()

    assert "COMPLETE" == status_of(lab)
    assert ran_once(lab, system)


def test_ended_while_away_without_record(lab: Lab, system: BatchSystem) -> None:
    """D2: without the exit record the system's books decide."""
    place = ended_while_away(lab)
    wait_until(lambda: [1] == jobs_of(lab, system), "the books are written")
    (place / "exit.json").unlink()
    lab.sweep()

    assert "COMPLETE" == status_of(lab)


def test_system_that_is_late(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """The exit record ends a task while the system still says that the job runs, for however long that is."""
    template = tmp_path / "late.sh"
    template.write_text(
        "#!/bin/sh\n{{ header }}\ncd {{ directory }}\n{{ runner }}\nsleep 600\n", encoding="utf-8"
    )
    use(lab, system, template=str(template))
    lab.scan("E1", behave="sleep 1")
    lab.sweep()
    ref = job_ref(lab.attempts_of(lab.task())[0])
    with closing(configured_cluster(load(lab.settings_file, home=lab.home), "site")) as cluster:
        state = cluster.states([ref])[ref].state
        cluster.kill(ref)

    assert ("COMPLETE", JobState.RUNNING) == (status_of(lab), state)


#: A script of a site whose shared disk shows late what a job has left.
LATE_DISK = """#!/bin/sh
{{ header }}
cd {{ directory }}
{{ runner }}
status=$?
mv claim claim.late
mv exit.json exit.late
exit $status
"""


def test_late_claim(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """A job that ended well by the books, and of which nothing is seen yet, is not run again."""
    template = tmp_path / "late.sh"
    template.write_text(LATE_DISK, encoding="utf-8")
    use(lab, system, template=str(template))
    lab.change_settings(timing={"unknown_alert_s": 3})
    lab.scan("E1")
    # no daemon yet: it could see the record before the script has hidden it
    lab.cci("sweep", "--yes")
    (place,) = lab.attempts()
    wait_until((place / "exit.late").exists, "the job has ended")
    daemon = lab.run_daemon()
    wait_until(lambda: said(lab, "job is unknown for long"), "the operator is told")
    during = lab.task()
    for name in ("claim", "exit"):
        (place / f"{name}.late").rename(place / ("claim" if name == "claim" else "exit.json"))
    wait_until(lambda: "COMPLETE" == status_of(lab), "the record is believed")
    daemon.terminate()
    daemon.wait(60)

    assert ("JOB_RUNNING", 1) == (during["status"], during["attempts"])
    assert ran_once(lab, system)


def test_no_interpreter_on_the_node(lab: Lab, system: BatchSystem) -> None:
    """A job whose runner cannot start is over by the books; the reason is the node's own sentence."""
    use(lab, system, runner_python="/nowhere/python3")
    lab.change_settings(limits={"max_restarts": 0})
    lab.scan("E1")
    lab.sweep()
    task = lab.task()

    assert ("JOB_ERROR", "could-not-start") == (task["status"], lab.attempts_of(task)[0].cause)
    assert "/nowhere/python3" in task["reason"]


def test_no_witness(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """D2, D3: without record and books nothing is concluded and one alert is given; a late record decides."""
    place = ended_while_away(lab)
    record = (place / "exit.json").rename(tmp_path / "exit.json")
    use(lab, system, commands=str(system.commands_without_books(tmp_path / "bin")))
    lab.change_settings(timing={"unknown_alert_s": 2})
    daemon = lab.run_daemon()
    wait_until(lambda: said(lab, "job is unknown for long"), "the operator is told")
    during = lab.task()
    record.rename(place / "exit.json")
    wait_until(lambda: "COMPLETE" == status_of(lab), "the record is believed")
    daemon.terminate()
    daemon.wait(60)

    assert "JOB_RUNNING" == during["status"]
    assert 1 == len(said(lab, "job is unknown for long"))
    assert ran_once(lab, system)


def test_controller_down(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """D4: while no command answers no status changes, and one line tells; it goes on by itself."""
    if system.by_library:
        pytest.skip("its controller is stopped for real in tests/soak/test_batch_systems.py")
    down = tmp_path / "down"
    use(lab, system, commands=str(system.commands_that_fail(tmp_path / "bin", while_exists=down)))
    lab.scan("E1", behave="wait")
    daemon = lab.run_daemon()
    place = started(lab)
    wait_until(lambda: "JOB_RUNNING" == status_of(lab), "the daemon knows that")
    down.touch()
    lab.scan("E2")
    wait_until(lambda: said(lab, "cluster does not answer"), "the operator is told")
    polls = len(said(lab, "sweep done"))
    wait_until(lambda: len(said(lab, "sweep done")) > polls + 3, "it is asked several times more")
    during = lab.statuses()
    down.unlink()
    wait_until(lambda: "COMPLETE" == lab.statuses()["E2/1 copy"], "what came meanwhile is done")
    (place / "go").touch()
    wait_until(lambda: "COMPLETE" == lab.statuses()["E1/1 copy"], "so is what ran")
    daemon.terminate()
    daemon.wait(60)

    assert {"E1/1 copy": "JOB_RUNNING", "E2/1 copy": "PRE_COMPLETE"} == during
    assert 1 == len(said(lab, "cluster does not answer"))
    assert ran_once(lab, system)


def test_id_used_again(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """D5: a job that is given the id of an earlier, failed one is told from it by its name."""
    if system.by_library:
        pytest.skip("the library gives ids; its commands are tested as sge")
    lab.scan("E1", behave="exit 3")
    lab.sweep()
    earlier = lab.attempts_of(lab.task())[0].job_id
    use(lab, system, commands=str(system.commands_that_answer_id(tmp_path / "bin", earlier)))
    lab.change_settings(timing={"exit_grace_s": 1, "unknown_alert_s": 3})
    lab.scan("E2", behave="wait")
    daemon = lab.run_daemon()
    wait_until(lambda: "JOB_RUNNING" == lab.statuses().get("E2/1 copy"), "the second job runs")
    wait_until(lambda: said(lab, "job is unknown for long"), "its id is that of another job")
    during = lab.statuses()["E2/1 copy"]
    place = Path(lab.attempts_of(lab.task("E2"))[0].directory)
    (place / "go").touch()
    wait_until(lambda: "COMPLETE" == lab.statuses()["E2/1 copy"], "its record is believed")
    daemon.terminate()
    daemon.wait(60)

    assert "JOB_RUNNING" == during


def test_killed_while_submitting(lab: Lab, system: BatchSystem, tmp_path: Path) -> None:
    """D6: a daemon killed when the system took the job, before it knew, finds it and submits no other."""
    lab.scan("E1", behave="sleep 1")
    if system.by_library:
        use(lab, system, library=str(killing_library(tmp_path, Path(str(system.settings["library"])))))
    else:
        use(lab, system, commands=str(system.commands_that_kill(tmp_path / "bin")))
    daemon = lab.run_daemon()
    assert -9 == daemon.wait(60)
    unknown = [attempt.job_id for attempt in open_attempts(lab)]
    use(lab, system)
    lab.sweep()

    assert [""] == unknown
    assert "COMPLETE" == status_of(lab)
    assert ran_once(lab, system)
    assert [] == list((lab.home / "work").rglob("refused-*.json"))
