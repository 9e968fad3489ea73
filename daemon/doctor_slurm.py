"""Looks at a Slurm: its controller, how long that remembers ended jobs, its books and its partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cci.daemon.doctor_desk import CONTROLLER, Desk
from cci.daemon.findings import Finding

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")


def examine(desk: Desk) -> Iterator[Finding]:
    """Yield what is seen of the controller and its configuration."""
    commands = desk.commands(COMMANDS, version="--version")
    yield commands
    if not commands.good:
        return
    answer = desk.run("scontrol", "show", "config")
    configuration = read_configuration(answer.stdout)
    if not answer.ok or "MinJobAge" not in configuration:
        yield desk.silent(answer)
        return
    version = configuration.get("SLURM_VERSION", "?")
    yield desk.finding(CONTROLLER, True, f"slurmctld of Slurm {version} answers")
    yield judge_books(desk, configuration)
    yield from judge_queue(desk, desk.run("sinfo", "--noheader", "--format=%R").stdout.split())


def read_configuration(printed: str) -> dict[str, str]:
    """Read the lines ``Name = value`` of ``scontrol show config``."""
    pairs = (line.partition("=") for line in printed.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def judge_books(desk: Desk, configuration: Mapping[str, str]) -> Finding:
    """Say where the end of a job without an exit record is found, and for how long.

    The controller forgets a job ``MinJobAge`` seconds after its end. A job is missed at the latest after
    ``timing.watch_max_s``, its record is waited for ``timing.exit_grace_s``, and the next look comes within
    ``timing.watch_s``: then the controller, or a book, must still know it. Slurm's default and ours fit.
    """
    age_s = int((re.match(r"\d+", configuration["MinJobAge"]) or ["0"])[0])
    timing = desk.timing
    needed_s = timing.watch_max_s + timing.exit_grace_s + timing.watch_s
    books = _books(configuration)
    if books:
        return desk.finding("accounting", True, f"kept by {books}; MinJobAge is {age_s} s")
    # 0 keeps jobs until the controller is restarted
    enough = age_s == 0 or age_s > needed_s
    detail = f"no books are kept; the controller remembers ended jobs for MinJobAge {age_s} s"
    hint = (
        ""
        if enough
        else (
            f"a missed job is looked for after {needed_s:g} s: let Slurm keep books (slurmdbd, or"
            " JobCompType=jobcomp/filetxt), raise MinJobAge, or lower timing.watch_max_s"
        )
    )
    return desk.finding("accounting", None if hint else True, detail, hint)


def _books(configuration: Mapping[str, str]) -> str:
    storage = configuration.get("AccountingStorageType", "")
    if "slurmdbd" in storage:
        return "slurmdbd"
    completions = configuration.get("JobCompType", "")
    return f"{completions} ({configuration.get('JobCompLoc', '')})" if "filetxt" in completions else ""


def judge_queue(desk: Desk, known: list[str]) -> Iterator[Finding]:
    """Say whether there is the partition that jobs go to."""
    queue = desk.asked.queue
    if queue and not set(queue.split(",")) <= set(known):
        hint = f"let clusters.{desk.name}.queue name one of: {', '.join(known)}"
        yield desk.finding("queue", False, f"there is no partition '{queue}'", hint)
