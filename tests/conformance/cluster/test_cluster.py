"""What the rest of cci may expect of any cluster. Back-ends are in conftest.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.jobs import BackEnd, exit_record, state_of, wait_for_file, wait_for_state
from support.waiting import wait_until

from cci.cluster import JobRef, JobState
from cci.errors import SubmissionRefused

#: Another program that shares the cluster: it submits what it reads, prints the ids, and stays.
SUBMITTER = """
import json, sys, time
from pathlib import Path
from cci.cluster import JobSpec, open_cluster
cluster = open_cluster("here", json.loads(sys.argv[1]))
for line in sys.argv[2:]:
    job = json.loads(line)
    paths = {key: Path(job[key]) for key in ("directory", "script", "output_log")}
    print(cluster.submit(JobSpec(**{**job, **paths})).id, flush=True)
time.sleep(600)
"""


def another_program(back_end: BackEnd, *jobs: object) -> subprocess.Popen[str]:
    """Start a program that submits these jobs to the same cluster."""
    lines = [
        json.dumps({key: value for key, value in vars(job).items() if key != "environment"}, default=str)
        for job in jobs
    ]
    arguments = [json.dumps(back_end.settings), *lines]
    return subprocess.Popen([sys.executable, "-c", SUBMITTER, *arguments], stdout=subprocess.PIPE, text=True)


def first_line(program: subprocess.Popen[str]) -> str:
    """Read the first id that a program prints."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


def kill_9(program: subprocess.Popen[str]) -> None:
    """End a program without any warning."""
    program.kill()
    program.wait()
    assert program.stdout is not None
    program.stdout.close()


# -- ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("true", (0, None)),
        ("exit 3", (3, None)),
        ("kill -KILL $$", (None, signal.SIGKILL)),
    ],
)
def test_end(back_end: BackEnd, line: str, expected: tuple[int | None, int | None]) -> None:
    """A job runs in its directory and leaves an exit record that names the cluster's job id."""
    job = back_end.job(line)
    ref = back_end.run(job)
    record = exit_record(job.directory)

    assert (*expected, ref.id) == (record["exit_status"], record["signal"], record["job_id"])


@pytest.mark.parametrize(("line", "status"), [("true", 0), ("exit 3", 3), ("kill -KILL $$", 137)])
def test_accounting(back_end: BackEnd, line: str, status: int) -> None:
    """The cluster's own books tell how a job's script ended, where and when."""
    ref = back_end.run(back_end.job(line))
    wait_until(lambda: back_end.cluster.accounting(ref), "the books are written")
    books = back_end.cluster.accounting(ref)

    assert books is not None
    assert (status, None, "") == (books.exit_status, books.signal, books.cause)
    assert books.started is not None
    assert books.ended is not None
    assert books.started <= books.ended
    assert books.node


def test_no_accounting_yet(back_end: BackEnd) -> None:
    """The books have nothing of a job that is not over."""
    job = back_end.job("sleep 600")
    ref = back_end.cluster.submit(job)
    wait_for_state(back_end.cluster, ref, JobState.RUNNING)

    assert None is back_end.cluster.accounting(ref)


def test_outputs_are_recorded(back_end: BackEnd) -> None:
    """The exit record lists what the job made."""
    job = back_end.job("mkdir -p outputs/PDF && printf abc > outputs/PDF/report.pdf")
    back_end.run(job)
    outputs = exit_record(job.directory)["outputs"]

    assert [("PDF", "report.pdf", 3)] == [(one["resource"], one["path"], one["size"]) for one in outputs]


def test_wall_time(back_end: BackEnd) -> None:
    """A job is ended at its wall time, and its exit record says so."""
    job = back_end.job("sleep 600", walltime_s=1)
    back_end.run(job)

    assert "walltime" == exit_record(job.directory)["cause"]


# -- states -----------------------------------------------------------------------------------


def test_unknown(back_end: BackEnd) -> None:
    """An id that the cluster does not know is UNKNOWN, not over."""
    asked = [JobRef("4000000"), JobRef("../../etc"), JobRef("")]
    reports = back_end.cluster.states(asked)

    assert dict.fromkeys(asked, JobState.UNKNOWN) == {key: value.state for key, value in reports.items()}
    assert None is back_end.cluster.accounting(JobRef("4000000"))


def test_states_at_once(back_end: BackEnd) -> None:
    """One question tells the states of all jobs, each on its own."""
    ended = back_end.run(back_end.job("true"))
    running = back_end.fill()
    for ref in running:
        wait_for_state(back_end.cluster, ref, JobState.RUNNING)
    queued = back_end.cluster.submit(back_end.job("true"))
    reports = back_end.cluster.states([ended, *running, queued])
    expected = {
        ended: JobState.ENDED,
        **dict.fromkeys(running, JobState.RUNNING),
        queued: JobState.QUEUED,
    }

    assert expected == {key: value.state for key, value in reports.items()}


def test_find(back_end: BackEnd) -> None:
    """A job is found by its name in every state; a name that nobody submitted is proved not to be there."""
    job = back_end.job("touch started; sleep 600")
    ref = back_end.cluster.submit(job)
    found = [back_end.cluster.find(job.name)]
    wait_for_file(job.directory / "started")
    found.append(back_end.cluster.find(job.name))
    back_end.cluster.kill(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED)
    found.append(back_end.cluster.find(job.name))

    assert [ref] * 3 == found
    assert None is back_end.cluster.find(job.name[:-1])


# -- control ------------------------------------------------------------------------------------


def test_hold_and_release(back_end: BackEnd) -> None:
    """A held job does not start when there is room, and starts when it is released."""
    blockers = back_end.fill()
    job = back_end.job("true")
    ref = back_end.cluster.submit(job)
    back_end.cluster.hold(ref)
    held = state_of(back_end.cluster, ref)
    for blocker in blockers:
        back_end.cluster.kill(blocker)
        wait_for_state(back_end.cluster, blocker, JobState.ENDED)
    back_end.run(back_end.job("true"))
    still_held = state_of(back_end.cluster, ref)
    back_end.cluster.release(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED)

    assert (JobState.HELD, JobState.HELD) == (held, still_held)
    assert 0 == exit_record(job.directory)["exit_status"]


def test_suspend_and_resume(back_end: BackEnd) -> None:
    """D10: a suspended job is shown as such, does nothing, and ends well when it is resumed."""
    job = back_end.job("touch started; while [ ! -e go ]; do sleep 0.1; done")
    ref = back_end.cluster.submit(job)
    wait_for_file(job.directory / "started")
    back_end.cluster.suspend(ref)
    wait_for_state(back_end.cluster, ref, JobState.SUSPENDED)
    (job.directory / "go").touch()
    back_end.run(back_end.job("true"))
    meanwhile = (state_of(back_end.cluster, ref), (job.directory / "exit.json").exists())
    back_end.cluster.resume(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED)

    assert (JobState.SUSPENDED, False) == meanwhile
    assert (0, "") == (exit_record(job.directory)["exit_status"], exit_record(job.directory)["cause"])


def test_kill_suspended(back_end: BackEnd) -> None:
    """A suspended job can be killed."""
    job = back_end.job("touch started; sleep 600")
    ref = back_end.cluster.submit(job)
    wait_for_file(job.directory / "started")
    back_end.cluster.suspend(ref)
    wait_for_state(back_end.cluster, ref, JobState.SUSPENDED)
    back_end.cluster.kill(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED)


def test_kill_running(back_end: BackEnd) -> None:
    """Killing a job ends all its processes; its exit record says that it was killed."""
    job = back_end.job("sleep 600 & echo $! > child; touch started; wait")
    ref = back_end.cluster.submit(job)
    wait_for_file(job.directory / "started")
    back_end.cluster.kill(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED)
    child = int((job.directory / "child").read_text(encoding="ascii"))

    assert "killed" == exit_record(job.directory)["cause"]
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


@pytest.mark.parametrize("end", ["exit 0", "touch started; sleep 600"])
def test_no_process_escapes(back_end: BackEnd, end: str) -> None:
    """When a job ends, or is killed, so is what it put into another session, and whose parent is gone."""
    away = "setsid sh -c 'echo $$ > escaped.new; mv escaped.new escaped; exec sleep 600'"
    job = back_end.job(f"({away} &); while [ ! -e escaped ]; do sleep 0.1; done; {end}")
    if end == "exit 0":
        back_end.run(job)
    else:
        ref = back_end.cluster.submit(job)
        wait_for_file(job.directory / "started")
        back_end.cluster.kill(ref)
    wait_for_file(job.directory / "exit.json")
    escaped = Path("/proc", (job.directory / "escaped").read_text(encoding="ascii").strip(), "cmdline")

    assert not escaped.exists() or not escaped.read_bytes()


def test_kill_queued(back_end: BackEnd) -> None:
    """A queued job that is killed never starts."""
    blockers = back_end.fill()
    job = back_end.job("true")
    ref = back_end.cluster.submit(job)
    back_end.cluster.kill(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED, JobState.UNKNOWN)
    for blocker in blockers:
        back_end.cluster.kill(blocker)
    back_end.run(back_end.job("true"))

    assert not (job.directory / "claim").exists()


def test_kill_held(back_end: BackEnd) -> None:
    """A held job can be killed."""
    back_end.fill()
    job = back_end.job("true")
    ref = back_end.cluster.submit(job)
    back_end.cluster.hold(ref)
    back_end.cluster.kill(ref)
    wait_for_state(back_end.cluster, ref, JobState.ENDED, JobState.UNKNOWN)

    assert not (job.directory / "claim").exists()


def test_kill_is_no_error_afterwards(back_end: BackEnd) -> None:
    """Killing a job that is over changes nothing."""
    job = back_end.job("exit 3")
    ref = back_end.run(job)
    back_end.cluster.kill(ref)
    back_end.cluster.kill(ref)

    assert 3 == exit_record(job.directory)["exit_status"]


# -- limits ---------------------------------------------------------------------------------------

#: Notes begin and end of a job in one file that all jobs share; short lines are appended whole.
NOTED = "echo + $$ >> {log}; sleep 0.2; echo - $$ >> {log}"


def most_at_once(log: Path) -> int:
    """Count how many jobs ran at the same time at most."""
    running = most = 0
    for line in log.read_text(encoding="ascii").splitlines():
        running += 1 if line.startswith("+") else -1
        most = max(most, running)
    return most


@pytest.mark.parametrize("scarce", ["cores", "memory"])
def test_two_submitters(back_end: BackEnd, scarce: str) -> None:
    """Two programs that submit at once never get more cores or memory than there are."""
    back_end.have_alone()
    log = back_end.root / "log"
    memory_mb, room = (1, back_end.slots) if scarce == "cores" else (back_end.memory_mb, 1)
    jobs = [back_end.job(NOTED.format(log=log), memory_mb=memory_mb) for _ in range(10)]
    programs = [another_program(back_end, *jobs[::2]), another_program(back_end, *jobs[1::2])]
    for job in jobs:
        wait_for_file(job.directory / "exit.json")
    for program in programs:
        kill_9(program)

    assert len(jobs) == log.read_text(encoding="ascii").count("+")
    assert most_at_once(log) <= room


def test_too_big(back_end: BackEnd) -> None:
    """A job that can never fit is refused at once, and the sentence says why."""
    job = back_end.job("true", cores=10_000)
    with pytest.raises(SubmissionRefused) as refused:
        back_end.cluster.submit(job)

    assert back_end.too_big in refused.value.message
    assert None is back_end.cluster.find(job.name)


# -- whoever dies -----------------------------------------------------------------------------------


def test_survives_its_submitter(back_end: BackEnd) -> None:
    """Jobs go on, and a queued one starts, after the program that submitted them was killed."""
    jobs = [back_end.job("sleep 1; exit 3") for _ in range(back_end.slots + 1)]
    program = another_program(back_end, *jobs)
    first_line(program)
    wait_until(lambda: back_end.cluster.find(jobs[-1].name), "all jobs are submitted")
    kill_9(program)
    for job in jobs:
        wait_for_file(job.directory / "exit.json")

    assert [3] * len(jobs) == [exit_record(job.directory)["exit_status"] for job in jobs]
    assert [exit_record(job.directory)["job_id"] for job in jobs] == [
        found.id for job in jobs if (found := back_end.cluster.find(job.name))
    ]


def test_second_job_for_a_directory(back_end: BackEnd) -> None:
    """A second job for a directory is refused by the claim, and the outcome of the first stays."""
    job = back_end.job("echo ran >> log")
    back_end.run(job)
    before = (job.directory / "exit.json").read_bytes()
    again = type(job)(**{**vars(job), "name": f"{job.name}-again"})
    ref = back_end.run(again)
    wait_until(lambda: back_end.cluster.accounting(ref), "the books are written")
    books = back_end.cluster.accounting(ref)

    assert books is not None
    assert 113 == books.exit_status
    assert (before, "ran\n") == (
        (job.directory / "exit.json").read_bytes(),
        (job.directory / "log").read_text(encoding="ascii"),
    )
    assert 1 == len(list(job.directory.glob("refused-*.json")))


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "it's",
        'a"b',
        "a;touch evil",
        "$(touch evil)",
        "`touch evil`",
        "größe-脳",
        "-rf",
        "a&b|c>d",
        "~",
    ],
)
def test_hostile_directory(back_end: BackEnd, name: str) -> None:
    """The name of a job directory is data, whatever it contains."""
    job = back_end.job("pwd; exit 3", directory=name)
    back_end.run(job)

    assert 3 == exit_record(job.directory)["exit_status"]
    assert f"{job.directory}\n" == (job.directory / "output.log").read_text(encoding="utf-8")
    assert [] == list(back_end.root.rglob("evil"))
