"""The rules that hold for every back-end on commands: how they are run, and what their answers mean."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.command_cluster import JOB, NAME, StandInCluster, of_one_job, open_stand_in
from support.stand_in_commands import StandInCommands

from cci.cluster.base import Accounting, JobRef, JobReport, JobState
from cci.cluster.commands_run import chunks
from cci.errors import ClusterUnavailable


@pytest.fixture
def commands(tmp_path: Path) -> StandInCommands:
    """Make commands of a system that runs one job."""
    return of_one_job(tmp_path / "bin")


@pytest.fixture
def cluster(commands: StandInCommands) -> StandInCluster:
    """Open a cluster of these commands."""
    return open_stand_in(commands)


# -- one command for all jobs --------------------------------------------------------------------


def test_one_command(cluster: StandInCluster, commands: StandInCommands) -> None:
    """However many jobs are asked for, one command lists them all."""
    jobs = [JobRef(str(number)) for number in range(500)]
    cluster.states(jobs)

    assert [f"list {' '.join(sorted(job.id for job in jobs))}"] == commands.calls()


def test_no_job(cluster: StandInCluster, commands: StandInCommands) -> None:
    """Nothing is run to ask for no job."""
    assert {} == cluster.states([])
    assert [] == commands.calls()


@pytest.mark.parametrize(
    ("ids", "length", "expected"),
    [
        ([], 10, []),
        (["1"], 10, [["1"]]),
        (["12", "34", "56"], 9, [["12", "34", "56"]]),
        (["12", "34", "56"], 8, [["12", "34"], ["56"]]),
        (["123456", "7"], 3, [["123456"], ["7"]]),
    ],
)
def test_chunks(ids: list[str], length: int, expected: list[list[str]]) -> None:
    """Ids are divided only where they would not fit into one command."""
    assert expected == list(chunks(ids, length))


def test_too_long_for_one(cluster: StandInCluster, commands: StandInCommands) -> None:
    """Ids that do not fit into one command are asked for by two, and both answers count."""
    commands.answer("list", body='case $1 in 1*) echo "$1 x r" ;; *) echo "$1 x e" ;; esac')
    jobs = [JobRef("1" * 60_000), JobRef("2" * 60_000)]
    states = [report.state for report in cluster.states(jobs).values()]

    # the folder's own line of the fixture's job is not asked for, and not looked at
    assert [JobState.RUNNING, JobState.ENDED] == states
    assert 2 == len(commands.calls())


def test_without_ids(commands: StandInCommands) -> None:
    """A system that lists all jobs at once is asked once."""

    class ListsAll(StandInCluster):
        asks_by_id = False

        def status_of(self, ids: Sequence[str]) -> Sequence[str]:
            return ("list",) if ids else ()

    cluster = ListsAll.from_settings("site", {"kind": "slurm", "commands": str(commands.folder)})
    reports = cluster.states([JOB, JobRef("8")])

    assert [JobState.RUNNING, JobState.UNKNOWN] == [report.state for report in reports.values()]
    assert ["list"] == commands.calls()


@pytest.mark.parametrize("hostile", ["", "../../etc", "7; rm", "-h", "7\n8", "seven"])
def test_no_id(cluster: StandInCluster, commands: StandInCommands, hostile: str) -> None:
    """What cannot be an id is UNKNOWN, is in no books, needs no killing, and reaches no command."""
    job = JobRef(hostile)
    cluster.kill(job)

    assert JobState.UNKNOWN is cluster.states([job])[job].state
    assert None is cluster.accounting(job)
    assert [] == commands.calls()


# -- what is listed ------------------------------------------------------------------------------


def test_bad_lines(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A line that cannot be read costs its own job one poll; it is told once, with how many there were."""
    commands.answer("list", f"7 {NAME} r\n8 half\n\nwhat\x00ever\xff is this\n9 other e\n")
    with capture_logs() as lines:
        reports = [cluster.states([JOB, JobRef("8"), JobRef("9")]) for _ in range(3)]

    expected = [JobState.RUNNING, JobState.UNKNOWN, JobState.ENDED]
    assert [expected] * 3 == [[report.state for report in one.values()] for one in reports]
    assert [("unreadable lines", 2, "list")] == [
        (line["event"], line["count"], line["command"]) for line in lines
    ]


def test_unknown_state(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A state that nobody knows is UNKNOWN, says what it was, and is told."""
    commands.answer("list", f"7 {NAME} zombie\n")
    with capture_logs() as lines:
        report = cluster.states([JOB])[JOB]

    assert JobReport(state=JobState.UNKNOWN, message="state zombie") == report
    assert ["state zombie"] == [line["example"] for line in lines]


def test_not_listed(cluster: StandInCluster) -> None:
    """A job that is not listed is not over: it is UNKNOWN."""
    job = JobRef("8", "cci-x")
    expected = JobReport(state=JobState.UNKNOWN, message="cluster site does not list this job")

    assert {job: expected} == cluster.states([job])


def test_id_used_again(cluster: StandInCluster) -> None:
    """A job whose id has another name by now is UNKNOWN; a job without a name is whatever has the id."""
    other, nameless = JobRef("7", "cci-Dti_v1-fedcba9876543210"), JobRef("7")
    reports = cluster.states([JOB, other, nameless])

    assert {JOB: JobState.RUNNING, other: JobState.UNKNOWN, nameless: JobState.RUNNING} == {
        job: report.state for job, report in reports.items()
    }
    assert "cluster site has given the id 7 to another job" == reports[other].message


def test_books_of_an_id_used_again(cluster: StandInCluster, commands: StandInCommands) -> None:
    """Of several entries with one id, the one with the job's name counts."""
    commands.answer("books", f"7 older\n7 {NAME}\n7 newer\n71 {NAME}\n")

    assert Accounting(exit_status=0) == cluster.accounting(JOB)
    assert None is cluster.accounting(JobRef("7", "cci-none"))
    assert ["books 7", "books 7"] == commands.calls()


# -- no answer is no news --------------------------------------------------------------------------

#: Ways in which a status command fails.
FAILURES = {
    "exit status": "echo 'no connection' >&2; exit 1",
    "silent": "exit 255",
    "half an answer": "echo '8 x e'; exit 1",
    "killed": "kill -9 $$",
    "unknown jobs and more": "echo 'no such job 8' >&2; echo 'what?' >&2; exit 1",
    "too slow": "sleep 60",
}


@pytest.mark.parametrize("failure", sorted(FAILURES))
def test_failed_status(commands: StandInCommands, failure: str) -> None:
    """A status command that fails says nothing of any job, however often it fails."""
    commands.answer("list", f"7 {NAME} e\n", body=FAILURES[failure])
    cluster = open_stand_in(commands, command_s=0.3 if failure == "too slow" else 60)
    for _ in range(3):
        with pytest.raises(ClusterUnavailable):
            cluster.states([JOB])
        with pytest.raises(ClusterUnavailable):
            cluster.find(NAME)


def test_unknown_jobs_are_an_answer(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A command that complains of unknown jobs alone has answered for all others."""
    commands.answer("list", f"7 {NAME} r\n", "no such job 8\nno such job 9\n", 153)
    reports = cluster.states([JOB, JobRef("8")])

    assert [JobState.RUNNING, JobState.UNKNOWN] == [report.state for report in reports.values()]


@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_no_command(commands: StandInCommands, mode: int) -> None:
    """A command that is not there, or is none, is no answer, and the hint says what to set."""
    (commands.folder / "list").chmod(mode)
    cluster = open_stand_in(commands)
    with pytest.raises(ClusterUnavailable, match="there is no command list") as error:
        cluster.states([JOB])

    assert "install it, or name its folder as clusters.site.commands" == error.value.hint


def test_broken_program(cluster: StandInCluster, commands: StandInCommands) -> None:
    """A program for another machine is no answer either."""
    (commands.folder / "list").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(ClusterUnavailable, match="cannot be run"):
        cluster.states([JOB])


def test_time_limit_ends_all(commands: StandInCommands, tmp_path: Path) -> None:
    """A command that does not end in time is ended with what it started, which has its pipes open."""
    commands.answer("list", body=f"sleep 600 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(ClusterUnavailable, match="list did not end in time"):
        open_stand_in(commands, command_s=0.5).states([JOB])
    child = int((tmp_path / "child").read_text(encoding="ascii"))

    assert not _lives(child)


def _lives(pid: int) -> bool:
    """Whether a process is there, and is more than the entry that its parent has not read yet."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


# -- how commands are run ------------------------------------------------------------------------


def test_surroundings(commands: StandInCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gets a neutral place, no input, no terminal, and of our environment only what it needs."""
    monkeypatch.setenv("XNAT_PASSWORD", "secret")
    monkeypatch.setenv("STAND_IN_ROOT", "/ours")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    commands.answer("list", body=f"{{ pwd; cat; env; }} > {tmp_path}/seen")
    open_stand_in(commands, environment={"STAND_IN_CELL": "a cell", "HOME": "/theirs"}).states([JOB])
    seen = (tmp_path / "seen").read_text(encoding="utf-8").splitlines()

    assert "/" == seen[0]
    assert {"STAND_IN_ROOT=/ours", "STAND_IN_CELL=a cell", "HOME=/theirs", "LC_ALL=C"} <= set(seen)
    assert [] == [line for line in seen if "secret" in line]
    assert [f"PATH={commands.folder}:{os.environ['PATH']}"] == [
        line for line in seen if line.startswith("PATH=")
    ]


def test_own_settings_win(commands: StandInCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that the settings name is not taken from our environment."""
    monkeypatch.setenv("STAND_IN_ROOT", "/ours")
    commands.answer("list", body=f"env > {tmp_path}/seen")
    open_stand_in(commands, environment={"STAND_IN_ROOT": "/site"}).states([JOB])

    assert "STAND_IN_ROOT=/site" in (tmp_path / "seen").read_text(encoding="utf-8").splitlines()


def test_signals_are_its_own(commands: StandInCommands, tmp_path: Path) -> None:
    """An interrupt at the terminal is for us: commands are in a session of their own."""
    commands.answer("list", body=f"cut -d' ' -f6 /proc/self/stat > {tmp_path}/session")
    before = signal.getsignal(signal.SIGCHLD)
    open_stand_in(commands).states([JOB])

    assert os.getsid(0) != int((tmp_path / "session").read_text(encoding="ascii"))
    assert before is signal.getsignal(signal.SIGCHLD)


def test_odd_output(cluster: StandInCluster, commands: StandInCommands) -> None:
    """Output that is not UTF-8 is read all the same."""
    commands.answer("list", body=rf"printf '\377\376 x r\n7 {NAME} r\n'; exit 0")

    assert JobState.RUNNING is cluster.states([JOB])[JOB].state


def test_threads(cluster: StandInCluster) -> None:
    """Several threads may ask at once."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: cluster.states([JOB])[JOB].state, range(32)))

    assert [JobState.RUNNING] * 32 == answers
