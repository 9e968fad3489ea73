"""A job as a DRMAA job template: which attribute says what, and what is left to native options. Pure.

Attributes say what each system takes from them; what else is asked for is in options of the system itself
(`cci.cluster.options`), as DRMAA 1.0 has no words for memory or cores. Grid Engine reads them from the
header of the batch script, as ``qsub`` does, so that a site's own template counts and what
``cci show-script`` shows is what is asked. The other libraries do not read the script, and get them in
``nativeSpecification``.

No wall time is set by attribute: Grid Engine's library does not have that one, and the Python package cannot
set numbers on Python 3. It is one of the options.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from cci.cluster.base import JobSpec
from cci.cluster.native import flat
from cci.cluster.options import SiteOptions, options, says_place
from cci.errors import SubmissionRefused

#: Options that an attribute says already, or that the system's library does not take, by system.
_ELSEWHERE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # slurm-drmaa takes a part of sbatch's options: it has neither --nice nor --mail-user
        "slurm": frozenset({"job-name", "chdir", "output", "mail-user", "nice"}),
        "pbs": frozenset({"-N", "-S", "-d", "-o", "-j", "-M"}),
        "lsf": frozenset({"-J", "-cwd", "-o", "-u"}),
    }
)
#: Grid Engine: take the command for a script and read the options in its header; see qsub(1).
_SCRIPT = "-b n"
#: Refuse at once what no node could ever run, unless somebody has said otherwise.
_CHECKED = "-w e"


def attributes(job: JobSpec, system: str, site: SiteOptions) -> dict[str, object]:
    """Return the attributes of a job's template, by their names in the Python package.

    Raises
    ------
    SubmissionRefused
        Something cannot be said to this system's library.
    UsageError
        The native options cannot be read.
    """
    placed = says_place(job)
    told: dict[str, object] = {
        "remoteCommand": str(job.script),
        "jobName": job.name,
        "workingDirectory": str(job.directory) if placed else "/",
        # before the colon could stand a host
        "outputPath": f":{job.output_log if placed else '/dev/null'}",
        "joinFiles": True,
        "nativeSpecification": _native(job, system, site),
    }
    # the header names it too, and Grid Engine would write twice
    if job.email and system != "sge":
        told["email"] = job.email.split(",")
    if job.environment:
        told["jobEnvironment"] = _environment(job.environment, system)
    return told


def _native(job: JobSpec, system: str, site: SiteOptions) -> str:
    if system == "sge":
        return _SCRIPT if "-w" in shlex.split(job.native) else f"{_SCRIPT} {_CHECKED}"
    words = flat(options(job, system, site, without=_ELSEWHERE[system]))
    if system != "slurm":
        return shlex.join(words)
    torn = [word for word in words if len(word.split()) != 1]
    if torn:
        raise SubmissionRefused(
            f"the option {torn[0]!r} cannot be told to Slurm's DRMAA library, which knows no quotes",
            hint="use an option without blanks, or a cluster of kind slurm, which uses sbatch",
        )
    return " ".join(words)


def _environment(variables: Mapping[str, str], system: str) -> dict[str, str]:
    """Return the variables of a job, if they get through: Grid Engine cuts values off at an equals sign."""
    for name, value in variables.items():
        if system == "sge" and "=" in value:
            raise SubmissionRefused(
                f"Grid Engine's DRMAA library cannot be told the value of {name}: it holds an equals sign"
            )
    return dict(variables)
