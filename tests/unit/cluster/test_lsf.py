"""The LSF back-end's rules, over commands that answer what a test has prepared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.stand_in_commands import StandInCommands

from cci.cluster import Cluster, JobRef, JobSpec, JobState, open_cluster
from cci.errors import ClusterUnavailable, SubmissionRefused

NAME = "cci-Dti_v1-0123456789abcdef"
JOB = JobRef("7", NAME)


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make the folder of commands."""
    return StandInCommands(tmp_path / "bin")


@pytest.fixture
def cluster(commands: StandInCommands) -> Cluster:
    """Open LSF."""
    return open_cluster("lsf", {"kind": "lsf", "commands": str(commands.folder)})


def answer(*records: dict[str, str]) -> str:
    """Return what bjobs says."""
    return json.dumps({"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records})


def record(stat: str, name: str = NAME, **fields: str) -> dict[str, str]:
    """Return what bjobs says of the job."""
    return {"JOBID": "7", "JOB_NAME": name, "STAT": stat, **fields}


NOT_FOUND = answer({"JOBID": "7", "ERROR": "Job <7> is not found"})


def a_job(directory: Path) -> JobSpec:
    """Return a job with its script."""
    (directory / "script.sh").write_text("#!/bin/sh\n#BSUB -n 2\n", encoding="utf-8")
    return JobSpec(
        name=NAME,
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "log",
        walltime_s=60,
        memory_mb=16,
    )


def test_submission(cluster: Cluster, commands: StandInCommands, tmp_path: Path) -> None:
    """The script goes to bsub as its input, as only then its header is heeded."""
    said = "This job was looked at.\nJob <7> is submitted to queue <long>.\n"
    commands.answer("bsub", said, body=f"cat > {commands.folder}/read")

    assert JOB == cluster.submit(a_job(tmp_path))
    assert [f"bsub -J {NAME}"] == commands.calls()
    assert "#!/bin/sh\n#BSUB -n 2\n" == (commands.folder / "read").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "said",
    [
        "no.q: No such queue. Job not submitted.\n",
        "Bad resource requirement syntax. Job not submitted.\n",
        "User cannot use the queue. Job not submitted.\n",
        "Request aborted by esub. Job not submitted.\n",
    ],
)
def test_refused(cluster: Cluster, commands: StandInCommands, tmp_path: Path, said: str) -> None:
    """What LSF denies is refused, in its own words."""
    commands.answer("bsub", stderr=said, status=255)

    with pytest.raises(SubmissionRefused, match="ubmitted"):
        cluster.submit(a_job(tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        "Cannot connect to LSF. Please wait ...\n",
        "LSF is down. Please wait ...\n",
        "Failed in an LSF library call: Communication time out. Job not submitted.\n",
        "batch daemon not responding ... still trying\n",
        "Killed\n",
    ],
)
def test_no_answer(cluster: Cluster, commands: StandInCommands, tmp_path: Path, said: str) -> None:
    """Where LSF did not say no, there may be a job."""
    commands.answer("bsub", stderr=said, status=255)

    with pytest.raises(ClusterUnavailable):
        cluster.submit(a_job(tmp_path))


@pytest.mark.parametrize("status", [0, 255])
def test_gone(cluster: Cluster, commands: StandInCommands, status: int) -> None:
    """A job that bjobs does not find is UNKNOWN, however bjobs ends."""
    commands.answer("bjobs", NOT_FOUND, status=status)

    assert JobState.UNKNOWN is cluster.states([JOB])[JOB].state


@pytest.mark.parametrize("printed", ["", answer(record("RUN"))[:-1], "<html>"])
def test_half_an_answer(cluster: Cluster, commands: StandInCommands, printed: str) -> None:
    """A bjobs that fails, or prints half an answer, is no news."""
    commands.answer("bjobs", printed, status=255)

    with pytest.raises(ClusterUnavailable):
        cluster.states([JOB])


def test_found_by_bjobs(cluster: Cluster, commands: StandInCommands) -> None:
    """A job is found by its whole name."""
    commands.answer("bjobs", answer(record("EXIT", EXIT_CODE="3"), {**record("RUN", "other"), "JOBID": "8"}))

    assert JOB == cluster.find(NAME)


def test_found_by_bhist(cluster: Cluster, commands: StandInCommands) -> None:
    """A job that bjobs has forgotten is found in the history, with its end."""
    commands.answer("bjobs", stderr=f"Job <{NAME}> is not found\n", status=255)
    commands.answer(
        "bhist",
        f"Job <7>, Job Name <{NAME}>, User <maria>\n"
        "Wed Jun 24 15:33:12: Submitted from host <login1>, to Queue <normal>;\n"
        "Wed Jun 24 15:38:20: Exited with exit code 3. The CPU time used is 0.1 seconds;\n",
    )
    books = cluster.accounting(JOB)

    assert JOB == cluster.find(NAME)
    assert 3 == (books and books.exit_status)
    assert ["bhist -l -n 0 7", f"bhist -l -n 0 -a -J {NAME}"] == [
        call for call in commands.calls() if call.startswith("bhist")
    ]


def test_not_found(cluster: Cluster, commands: StandInCommands) -> None:
    """That there never was a job is said when neither knows it; one that is away, and nothing is said."""
    commands.answer("bjobs", stderr=f"Job <{NAME}> is not found\n", status=255)
    commands.answer("bhist", stderr="No matching job found\n", status=255)
    nothing = cluster.find(NAME)
    commands.answer("bhist", stderr="LSF is down. Please wait ...\n", status=255)

    assert None is nothing
    with pytest.raises(ClusterUnavailable):
        cluster.find(NAME)


@pytest.mark.parametrize(("stat", "stops"), [("PEND", 1), ("PSUSP", 0), ("RUN", 0), ("DONE", 0)])
def test_hold_only_what_waits(cluster: Cluster, commands: StandInCommands, stat: str, stops: int) -> None:
    """Bstop would suspend a job that runs, so only one that waits is held by it."""
    commands.answer("bjobs", answer(record(stat)))
    commands.answer("bstop")
    cluster.hold(JOB)

    assert stops == sum(call.startswith("bstop") for call in commands.calls())


@pytest.mark.parametrize("said", ["Job <7>: Job has already finished\n", "Job <7>: No matching job found\n"])
def test_kill_what_is_over(cluster: Cluster, commands: StandInCommands, said: str) -> None:
    """Killing a job that is over is no error."""
    commands.answer("bjobs", answer(record("DONE")))
    commands.answer("bkill", stderr=said, status=255)
    cluster.kill(JOB)

    assert "bkill 7" == commands.calls()[-1]
