"""Options in a batch system's own words: taken apart, compared, and laid over each other. Pure.

Three may say something: the site (its cluster's section), the processor (its class), and the task (the
processor's section). For one and the same option the most specific wins; of different options all stay.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cci.errors import UsageError

#: The batch systems whose words we speak.
SYSTEMS = ("sge", "slurm", "pbs", "lsf")


@dataclass(frozen=True)
class Option:
    """One option with its values.

    Attributes
    ----------
    key
        What it is about; two with one key do not both stand.
    """

    key: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What one of the three says: queue and account by name, anything else in the system's words."""

    queue: str = ""
    account: str = ""
    native: str = ""


#: Short options of sbatch(1) that are another form of a long one.
_SLURM_SHORT = MappingProxyType(
    {
        "A": "account",
        "C": "constraint",
        "D": "chdir",
        "G": "gpus",
        "H": "hold",
        "J": "job-name",
        "L": "licenses",
        "M": "clusters",
        "N": "nodes",
        "W": "wait",
        "a": "array",
        "b": "begin",
        "c": "cpus-per-task",
        "d": "dependency",
        "e": "error",
        "i": "input",
        "n": "ntasks",
        "o": "output",
        "p": "partition",
        "q": "qos",
        "t": "time",
        "w": "nodelist",
        "x": "exclude",
    }
)
#: Options of sbatch(1) that exclude each other: they are about one thing.
_SLURM_SAME = MappingProxyType(
    {
        "mem-per-cpu": "mem",
        "mem-per-gpu": "mem",
        "gres": "gpus",
        "gpus-per-node": "gpus",
        "gpus-per-task": "gpus",
        "gpus-per-socket": "gpus",
        "workdir": "chdir",
        "no-requeue": "requeue",
    }
)
#: The names that complex(5) of Grid Engine gives to one resource.
_SGE_SAME = MappingProxyType({"h": "hostname", "q": "qname", "mf": "mem_free", "s": "slots"})
#: Which option names the queue, the account, and the address for mail.
QUEUE = MappingProxyType({"sge": "-q", "slurm": "partition", "pbs": "-q", "lsf": "-q"})
ACCOUNT = MappingProxyType({"sge": "-A", "slurm": "account", "pbs": "-A", "lsf": "-P"})
MAIL = MappingProxyType({"sge": "-M", "slurm": "mail-user", "pbs": "-M", "lsf": "-u"})
#: What no native option may say, and why: an attempt is one job, found by its name, which runs once.
_NAME, _ARRAY, _AGAIN = "gives the job another name", "makes many jobs of one", "lets the job run again"
_WAIT = "changes how the job is submitted"
_TRY, _UNDO = "only tries whether the job would fit", "undoes all else that is asked for"
_AWAY = "sends the job to a cluster that is not asked for it"
RESERVED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "sge": {
            "-N": _NAME,
            "-t": _ARRAY,
            "-r": _AGAIN,
            "-clear": _UNDO,
            **dict.fromkeys(("-w v", "-w p"), _TRY),
            **dict.fromkeys(("-sync", "-b", "-now", "-terse", "-verify", "-shell"), _WAIT),
        },
        "slurm": {
            "job-name": _NAME,
            "array": _ARRAY,
            "requeue": _AGAIN,
            "clusters": _AWAY,
            **dict.fromkeys(("wait", "wrap", "parsable", "test-only"), _WAIT),
        },
        "pbs": {
            "-N": _NAME,
            "-J": _ARRAY,
            "-t": _ARRAY,
            "-r": _AGAIN,
            **dict.fromkeys(("-I", "-X", "-z", "-W block"), _WAIT),
        },
        "lsf": {
            "-J": f"{_NAME}, or {_ARRAY}",
            "-r": _AGAIN,
            "-rn": _AGAIN,
            **dict.fromkeys(("-K", "-I", "-Ip", "-Is"), _WAIT),
        },
    }
)
#: Options of sbatch(1) that mean something here.
_SLURM_LONG = frozenset({*_SLURM_SHORT.values(), *_SLURM_SAME, *RESERVED["slurm"], "mem", "mail-user"})


def parse(system: str, words: Sequence[str]) -> list[Option]:
    """Take a list of words apart into options.

    Raises
    ------
    UsageError
        If it does not begin with an option.
    """
    found: list[Option] = []
    mode = ""
    for group in _groups(system, words):
        if system == "sge" and group[0] in {"-soft", "-hard"}:
            mode = group[0] if group[0] == "-soft" else ""
            continue
        found.extend(_in_mode(mode, option) for option in split(system, group))
    return found


def split(system: str, group: tuple[str, ...]) -> list[Option]:
    """Take one option with its values apart, where the system lets one option say several things."""
    return _SPLIT[system](group)


def _groups(system: str, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield each option with the values that follow it."""
    group: list[str] = []
    for word in words:
        begins = word.startswith("-") and not re.match(r"-\d", word)
        if begins and group:
            yield tuple(group)
            group = []
        if not begins and not group:
            hint = f"options of {system} begin with '-'"
            raise UsageError(f"native options begin with '{word}', which is no option", hint=hint)
        group.append(word)
    if group:
        yield tuple(group)


def _in_mode(mode: str, option: Option) -> Option:
    """Keep with an option of qsub(1) whether it is a wish only (``-soft``)."""
    return Option(f"{mode} {option.key}", (mode, *option.words, "-hard")) if mode else option


def _split_sge(group: tuple[str, ...]) -> list[Option]:
    # each resource and each variable stands for itself; qsub(1) adds them up
    if group[0] in {"-l", "-v"} and len(group) == 2:
        return [
            Option(f"{group[0]} {_SGE_SAME.get(name, name)}", (group[0], part))
            for part in filter(None, group[1].split(","))
            for name in (part.partition("=")[0].strip(),)
        ]
    only_tried = group in {("-w", "v"), ("-w", "p")}
    return [Option(" ".join(group) if only_tried else group[0], group)]


def _split_slurm(group: tuple[str, ...]) -> list[Option]:
    word = group[0]
    if not word.startswith("--"):
        return [Option(_SLURM_SHORT.get(word[1:2], word[:2]), group)]
    name = word[2:].partition("=")[0]
    # sbatch takes a long option by any beginning that no other has; see getopt_long(3)
    meant = [known for known in _SLURM_LONG if known.startswith(name)]
    name = meant[0] if name not in meant and len(meant) == 1 else name
    return [Option(_SLURM_SAME.get(name, name), group)]


def _split_pbs(group: tuple[str, ...]) -> list[Option]:
    if len(group) == 1 and len(group[0]) > 2:  # a value may follow at once; see getopt(3)
        group = (group[0][:2], group[0][2:])
    if group[0] in {"-l", "-W"} and len(group) == 2:
        return [
            Option(f"{group[0]} {part.partition('=')[0].strip()}", (group[0], part))
            for part in filter(None, re.split(r",(?=\w+=)", group[1]))
        ]
    return [Option(group[0], group)]


_SECTION = re.compile(r"\s*(\w+)\[[^]]*\]")
#: Which nodes are avoided stands beside what else is asked of a node.
_AVOIDS = re.compile(r"select\[hname!=").match


def _split_lsf(group: tuple[str, ...]) -> list[Option]:
    # bsub(1) takes one -R for each section, and lays those of one section together
    text = " ".join(group[1:])
    if group[0] == "-R" and re.fullmatch(f"({_SECTION.pattern})+\\s*", text):
        parts = ((each[1], each[0].strip()) for each in _SECTION.finditer(text))
        return [Option("-R hname" if _AVOIDS(part) else f"-R {name}", ("-R", part)) for name, part in parts]
    return [Option("-R select" if group[0] == "-R" else group[0], group)]


_SPLIT: Mapping[str, Callable[[tuple[str, ...]], list[Option]]] = MappingProxyType(
    {"sge": _split_sge, "slurm": _split_slurm, "pbs": _split_pbs, "lsf": _split_lsf}
)


def read(system: str, text: str) -> list[Option]:
    """Take options apart that a person has written in one line, quoted as for a shell.

    Raises
    ------
    UsageError
        If the line cannot be read, or says what no native option may say.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the native options {text!r} cannot be read: {error}") from error
    options = parse(system, words)
    for option in options:
        why = RESERVED[system].get(option.key)
        if why:
            hint = "each attempt is one job, found by its name, that runs at most once"
            raise UsageError(f"the native option '{option.words[0]}' {why}", hint=hint)
    return options


def makes_many(system: str, words: Sequence[str]) -> bool:
    """Whether options make an array of jobs; False where they cannot be read."""
    try:
        return any(RESERVED[system].get(option.key) == _ARRAY for option in parse(system, words))
    except UsageError:
        return False


def lay_over(*levels: Iterable[Option]) -> list[Option]:
    """Lay lists of options over each other, the most specific last: it replaces what is about the same."""
    result: list[Option] = []
    for level in levels:
        added = list(level)
        keys = {option.key for option in added}
        result = [option for option in result if option.key not in keys] + added
    return result


def most_specific(system: str, *levels: Wishes) -> Wishes:
    """Make one of what site, processor and task say, the least specific first.

    A queue that one level names by ``queue`` replaces one that a less specific level names in its native
    options, and the other way round; likewise the account.

    Raises
    ------
    UsageError
        As `read`.
    """
    queue, account = "", ""
    native: list[Option] = []
    for level in levels:
        added = read(system, level.native)
        keys = {option.key for option in added}
        gone = {QUEUE[system]} if level.queue else set()
        gone |= {ACCOUNT[system]} if level.account else set()
        native = lay_over((option for option in native if option.key not in gone), added)
        queue = "" if QUEUE[system] in keys else level.queue or queue
        account = "" if ACCOUNT[system] in keys else level.account or account
    return Wishes(queue=queue, account=account, native=shlex.join(flat(native)))


def flat(options: Iterable[Option]) -> list[str]:
    """Return the words of options, one after the other."""
    return [word for option in options for word in option.words]
