"""The batch script of a job: a few lines that start the runner in the job directory. It writes nothing.

Everything that a script has to do is the runner's business, so that it is the same on every cluster. What
differs is the header, in which a batch system wants to be asked (`cci.cluster.options`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cci.cluster.base import JobSpec
from cci.cluster.options import SiteOptions, options, says_place
from cci.errors import SubmissionRefused, UsageError

#: What a header line begins with, by dialect; ``plain`` has none, as the local cluster is asked otherwise.
PREFIXES: Mapping[str, str] = MappingProxyType(
    {"sge": "#$", "slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB"}
)
DIALECTS = ("plain", *PREFIXES)
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+\Z")


def render_script(
    job: JobSpec, *, python: str, dialect: str = "plain", site: SiteOptions | None = None
) -> str:
    """Return the batch script of a job.

    Parameters
    ----------
    job
        The job; its directory may have any name.
    python
        The node's interpreter that the runner is started with, 3.8 or later.
    dialect
        In whose words the header is; one of `DIALECTS`.
    site
        How the site's batch system wants to be asked.

    Raises
    ------
    UsageError
        There is no such dialect, or the directory's name cannot stand in a script.
    SubmissionRefused
        Something that is asked for cannot be said in this dialect.
    """
    if dialect not in DIALECTS:
        raise UsageError(f"there is no script dialect '{dialect}'", hint=f"there is {', '.join(DIALECTS)}")
    lines = ("#!/bin/sh", *header(job, dialect, site), *commands(job, python, dialect))
    return "\n".join(lines) + "\n"


def header(job: JobSpec, dialect: str, site: SiteOptions | None = None) -> list[str]:
    """Return the lines that ask the batch system; see `render_script`."""
    if dialect == "plain":
        return [f"# job {job.name}"]
    return [
        f"{PREFIXES[dialect]} {' '.join(_quoted(word, dialect) for word in option.words)}"
        for option in options(job, dialect, site)
    ]


def commands(job: JobSpec, python: str, dialect: str) -> list[str]:
    """Return the lines of shell that start the runner; see `render_script`."""
    lines = places(job, dialect)
    lines.extend(f"export {name}={shlex.quote(value)}" for name, value in sorted(job.environment.items()))
    lines.append(f"exec {runner(python)}")
    if dialect != "plain" and any("\n" in line for line in lines):
        # Grid Engine and LSF look for options on every line of a script, also within quotes
        place = str(job.directory)
        raise SubmissionRefused(f"the job in {place!r} cannot have a script: something holds a line break")
    return lines


def places(job: JobSpec, dialect: str) -> list[str]:
    """Return the lines of shell that go to the job's directory, and open its log where nobody else does."""
    directory = str(job.directory)
    if "\0" in directory or not directory.startswith("/"):
        raise UsageError(f"the job directory {directory!r} is not an absolute path")
    lines = [f"cd {shlex.quote(directory)} || exit"]
    if dialect != "plain" and not says_place(job):
        # no header can name this log, so the batch system was given none
        lines.append(f"exec >>{shlex.quote(str(job.output_log))} 2>&1")
    return lines


def interpreter(line: str) -> str:
    """Return the program that a script's first line names, for systems that do not look there themselves."""
    words = line.removeprefix("#!").split() or ["/bin/sh"]
    if words[0].endswith("/env") and len(words) > 1:
        return f"/bin/{words[-1]}"  # a batch system takes a path, and does not search for it
    return words[0]


def runner(python: str) -> str:
    """Return the command that runs the job of the directory in which it is started."""
    # -I: nothing that lies in the job directory can be taken for a module of the runner.
    return f"{shlex.quote(python)} -I runner.py"


def _quoted(word: str, dialect: str) -> str:
    """Quote a word for a header line."""
    if _BARE.match(word):
        return word
    quoted = _QUOTE[dialect](word)
    if quoted is None:
        raise SubmissionRefused(f"{word} cannot stand in the header of a batch script for {dialect}")
    return quoted


def _for_sge(word: str) -> str | None:
    # qsub 8.1.9 takes every quote out of its header lines, within other quotes too, and ends a line at a
    # '#', quoted or not; a backslash stays
    return None if any(letter in word for letter in "'\"#") else f"'{word}'"


def _for_slurm(word: str) -> str:
    # sbatch 22.05 heeds a backslash within either kind of quotes
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _for_others(word: str) -> str | None:
    # both kinds of quotes are known to hold the other; of backslashes nothing is known
    if "\\" in word or ("'" in word and '"' in word):
        return None
    return f'"{word}"' if "'" in word else f"'{word}'"


_QUOTE: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {"sge": _for_sge, "slurm": _for_slurm, "pbs": _for_others, "lsf": _for_others}
)
