"""The job runner, run for real in directories of its own."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from support.jobs import waiting

from cci.spiders import run
from cci.spiders.run import Ending, environment_of, job_id_of, judge, read_job

SOURCE = Path(run.__file__)
JobMaker = Callable[..., Path]
#: Longer than anything here takes, however busy the machine is.
PATIENCE_S = 300.0


@pytest.fixture
def make_job(tmp_path: Path) -> JobMaker:
    """Make job directories that run a line of shell."""

    def make(line: str, **changes: Any) -> Path:
        directory = tmp_path / "job"
        directory.mkdir()
        job = {
            "format": 1,
            "task": "p-x-s-x-e-x-Echo_v1",
            "attempt": 1,
            "nonce": "0123456789abcdef",
            "command": ["/bin/sh", "-c", line],
            "environment": {},
            "required": [],
            "cores": 2,
            "memory_mb": 4096,
            "walltime_s": 60,
            "shell": False,
            **changes,
        }
        (directory / "job.json").write_text(json.dumps(job), encoding="utf-8")
        shutil.copy(SOURCE, directory / "runner.py")
        return directory

    return make


def start(directory: Path, job_id: str = "17", **variables: str) -> subprocess.Popen[bytes]:
    """Start the runner as a batch script does."""
    environment = {"PATH": os.environ["PATH"], "CCI_JOB_ID": job_id, **variables}
    return subprocess.Popen([sys.executable, "-I", "runner.py"], cwd=directory, env=environment)


def run_job(directory: Path, job_id: str = "17") -> int:
    """Run the runner to its end."""
    return start(directory, job_id).wait(timeout=PATIENCE_S)


def record(directory: Path) -> dict[str, Any]:
    """Read the exit record."""
    return dict(json.loads((directory / "exit.json").read_text(encoding="utf-8")))


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    wait_until(path.exists)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "in vain"
        time.sleep(0.01)
    assert condition()


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


def test_processes_of_others(make_job: JobMaker) -> None:
    """What a site's script started before the runner, and which became our child, is left alone."""
    directory = make_job("exit 0")
    script = f"sleep 600 & echo $! > other; exec {sys.executable} -I runner.py"
    subprocess.run(["/bin/sh", "-c", script], cwd=directory, check=True)
    other = int((directory / "other").read_text(encoding="ascii"))
    alive = state_letter(other) not in {"Z", "X"}
    os.kill(other, signal.SIGKILL)

    assert alive


# -- what a command gets and says ---------------------------------------------------------------


def test_environment(make_job: JobMaker) -> None:
    """The command gets its directory, its task and the granted threads; the job's own values win."""
    directory = make_job(
        'printf "%s|%s|%s|%s|%s" "$PWD" "$CCI_JOB_DIR" "$CCI_TASK" "$OMP_NUM_THREADS" "$MKL_NUM_THREADS"',
        environment={"MKL_NUM_THREADS": "7"},
    )
    run_job(directory)

    expected = f"{directory}|{directory}|p-x-s-x-e-x-Echo_v1|2|7"
    assert expected == (directory / "output.log").read_text(encoding="utf-8")


def test_cores_reach_every_library(make_job: JobMaker) -> None:
    """All five thread variables are set to the cores granted."""
    job = read_job(make_job("true") / "job.json")
    environment = environment_of(job, Path("/j"), {"OMP_NUM_THREADS": "64"})

    assert dict.fromkeys(run.THREAD_VARIABLES, "2") == {key: environment[key] for key in run.THREAD_VARIABLES}


def test_both_streams(make_job: JobMaker) -> None:
    """Standard output and error go to output.log, after what is there already."""
    directory = make_job("echo out; echo err >&2")
    (directory / "output.log").write_text("before\n", encoding="utf-8")
    run_job(directory)

    assert "before\nout\nerr\n" == (directory / "output.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"code": "corrupt-image", "message": "dwi.nii is cut short"}',
            ("corrupt-image", "dwi.nii is cut short"),
        ),
        ('{"code": "x"}', None),
        ("[1, 2]", None),
        ("not json", None),
        ("", None),
    ],
)
def test_error(make_job: JobMaker, text: str, expected: tuple[str, str] | None) -> None:
    """The cause that a command tells is taken over if it can be understood."""
    directory = make_job(f"printf '%s' '{text}' > \"$CCI_ERROR_FILE\"; exit 65")
    run_job(directory)
    error = record(directory)["error"]

    assert expected == (error and (error["code"], error["message"]))


def test_error_file_is_a_pipe(make_job: JobMaker) -> None:
    """A pipe in the place of error.json cannot keep the record from being written."""
    directory = make_job('mkfifo "$CCI_ERROR_FILE"; exit 1')
    run_job(directory)

    assert (1, None) == (record(directory)["exit_status"], record(directory)["error"])


# -- outputs ------------------------------------------------------------------------------------


def test_outputs(make_job: JobMaker) -> None:
    """Every regular file below a resource folder is listed with its size and MD5, empty ones too."""
    directory = make_job(
        "mkdir -p outputs/PDF outputs/MAPS/deep outputs/EMPTY;"
        " printf abc > outputs/PDF/report.pdf; : > 'outputs/MAPS/deep/größe $(x).nii'"
    )
    run_job(directory)
    expected = [
        {"resource": "MAPS", "path": "deep/größe $(x).nii", "size": 0, "md5": md5(b"").hexdigest()},
        {"resource": "PDF", "path": "report.pdf", "size": 3, "md5": md5(b"abc").hexdigest()},
    ]

    assert (expected, []) == (record(directory)["outputs"], record(directory)["problems"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ln -s /etc/passwd outputs/A/link", "outputs/A/link is a link"),
        ("ln -s .. outputs/A/up", "outputs/A/up is a link"),
        ("mkfifo outputs/A/pipe", "outputs/A/pipe is a pipe"),
        ("echo x > outputs/x", "outputs/x lies in no resource folder"),
        (
            "echo x > 'outputs/A/all*'",
            "outputs/A/all* has one of *?[], in its name, which archives read as a pattern",
        ),
        (
            "echo x > \"outputs/A/$(printf 'a\\nb')\"",
            "outputs/A/a\\nb has a control character or line break in its name",
        ),
        (
            "mkdir \"outputs/$(printf 'a\\tb')\"",
            "outputs/a\\tb has a control character or line break in its name",
        ),
        ("echo x > \"outputs/A/$(printf '\\377')\"", "outputs/A/\\udcff has a name that is not UTF-8"),
        ("rmdir outputs/A outputs; ln -s /etc outputs", "outputs is a link"),
    ],
)
def test_problems(make_job: JobMaker, line: str, problem: str) -> None:
    """Links, devices, stray files and impossible names are no outputs; each is named."""
    directory = make_job(f"mkdir -p outputs/A; {line}")
    run_job(directory)

    assert ([], [problem]) == (record(directory)["outputs"], record(directory)["problems"])


def test_socket() -> None:
    """A socket is named as such."""
    assert "is a socket" == run.complaint("A/s", 0o140000)


def test_no_outputs(make_job: JobMaker) -> None:
    """No output at all is recorded as such, and not judged."""
    directory = make_job("true")
    run_job(directory)

    assert ([], [], "") == tuple(record(directory)[key] for key in ("outputs", "problems", "cause"))


def test_very_deep_folder(make_job: JobMaker) -> None:
    """Folders nested deeper than Python's stack cost at most themselves."""
    nest = "import os\nfor i in range(1100): os.mkdir('d'); os.chdir('d')"
    directory = make_job(
        f'mkdir -p outputs/A; echo x > outputs/A/x; cd outputs/A; exec {sys.executable} -c "{nest}"'
    )
    run_job(directory)
    found = record(directory)
    # shutil.rmtree, which pytest cleans up with, is recursive in this Python
    subprocess.run(["rm", "-rf", directory / "outputs"], check=True)

    assert (0, ["x"]) == (found["exit_status"], [output["path"] for output in found["outputs"]])


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
