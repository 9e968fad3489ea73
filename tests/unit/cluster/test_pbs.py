"""The PBS back-end's rules, over commands that answer what a test has prepared."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stand_in_commands import StandInCommands

from cci.cluster import Cluster, JobRef, JobSpec, JobState, open_cluster
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

NAME = "cci-Dti_v1-0123456789abcdef"
SHORT = "c23456789abcdef"
JOB = JobRef("7.srv", NAME)
NO_HISTORY = "qstat: job_history_enable is set to false 7.srv\n"


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make the folder of commands."""
    return StandInCommands(tmp_path / "bin")


@pytest.fixture
def cluster(commands: StandInCommands) -> Cluster:
    """Open PBS Professional."""
    return open_cluster("pbs", {"kind": "pbs", "commands": str(commands.folder)})


@pytest.fixture
def torque(commands: StandInCommands) -> Cluster:
    """Open Torque."""
    return open_cluster("torque", {"kind": "pbs", "torque": True, "commands": str(commands.folder)})


def listing(state: str, name: str = NAME, more: str = "") -> str:
    """Return what qstat says of the job."""
    return f"Job Id: 7.srv\n    Job_Name = {name}\n    job_state = {state}\n{more}\n"


def a_job(directory: Path) -> JobSpec:
    """Return a job."""
    return JobSpec(
        name=NAME,
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "log",
        walltime_s=60,
        memory_mb=16,
    )


def test_names(cluster: Cluster, torque: Cluster, commands: StandInCommands, tmp_path: Path) -> None:
    """A job has its whole name; in Torque what fits of it, which ends in the end of the nonce."""
    commands.answer("qsub", "a hook's words\n7.srv\n")

    assert [JOB, JOB] == [cluster.submit(a_job(tmp_path)), torque.submit(a_job(tmp_path))]
    assert [f"qsub -N {name} {tmp_path}/script.sh" for name in (NAME, SHORT)] == commands.calls()


@pytest.mark.parametrize(
    "said",
    [
        "qsub: Unknown queue\n",
        "qsub: Job exceeds queue resource limits\n",
        "qsub: illegal -N value\n",
        "qsub: would exceed queue generic's per-user limit\n",
        "qsub: submit error (Unknown queue MSG=requested queue not found)\n",
    ],
)
def test_refused(cluster: Cluster, commands: StandInCommands, tmp_path: Path, said: str) -> None:
    """What the server denies is refused, in its own words."""
    commands.answer("qsub", stderr=said, status=1)

    with pytest.raises(SubmissionRefused, match="qsub: "):
        cluster.submit(a_job(tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        "qsub: cannot connect to server pbs1 (errno=15010)\n",
        "Connection refused\nqsub: cannot connect to server pbs1 (errno=111)\n",
        "qsub: End of File\n",
        "qsub: Communication failure.\n",
        "Bus error\n",
    ],
)
def test_no_answer(cluster: Cluster, commands: StandInCommands, tmp_path: Path, said: str) -> None:
    """Where the server did not say no, there may be a job."""
    commands.answer("qsub", stderr=said, status=1)

    with pytest.raises(ClusterUnavailable):
        cluster.submit(a_job(tmp_path))


def test_find(cluster: Cluster, commands: StandInCommands) -> None:
    """A job is found by its name, in the history too; that it is in none proves that it never was."""
    commands.answer("qselect", "7.srv\n")
    commands.answer("qstat", listing("F", more="    Exit_status = 0\n"))
    found = cluster.find(NAME)
    commands.answer("qselect")

    assert (JOB, None) == (found, cluster.find(NAME))
    assert [f"qselect -x -N {NAME}", "qstat -x -f 7.srv", f"qselect -x -N {NAME}"] == commands.calls()


def test_find_without_history(cluster: Cluster, commands: StandInCommands) -> None:
    """A server that keeps no history proves nothing."""
    commands.answer("qselect", stderr=NO_HISTORY, status=1)

    with pytest.raises(ClusterUnavailable, match="job_history_enable"):
        cluster.find(NAME)


def test_states_without_history(cluster: Cluster, commands: StandInCommands) -> None:
    """A server that keeps no history still tells what its jobs are doing, from the next question on."""
    refuses = f'case "$*" in *-x*) echo "{NO_HISTORY.strip()}" >&2; exit 1;; esac'
    commands.answer("qstat", listing("R"), body=refuses)

    assert [JobState.RUNNING] * 2 == [cluster.states([JOB])[JOB].state for _ in range(2)]
    assert ["qstat -x -f 7.srv", "qstat -f 7.srv", "qstat -f 7.srv"] == commands.calls()


def test_torque_asks_for_no_xml(torque: Cluster, commands: StandInCommands) -> None:
    """Torque takes -x for XML; a job is the same by its short name."""
    commands.answer("qstat", listing("C", name=SHORT, more="    exit_status = 3\n"))
    commands.answer("qselect", "7.srv\n")
    books = torque.accounting(JOB)

    assert JobState.ENDED is torque.states([JOB])[JOB].state
    assert 3 == (books and books.exit_status)
    assert JOB == torque.find(NAME)
    assert [] == [call for call in commands.calls() if " -x" in call]


def test_gone(cluster: Cluster, commands: StandInCommands) -> None:
    """A job that the server does not know is UNKNOWN and has no books."""
    commands.answer("qstat", stderr="qstat: Unknown Job Id 7.srv\n", status=153)

    assert JobState.UNKNOWN is cluster.states([JOB])[JOB].state
    assert None is cluster.accounting(JOB)


def test_reused_id(cluster: Cluster, commands: StandInCommands) -> None:
    """A job of another name under our id is not ours, and is not killed."""
    commands.answer("qstat", listing("R", name="another"))
    commands.answer("qdel")
    cluster.kill(JOB)

    assert JobState.UNKNOWN is cluster.states([JOB])[JOB].state
    assert [] == [call for call in commands.calls() if call.startswith("qdel")]


def test_no_right_to_suspend(cluster: Cluster, commands: StandInCommands) -> None:
    """Suspending is an operator's right; the server's sentence is told."""
    commands.answer("qstat", listing("R"))
    commands.answer("qsig", stderr="qsig: Unauthorized Request  7.srv\n", status=159)

    with pytest.raises(ClusterError, match="Unauthorized Request"):
        cluster.suspend(JOB)
