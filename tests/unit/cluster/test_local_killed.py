"""The local cluster when submitters, waiters and jobs are killed at whatever moment, or the disk is full."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.jobs import Jobs, log_of, mark_in, pid_of, state_of, wait_for_file, wait_for_state, waiters
from support.waiting import wait_until

import cci
from cci.cluster import JobRef, JobSpec, JobState
from cci.cluster.local import LocalCluster
from cci.cluster.local_process import mark_of, signal_marked
from cci.errors import ClusterUnavailable


def _die_at(step: int) -> None:
    """Have this process killed at its n-th line of the cluster's code from now on."""
    left = step

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(str(Path(cci.__file__).parent / "cluster")):
            return None
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    sys.settrace(count)


def _submit_and_die(cluster: LocalCluster, spec: JobSpec, step: int) -> int:
    """Submit in a process that is killed at one of its lines; return its wait status."""
    child = os.fork()
    if child == 0:
        _die_at(step)
        cluster.submit(spec)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_submitter_killed_at_any_line(tmp_path: Path, job: Jobs) -> None:
    """Wherever a submitter is killed, `find` has the id of a job that runs once, or None for good."""
    cluster = LocalCluster("here", tmp_path / "spool", slots=50, memory_mb=10_000)
    found: dict[str, tuple[JobSpec, JobRef | None]] = {}
    for step in range(0, 10_000, 3):
        spec = job("echo ran")
        status = _submit_and_die(cluster, spec, step)
        found[spec.name] = spec, cluster.find(spec.name)
        if status == 0:
            break
    wait_until(lambda: not waiters(cluster), "all waiters are gone")
    expected = {name: "" if ref is None else "ran\n" for name, (_, ref) in found.items()}
    ran = {name: log_of(spec) if spec.output_log.exists() else "" for name, (spec, _) in found.items()}

    assert expected == ran
    assert {"", "ran\n"} == set(expected.values())
    assert 5 < len(found)
    assert {name: ref for name, (_, ref) in found.items()} == {name: cluster.find(name) for name in found}


def test_waiter_killed_while_queued(here: LocalCluster, job: Jobs) -> None:
    """A job whose waiter dies before its turn never starts; the books say so, and the line moves on."""
    blocker = here.submit(job("sleep 600", cores=2))
    dead, behind = here.submit(job("true")), here.submit(job("true"))
    os.kill(pid_of(here, dead, "waiter"), signal.SIGKILL)
    wait_for_state(here, dead, JobState.ENDED)
    here.kill(blocker)
    wait_for_state(here, behind, JobState.ENDED)
    books = here.accounting(dead)

    assert books is not None
    assert "node-failure" == books.cause
    assert "before it started" in books.message


def test_waiter_and_job_killed(here: LocalCluster, job: Jobs) -> None:
    """When waiter and job are killed, as by a power cut, the job is over and its place is free."""
    ref = here.submit(job("touch started; exec sleep 600", cores=2))
    waiter, leader = pid_of(here, ref, "waiter"), pid_of(here, ref, "leader")
    os.kill(waiter, signal.SIGKILL)
    os.kill(leader, signal.SIGKILL)
    wait_for_state(here, ref, JobState.ENDED)
    wait_for_state(here, here.submit(job("true", cores=2)), JobState.ENDED)
    books = here.accounting(ref)

    assert books is not None
    assert "node-failure" == books.cause


def test_waiter_killed_alone(here: LocalCluster, job: Jobs) -> None:
    """A job whose waiter was killed still runs, still holds its place, and can be killed."""
    spec = job("touch started; exec sleep 600", cores=2)
    ref = here.submit(spec)
    wait_for_file(spec.directory / "started")
    os.kill(pid_of(here, ref, "waiter"), signal.SIGKILL)
    behind = here.submit(job("true", cores=2))
    states = state_of(here, ref), state_of(here, behind)
    here.kill(ref)
    wait_for_state(here, behind, JobState.ENDED)
    books = here.accounting(ref)

    assert (JobState.RUNNING, JobState.QUEUED) == states
    assert books is not None
    assert "killed-by-user" == books.cause


def test_waiter_and_leader_killed(here: LocalCluster, job: Jobs) -> None:
    """A process that outlives both waiter and script is still the job, and is found and killed."""
    spec = job("sleep 600 & echo $! > child; wait")
    ref = here.submit(spec)
    wait_until(lambda: (spec.directory / "child").exists() and log_of(spec) == "", "it has a child")
    # both are known before the one that writes down the other's number is gone
    for pid in (pid_of(here, ref, "waiter"), pid_of(here, ref, "leader")):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: mark_of(pid_of(here, ref, "leader")) == "", "the leader is gone")
    state = state_of(here, ref)
    here.kill(ref)
    wait_for_state(here, ref, JobState.ENDED)

    child = int((spec.directory / "child").read_text(encoding="ascii"))
    wait_until(lambda: mark_of(child) == "", "the child is gone")

    assert JobState.RUNNING == state


def test_waiter_killed_after_writing_the_end(here: LocalCluster, job: Jobs) -> None:
    """What the waiter has written down of a job's end stays true if it is killed right afterwards."""
    ref = here.submit(job("exec sleep 600"))
    waiter, leader = pid_of(here, ref, "waiter"), pid_of(here, ref, "leader")
    (here.spool / "running" / ref.id / "end.json").write_text('{"exit_status": 5}', encoding="utf-8")
    os.kill(waiter, signal.SIGKILL)
    os.kill(leader, signal.SIGKILL)
    wait_for_state(here, ref, JobState.ENDED)
    books = here.accounting(ref)

    assert books is not None
    assert (5, "") == (books.exit_status, books.cause)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 200 kB, where our rights allow it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, stderr=subprocess.PIPE).returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_full_disk(small_disk: Path, job: Jobs) -> None:
    """On a full disk nothing is submitted, and a job's end is written down when there is room again."""
    cluster = LocalCluster("here", small_disk / "spool", slots=1, memory_mb=100)
    spec = job("while [ ! -e go ]; do sleep 0.02; done; exit 5")
    ref = cluster.submit(spec)
    wait_until(lambda: mark_in(cluster, ref, "leader"), "it runs")
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)
    with pytest.raises(ClusterUnavailable, match="No space left on device"):
        cluster.submit(job("true"))
    (spec.directory / "go").touch()
    wait_until(lambda: mark_of(pid_of(cluster, ref, "leader")) == "", "the job is over")
    (small_disk / "ballast").unlink()
    wait_for_state(cluster, ref, JobState.ENDED)
    books = cluster.accounting(ref)

    assert books is not None
    assert 5 == books.exit_status


def test_reboot(here: LocalCluster, job: Jobs) -> None:
    """After a restart of the machine no process that got an old number is taken for a waiter."""
    ref = here.submit(job("sleep 600"))
    wait_for_state(here, ref, JobState.RUNNING)
    mark = mark_of(os.getpid())
    pid, start, boot = mark.split()
    others = [
        f"{pid} {start} {boot[::-1]}",
        f"{pid} {int(start) + 1} {boot}",
        f"{2**22 - 1} {start} {boot}",
        "",
    ]

    assert [True, False, False, False, False] == [signal_marked(one, 0) for one in (mark, *others)]
