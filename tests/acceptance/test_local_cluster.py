"""The local cluster among programs that come, go and are killed: real processes, real signals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support.jobs import exit_record, make_job, wait_for_file, wait_for_state
from support.waiting import wait_until

from cci.cluster import JobState
from cci.cluster.local import LocalCluster
from cci.cluster.local_spool import Spool

SLOTS = 2

#: Submits at most forty short jobs, one after the other, unless it is killed before.
#: Its arguments: spool, job root, first number.
STORM = """
import sys
from pathlib import Path
from support.jobs import make_job
from cci.cluster.local import LocalCluster
spool, root, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
cluster = LocalCluster("here", spool, slots=2, memory_mb=100)
line = f"echo + $CCI_JOB_ID >> {root}/log; sleep 0.02; echo - $CCI_JOB_ID >> {root}/log"
for number in range(first, first + 40):
    job = make_job(root / str(number), line)
    (job.directory / "name").write_text(job.name)
    cluster.submit(job)
"""


def submitter(spool: Path, root: Path, first: int) -> subprocess.Popen[bytes]:
    """Start a program of its own session that submits."""
    return subprocess.Popen(
        [sys.executable, "-c", STORM, str(spool), str(root), str(first)],
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )


def most_at_once(log: Path) -> int:
    """Count how many jobs ran at the same time at most."""
    running = most = 0
    for line in log.read_text(encoding="ascii").splitlines():
        running += 1 if line.startswith("+") else -1
        most = max(most, running)
    return most


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGINT])
def test_submitters_killed_at_random(tmp_path: Path, number: signal.Signals) -> None:
    """Two programs submit at once and are killed: every job that is found runs once, every other never."""
    cluster = LocalCluster("here", tmp_path / "spool", slots=SLOTS, memory_mb=100)
    chance = random.Random(number)
    for turn in range(3):
        programs = [submitter(tmp_path / "spool", tmp_path, 1000 * (2 * turn + side)) for side in (0, 1)]
        wait_for_file(tmp_path / str(2000 * turn) / "name")
        for program in programs:
            time.sleep(chance.uniform(0.0, 0.3))
            os.killpg(program.pid, number)
            program.wait()
    names = {path.parent: path.read_text(encoding="ascii") for path in tmp_path.glob("*/name")}
    found = {directory: cluster.find(name) for directory, name in names.items()}
    expected = {job for job in found.values() if job is not None}
    for job in expected:
        wait_for_state(cluster, job, JobState.ENDED)
    started = Counter(
        line.split()[1]
        for line in (tmp_path / "log").read_text(encoding="ascii").splitlines()
        if line.startswith("+")
    )

    assert dict.fromkeys((job.id for job in expected), 1) == started
    assert most_at_once(tmp_path / "log") <= SLOTS
    for directory, found_id in found.items():
        assert (directory / "exit.json").exists() == (found_id is not None)


def test_job_of_a_program_that_has_gone(tmp_path: Path) -> None:
    """A job started by a program that is long gone is found, controlled and accounted for by another one."""
    job = make_job(tmp_path / "job", "touch started; sleep 600")
    code = (
        "import sys; from pathlib import Path; from cci.cluster import JobSpec; "
        "from cci.cluster.local import LocalCluster; d = Path(sys.argv[2]); "
        "LocalCluster('here', Path(sys.argv[1]), slots=1, memory_mb=100).submit(JobSpec(name=sys.argv[3], "
        "directory=d, script=d / 'script.sh', output_log=d / 'batch.log', walltime_s=600, memory_mb=10))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "spool", job.directory, job.name], check=True)
    cluster = LocalCluster("other name", tmp_path / "spool", slots=1, memory_mb=100)
    job_id = cluster.find(job.name)
    assert job_id is not None
    wait_for_file(job.directory / "started")
    cluster.kill(job_id)
    wait_for_state(cluster, job_id, JobState.ENDED)
    books = cluster.accounting(job_id)

    assert books is not None
    assert ("killed-by-user", 128 + signal.SIGTERM) == (books.cause, books.exit_status)
    assert ("killed", job_id.id) == tuple(exit_record(job.directory)[key] for key in ("cause", "job_id"))


def kill_waiter(spool: Spool, job_id: str) -> None:
    """Kill the waiter of a job as soon as it has one."""
    wait_until(lambda: (folder := spool.find(job_id)) and folder.mark("waiter"), "it has a waiter")
    folder = spool.find(job_id)
    assert folder is not None
    folder.signal("waiter", signal.SIGKILL)


def test_waiters_killed_at_random(tmp_path: Path) -> None:
    """When waiters are killed at random moments, no job runs twice and the machine's cores are never lost."""
    cluster = LocalCluster("here", tmp_path / "spool", slots=SLOTS, memory_mb=100)
    chance = random.Random(17)
    line = f"echo + >> {tmp_path}/log; sleep 0.05; echo - >> {tmp_path}/log"
    jobs = [make_job(tmp_path / f"job{number}", line) for number in range(12)]
    refs = [cluster.submit(job) for job in jobs]
    for job in chance.sample(refs, 4):
        kill_waiter(Spool(tmp_path / "spool"), job.id)
        time.sleep(chance.uniform(0.0, 0.2))
    wait_until(
        lambda: {JobState.ENDED} == {report.state for report in cluster.states(refs).values()}, "all are over"
    )
    books = [cluster.accounting(ref) for ref in refs]
    after = make_job(tmp_path / "after", "true", cores=SLOTS)
    wait_for_state(cluster, cluster.submit(after), JobState.ENDED)

    assert {"", "node-failure"} == {entry.cause for entry in books if entry is not None}
    assert all(entry is not None for entry in books)
    assert all(
        (job.directory / "exit.json").exists()
        for job, entry in zip(jobs, books, strict=True)
        if entry and not entry.cause
    )
    assert most_at_once(tmp_path / "log") <= SLOTS
    assert 0 == exit_record(after.directory)["exit_status"]
