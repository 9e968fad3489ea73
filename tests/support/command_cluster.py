"""The smallest cluster on commands that there can be: they answer what a test has prepared, job by line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from cci.cluster.base import Accounting, JobRef, JobSpec, JobState
from cci.cluster.commands import CommandCluster, Entry, Listing, Row, by_lines
from support.stand_in_commands import StandInCommands

NAME = "cci-Dti_v1-0123456789abcdef"
JOB = JobRef("7", NAME)


class StandInCluster(CommandCluster):
    """A system whose listing and books are lines of id, name and state."""

    variables = ("STAND_IN_ROOT",)
    silence = re.compile("no connection")
    refusal = re.compile("refused: ")
    unknown_job = re.compile("no such job")
    verbs = MappingProxyType({"hold": ("hold",), "kill": ("kill", "-9")})
    needless = MappingProxyType({"hold": re.compile("runs already")})

    def submission(self, job: JobSpec) -> Sequence[str]:
        return ("submit", str(job.script))

    def submitted_id(self, printed: str) -> str:
        return printed.strip()

    def status_of(self, ids: Sequence[str]) -> Sequence[str]:
        return ("list", *ids)

    def status_by_name(self, name: str) -> Sequence[str]:
        return ("list", "-n", name)

    def read_listing(self, printed: str) -> Listing:
        return by_lines(printed, _row)

    def entries(self, *, job_id: str = "", name: str = "") -> Sequence[Entry]:
        lines = self.ask(("books", job_id or name)).splitlines()
        over = Accounting(exit_status=0)
        return [Entry(id=one, name=two, accounting=over) for one, two in map(str.split, lines)]


def _row(line: str) -> Row:
    job_id, name, state = line.split()
    known = {"q": JobState.QUEUED, "r": JobState.RUNNING, "e": JobState.ENDED}
    message = "" if state in known else f"state {state}"
    return Row(id=job_id, name=name, state=known.get(state, JobState.UNKNOWN), message=message)


def of_one_job(folder: Path) -> StandInCommands:
    """Make commands of a system that runs one job."""
    made = StandInCommands(folder)
    made.answer("list", f"7 {NAME} r\n")
    made.answer("books")
    return made


def open_stand_in(commands: StandInCommands, **settings: object) -> StandInCluster:
    """Open a cluster with further settings."""
    return StandInCluster.from_settings(
        "site", {"kind": "slurm", "commands": str(commands.folder), **settings}
    )


def a_job(tmp_path: Path, name: str = NAME) -> JobSpec:
    """Return a job."""
    return JobSpec(
        name=name,
        directory=tmp_path,
        script=tmp_path / "it's a $script.sh",
        output_log=tmp_path / "log",
        walltime_s=60,
        memory_mb=10,
    )
