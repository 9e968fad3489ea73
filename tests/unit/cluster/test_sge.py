"""The Grid Engine back-end's rules, over commands that answer what a test has prepared.

That the answers are Grid Engine's is what the conformance suite proves on a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.stand_in_commands import StandInCommands

from cci.cluster import JobRef, JobSpec, JobState, open_cluster
from cci.cluster.sge import GridEngineCluster
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

NAME = "cci-Dti_v1-0123456789abcdef"
JOB = JobRef("7", NAME)
AWAY = (
    "error: commlib error: got select error (Connection refused)\n"
    'unable to send message to qmaster using port 6444 on host "localhost": got send error\n'
)
NO_ENTRY = "error: job id 7 not found\n"


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make commands of a cluster that has no job, and whose books are late by 15 seconds."""
    made = StandInCommands(tmp_path / "bin")
    made.answer("qstat", listing())
    made.answer("qacct", stderr="error: job name x not found\n", status=1)
    made.answer("qconf", "reporting_params accounting=true flush_time=00:00:15\n")
    return made


@pytest.fixture
def cluster(commands: StandInCommands) -> GridEngineCluster:
    """Open a cluster of these commands."""
    opened = open_cluster("grid", {"kind": "sge", "commands": str(commands.folder)})
    assert isinstance(opened, GridEngineCluster)
    return opened


@pytest.fixture
def slept(cluster: GridEngineCluster) -> list[float]:
    """Do not wait, and note for how long it would have been."""
    waits: list[float] = []
    cluster.sleep = waits.append
    return waits


def listing(*jobs: tuple[str, str, str]) -> str:
    """Return a listing of jobs: id, name, state."""
    inner = "".join(
        f"<job_list><JB_job_number>{number}</JB_job_number><JB_name>{name}</JB_name>"
        f"<state>{state}</state></job_list>\n"
        for number, name, state in jobs
    )
    return f"<?xml version='1.0'?>\n<job_info><queue_info>\n{inner}</queue_info></job_info>\n"


def record(name: str = NAME, failed: str = "0", exit_status: str = "0", number: str = "7") -> str:
    """Return a record of the books."""
    fields = {"jobname": name, "jobnumber": number, "failed": failed, "exit_status": exit_status}
    return "=" * 62 + "\n" + "".join(f"{key:12} {value}\n" for key, value in fields.items())


def a_job(directory: Path, **wishes: Any) -> JobSpec:
    """Return a job."""
    return JobSpec(
        name=NAME,
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "log",
        walltime_s=60,
        memory_mb=16,
        **wishes,
    )


# -- submitting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "checked"),
    [("", "-w e "), ("-l gpu=1", "-w e "), ("-w n", ""), ("-l gpu=1 -w w", "")],
)
def test_submission(
    cluster: GridEngineCluster, commands: StandInCommands, tmp_path: Path, native: str, checked: str
) -> None:
    """A job has its own name and is checked, unless the native options say how."""
    commands.answer("qsub", "a site's own words\n123\nhours left: 12\n")

    assert JobRef("123", NAME) == cluster.submit(a_job(tmp_path, native=native))
    assert [f"qsub -terse -b n -now n -N {NAME} {checked}{tmp_path}/script.sh"] == commands.calls()


@pytest.mark.parametrize(
    "said",
    [
        'Unable to run job: Job was rejected because job requests unknown queue "no.q"\nExiting.\n',
        'Unable to run job: unknown resource "nosuch"\nExiting.\n',
        "Unable to run job: error: no suitable queues\nExiting.\n",
        "Unable to run job: job rejected: Only 10 jobs are allowed per user (current job count: 10)\n",
        'Unable to run job: denied: host "n1" is no submit host\nExiting.\n',
        'qsub: invalid option argument "-Q"\n',
        "Unable to read script file because of error: error opening /x: No such file or directory\n",
    ],
)
def test_refused(cluster: GridEngineCluster, commands: StandInCommands, tmp_path: Path, said: str) -> None:
    """What Grid Engine denies is refused, in its own words."""
    commands.answer("qsub", stderr=said, status=1)

    with pytest.raises(SubmissionRefused) as refused:
        cluster.submit(a_job(tmp_path))
    assert said.splitlines()[0] in refused.value.message


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (f"Unable to run job: {AWAY}Exiting.\n", 1),
        ("Unable to run job: failed receiving gdi request response for mid=1 (got sync timeout).\n", 1),
        ("Unable to run job: Error reading answer list from qmaster\nExiting.\n", 1),
        ("Unable to initialize environment because of error: cell directory does not exist\n", 1),
        ("Segmentation fault\n", 139),
        ("", 0),
    ],
)
def test_no_answer(
    cluster: GridEngineCluster, commands: StandInCommands, tmp_path: Path, said: str, status: int
) -> None:
    """Where the qmaster did not say no, there may be a job."""
    commands.answer("qsub", stderr=said, status=status)

    with pytest.raises(ClusterUnavailable):
        cluster.submit(a_job(tmp_path))


# -- finding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["qw", "r", "hqw", "Eqw", "z"])
def test_found_in_the_listing(cluster: GridEngineCluster, commands: StandInCommands, state: str) -> None:
    """A job is found by its whole name in every state, also when it has just ended."""
    commands.answer("qstat", listing(("6", f"{NAME}0", "r"), ("7", NAME, state)))

    assert JOB == cluster.find(NAME)


def test_found_in_the_books(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A job that ended long ago is found in the books, by its whole name."""
    commands.answer("qacct", record(name=f"{NAME}0", number="6") + record())

    assert JOB == cluster.find(NAME)
    assert [f"qacct -j {NAME}"] == commands.calls()[1:]


def test_not_found(cluster: GridEngineCluster, commands: StandInCommands, slept: list[float]) -> None:
    """That there never was a job is said only when the books have had time to be written."""
    assert None is cluster.find(NAME)
    assert [16.0] == slept
    assert ["qstat", "qacct", "qconf", "qstat", "qacct"] == [call.split()[0] for call in commands.calls()]


def test_found_late(cluster: GridEngineCluster, commands: StandInCommands, slept: list[float]) -> None:
    """A job that ended a moment ago is in the books a little later."""
    late = f"[ -e {commands.folder}/asked ] || {{ touch {commands.folder}/asked; exit 1; }}"
    commands.answer(
        "qacct", record(), body=late.replace("exit 1", "echo 'error: job id 7 not found' >&2; exit 1")
    )

    assert JOB == cluster.find(NAME)
    assert [16.0] == slept


def test_books_at_once(cluster: GridEngineCluster, commands: StandInCommands, slept: list[float]) -> None:
    """Nothing is waited for where the books are written at once."""
    commands.answer("qconf", "reporting_params accounting_flush_time=00:00:00\n")

    assert None is cluster.find(NAME)
    assert [] == slept


def test_books_too_late(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """Where the books are written once in ten minutes, nothing proves that there is no job."""
    commands.answer("qconf", "reporting_params accounting_flush_time=00:10:00\n")

    with pytest.raises(ClusterUnavailable) as raised:
        cluster.find(NAME)
    assert "accounting_flush_time" in raised.value.hint


@pytest.mark.parametrize("command", ["qstat", "qacct", "qconf"])
def test_nothing_proved(cluster: GridEngineCluster, commands: StandInCommands, command: str) -> None:
    """One witness that does not answer, and nothing is said."""
    commands.answer(command, stderr=AWAY, status=1)

    with pytest.raises(ClusterUnavailable):
        cluster.find(NAME)


def test_no_books(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """On a host that does not see the books (or before the first job) nothing is proved."""
    commands.answer("qacct", "no jobs running since startup\n", status=1)

    with pytest.raises(ClusterUnavailable) as raised:
        cluster.find(NAME)
    assert "no jobs running since startup" in raised.value.message


# -- asking -----------------------------------------------------------------------------------


def test_cut_listing(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A listing that was cut off is no answer, neither for states nor to find a job."""
    commands.answer("qstat", listing(("7", NAME, "r"))[:-20])

    with pytest.raises(ClusterUnavailable):
        cluster.states([JOB])
    with pytest.raises(ClusterUnavailable):
        cluster.find(NAME)


def test_times_in_utc(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """Times that are printed without a zone are asked for in UTC."""
    commands.answer("qstat", listing(), body=f"echo $TZ > {commands.folder}/zone")
    cluster.states([JOB])

    assert "UTC\n" == (commands.folder / "zone").read_text(encoding="ascii")


def test_reused_id(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A job of another name under our id is not ours, in the listing and in the books."""
    commands.answer("qstat", listing(("7", "another", "r")))
    commands.answer("qacct", record(exit_status="3") + record(name="another"))
    books = cluster.accounting(JOB)

    assert JobState.UNKNOWN is cluster.states([JOB])[JOB].state
    assert 3 == (books and books.exit_status)


def states_of(cluster: GridEngineCluster, *jobs: JobRef) -> Mapping[str, tuple[JobState, str]]:
    """Return state and message of jobs by their ids."""
    return {job.id: (report.state, report.message) for job, report in cluster.states(jobs).items()}


WHY = "<element><JB_job_number>7</JB_job_number><QIM_message>{}</QIM_message></element>".format(
    "11/20/2026 11:40:22 [0:21078]: error: can&apos;t chdir to /x: Permission denied"
)


def in_error(
    cluster: GridEngineCluster,
    commands: StandInCommands,
    *,
    said: str = f"<info>{WHY}</info>",
    status: int = 0,
) -> tuple[JobState, str]:
    """Let the job be in error state, with what is said of it, and ask for it."""
    reasons = commands.folder / "reasons"
    reasons.write_text(f"{said}\n", encoding="utf-8")
    body = f'case "$*" in *-j*) cat {reasons}; exit {status};; esac'
    commands.answer("qstat", listing(("7", NAME, "Eqw")), body=body)
    return states_of(cluster, JOB)["7"]


def test_in_error(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A job in error is held, with Grid Engine's sentence, which is asked for once."""
    expected = "the job is in error state and waits for somebody: can't chdir to /x: Permission denied"

    assert (JobState.HELD, expected) == in_error(cluster, commands)
    assert (JobState.HELD, expected) == states_of(cluster, JOB)["7"]
    assert 1 == sum("-j" in call for call in commands.calls())


@pytest.mark.parametrize(("said", "status"), [("", 139), ("<info/>", 0), ("<info", 1)])
def test_in_error_without_a_reason(
    cluster: GridEngineCluster, commands: StandInCommands, said: str, status: int
) -> None:
    """Where Grid Engine does not say why, the states of all jobs count all the same, and it is asked once."""
    expected = (JobState.HELD, "the job is in error state and waits for somebody")

    assert expected == in_error(cluster, commands, said=said, status=status)
    assert expected == states_of(cluster, JOB)["7"]
    assert 1 == sum("-j" in call for call in commands.calls())


def test_failed_start_is_no_end(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """The books have each failed start; while the job waits in error it is not over."""
    commands.answer("qacct", record(failed="28  : changing into working directory"))
    in_error(cluster, commands)
    waiting = cluster.accounting(JOB)
    commands.answer("qstat", listing())
    books = cluster.accounting(JOB)

    assert None is waiting
    assert "could-not-start" == (books and books.cause)


def test_rescheduled(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A job that was rescheduled is not over; its last entry counts."""
    commands.answer("qacct", record(failed="25 : rescheduling", exit_status="99"))
    again = cluster.accounting(JOB)
    commands.answer("qacct", record(failed="25 : rescheduling", exit_status="99") + record())
    books = cluster.accounting(JOB)

    assert None is again
    assert 0 == (books and books.exit_status)


def test_deleted_before_it_began(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """A job deleted in the queue comes into no books: that is told when they would have it otherwise."""
    clock = [1000.0]
    cluster.clock = lambda: clock[0]
    commands.answer("qacct", stderr=NO_ENTRY, status=1)
    commands.answer("qstat", listing(("7", NAME, "z")))
    before = cluster.accounting(JOB)
    cluster.states([JOB])
    clock[0] += 15
    early = cluster.accounting(JOB)
    clock[0] += 2
    books = cluster.accounting(JOB)
    commands.answer("qstat", listing())
    gone = cluster.accounting(JOB)

    assert (None, None, None) == (before, early, gone)
    assert "killed" == (books and books.cause)


# -- controlling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("hold", "qhold 7"),
        ("release", "qrls 7"),
        ("suspend", "qmod -sj 7"),
        ("resume", "qmod -usj 7"),
        ("kill", "qdel 7"),
    ],
)
def test_control(cluster: GridEngineCluster, commands: StandInCommands, verb: str, words: str) -> None:
    """Each verb is one command, after a look whether the id is still ours."""
    commands.answer(words.split(maxsplit=1)[0])
    getattr(cluster, verb)(JOB)

    assert [words] == commands.calls()[1:]


def test_kill_what_is_gone(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """Killing a job that is over is no error, holding it is; an outage is one for both."""
    gone = 'denied: job "7" does not exist\n'
    commands.answer("qdel", stderr=gone, status=1)
    commands.answer("qhold", stderr=gone, status=3)
    cluster.kill(JOB)
    with pytest.raises(ClusterError, match="does not exist"):
        cluster.hold(JOB)
    commands.answer("qdel", stderr=AWAY, status=1)
    with pytest.raises(ClusterUnavailable):
        cluster.kill(JOB)


def test_not_allowed(cluster: GridEngineCluster, commands: StandInCommands) -> None:
    """What Grid Engine does not let us do is told."""
    said = 'maria - you do not have the necessary privileges to delete the job "7"\n'
    commands.answer("qdel", stderr=said, status=1)

    with pytest.raises(ClusterError, match="necessary privileges"):
        cluster.kill(JOB)
