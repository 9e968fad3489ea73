"""The job runner, run for real in directories of its own: what it needs, and how commands end."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.runner import PATIENCE_S, SOURCE, JobMaker, record, run_job, start, wait_for

from cci.spiders import run
from cci.spiders.run import Ending, job_id_of, judge

# -- what it needs ----------------------------------------------------------------------------


def test_syntax() -> None:
    """The runner has the syntax of Python 3.8."""
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_modules() -> None:
    """The runner uses no module, function or argument that Python 3.8 does not have."""
    vermin = Path(sys.executable).with_name("vermin")
    said = subprocess.run(
        [vermin, "--target=3.8-", "--violations", SOURCE], check=False, stdout=subprocess.PIPE
    )

    assert 0 == said.returncode, said.stdout.decode()


def test_standard_library_alone(make_job: JobMaker) -> None:
    """The runner runs where there are no site packages."""
    directory = make_job("true")
    subprocess.run([sys.executable, "-I", "-S", "runner.py"], cwd=directory, check=True)

    assert 0 == record(directory)["exit_status"]


# -- how commands end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected", "marker", "status"),
    [
        ("true", (0, None, ""), "job.completed", 0),
        ("exit 3", (3, None, ""), "job.error", 3),
        ("kill -SEGV $$", (None, 11, ""), "job.error", 139),
        ("exit 113", (113, None, ""), "job.error", 113),
    ],
)
def test_ends(
    make_job: JobMaker, line: str, expected: tuple[int | None, int | None, str], marker: str, status: int
) -> None:
    """Exit status or signal are recorded, handed on to the cluster, and shown by the notebook's marker."""
    directory = make_job(line)
    returned = run_job(directory)
    found = record(directory)

    assert (expected, status) == ((found["exit_status"], found["signal"], found["cause"]), returned)
    assert [marker] == [path.name for path in directory.glob("job.[ce]*")]


def test_record(make_job: JobMaker) -> None:
    """The exit record names the attempt, the job, the node, the times and the use of resources."""
    directory = make_job("true")
    run_job(directory, job_id="4711")
    found = record(directory)

    assert (1, "0123456789abcdef", "4711") == (found["format"], found["nonce"], found["job_id"])
    assert os.uname().nodename == found["node"]
    assert found["started"] <= found["ended"]
    assert found["wall_s"] >= found["cpu_s"] >= 0
    assert found["peak_memory_mb"] > 0


def test_claim(make_job: JobMaker) -> None:
    """The claim names the job, the host and the process."""
    directory = make_job("true")
    run_job(directory, job_id="4711")
    claim = json.loads((directory / "claim").read_text(encoding="utf-8"))

    assert {"job_id", "host", "pid", "started"} == set(claim)
    assert "4711" == claim["job_id"]


def test_second_start(make_job: JobMaker) -> None:
    """A second start of a directory is refused with 113, is written down, and changes nothing else."""
    directory = make_job("echo ran; exit 3")
    run_job(directory, job_id="1")
    before = (directory / "exit.json").read_bytes(), (directory / "claim").read_bytes()
    returned = run_job(directory, job_id="2/[3]")

    assert 113 == returned
    assert before == ((directory / "exit.json").read_bytes(), (directory / "claim").read_bytes())
    assert "ran\n" == (directory / "output.log").read_text(encoding="utf-8")
    assert ["refused-2_[3].json"] == [path.name for path in directory.glob("refused-*")]


def test_two_starts_at_once(make_job: JobMaker) -> None:
    """Of many starts at the same moment exactly one runs the command."""
    directory = make_job("echo ran")
    starts = [start(directory, str(number)) for number in range(8)]
    returned = sorted(process.wait(timeout=PATIENCE_S) for process in starts)

    assert [0] + [113] * 7 == returned
    assert "ran\n" == (directory / "output.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [["/no/such/program"], ["a\0b"], [], "echo no list", None],
    ids=["missing", "nul", "empty", "text", "null"],
)
def test_could_not_start(make_job: JobMaker, command: object) -> None:
    """A command that cannot be started is recorded as such, with the reason."""
    directory = make_job("", command=command)
    returned = run_job(directory)
    found = record(directory)

    assert (127, None, "could-not-start") == (returned, found["exit_status"], found["cause"])
    assert "could-not-start" == found["error"]["code"]
    assert found["error"]["message"]


def test_unreadable_job(make_job: JobMaker) -> None:
    """A job.json that cannot be read ends the attempt with a record that says so."""
    directory = make_job("true")
    (directory / "job.json").write_text("{", encoding="utf-8")
    run_job(directory)

    assert "could-not-start" == record(directory)["cause"]


def test_wall_time(make_job: JobMaker) -> None:
    """At its wall time a command is told to end, and what it made until then is listed."""
    directory = make_job("mkdir -p outputs/A; echo x > outputs/A/x; sleep 600", walltime_s=0.3)
    run_job(directory)
    found = record(directory)

    assert (None, signal.SIGTERM, "walltime") == (found["exit_status"], found["signal"], found["cause"])
    assert ["x"] == [output["path"] for output in found["outputs"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGXCPU])
def test_told_to_end(make_job: JobMaker, number: signal.Signals) -> None:
    """A batch system's wish to end reaches the whole command, and the exit record is written."""
    directory = make_job("sleep 600 & touch started; wait")
    process = start(directory)
    wait_for(directory / "started")
    process.send_signal(number)
    process.wait(timeout=PATIENCE_S)
    found = record(directory)

    assert (None, number, "killed") == (found["exit_status"], found["signal"], found["cause"])


def test_told_to_end_and_obeys(make_job: JobMaker) -> None:
    """A command that tidies up and ends well after being told to end was killed nevertheless."""
    directory = make_job("trap 'echo tidy; exit 0' TERM; touch started; while :; do sleep 0.05; done")
    process = start(directory)
    wait_for(directory / "started")
    process.terminate()
    process.wait(timeout=PATIENCE_S)
    found = record(directory)

    assert (0, "killed") == (found["exit_status"], found["cause"])
    assert (directory / "job.error").exists()
    assert "tidy" in (directory / "output.log").read_text(encoding="utf-8")


def test_command_told_before_the_runner(make_job: JobMaker) -> None:
    """When the cluster's signal reaches the command first, the job was killed all the same."""
    directory = make_job("echo $$ > pid; touch started; exec sleep 600")
    process = start(directory)
    wait_for(directory / "started")
    os.kill(int((directory / "pid").read_text(encoding="ascii")), signal.SIGTERM)
    process.terminate()
    process.wait(timeout=PATIENCE_S)

    assert (signal.SIGTERM, "killed") == (record(directory)["signal"], record(directory)["cause"])


def test_ignores_being_told(make_job: JobMaker) -> None:
    """A command that does not end when told to is killed."""
    directory = make_job("trap '' TERM; touch started; sleep 600", walltime_s=0.3)
    run_job(directory)

    assert (signal.SIGKILL, "walltime") == (record(directory)["signal"], record(directory)["cause"])


def test_user_signal_passes(make_job: JobMaker) -> None:
    """SIGUSR1 reaches the command and is no wish to end."""
    directory = make_job("trap 'exit 5' USR1; touch started; while :; do sleep 0.05; done")
    process = start(directory)
    wait_for(directory / "started")
    process.send_signal(signal.SIGUSR1)

    assert 5 == process.wait(timeout=PATIENCE_S)
    assert "" == record(directory)["cause"]


# -- pure parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"JOB_ID": "1", "CCI_JOB_ID": "2"}, "1"),
        ({"SLURM_JOB_ID": "3"}, "3"),
        ({"PBS_JOBID": "4.server"}, "4.server"),
        ({"LSB_JOBID": "5", "JOB_ID": ""}, "5"),
        ({"CCI_JOB_ID": "6-abcdef"}, "6-abcdef"),
    ],
)
def test_job_id(environment: dict[str, str], expected: str) -> None:
    """The job's id is the first that a batch system tells."""
    assert expected == job_id_of(environment)


TOLD = {"code": "corrupt-image", "message": "x"}


@pytest.mark.parametrize(
    ("ending", "error", "expected"),
    [
        (Ending(exit_status=0), None, ""),
        (Ending(exit_status=1), TOLD, ""),
        (Ending(could_not_start="no such file"), None, "could-not-start"),
        (Ending(signal=15, told="walltime"), None, "walltime"),
        (Ending(exit_status=0, told="killed"), None, "killed"),
        (Ending(signal=9, memory_mb=100, peak_memory_mb=99), None, "out-of-memory"),
        (Ending(exit_status=137, memory_mb=100, peak_memory_mb=99), None, "out-of-memory"),
        (Ending(signal=9, memory_mb=100, peak_memory_mb=50), None, ""),
        (Ending(exit_status=1, memory_mb=100, peak_memory_mb=99), None, ""),
        (Ending(exit_status=1, oom_kills=1), None, "out-of-memory"),
        (Ending(exit_status=1, oom_kills=1), TOLD, ""),
        (Ending(exit_status=0, oom_kills=1), None, ""),
    ],
)
def test_cause(ending: Ending, error: dict[str, str] | None, expected: str) -> None:
    """A cause is named on evidence only."""
    assert expected == judge(ending, error)


def test_room_for_the_record_is_waited_for(tmp_path: Path) -> None:
    """On a full disk the record is tried again until it can be written; the room kept for it is freed."""
    reserve, full = tmp_path / ".reserve", tmp_path / f".exit.json.{os.getpid()}"
    reserve.write_bytes(b"room")
    full.symlink_to("/dev/full")
    room = threading.Timer(0.3, full.unlink)
    room.start()
    run.insist(tmp_path / "exit.json", {"cause": ""})
    room.join()

    assert ["exit.json"] == [path.name for path in tmp_path.iterdir()]
    assert {"cause": ""} == json.loads((tmp_path / "exit.json").read_text(encoding="utf-8"))


def test_nothing_is_left_of_the_reserve(make_job: JobMaker) -> None:
    """The room that was kept for the record is given back."""
    directory = make_job("cat .reserve | wc -c")
    assert 0 == start(directory).wait()

    assert "65536" == (directory / "output.log").read_text(encoding="utf-8").strip()
    assert not (directory / ".reserve").exists()
