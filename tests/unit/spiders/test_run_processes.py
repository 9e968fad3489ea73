"""The job runner and its processes: they stop, go on and end with it, and those of others do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support.jobs import waiting
from support.runner import PATIENCE_S, JobMaker, record, run_job, start, wait_for, wait_until


def state_letter(pid: int) -> str:
    """Return the state of a process as proc(5) has it."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGCONT, (0, "")), (signal.SIGUSR2, (None, "killed"))]
)
def test_suspended_by_grid_engine(
    make_job: JobMaker, number: signal.Signals, expected: tuple[int | None, str]
) -> None:
    """Grid Engine's announcement suspends the command, which is resumed with us, or ends suspended."""
    directory = make_job(waiting())
    process = start(directory, SGE_TASK_ID="undefined")
    wait_for(directory / "started")
    command = int((directory / "pid").read_text(encoding="ascii"))
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: state_letter(command) == "T")
    (directory / "go").touch()
    process.send_signal(number)
    process.wait(timeout=PATIENCE_S)

    assert expected == (record(directory)["exit_status"], record(directory)["cause"])


def is_stopped(pid: int, *, wanted: bool) -> bool:
    """Whether a process is stopped, or is not, as wanted."""
    return (state_letter(pid) == "T") is wanted


def test_announcements_of_grid_engine(make_job: JobMaker) -> None:
    """Grid Engine announces suspension and kill to every process of a job: the command ends by neither.

    It is suspended, goes on, and is told to end with SIGTERM, which it may heed.
    """
    directory = make_job(waiting(tidy=True))
    process = start(directory, SGE_TASK_ID="undefined")
    wait_for(directory / "started")
    command = int((directory / "pid").read_text(encoding="ascii"))
    for number in (signal.SIGUSR1, signal.SIGCONT):
        os.killpg(command, number)
        process.send_signal(number)
        wait_until(partial(is_stopped, command, wanted=number == signal.SIGUSR1))
    os.killpg(command, signal.SIGUSR2)
    process.send_signal(signal.SIGUSR2)
    process.wait(timeout=PATIENCE_S)

    assert (0, "killed") == (record(directory)["exit_status"], record(directory)["cause"])
    assert (directory / "tidy").exists()


@pytest.mark.slow
def test_a_limit_is_no_suspension(make_job: JobMaker, tmp_path: Path) -> None:
    """A command that was stopped, as Grid Engine's soft limits are told like suspensions, goes on soon."""
    directory = make_job(waiting())
    (tmp_path / "config").write_text("queue=all.q\nnotify=1\nnotify_kill=default\n", encoding="utf-8")
    process = start(directory, SGE_TASK_ID="undefined", SGE_JOB_SPOOL_DIR=str(tmp_path))
    wait_for(directory / "started")
    command = int((directory / "pid").read_text(encoding="ascii"))
    process.send_signal(signal.SIGUSR1)
    wait_until(partial(is_stopped, command, wanted=True))
    (directory / "go").touch()

    assert 0 == process.wait(timeout=PATIENCE_S)
    assert "" == record(directory)["cause"]


@pytest.mark.slow
def test_wall_time_stands_still_while_suspended(make_job: JobMaker) -> None:
    """D10: a job that was stopped for longer than its wall time goes on where it was, and may end well."""
    directory = make_job("touch started; while [ ! -e go ]; do sleep 0.05; done", walltime_s=12)
    process = start(directory)
    wait_for(directory / "started")
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_letter(process.pid) == "T")
    time.sleep(13)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    (directory / "go").touch()
    process.wait(timeout=PATIENCE_S)

    assert (0, "") == (record(directory)["exit_status"], record(directory)["cause"])


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Make a control group with 40 MB of memory, where the kernel and our rights allow it."""
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    first = "memory" in own
    base = Path("/sys/fs/cgroup/memory" if first else "/sys/fs/cgroup") / own[
        "memory" if first else ""
    ].strip("/")
    group = base / f"cci-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group of our own: {error}")
    try:
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text("40M")
    except OSError as error:
        pytest.skip(f"no memory limit of our own: {error}")
    else:
        yield group
    finally:
        group.rmdir()


def test_out_of_memory(make_job: JobMaker, small_group: Path) -> None:
    """A command whose helper the kernel killed for want of memory failed for that reason."""
    directory = make_job(f"{sys.executable} -I -S -c 'bytearray(10**9)'; exit 1")
    line = f"echo $$ > {small_group}/cgroup.procs && exec {sys.executable} -I runner.py"
    subprocess.run(["/bin/sh", "-c", line], cwd=directory, check=False)

    assert (1, "out-of-memory") == (record(directory)["exit_status"], record(directory)["cause"])


def test_leftovers(make_job: JobMaker) -> None:
    """What a command leaves running in its process group is killed when it ends."""
    directory = make_job("sleep 600 & echo $! > pid; exit 0")
    run_job(directory)
    state = Path("/proc", (directory / "pid").read_text(encoding="ascii").strip(), "stat")

    assert not state.exists() or state.read_text(encoding="ascii").rpartition(")")[2].split()[0] in "ZX"


#: A process in a session of its own, whose parent is gone; it writes its number into the file *escaped*.
ESCAPE = "(setsid sh -c 'echo $$ > new; mv new escaped; {}' &); while [ ! -e escaped ]; do sleep 0.1; done"


def escaped(directory: Path) -> int:
    """Return the process that left its group, as soon as it has."""
    wait_for(directory / "escaped")
    return int((directory / "escaped").read_text(encoding="ascii"))


def test_leftovers_elsewhere(make_job: JobMaker) -> None:
    """What a command puts into a session of its own is killed too when the command ends."""
    directory = make_job(f"{ESCAPE.format('exec sleep 600')}; exit 0")
    run_job(directory)

    assert not Path("/proc", str(escaped(directory))).exists()


@pytest.mark.parametrize(("heed", "expected"), [("touch told; exit", (True, False)), ("", (False, False))])
def test_told_to_end_elsewhere(make_job: JobMaker, heed: str, expected: tuple[bool, bool]) -> None:
    """What left the command's group is told to end as well, and killed if it does not heed that."""
    away = ESCAPE.format(f'trap "{heed}" TERM; touch ready; while :; do sleep 0.1; done')
    patient = "trap 'while [ ! -e told ]; do sleep 0.1; done; exit' TERM; sleep 600 & wait"
    directory = make_job(f"{away}; {patient}")
    process = start(directory)
    wait_for(directory / "ready")
    pid = escaped(directory)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE_S)

    assert expected == ((directory / "told").exists(), Path("/proc", str(pid)).exists())


def test_suspended_elsewhere(make_job: JobMaker) -> None:
    """A suspension that Grid Engine announces reaches what left the command's group, and so does its end."""
    directory = make_job(f"{ESCAPE.format('while :; do sleep 0.1; done')}; sleep 600")
    process = start(directory, SGE_TASK_ID="undefined")
    pid = escaped(directory)
    for number in (signal.SIGUSR1, signal.SIGCONT):
        process.send_signal(number)
        wait_until(partial(is_stopped, pid, wanted=number == signal.SIGUSR1))
    process.send_signal(signal.SIGUSR2)
    process.wait(timeout=PATIENCE_S)

    assert not Path("/proc", str(pid)).exists()


def test_the_dead_are_collected(make_job: JobMaker) -> None:
    """What loses its parent and ends while the command runs takes no place among the processes."""
    directory = make_job(f"{ESCAPE.format('exit 0')}; sleep 600")
    process = start(directory)
    pid = escaped(directory)
    wait_until(lambda: not Path("/proc", str(pid)).exists())
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE_S)

    assert "killed" == record(directory)["cause"]


def test_use_of_what_went_away(make_job: JobMaker) -> None:
    """Processor time counts wherever the command spent it, also in a process that outlived its parent."""
    burn = "import time\nwhile time.process_time() < 1: pass"
    away = ESCAPE.format(f'{sys.executable} -c "{burn}"; touch spent')
    directory = make_job(f"{away}; while [ ! -e spent ]; do sleep 0.1; done")
    run_job(directory)

    assert (0, True) == (record(directory)["exit_status"], record(directory)["cpu_s"] >= 1)


def test_processes_of_others(make_job: JobMaker) -> None:
    """What a site's script started before the runner, and which became our child, is left alone."""
    directory = make_job("exit 0")
    script = f"sleep 600 & echo $! > other; exec {sys.executable} -I runner.py"
    subprocess.run(["/bin/sh", "-c", script], cwd=directory, check=True)
    other = int((directory / "other").read_text(encoding="ascii"))
    alive = state_letter(other) not in {"Z", "X"}
    os.kill(other, signal.SIGKILL)

    assert alive
