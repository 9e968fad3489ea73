"""Why attempts end badly: one table of stable codes, each with what it means and what a person can do.

It knows words only. Which code an end gets is decided from evidence in ``cci.daemon.verdict``; what the
pipelines that come with cci say of their inputs is in `cci.pipeline_causes`.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, replace
from enum import StrEnum

from cci.pipeline_causes import PIPELINE_CAUSES


class Retry(StrEnum):
    """What another run by itself is good for."""

    #: The next run would end alike; a person has to mend something first.
    NO = "no"
    #: It is not for a program to run again what a person ended.
    NEVER = "never"
    #: The same again may do.
    SAME = "the same again"
    ELSEWHERE = "the same again, elsewhere"
    MORE_MEMORY = "with more memory"
    LONGER = "with a longer wall time"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One way in which an attempt ends badly.

    Attributes
    ----------
    code
        The stable word; ``exit-N`` and ``signal-N`` stand for all numbers.
    means
        What happened, as the middle of a sentence: "the job ran longer than its wall time".
    remedy
        What a person can do, as an advice.
    retry
        What an automatic retry would be good for; see the settings section ``retry``.
    """

    code: str
    means: str
    remedy: str
    retry: Retry = Retry.NO


_LOG = "read the end of the log with `cci logs`"

_OWN = (
    Cause(
        code="exit-N",
        means="the command ended with exit status N",
        remedy=f"{_LOG}; N is the pipeline's own number",
    ),
    Cause(
        code="signal-N",
        means="the command was ended by signal N",
        remedy=f"{_LOG}; 11 (SIGSEGV) and 6 (SIGABRT) are faults of the program, 9 came from outside",
    ),
    Cause(
        code="out-of-memory",
        means="the job needed more memory than it asked for",
        remedy="give it more with processors.NAME.memory_mb; `cci report efficiency` says how much",
        retry=Retry.MORE_MEMORY,
    ),
    Cause(
        code="walltime",
        means="the job ran longer than its wall time",
        remedy="give the processor more with processors.NAME.walltime, and see in the log whether it hung",
        retry=Retry.LONGER,
    ),
    Cause(
        code="node-failure",
        means="the node failed while the job ran",
        remedy="nothing if it ran again elsewhere; if a node is named often, tell the administrator",
        retry=Retry.ELSEWHERE,
    ),
    Cause(
        code="killed",
        means="the job was killed",
        remedy="ask who ended it, a person or the cluster (preemption, a maintenance); then `cci rerun`",
        retry=Retry.SAME,
    ),
    Cause(
        code="killed-by-user",
        means="the job was killed by its user",
        remedy="`cci rerun` when it is wanted again",
        retry=Retry.NEVER,
    ),
    Cause(
        code="killed-by-administrator",
        means="the job was killed by an administrator of the cluster",
        remedy="ask the administrator why before `cci rerun`",
        retry=Retry.SAME,
    ),
    Cause(
        code="could-not-start",
        means="the command could not be started",
        remedy=(
            "see in the log which program is missing or not executable on the node; `cci doctor` tries the "
            "cluster's interpreter"
        ),
        retry=Retry.ELSEWHERE,
    ),
    Cause(
        code="submission-refused",
        means="the cluster refuses the job",
        remedy=(
            "the reason is the cluster's own sentence: mend queue, limits or native options in the settings, "
            "or ask for less; it is tried again by itself, at the latest every hour"
        ),
    ),
    Cause(
        code="staging-failed",
        means="the inputs could not be brought to the job directory",
        remedy="the reason names the input; mend it in the archive, then `cci rerun`",
    ),
    Cause(
        code="no-output",
        means="the job ended normally and left no output",
        remedy=f"{_LOG}; the pipeline believes that all went well",
    ),
    Cause(
        code="missing-output",
        means="the job ended normally without a required output",
        remedy=f"{_LOG}; the reason names what is missing, the processor says what is required",
    ),
    Cause(
        code="bad-output",
        means="the job left what cannot be stored",
        remedy=(
            "the reason names it: let the pipeline leave plain files below outputs/RESOURCE/, with names "
            "without control characters and without *?[],"
        ),
    ),
    Cause(
        code="lost-output",
        means="output files that the exit record lists never appeared",
        remedy=(
            "see whether the work directory's file system is whole on this host and on the node, and whether "
            "somebody removed the files; then `cci rerun`"
        ),
        retry=Retry.ELSEWHERE,
    ),
    Cause(
        code="lost",
        means="the cluster lost the job before it began",
        remedy="the reason has what the cluster says; limits.max_restarts is how often it is tried again",
        retry=Retry.SAME,
    ),
    Cause(
        code="abandoned",
        means="the attempt was given up for a new one",
        remedy="nothing: a person wished another run, or the settings changed",
        retry=Retry.NEVER,
    ),
)

#: Every code that cci itself or a pipeline that comes with it gives.
CAUSES = {
    **{cause.code: cause for cause in _OWN},
    **{code: Cause(code=code, means=means, remedy=remedy) for code, means, remedy in PIPELINE_CAUSES},
}
#: Other spellings that people try.
_ALIASES = {"licence-missing": "license-missing", "oom": "out-of-memory", "timeout": "walltime"}
_NUMBERED = re.compile(r"(exit|signal)-(\d{1,3})\Z")
#: Exit statuses that a shell gives by itself; sh(1), "EXIT STATUS".
_SHELL = {
    126: "a shell says so of a program that is not executable",
    127: "a shell says so of a missing program",
}


def find_cause(code: str) -> Cause | None:
    """Return what is known of *code*, such as ``exit-3``; None for a word that nobody here gives."""
    word = _ALIASES.get(code.strip().lower(), code.strip().lower())
    numbered = _NUMBERED.match(word)
    return _numbered(numbered[1], int(numbered[2])) if numbered else CAUSES.get(_family(word))


def _family(word: str) -> str:
    """Return the code as the table has it: the families are written with a capital N."""
    return f"{word[:-1]}N" if word in {"exit-n", "signal-n"} else word


def _numbered(kind: str, number: int) -> Cause:
    family = CAUSES[f"{kind}-N"]
    means = f"{family.means.removesuffix('N')}{number}"
    about = _about_signal(number) if kind == "signal" else _about_exit(number)
    return replace(family, code=f"{kind}-{number}", means=f"{means} ({about})" if about else means)


def _about_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _about_exit(number: int) -> str:
    """Say what a status means by convention: a shell adds 128 to the signal that ended its command."""
    name = _about_signal(number - 128) if number > 128 else ""
    return f"a command of it was ended by {name}" if name else _SHELL.get(number, "")


def sentence_of(code: str) -> str:
    """Return what *code* means, for a reason; '' if nobody here gives it."""
    cause = find_cause(code)
    return cause.means if cause else ""
