"""What a batch system is asked for a job: the options of its submit command, as lists of words. Pure.

One function for each system makes them from a `JobSpec`. The header of a batch script
(`cci.cluster.scripts`), a command line and a DRMAA native specification are three ways to write the same
options. Where a system cannot be asked for something, the option is left out: the notes of each function
say which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import ceil
from types import MappingProxyType

from cci.cluster.base import JobSpec
from cci.cluster.native import ACCOUNT, MAIL, QUEUE, SYSTEMS, Option, flat, lay_over, read, split
from cci.cluster.site import SiteOptions
from cci.errors import SubmissionRefused, UsageError

__all__ = ["MARGIN_S", "SiteOptions", "clock", "options", "says_place"]

#: How much longer than its wall time a job may run before the batch system ends it, in seconds: by then
#: its own runner has ended it, and has written the exit record.
MARGIN_S = 120
#: A path that no system takes for anything but a path: no pattern, list, host or variable in it.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.+-]*\Z")
#: Which options are followed by a name.
_NAMES = MappingProxyType(
    {
        system: {QUEUE[system]: "queue", ACCOUNT[system]: "account", MAIL[system]: "email"}
        for system in SYSTEMS
    }
)
#: Names of Grid Engine's own objects, of which 8.1.9 takes ASCII letters alone.
_OF_OBJECTS = MappingProxyType({"-A": "account", "-P": "project", "-ckpt": "checkpointing environment"})
_NAME = re.compile(r"(?!-)[^\s'\"]*\Z")
_ADDRESS = re.compile(r"[\d.]+\Z")
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def options(
    job: JobSpec, system: str, site: SiteOptions | None = None, *, without: Collection[str] = ()
) -> list[Option]:
    """Return the options that ask *system* for a job; its native options replace ours of the same kind.

    Parameters
    ----------
    system
        One of `cci.cluster.native.SYSTEMS`.
    without
        Keys of options that are asked for in another way, such as ``-N``; see `Option.key`.

    Raises
    ------
    UsageError
        There is no such system, or the native options cannot be read.
    SubmissionRefused
        A value cannot be said in a line, as it holds a line break or another control character.
    """
    if system not in SYSTEMS:
        raise UsageError(f"there is no batch system '{system}'", hint=f"there is {', '.join(SYSTEMS)}")
    ours = (option for words in _ASK[system](job, site or SiteOptions()) for option in split(system, words))
    merged = lay_over(ours, read(system, job.native))
    _refuse_odd(system, merged)
    return [option for option in merged if option.key not in without]


def _refuse_odd(system: str, asked: Sequence[Option]) -> None:
    """Refuse what would be a line of its own, and names that no system has."""
    for word in flat(asked):
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in word):
            raise SubmissionRefused(f"{word!r} cannot be an option: it holds a control character")
    # Grid Engine 8.1.9 answers an account of two words, or of other letters, as if it were out of order
    objects = _OF_OBJECTS if system == "sge" else {}
    for option in asked:
        what = _NAMES[system].get(option.key)
        name = option.words[-1].partition("=")[2] or option.words[-1]
        if what and not _NAME.match(name):
            hint = "a name holds no blanks or quotes, and does not begin with '-'"
            raise SubmissionRefused(f"the {what} '{name}' is no name that a batch system has", hint=hint)
        if option.key in objects and not name.isascii():
            hint = "Grid Engine takes letters of ASCII there, and none with accents"
            raise SubmissionRefused(f"the {objects[option.key]} '{name}' is no name for it", hint=hint)


def says_place(job: JobSpec) -> bool:
    """Whether the system is told the job's directory and log; otherwise the script sees to them itself."""
    return all(_PLAIN_PATH.match(str(path)) for path in (job.directory, job.output_log))


def _place(job: JobSpec) -> tuple[str, str]:
    return (str(job.directory), str(job.output_log)) if says_place(job) else ("/", "/dev/null")


def clock(seconds: int) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _qsub_wishes(job: JobSpec) -> Iterator[tuple[str, ...]]:
    """Yield what Grid Engine and PBS call alike: queue, account, and mail when the job is aborted."""
    if job.queue:
        yield "-q", job.queue
    if job.account:
        yield "-A", job.account
    if job.email:
        yield "-m", "a"
        yield "-M", job.email


def _avoided(job: JobSpec) -> list[str]:
    """Return the names of nodes to avoid, without their domains; what is no name is passed over.

    They come from nodes, which may call themselves by a longer name than the cluster calls them.
    """
    names = {node for node in job.avoid if _NODE.match(node)}
    return sorted({name if _ADDRESS.match(name) else name.partition(".")[0] for name in names})


def _sge(job: JobSpec, site: SiteOptions) -> Iterator[tuple[str, ...]]:
    """Ask Grid Engine; see qsub(1).

    Notes
    -----
    A positive priority is an operator's right there, so only a lower one is asked for. Mail comes when a
    job is aborted; a failed exit status is no reason for mail to Grid Engine.
    """
    directory, log = _place(job)
    yield "-N", job.name
    yield "-S", job.shell  # a queue's own shell would be used in spite of the script's first line
    yield "-wd", directory
    yield "-o", log
    yield "-j", "y"
    yield "-r", "n"
    # the runner is told before it is killed: it ends the command, and writes the exit record
    yield ("-notify",)
    yield "-l", f"h_rt={job.walltime_s + MARGIN_S}"
    if site.memory_resource:
        share = job.slots if site.memory_per == "slot" else 1
        yield "-l", f"{site.memory_resource}={ceil(job.memory_mb / share)}M"
    if job.mpi_slots:
        yield "-pe", site.mpi_environment, str(job.slots)
    elif job.cores > 1:
        yield "-pe", site.parallel_environment, str(job.cores)
    if job.gpus:
        yield "-l", f"{site.gpu_resource}={job.gpus}"
    if avoided := _avoided(job):
        yield "-l", f"h=!({'|'.join(f'{node}|{node}.*' for node in avoided)})"
    yield from _qsub_wishes(job)
    if job.priority < 0:
        yield "-p", str(max(job.priority, -1023))


def _slurm(job: JobSpec, _site: SiteOptions) -> Iterator[tuple[str, ...]]:
    """Ask Slurm; see sbatch(1).

    Notes
    -----
    A negative nice value is an operator's right there, so only a lower priority is asked for.
    """
    directory, log = _place(job)
    yield (f"--job-name={job.name}",)
    yield (f"--chdir={directory}",)
    yield (f"--output={log}",)
    yield ("--no-requeue",)
    yield (f"--time={clock(job.walltime_s + MARGIN_S)}",)
    if job.mpi_slots:
        yield (f"--ntasks={job.mpi_slots}",)
        yield (f"--mem-per-cpu={ceil(job.memory_mb / job.slots)}M",)
    else:
        yield ("--nodes=1",)
        yield ("--ntasks=1",)
        yield (f"--mem={job.memory_mb}M",)
    yield (f"--cpus-per-task={job.cores}",)
    if job.gpus:
        yield (f"--gres=gpu:{job.gpus}",)
    if avoided := _avoided(job):
        yield (f"--exclude={','.join(avoided)}",)
    if job.queue:
        yield (f"--partition={job.queue}",)
    if job.account:
        yield (f"--account={job.account}",)
    if job.email:
        yield ("--mail-type=FAIL",)
        yield (f"--mail-user={job.email}",)
    if job.priority < 0:
        yield (f"--nice={-job.priority}",)


def _pbs(job: JobSpec, site: SiteOptions) -> Iterator[tuple[str, ...]]:
    """Ask PBS Professional, OpenPBS or Torque; see qsub(1B).

    Notes
    -----
    Nodes cannot be avoided there, and only Torque can be told a directory: the script goes there itself.
    """
    directory, log = _place(job)
    yield "-N", job.name
    yield "-S", job.shell
    if site.torque:
        yield "-d", directory
    yield "-o", log
    yield "-j", "oe"
    yield "-r", "n"
    yield "-l", f"walltime={clock(job.walltime_s + MARGIN_S)}"
    yield from _pbs_nodes(job, torque=site.torque)
    yield from _qsub_wishes(job)
    if job.priority:
        yield "-p", str(min(max(job.priority, -1024), 1023))


def _pbs_nodes(job: JobSpec, *, torque: bool) -> Iterator[tuple[str, ...]]:
    parts = max(job.mpi_slots, 1)
    if torque:
        gpus = f":gpus={ceil(job.gpus / parts)}" if job.gpus else ""
        yield "-l", f"nodes={parts}:ppn={job.cores}{gpus}"
        yield "-l", f"mem={job.memory_mb}mb"
        return
    mpi = ":mpiprocs=1" if job.mpi_slots else ""
    gpus = f":ngpus={ceil(job.gpus / parts)}" if job.gpus else ""
    yield "-l", f"select={parts}:ncpus={job.cores}{mpi}:mem={ceil(job.memory_mb / parts)}mb{gpus}"


def _lsf(job: JobSpec, _site: SiteOptions) -> Iterator[tuple[str, ...]]:
    """Ask LSF; see bsub(1).

    Notes
    -----
    A priority is refused by an LSF that is not set up for it, so none is asked for.
    """
    directory, log = _place(job)
    yield "-J", job.name
    yield "-cwd", directory
    yield "-o", log
    yield ("-rn",)
    yield "-W", str(ceil((job.walltime_s + MARGIN_S) / 60))
    yield "-n", str(job.slots)
    if not job.mpi_slots:
        yield "-R", "span[hosts=1]"
    elif job.cores > 1:
        yield "-R", f"span[ptile={job.cores}]"  # else the cores of one slot may lie on two nodes
    yield "-M", f"{job.memory_mb}MB"
    yield "-R", f"rusage[mem={job.memory_mb}MB]"
    if job.gpus:
        yield "-gpu", f"num={job.gpus}"
    if avoided := _avoided(job):
        names = sorted({*avoided, *filter(_NODE.match, job.avoid)})
        yield "-R", f"select[{' && '.join(f'hname!={name}' for name in names)}]"
    if job.queue:
        yield "-q", job.queue
    if job.account:
        yield "-P", job.account
    if job.email:
        yield "-u", job.email
        yield ("-Ne",)


_ASK: Mapping[str, Callable[[JobSpec, SiteOptions], Iterator[tuple[str, ...]]]] = MappingProxyType(
    {"sge": _sge, "slurm": _slurm, "pbs": _pbs, "lsf": _lsf}
)
