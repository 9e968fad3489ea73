"""Jobs of an ordinary user on a real Grid Engine: it signals each process of theirs, and of root's only one.

Everything else here runs as root, whose processes sge_shepherd leaves alone but for the first.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.grid_engine import GridEngine, grid_engine
from support.jobs import exit_record, make_job, run_as, wait_for_file, waiting
from support.waiting import wait_until

from cci.cluster import JobRef, JobSpec, open_cluster, render_script

#: One that an ordinary user may start.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
#: Runs until ``go`` is there, and tidies up when it is told to end.
WAITS = waiting(tidy=True, python=PYTHON)
Submit = Callable[..., tuple[str, JobSpec]]


@pytest.fixture
def engine() -> GridEngine:
    """Use Grid Engine beside other tests."""
    return grid_engine()


@pytest.fixture
def submit(engine: GridEngine) -> Iterator[Submit]:
    """Submit a line of shell as a user who is not root, in a folder that this one can read."""
    user = pwd.getpwnam("nobody")
    root = Path(tempfile.mkdtemp(prefix="cci-user-"))
    root.chmod(0o755)
    ids: list[str] = []

    def submitted(line: str, native: str = "") -> tuple[str, JobSpec]:
        job = replace(make_job(root / "job", line, dialect="sge"), native=native)
        job.script.write_text(render_script(job, python=PYTHON, dialect="sge"), encoding="utf-8")
        for path in (job.directory, *job.directory.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        ids.append(run_as(user, ["qsub", "-terse", str(job.script)], engine.environment).strip())
        return ids[-1], job

    yield submitted
    for id_ in ids:
        engine.run("qdel", id_, check=False)
    wait_until(lambda: not set(ids) & set(engine.run("qstat", "-u", "nobody").split()), "the jobs are gone")
    shutil.rmtree(root)


def state_letter(job: JobSpec) -> str:
    """Return the state of a job's command as proc(5) has it."""
    pid = (job.directory / "pid").read_text(encoding="ascii").strip()
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def test_suspend_and_resume(engine: GridEngine, submit: Submit) -> None:
    """D10: a suspension stops the command, and does not end it when it goes on."""
    id_, job = submit(WAITS)
    wait_for_file(job.directory / "started")
    engine.run("qmod", "-sj", id_)
    wait_until(lambda: "T" == state_letter(job), "the command is stopped")
    engine.run("qmod", "-usj", id_)
    wait_until(lambda: "T" != state_letter(job), "the command goes on")
    (job.directory / "go").touch()
    wait_for_file(job.directory / "exit.json")
    record = exit_record(job.directory)

    assert (0, None, "") == (record["exit_status"], record["signal"], record["cause"])


def test_kill(engine: GridEngine, submit: Submit) -> None:
    """A command that is killed is told so first, and may tidy up; the record says that it was killed."""
    id_, job = submit(WAITS)
    wait_for_file(job.directory / "started")
    engine.run("qdel", id_)
    wait_for_file(job.directory / "exit.json")

    assert (job.directory / "tidy").exists()
    assert "killed" == exit_record(job.directory)["cause"]


#: Three processes, each of which takes 90 MB of address space and more.
THREE = f"""\
{PYTHON} -c 'import os, time; os.fork() and os.fork(); taken = bytearray(90 << 20); time.sleep(60)'; exit 9"""


@pytest.mark.parametrize(
    ("line", "native", "cause"),
    [(THREE, "-l h_vmem=150M", "out-of-memory"), ("sleep 600", "-l h_rt=4", "walltime")],
)
def test_limit(engine: GridEngine, submit: Submit, line: str, native: str, cause: str) -> None:
    """A job that Grid Engine ends at a limit is told to end, and its books say at which."""
    id_, job = submit(line, native=native)
    wait_for_file(job.directory / "exit.json")
    cluster = open_cluster("here", {"kind": "sge", "environment": dict(engine.environment)})
    wait_until(lambda: cluster.accounting(JobRef(id_, job.name)), "the books have the job")
    books = cluster.accounting(JobRef(id_, job.name))

    assert books is not None
    assert ("killed", cause) == (exit_record(job.directory)["cause"], books.cause)


@pytest.mark.slow
def test_soft_limit(submit: Submit) -> None:
    """A soft limit is told with the signal that announces a suspension: it makes a pause, and no end."""
    _, job = submit(WAITS, native="-l s_rt=3")
    wait_for_file(job.directory / "started")
    wait_until(lambda: "T" == state_letter(job), "the command is stopped")
    (job.directory / "go").touch()
    # the queue's notify is 60 seconds
    wait_until((job.directory / "exit.json").exists, "the command goes on", patience_s=150)
    record = exit_record(job.directory)

    assert (0, None, "") == (record["exit_status"], record["signal"], record["cause"])
