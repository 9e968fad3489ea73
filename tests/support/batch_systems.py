"""Real batch systems for tests of the daemon: their settings, their own books, and commands that lie.

A lying command is a script in a folder of commands; it stands in for one command of the system and hands
everything else on to the real one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cci.daemon.ledger import Attempt
from cci.daemon.staging import job_ref
from cci.daemon.workplace import configured_cluster
from cci.settings import load
from support.grid_engine import GridEngine, grid_engine, grid_engine_alone
from support.lab import Lab, Row
from support.slurm import Slurm, slurm
from support.waiting import wait_until

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class BatchSystem:
    """One way to a batch system.

    Attributes
    ----------
    settings
        Its section in the settings.
    ran
        Reads the system's own books: how many jobs of each name have ended.
    commands
        Those that we may use.
    submit
        The command that submits and prints an id.
    silent
        What commands that look into the books do when they have nothing, as shell, by command.
    down
        What every command does when the controller is away, as shell.
    stop_controller, start_controller
        Take the real controller away and bring it back; for the system's only user.
    by_library
        Whether jobs are submitted through DRMAA.
    """

    settings: Mapping[str, Any]
    ran: Callable[[], Counter[str]]
    commands: tuple[str, ...]
    submit: str
    silent: Mapping[str, str]
    down: str
    stop_controller: Callable[[], None]
    start_controller: Callable[[], None]
    by_library: bool = False

    def lying(self, folder: Path, scripts: Mapping[str, str]) -> Path:
        """Make a folder of all commands in which some are scripts; ``$REAL`` is the true one."""
        folder.mkdir()
        for command in self.commands:
            real = shutil.which(command)
            assert real is not None
            body = scripts.get(command, 'exec "$REAL" "$@"')
            (folder / command).write_text(f"#!/bin/sh\nREAL={real}\n{body}\n", encoding="utf-8")
            (folder / command).chmod(0o755)
        return folder

    def commands_without_books(self, folder: Path) -> Path:
        """Make commands that know no job that is over."""
        return self.lying(folder, self.silent)

    def commands_that_fail(self, folder: Path, *, while_exists: Path) -> Path:
        """Make commands that cannot reach the controller while a file is there."""
        body = f'if [ -e "{while_exists}" ]; then {self.down}; fi; exec "$REAL" "$@"'
        return self.lying(folder, dict.fromkeys(self.commands, body))

    def commands_that_answer_id(self, folder: Path, job_id: str) -> Path:
        """Make a submit command that submits, and answers with the id of another job."""
        return self.lying(folder, {self.submit: f'"$REAL" "$@" >/dev/null && echo {job_id}'})

    def commands_that_kill(self, folder: Path) -> Path:
        """Make a submit command that submits, and kills the program that wanted to know the id."""
        return self.lying(folder, {self.submit: '"$REAL" "$@" >/dev/null; kill -9 $PPID'})


def killing_library(folder: Path, real: Path) -> Path:
    """Build a libdrmaa that submits, and kills the program that wanted to know the id."""
    built = folder / "libkillingdrmaa.so"
    source = HERE / "stand_in_killing_libdrmaa.c"
    # the rest of the real library has to be found through this one
    flags = ["-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-rpath,{real.parent}"]
    subprocess.run(["gcc", *flags, "-o", built, source, real], check=True)
    return built


_SGE_COMMANDS = ("qsub", "qstat", "qacct", "qdel", "qhold", "qrls", "qmod", "qconf")
_SLURM_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
_NO_SUCH_JOB = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


def _sge_books(engine: GridEngine) -> Counter[str]:
    """Count the entries of the accounting file by the job's name, its fifth field (accounting(5))."""
    path = Path(engine.environment["SGE_ROOT"], "default", "common", "accounting")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return Counter(line.split(":")[4] for line in lines if not line.startswith("#"))


def _bring_back(engine: GridEngine) -> None:
    """Start the qmaster, and execd anew, which may otherwise tell very late of jobs that ended meanwhile."""
    engine.start_qmaster()
    engine.restart_execd()


def _slurm_books(engine: Slurm) -> Counter[str]:
    """Count the lines of the job completion file by the job's name (JobCompType=jobcomp/filetxt)."""
    path = engine.directory / "jobcomp.log"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return Counter(found[1] for line in lines if (found := re.search(r"\bName=(\S+)", line)))


def sge(*, alone: bool = False) -> BatchSystem:
    """Use Grid Engine by its commands."""
    engine = grid_engine_alone() if alone else grid_engine()
    environment = engine.environment
    return BatchSystem(
        settings={
            "kind": "sge",
            "environment": {name: environment[name] for name in ("SGE_ROOT", "SGE_CELL")},
            "python": sys.executable,
        },
        ran=partial(_sge_books, engine),
        commands=_SGE_COMMANDS,
        submit="qsub",
        silent={"qacct": 'echo "error: job id or name not found" >&2; exit 1'},
        down="echo 'error: commlib error: got select error (Connection refused)' >&2; exit 1",
        stop_controller=engine.stop_qmaster,
        start_controller=partial(_bring_back, engine),
    )


def drmaa(*, alone: bool = False) -> BatchSystem:
    """Use Grid Engine through its DRMAA library."""
    by_commands = sge(alone=alone)
    library = grid_engine().environment["DRMAA_LIBRARY_PATH"]
    settings = {**by_commands.settings, "kind": "drmaa", "system": "sge", "library": library}
    return replace(by_commands, settings=settings, by_library=True)


def slurm_by_commands(*, alone: bool = False) -> BatchSystem:
    """Use Slurm by its commands; each test process has one alone."""
    del alone
    engine = slurm()
    return BatchSystem(
        settings={"kind": "slurm", "environment": engine.environment, "python": sys.executable},
        ran=partial(_slurm_books, engine),
        commands=_SLURM_COMMANDS,
        submit="sbatch",
        silent={"sacct": "exit 0", "squeue": _NO_SUCH_JOB, "scontrol": _NO_SUCH_JOB},
        down="echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        stop_controller=partial(engine.script, "stop-controller"),
        start_controller=partial(engine.script, "start-controller"),
    )


#: Makes each by its name; it skips where it cannot be had, and fails where CI=true.
BATCH_SYSTEMS: dict[str, Callable[..., BatchSystem]] = {
    "drmaa": drmaa,
    "sge": sge,
    "slurm": slurm_by_commands,
}


def use(lab: Lab, system: BatchSystem, **changes: object) -> None:
    """Let the processors of a lab run on *system*."""
    processors = {name: {"use": use, "cluster": "site"} for name, use in lab.uses.items()}
    lab.change_settings(clusters={"site": {**system.settings, **changes}}, processors=processors)


def open_attempts(lab: Lab) -> list[Attempt]:
    """Return the attempts of a lab that are not closed."""
    with lab.ledger() as ledger:
        return ledger.open_attempts(lab.archive.url)


def kill_all(lab: Lab) -> None:
    """Kill the jobs of all attempts that are still open."""
    settings = load(lab.settings_file, home=lab.home)
    with closing(configured_cluster(settings, "site")) as cluster:
        for attempt in open_attempts(lab):
            if attempt.job_id:
                cluster.kill(job_ref(attempt))


def jobs_of(lab: Lab, system: BatchSystem) -> list[int]:
    """Return for each attempt how many jobs of its name the system's own books have."""
    books = system.ran()
    return [books[job_ref(attempt).name] for row in lab.tasks() for attempt in lab.attempts_of(row)]


def ran_once(lab: Lab, system: BatchSystem) -> bool:
    """Whether every attempt of a lab ran exactly once, by the books, which may be a little late."""
    number = len(jobs_of(lab, system))
    wait_until(lambda: sum(jobs_of(lab, system)) >= number, "the books are written")
    return [1] * number == jobs_of(lab, system)


def said(lab: Lab, event: str) -> list[Row]:
    """Return what the daemon has said of one kind."""
    return [row for row in lab.daemon_lines() if row["event"] == event]
