"""What is particular to the local cluster: its order, its books, and what its jobs get."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.jobs import Jobs, log_of, pid_of, state_of, wait_for_state
from support.waiting import wait_until

import cci
from cci.cluster import JobRef, JobSpec, JobState
from cci.cluster.local import LocalCluster
from cci.cluster.local_entry import prune
from cci.cluster.local_process import mark_of, process_fields, processes_where
from cci.cluster.local_spool import Spool
from cci.cluster.local_waiter import cause_of
from cci.errors import ClusterError, ClusterUnavailable, SubmissionRefused

# -- order --------------------------------------------------------------------------------------


def test_big_job_is_not_overtaken(here: LocalCluster, job: Jobs, tmp_path: Path) -> None:
    """A job that needs the whole machine gets its turn although small ones that would fit come later."""
    order = tmp_path / "order"
    specs = [
        job(f"sleep 0.5; echo first >> {order}"),
        job(f"echo big >> {order}", cores=2),
        *(job(f"echo small >> {order}") for _ in range(3)),
    ]
    for ref in [here.submit(spec) for spec in specs]:
        wait_for_state(here, ref, JobState.ENDED)

    assert ["first", "big", "small", "small", "small"] == order.read_text(encoding="ascii").split()


def test_held_job_does_not_block(here: LocalCluster, job: Jobs) -> None:
    """A held job lets those behind it pass, and is first when it is released."""
    blocker = here.submit(job("sleep 600", cores=2))
    held, behind = here.submit(job("true", cores=2)), here.submit(job("sleep 600", cores=2))
    here.hold(held)
    here.kill(blocker)
    wait_for_state(here, behind, JobState.RUNNING)
    before = state_of(here, held)
    here.release(held)
    here.kill(behind)
    wait_for_state(here, held, JobState.ENDED)

    assert JobState.HELD == before


def test_hold_of_a_running_job(here: LocalCluster, job: Jobs) -> None:
    """Holding a job that has started changes nothing."""
    ref = here.submit(job("sleep 600"))
    wait_for_state(here, ref, JobState.RUNNING)
    here.hold(ref)

    assert JobState.RUNNING == state_of(here, ref)


def test_hold_of_an_unknown_job(here: LocalCluster) -> None:
    """Holding or releasing a job that is not there is told."""
    for call in (here.hold, here.release):
        with pytest.raises(ClusterError, match="cluster here knows no job 99-abcdef"):
            call(JobRef("99-abcdef"))


def test_ids_are_never_reused(tmp_path: Path, job: Jobs) -> None:
    """Ids differ even when the spool has been deleted."""
    refs = set()
    for number in range(3):
        cluster = LocalCluster("here", tmp_path / f"spool{number}", slots=1, memory_mb=100)
        refs |= {cluster.submit(job("true")), cluster.submit(job("true"))}

    assert 6 == len(refs)


# -- submission -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"cores": 3}, "wants 3 cores, and cluster here has 2 in all"),
        ({"memory_mb": 101}, "wants 101 MB of memory, and cluster here has 100 in all"),
    ],
)
def test_too_big(here: LocalCluster, job: Jobs, limits: dict[str, int], message: str) -> None:
    """A job larger than the machine is refused; the sentence says what it wants and what there is."""
    with pytest.raises(SubmissionRefused, match=message):
        here.submit(job("true", **limits))


def test_slots_are_cores(here: LocalCluster, job: Jobs) -> None:
    """Every slot of a parallel job has its cores here: there are no other nodes for them."""
    with pytest.raises(SubmissionRefused, match="wants 3 cores"):
        here.submit(replace(job("true"), mpi_slots=3))


def test_same_name_twice(here: LocalCluster, job: Jobs) -> None:
    """A name that is there already is the same job, and is not run again."""
    spec = job("echo ran")
    refs = [here.submit(spec), here.submit(spec)]
    wait_for_state(here, refs[0], JobState.ENDED)
    refs.append(here.submit(spec))

    assert [refs[0]] * 3 == refs
    assert "ran\n" == log_of(spec)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../x", "x" * 64, "größe"])
def test_odd_names(here: LocalCluster, job: Jobs, name: str) -> None:
    """A name is data: one that nobody used is not found, and one that is a name is found again."""
    before = here.find(name)
    if name and name.isascii():
        expected: JobRef | None = here.submit(JobSpec(**{**vars(job("true")), "name": name}))
    else:
        expected = None
        with pytest.raises(SubmissionRefused, match="cannot be the name of a job"):
            here.submit(JobSpec(**{**vars(job("true")), "name": name}))

    assert (None, expected) == (before, here.find(name))


def test_spool_that_cannot_be(tmp_path: Path, job: Jobs) -> None:
    """A spool that cannot be used is an outage, and says which file it is about."""
    (tmp_path / "file").touch()
    cluster = LocalCluster("here", tmp_path / "file" / "spool", slots=1, memory_mb=100)
    with pytest.raises(ClusterUnavailable, match="file/spool"):
        cluster.submit(job("true"))


# -- what a job gets --------------------------------------------------------------------------------


def test_no_secrets(here: LocalCluster, job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job does not inherit the submitting program's variables, but for a few that every login has."""
    monkeypatch.setenv("XNAT_PASS", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    spec = job('echo "$XNAT_PASS|$LANG|$OWN|$CCI_JOB_ID"')
    spec = JobSpec(**{**vars(spec), "environment": {"OWN": "x y"}})
    ref = here.submit(spec)
    wait_for_state(here, ref, JobState.ENDED)

    assert f"|C.UTF-8|x y|{ref.id}\n" == log_of(spec)


def test_interpreter(here: LocalCluster, job: Jobs) -> None:
    """A script's first line names its interpreter; the file need not be executable."""
    spec = job("")
    spec.script.write_text(f"#!{sys.executable} -I\nprint(6 * 7)\n", encoding="utf-8")
    wait_for_state(here, here.submit(spec), JobState.ENDED)

    assert "42\n" == log_of(spec)


@pytest.mark.parametrize("broken", ["script", "directory", "interpreter", "quote"])
def test_cannot_start(here: LocalCluster, job: Jobs, broken: str) -> None:
    """A script that cannot be started ends with that cause and the file's name."""
    spec = job("true")
    gone = spec.directory.parent / "gone"
    if broken == "quote":
        spec.script.write_text(f"#!'{gone}\n", encoding="utf-8")
        gone = spec.script
    elif broken == "interpreter":
        spec.script.write_text(f"#!{gone}\n", encoding="utf-8")
    else:
        spec = JobSpec(**{**vars(spec), broken: gone})
    ref = here.submit(spec)
    wait_for_state(here, ref, JobState.ENDED)
    books = here.accounting(ref)

    assert books is not None
    assert ("could-not-start", None) == (books.cause, books.exit_status)
    assert str(gone) in books.message


def test_no_process_escapes(here: LocalCluster, job: Jobs) -> None:
    """When a job is over, so is what it put into another session and another process group."""
    spec = job("setsid sh -c 'echo $$ > stray; sleep 600' & while [ ! -s stray ]; do sleep 0.01; done")
    wait_for_state(here, here.submit(spec), JobState.ENDED)
    stray = int((spec.directory / "stray").read_text(encoding="ascii"))

    assert "" == mark_of(stray)


def test_wall_time_without_a_runner(here: LocalCluster, job: Jobs) -> None:
    """A script without a runner is ended at its wall time too, though it ignores being told."""
    ref = here.submit(job("trap '' TERM; sleep 600 & wait; sleep 600", walltime_s=1))
    wait_for_state(here, ref, JobState.ENDED)
    books = here.accounting(ref)

    assert books is not None
    assert ("walltime", signal.SIGKILL) == (books.cause, books.signal)


@pytest.mark.slow
def test_wall_time_stands_still_while_suspended(here: LocalCluster, job: Jobs, tmp_path: Path) -> None:
    """D10: a script that was stopped for longer than its wall time goes on, and may end well."""
    go = tmp_path / "go"
    ref = here.submit(job(f"while [ ! -e {go} ]; do sleep 0.05; done", walltime_s=12))
    pid_of(here, ref, "leader")
    here.suspend(ref)
    suspended = state_of(here, ref)
    time.sleep(13)
    here.resume(ref)
    resumed = state_of(here, ref)
    time.sleep(0.5)
    go.touch()
    wait_for_state(here, ref, JobState.ENDED)
    books = here.accounting(ref)

    assert (JobState.SUSPENDED, JobState.RUNNING) == (suspended, resumed)
    assert books is not None
    assert (0, "") == (books.exit_status, books.cause)


def test_who_killed_it(here: LocalCluster, job: Jobs) -> None:
    """A kill through the cluster is its user's, queued or running; a signal from elsewhere is anybody's."""
    running, signalled = here.submit(job("sleep 600")), here.submit(job("sleep 600"))
    queued = here.submit(job("true"))
    here.kill(queued)
    here.kill(running)
    os.kill(pid_of(here, signalled, "waiter"), signal.SIGTERM)
    causes = []
    for ref in (queued, running, signalled):
        wait_for_state(here, ref, JobState.ENDED)
        books = here.accounting(ref)
        causes.append(books.cause if books else None)

    assert ["killed-by-user", "killed-by-user", "killed"] == causes


def test_suspend_reaches_every_process(here: LocalCluster, job: Jobs, tmp_path: Path) -> None:
    """A job's children are stopped with it, whatever process group they are in."""
    child = tmp_path / "child"
    ref = here.submit(job(f"set -m; sleep 600 & echo $! > {child}; wait"))
    wait_until(lambda: child.exists() and child.read_text().strip(), "the child is there")
    pid = child.read_text().strip()
    here.suspend(ref)
    wait_until(lambda: process_fields(pid)[0] == "T", "the child is stopped")
    here.resume(ref)
    wait_until(lambda: process_fields(pid)[0] != "T", "the child goes on")

    assert JobState.RUNNING == state_of(here, ref)


def test_suspend_what_does_not_run(here: LocalCluster, job: Jobs) -> None:
    """A job that waits, or is over, cannot be suspended; the sentence says so."""
    blocker = here.submit(job("sleep 600", cores=2))
    queued = here.submit(job("true"))
    for ref in (queued, JobRef("1-abcdef")):
        with pytest.raises(ClusterError, match=ref.id):
            here.suspend(ref)

    assert JobState.QUEUED == state_of(here, queued)
    here.kill(blocker)


@pytest.mark.parametrize(
    ("told", "status", "kills", "cause"),
    [
        ("", signal.SIGKILL, 1, "out-of-memory"),
        ("", (128 + signal.SIGKILL) << 8, 1, "out-of-memory"),
        ("", signal.SIGKILL, 0, ""),
        ("", 1 << 8, 1, ""),
        ("killed", signal.SIGKILL, 1, "killed"),
        ("walltime", signal.SIGTERM, 0, "walltime"),
    ],
)
def test_cause(told: str, status: int, kills: int, cause: str) -> None:
    """Out of memory is said if the kernel counted such a kill while SIGKILL ended the job."""
    assert cause == cause_of(told, status, kills)


def test_resource_use(here: LocalCluster, job: Jobs) -> None:
    """The books have the CPU time and the memory that the kernel counted."""
    busy = f"exec {sys.executable} -c \"a = 'x' * 60_000_000; sum(range(5_000_000))\""
    ref = here.submit(job(busy))
    wait_for_state(here, ref, JobState.ENDED)
    books = here.accounting(ref)

    assert books is not None
    assert 60 < (books.peak_memory_mb or 0) < 300
    assert (books.cpu_s or 0) > 0.02


# -- the waiter itself ----------------------------------------------------------------------------


def test_waiter_is_small() -> None:
    """A waiter needs nothing but the standard library, and no large part of it."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import cci.cluster.local_waiter;"
        "print(*{'asyncio', 'dataclasses', 'inspect', 'shutil', 'subprocess'} & set(sys.modules))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(Path(cci.__file__).parents[1])]

    assert "\n" == subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_waiter_holds_nothing_of_its_submitter(here: LocalCluster, job: Jobs, tmp_path: Path) -> None:
    """A waiter keeps no file, pipe or session of the program that submitted the job."""
    with (tmp_path / "open").open("w") as stream:
        os.set_inheritable(stream.fileno(), True)
        ref = here.submit(job("sleep 600"))
    wait_for_state(here, ref, JobState.RUNNING)
    waiter = pid_of(here, ref, "waiter")
    held = {Path(link).resolve() for link in Path(f"/proc/{waiter}/fd").iterdir()}
    foreign = {path for path in held if here.spool not in path.parents}

    assert {Path("/dev/null")} == foreign
    assert os.getsid(waiter) != os.getsid(0)


def test_nothing_is_left(here: LocalCluster, job: Jobs) -> None:
    """No process, not even a dead one, is left with the submitting program."""
    before = processes_where(1, os.getpid())
    wait_for_state(here, here.submit(job("true")), JobState.ENDED)

    assert before == processes_where(1, os.getpid())


# -- the spool --------------------------------------------------------------------------------------


def test_prune(here: LocalCluster, job: Jobs) -> None:
    """Records of jobs that ended long ago are removed, with their names; others stay."""
    specs = [job("true"), job("true")]
    refs = [here.submit(spec) for spec in specs]
    for ref in refs:
        wait_for_state(here, ref, JobState.ENDED)
    root = here.spool
    os.utime(root / "ended" / refs[0].id, (0, 0))
    prune(Spool(root), older_than=time.time() - 24 * 3600)

    assert [None, refs[1]] == [here.find(spec.name) for spec in specs]
    assert [JobState.UNKNOWN, JobState.ENDED] == [state_of(here, ref) for ref in refs]


def test_lock_that_is_never_given_back(tmp_path: Path) -> None:
    """Whoever waits for a lock gives up after a while and names the file."""
    spool = Spool(tmp_path)
    with (
        spool.locked("line"),
        pytest.raises(TimeoutError, match="line has been locked"),
        spool.locked("line", 0.05),
    ):
        pass
