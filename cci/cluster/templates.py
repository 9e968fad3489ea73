"""A site's own batch script: a template of Jinja2 in place of the built-in script.

What a template can name is in docs/howto/clusters.md. Texts are quoted for the shell already. Comments of
Jinja2 are off, as ``{#`` is shell too.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cci.cluster.base import JobSpec
from cci.cluster.native import makes_many
from cci.cluster.options import SiteOptions
from cci.cluster.scripts import PREFIXES, commands, header, interpreter, runner
from cci.errors import SubmissionRefused

#: What a template may name that is a text of the job, quoted for the shell; and what is a number.
TEXTS = ("name", "directory", "output_log", "queue", "account", "email")
NUMBERS = ("walltime_s", "memory_mb", "cores", "gpus", "mpi_slots", "priority")
_NEVER = "\0comment\0"


def render_template(
    text: str, job: JobSpec, *, python: str, dialect: str, site: SiteOptions | None = None
) -> str:
    """Return the batch script that a template makes of a job.

    Parameters
    ----------
    text
        The template.
    job, python, dialect, site
        As for `cci.cluster.scripts.render_script`.

    Raises
    ------
    SubmissionRefused
        The template cannot be read, names what there is not, does not start the runner, or does not name
        the job.
    """
    # late: most sites have no template
    from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, UndefinedError

    job = replace(job, shell=interpreter(text.partition("\n")[0]))
    # what it makes is shell, and each text is quoted as such
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        comment_start_string=_NEVER,
        comment_end_string=_NEVER,
    )
    try:
        script = environment.from_string(text).render(variables(job, python, dialect, site))
    except UndefinedError as error:
        hint = f"there is {', '.join(variables(job, python, dialect, site))}"
        raise SubmissionRefused(f"the template is wrong: {error.message}", hint=hint) from error
    except TemplateSyntaxError as error:
        raise SubmissionRefused(f"the template is wrong in line {error.lineno}: {error.message}") from error
    except Exception as error:
        raise SubmissionRefused(f"the template is wrong: {error}") from error
    wrong = _wrong(script, job, python, dialect)
    if wrong:
        raise SubmissionRefused(f"the template {wrong[0]}", hint=wrong[1])
    return script


def variables(job: JobSpec, python: str, dialect: str, site: SiteOptions | None = None) -> Mapping[str, Any]:
    """Return what a template can name, with its value."""
    return {
        "header": "\n".join(header(job, dialect, site)),
        "start": "\n".join(commands(job, python, dialect)),
        "runner": runner(python),
        **{name: shlex.quote(str(getattr(job, name))) for name in TEXTS},
        **{name: getattr(job, name) for name in NUMBERS},
    }


def read_template(path: Path) -> str:
    """Read a template.

    Raises
    ------
    SubmissionRefused
        It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SubmissionRefused(f"cannot read the template {path}: {why}") from error


def _wrong(script: str, job: JobSpec, python: str, dialect: str) -> tuple[str, str] | None:
    """Say what a script lacks without which its job would be lost or never run."""
    lines = [line.strip() for line in script.splitlines()]
    said = "\n".join(line for line in lines if line.startswith("#"))
    done = "\n".join(line for line in lines if not line.startswith("#"))
    if not script.startswith("#!"):
        return "does not begin with '#!'", "begin with '#!/bin/sh', or the shell it is written for"
    if runner(python) not in done or shlex.quote(str(job.directory)) not in done:
        hint = "write {{ start }}, or first 'cd {{ directory }}' and then '{{ runner }}'"
        return "does not start the runner in the job directory", hint
    if dialect == "plain":
        return None
    if job.name not in said:
        return "does not name the job to the batch system", "write {{ header }} below the first line"
    if any(_makes_many(line, dialect) for line in said.splitlines()):
        return "makes an array of jobs", "each attempt is one job, which runs at most once"
    return None


def _makes_many(line: str, dialect: str) -> bool:
    """Whether a line asks the batch system for many jobs; of one that cannot be read the system says so."""
    prefix, _, asked = line.partition(" ")
    try:
        return prefix == PREFIXES[dialect] and makes_many(dialect, shlex.split(asked, comments=True))
    except ValueError:
        return False
