"""The job runner: runs one command in its job directory and leaves the exit record of the attempt.

It is one file on the standard library alone, for any Python from 3.8 on, because every attempt carries a
copy of it as ``runner.py`` to a node where nothing of ours is installed. It judges nothing: whether the
outputs are the right ones is decided by who reads the exit record.

Everything happens in the job directory, which is the current directory::

    job.json              what to run; written before the job is submitted
    claim                 made here, exclusively: a directory is run once, whatever the cluster does
    refused-<job>.json    made here instead, when somebody else has the claim; exit status 113
    output.log            what the command prints
    error.json            the cause of a failure, if the command wants to tell it: {"code", "message"}
    outputs/<RESOURCE>/   what the command made
    exit.json             the exit record, complete from the first moment it is seen
    job.completed         the command ended with exit status 0; otherwise job.error
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, BinaryIO

FORMAT = 1
#: Exit status of a start that was refused because the directory has been claimed before.
EXIT_REFUSED = 113
#: Exit status, as a shell has it, of a command that could not be started.
EXIT_NOT_STARTED = 127
#: How long a command may tidy up between the wish that it end and its being killed. Batch systems
#: kill the runner itself after 10 seconds (PBS) to 60 (Grid Engine), and the record comes after this.
GRACE_S = 5.0
#: How often to see whether we were suspended: a pause of less than this may count as run time.
TICK_S = 1.0
#: Holds room for the record on a disk that the command fills; how long to wait for more if that is lost.
RESERVE, PATIENCE_S = ".reserve", 600.0
#: Where the batch systems tell a job its id, most specific first; the last is our local cluster's.
JOB_ID_VARIABLES = ("JOB_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "CCI_JOB_ID")
#: What numerical libraries read to learn how many threads they may start.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
#: A batch system says "end now" with one of these; Grid Engine's -notify uses SIGUSR2.
ENDING_SIGNALS = tuple(
    getattr(signal, f"SIG{name}") for name in ("TERM", "INT", "HUP", "QUIT", "XCPU", "USR2")
)
#: These only pass through to the command.
PASSING_SIGNALS = (signal.SIGUSR1, signal.SIGCONT)
WAITED_SIGNALS = (*ENDING_SIGNALS, *PASSING_SIGNALS, signal.SIGCHLD)
#: prctl(2).
PR_SET_CHILD_SUBREAPER = 36
SPECIAL_FILES = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
#: An archive may read these in a file's name as a pattern or a list, and delete more than was meant.
PATTERN = frozenset("*?[],")
#: FIPS nodes refuse MD5 unless told that it is no security; Python 3.8 does not know the word.
MD5_OPTIONS: dict[str, Any] = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}


@dataclass(frozen=True)
class Job:
    """What ``job.json`` asks for; its other keys are the daemon's own."""

    task: str
    nonce: str
    command: list[str]
    environment: dict[str, str]
    cores: int
    memory_mb: float
    walltime_s: float


@dataclass(frozen=True)
class Ending:
    """How the command ended.

    *told* is ``walltime`` or ``killed`` if it was told to end, by us or by the cluster.
    """

    exit_status: int | None = None
    signal: int | None = None
    told: str = ""
    could_not_start: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    memory_mb: float = 0.0
    oom_kills: int = 0


@dataclass(frozen=True)
class Found:
    """The files below ``outputs/``, and what there is besides files that can be uploaded."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_job(path: Path) -> Job:
    """Read ``job.json``; ValueError says what is wrong with it."""
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        if text["format"] != FORMAT:
            raise ValueError(f"job.json has format {text['format']}, this runner knows {FORMAT}")
        if not text["command"] or isinstance(text["command"], str):
            raise ValueError("the command in job.json is not a list of arguments")
        return Job(
            task=str(text["task"]),
            nonce=str(text["nonce"]),
            command=[str(word) for word in text["command"]],
            environment={str(key): str(value) for key, value in text.get("environment", {}).items()},
            cores=int(text["cores"]),
            memory_mb=float(text["memory_mb"]),
            walltime_s=float(text["walltime_s"]),
        )
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"job.json cannot be used: {error!r}") from error


def judge(ending: Ending, error: dict[str, str] | None) -> str:
    """Name the cause of a failure that the command itself cannot know; empty if there is none.

    Out of memory is said only on evidence: the kernel counted such a kill in our control group while a
    command failed without another reason, or the command was killed with its memory at the limit.
    """
    if ending.could_not_start:
        return "could-not-start"
    if ending.told:
        return ending.told
    was_killed = ending.signal == signal.SIGKILL or ending.exit_status == 128 + signal.SIGKILL
    if was_killed and ending.peak_memory_mb >= 0.95 * ending.memory_mb:
        return "out-of-memory"
    if ending.oom_kills and error is None and ending.exit_status != 0:
        return "out-of-memory"
    return ""


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 (Python 3.8)


def _write_all(descriptor: int, value: Any) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        json.dump(value, stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(str(directory), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, value: Any) -> None:
    """Write *value* as JSON so that a reader sees all of it or nothing, even after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _write_all(os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), value)
    temporary.replace(path)
    _sync_directory(path.parent)


def job_id_of(environment: dict[str, str]) -> str:
    """Return the id that the batch system gave this job; host and pid when run by hand."""
    given = (environment.get(name, "") for name in JOB_ID_VARIABLES)
    return next((value for value in given if value), f"{socket.gethostname()}-{os.getpid()}")


def claim(directory: Path, job_id: str) -> bool:
    """Take the directory for this job, once and for all; False if it has been taken before."""
    holder = {"job_id": job_id, "host": socket.gethostname(), "pid": os.getpid(), "started": now()}
    try:
        descriptor = os.open(str(directory / "claim"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        write_durably(directory / f"refused-{job_id.replace('/', '_')}.json", holder)
        return False
    _write_all(descriptor, holder)
    _sync_directory(directory)
    with contextlib.suppress(OSError):
        (directory / RESERVE).write_bytes(os.urandom(65536))  # what compresses would keep no room
    return True


def insist(path: Path, value: Any) -> None:
    """Write durably where the disk may be full: into the reserve, or as soon as there is room."""
    give_up = time.monotonic() + PATIENCE_S
    with contextlib.suppress(OSError):
        (path.parent / RESERVE).unlink()
    while True:
        try:
            return write_durably(path, value)
        except OSError:
            if time.monotonic() >= give_up:
                raise
        time.sleep(0.5)


def environment_of(job: Job, directory: Path, inherited: dict[str, str]) -> dict[str, str]:
    """Return the command's environment: the node's, the granted threads, the job's own, ours."""
    threads = dict.fromkeys(THREAD_VARIABLES, str(job.cores))
    ours = {
        "CCI_JOB_DIR": str(directory),
        "CCI_TASK": job.task,
        "CCI_ERROR_FILE": str(directory / "error.json"),
    }
    return {**inherited, **threads, **job.environment, **ours}


def _become_group() -> None:
    # A group of its own, but not a session: PBS finds the processes of a job by their session.
    os.setpgid(0, 0)
    if under_grid_engine(os.environ):
        # Its announcements go to every process of a job, and would end one that does not know them.
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def start(job: Job, directory: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the command as the leader of its own process group."""
    return subprocess.Popen(
        job.command,
        cwd=str(directory),
        env=environment_of(job, directory, dict(os.environ)),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # A cluster may mark a job's processes by a descriptor that they all inherit.
        close_fds=False,
        preexec_fn=_become_group,  # noqa: PLW1509 (no threads here; process_group= needs Python 3.11)
    )


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False if nothing is left of it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # or all that is left belongs to another user
        return False
    return True


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own below us, so that no process gets out of our sight."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # a Python may lack it

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents() -> dict[int, int]:
    """Return all processes that there are, each with its parent; proc(5)."""
    found: dict[int, int] = {}
    with contextlib.suppress(OSError):
        if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115 (as text)
            return found  # of a container's host, where numbers mean others
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 (Path makes an object of each)
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
                found[int(name)] = int(fields.rpartition(")")[2].split()[1])
    return found


def below(root: int, others: AbstractSet[int] = frozenset()) -> set[int]:
    """Return all processes that come from one, wherever they have gone, without *others* and theirs."""
    children: dict[int, set[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, set()).add(child)
    found, pending = set(), children.get(root, set()) - others
    while pending:
        found |= pending
        pending = {inner for one in pending for inner in children.get(one, ())} - found
    return found


def signal_command(group: int, others: AbstractSet[int], number: int) -> bool:
    """Send a signal to the command's group, and to all that left it: timeout(1) does, and shells may.

    *others* are children that we had before the command. False if there was nobody.
    """
    there = signal_group(group, number)
    if number == signal.SIGUSR1:  # would end who does not expect it
        return there
    gone = [pid for pid in below(os.getpid(), others) if not is_in_group(pid, group)]
    for pid in gone:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
    return there or bool(gone)


def is_in_group(pid: int, group: int) -> bool:
    """Whether a process is of this group, or is there no more."""
    try:
        return os.getpgid(pid) == group
    except OSError:
        return True


def end_all(group: int, others: AbstractSet[int]) -> None:
    """Kill what the command left running, and wait a moment until it is gone.

    What a process leaves that is killed here becomes our child in turn, and is seen at the next look.
    """
    give_up = time.monotonic() + 0.5
    while signal_command(group, others, signal.SIGKILL) and time.monotonic() < give_up:
        time.sleep(0.02)
        reap(0)


def reap(but: int) -> None:
    """Collect the dead that became our children; nobody else would, and each keeps its number from others."""
    with contextlib.suppress(ChildProcessError):
        while True:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if dead is None or dead.si_pid == but:
                return
            os.waitpid(dead.si_pid, 0)


def next_signal(numbers: Sequence[int], wait_s: float) -> int:
    """Wait for one of these signals, all of them blocked; 0 if none has come in that time.

    The alarm is blocked too. A sigtimedwait with a time would do without it, but CPython's returns
    what never came when its time is over after we were stopped: it tries again, and forgets that it did not.
    """
    if wait_s <= 0:
        there = signal.sigtimedwait(numbers, 0)
        return there.si_signo if there else 0
    signal.setitimer(signal.ITIMER_REAL, wait_s)
    came = signal.sigwaitinfo((*numbers, signal.SIGALRM)).si_signo
    signal.setitimer(signal.ITIMER_REAL, 0)
    return 0 if came == signal.SIGALRM else came


def under_grid_engine(environment: Mapping[str, str]) -> bool:
    """Whether the job is Grid Engine's, which announces a suspension and a kill by signals (qsub -notify)."""
    return "SGE_TASK_ID" in environment


def passed_on(came: int, environment: Mapping[str, str]) -> int:
    """Return the signal that the command gets when one has come to us.

    Grid Engine announces a suspension with SIGUSR1, and its SIGSTOP may reach us alone; a kill with SIGUSR2.
    """
    meant: Mapping[int, int] = {signal.SIGUSR1: signal.SIGSTOP, signal.SIGUSR2: signal.SIGTERM}
    return meant.get(came, came) if under_grid_engine(environment) else came


def tick(left_s: float) -> tuple[int, float]:
    """Wait a moment for a signal; return it, 0 for none, and for how long the job ran meanwhile.

    What took far longer than asked was no run time: whoever suspends the job stops us with it.
    """
    asked_s, began = max(0.0, min(TICK_S, left_s)), time.monotonic()
    came = next_signal(WAITED_SIGNALS, asked_s)
    return came, min(time.monotonic() - began, asked_s + TICK_S)


def notice_s(environment: Mapping[str, str]) -> float:
    """Return how long before a stop Grid Engine announces it: the queue's ``notify``, in seconds."""
    try:
        text = Path(environment["SGE_JOB_SPOOL_DIR"], "config").read_text(encoding="utf-8", errors="replace")
        return float(dict(line.partition("=")[::2] for line in text.splitlines())["notify"])
    except (OSError, KeyError, ValueError):
        return 60.0


def watch(
    process: subprocess.Popen[bytes], walltime_s: float, log: IO[bytes], others: AbstractSet[int]
) -> str:
    """Wait for the command's end, passing signals on; return why it was told to end, if it was."""
    told, suspended, left_s, awake_s = "", False, walltime_s, 0.0
    patience_s = notice_s(os.environ) + GRACE_S
    while process.poll() is None:
        came, ran_s = tick(left_s)
        left_s -= 0.0 if suspended else ran_s
        awake_s = awake_s + ran_s if suspended else 0.0
        if (
            awake_s > patience_s
        ):  # nothing has stopped us: a limit's signal (s_rt) looks like the announcement
            came = signal.SIGCONT
        if came == signal.SIGCHLD:
            reap(process.pid)
        if came == signal.SIGCHLD or (not came and left_s > 0):
            continue
        number = passed_on(came, os.environ) or (signal.SIGKILL if told else signal.SIGTERM)
        signal_command(process.pid, others, number)
        suspended = number == signal.SIGSTOP or (suspended and number != signal.SIGCONT)
        if not told and came not in PASSING_SIGNALS:
            signal_command(process.pid, others, signal.SIGCONT)  # it cannot end while it is suspended
            told, suspended = ("killed" if came else "walltime"), False
            why = f"signal {came} came" if came else f"the wall time of {walltime_s:g} s is over"
            note(log, f"{why}; the command is told to end")
        elif came:
            continue
        left_s = GRACE_S
    return told or told_late(process.returncode)


def told_late(status: int) -> str:
    """Tell whether a cluster told the command to end, and us a moment after it."""
    patience_s = 0.2 if -status in ENDING_SIGNALS else 0.0
    return "killed" if next_signal(ENDING_SIGNALS, patience_s) else ""


def note(log: IO[bytes], sentence: str) -> None:
    """Put a line of our own into the command's log."""
    with contextlib.suppress(OSError):  # on a full disk the record matters more
        log.write(f"runner: {sentence}\n".encode("utf-8", "backslashreplace"))


def run(job: Job, directory: Path) -> Ending:
    """Run the command to its end, whatever end that is."""
    began, kills_before, others = time.monotonic(), oom_kills(), below(os.getpid())
    with (directory / "output.log").open("ab", buffering=0) as log:
        try:
            process = start(job, directory, log)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            note(log, f"the command could not be started: {error}")
            return Ending(could_not_start=f"the command could not be started: {error}")
        told = watch(process, job.walltime_s, log, others)
        end_all(process.pid, others)
    status = process.returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ending(
        exit_status=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        told=told,
        wall_s=time.monotonic() - began,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_memory_mb=used.ru_maxrss / 1024,  # Linux counts in KiB
        memory_mb=job.memory_mb,
        oom_kills=oom_kills() - kills_before,
    )


def oom_kills() -> int:
    """Count the kills for want of memory in our control group so far (cgroups(7)); 0 if it does not tell."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    groups = [line.split(":", 2)[1:] for line in lines]
    second = [f"/sys/fs/cgroup{group}/memory.events" for kind, group in groups if not kind]
    first = [f"/sys/fs/cgroup/memory{group}/memory.oom_control" for kind, group in groups if kind == "memory"]
    return sum(map(_counted, second + first))


def _counted(path: str) -> int:
    try:
        fields = dict(line.split() for line in Path(path).read_text(encoding="utf-8").splitlines())
        return int(fields.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def open_plain(path: Path) -> BinaryIO:
    """Open what a command left for reading, without following a link or waiting at a pipe."""
    return os.fdopen(os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)


def read_error(path: Path) -> dict[str, str] | None:
    """Return what the command says went wrong; None if it says nothing that can be read."""
    try:
        with open_plain(path) as stream:
            told = json.loads(stream.read(65536) or b"")
        return {"code": str(told["code"])[:100], "message": str(told["message"])[:2000]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def bad_name(name: str) -> str:
    """Say what keeps a file name out of the archive; empty if nothing does."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in name):
        return "has a control character or line break in its name"
    return "has one of *?[], in its name, which archives read as a pattern" if set(name) & PATTERN else ""


def shown(path: str) -> str:
    """Return a path as one printable line."""
    return path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode("ascii")


def measure(path: Path) -> tuple[int, str]:
    """Return size and MD5 of a file after it has reached the disk."""
    digest, size = hashlib.md5(**MD5_OPTIONS), 0  # noqa: S324 (the archive's own digest)
    with open_plain(path) as stream:
        os.fsync(stream.fileno())
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def complaint(path: str, mode: int) -> str:
    """Say why this below ``outputs/`` cannot be an output; empty if it is a file or folder in its place."""
    name = path.rpartition("/")[2]
    if bad_name(name):
        return bad_name(name)
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return f"is {SPECIAL_FILES.get(stat.S_IFMT(mode), 'a device')}"
    return "lies in no resource folder" if stat.S_ISREG(mode) and "/" not in path else ""


def listing(root: Path, folder: str) -> list[tuple[str, int]]:
    """Return path and mode of everything in a folder, sorted; paths are relative to *root*."""
    with os.scandir(os.path.join(str(root), folder)) as entries:  # noqa: PTH118 (Path is slow at great depth)
        return sorted(
            (f"{folder}/{entry.name}" if folder else entry.name, entry.stat(follow_symlinks=False).st_mode)
            for entry in entries
        )


def add_file(found: Found, root: Path, path: str) -> None:
    """Measure one output file."""
    label, _, name = path.partition("/")
    try:
        size, md5 = measure(root / path)
        found.outputs.append({"resource": label, "path": name, "size": size, "md5": md5})
    except OSError as error:
        found.problems.append(f"outputs/{path} cannot be read: {error.strerror}")


def add_folder(found: Found, root: Path, folder: str) -> list[str]:
    """Take a folder's files; return the folders in it."""
    inner = []
    for path, mode in listing(root, folder):
        if complaint(path, mode):
            found.problems.append(f"outputs/{shown(path)} {complaint(path, mode)}")
        elif stat.S_ISDIR(mode):
            inner.append(path)
        else:
            add_file(found, root, path)
    return inner


def find_outputs(root: Path) -> Found:
    """List every file below ``outputs/<RESOURCE>/``; no folder at all is no output."""
    found, pending = Found(), [""] if root.is_dir() else []
    if root.is_symlink():
        return Found(problems=["outputs is a link"])
    while pending:  # not recursive: folders may be deeper than Python's stack
        folder = pending.pop()
        try:
            pending += add_folder(found, root, folder)
        except OSError as error:
            found.problems.append(f"outputs/{folder} cannot be read: {error.strerror}")
    return found


def attempt(directory: Path) -> tuple[str, Ending]:
    """Run the job described in *directory*; return its nonce and how it ended."""
    try:
        job = read_job(directory / "job.json")
    except ValueError as error:
        return "", Ending(could_not_start=str(error))
    return job.nonce, run(job, directory)


def record_of(ending: Ending, directory: Path) -> dict[str, Any]:
    """Return the part of the exit record that tells what happened and what came out."""
    error = read_error(directory / "error.json")
    cause = judge(ending, error)
    if ending.could_not_start:
        error = {"code": cause, "message": ending.could_not_start}
    # The batch system's own patience is short: a record without a list is better than none.
    unseen = Found(problems=["the outputs were not examined, because the job was told to end"])
    found = unseen if cause == "killed" else find_outputs(directory / "outputs")
    return {
        "exit_status": ending.exit_status,
        "signal": ending.signal,
        "cause": cause,
        "error": error,
        "wall_s": round(ending.wall_s, 3),
        "cpu_s": round(ending.cpu_s, 3),
        "peak_memory_mb": round(ending.peak_memory_mb, 1),
        "outputs": sorted(found.outputs, key=lambda item: (item["resource"], item["path"])),
        "problems": sorted(found.problems),
    }


def run_and_record(directory: Path, job_id: str) -> int:
    """Run the claimed job, write marker and exit record; return the exit status for the cluster."""
    started = now()
    nonce, ending = attempt(directory)
    whose = {"format": FORMAT, "nonce": nonce, "job_id": job_id, "node": socket.gethostname()}
    record = {**whose, "started": started, "ended": now(), **record_of(ending, directory)}
    well = record["exit_status"] == 0 and not record["cause"]
    insist(directory / "exit.json", record)
    with contextlib.suppress(OSError):  # the record has said it
        (directory / ("job.completed" if well else "job.error")).touch()
    if ending.signal is not None:
        return 128 + ending.signal
    return EXIT_NOT_STARTED if ending.exit_status is None else ending.exit_status


def main() -> int:
    """Run the job of the current directory."""
    # Before the claim, so that from then on no signal can end this without a record.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*WAITED_SIGNALS, signal.SIGALRM))
    adopt_orphans()
    directory, job_id = Path.cwd(), job_id_of(dict(os.environ))
    if not claim(directory, job_id):
        sys.stderr.write(f"runner: {directory} has been claimed by another job; nothing was run\n")
        return EXIT_REFUSED
    return run_and_record(directory, job_id)


if __name__ == "__main__":
    sys.exit(main())
