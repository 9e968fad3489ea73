"""What attempts asked for beside what they used, and what their processors should ask for instead. Pure.

Only attempts that ended well are measured: one that failed early says nothing of what a whole run needs.
Those that were ended at a limit say that the limit is too low, and are heard before any average.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from cci.daemon.ledger import Attempt
from cci.daemon.order import from_json

#: The cause of an attempt whose task was begun anew.
ABANDONED = "abandoned"
#: Fewer attempts than this that ended well are no ground for a suggestion.
ENOUGH = 5
#: A request is worth lowering if this part of it and so much would be spared, by what is asked for.
_WORTH_PART = 0.2
_WORTH = {"memory": 100.0, "walltime": 900.0, "cores": 1.0}
#: What most runs used, and what the largest used, times this is enough; run times differ more between nodes.
_ROOM = {"memory": (1.2, 1.1), "walltime": (1.5, 1.25), "cores": (1.0, 1.0)}
#: What a limit is multiplied with when attempts were ended at it.
_RAISE = 1.5
#: How an attempt ends that asked for too little.
_LIMITS = {"memory": "out-of-memory", "walltime": "walltime"}
_ENDED_AT = {"memory": "ran out of memory", "walltime": "were ended at their wall time"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an attempt asks for: memory in MB (2**20 bytes), wall time in seconds, cores."""

    memory: float
    walltime: float
    cores: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One ended attempt: what it asked for and used; None where nobody measured.

    *cause* is why it failed, '' if it ended well.
    """

    processor: str
    cluster: str
    asked: Request
    memory_mb: float | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    cause: str = ""

    def used(self, resource: str) -> float | None:
        """Return what was used of a resource; of cores, how many were busy on average."""
        if resource == "cores":
            return self.cpu_s / self.wall_s if self.cpu_s is not None and self.wall_s else None
        return self.memory_mb if resource == "memory" else self.wall_s


@dataclass(frozen=True, kw_only=True)
class Row:
    """One resource of one processor on one cluster.

    Attributes
    ----------
    measured
        Attempts that ended well and of which the use is known; the figures are None if there are none.
    p95
        What 95 % of them used at most (nearest rank).
    efficiency
        Used in percent of asked, in the median over these attempts, each by what it asked for itself.
    """

    processor: str
    cluster: str
    resource: str
    attempts: int
    measured: int
    asked: float
    median: float | None
    p95: float | None
    most: float | None
    efficiency: float | None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What one processor should ask for; *value* is None where nothing is to change, and *words* say why."""

    processor: str
    resource: str
    value: float | None
    words: str


def table(samples: Sequence[Sample], now: Mapping[str, Request]) -> list[Row]:
    """Return a row for each processor, cluster and resource; *now* is what a processor asks for now."""
    groups: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.processor, sample.cluster].append(sample)
    return [
        _row(key, resource, group, _asked(now, group, resource))
        for key, group in sorted(groups.items())
        for resource in _ROOM
    ]


def _asked(now: Mapping[str, Request], group: Sequence[Sample], resource: str) -> float:
    """Return what is asked for now; what its last attempt asked for, if the settings lack the processor."""
    request = now.get(group[0].processor, group[-1].asked)
    return float(getattr(request, resource))


def _row(key: tuple[str, str], resource: str, group: Sequence[Sample], asked: float) -> Row:
    pairs = _measured(group, resource)
    used = [one for one, _ in pairs]
    parts = [100 * one / wanted for one, wanted in pairs if wanted]
    return Row(
        processor=key[0],
        cluster=key[1],
        resource=resource,
        attempts=len(group),
        measured=len(used),
        asked=asked,
        median=median(used) if used else None,
        p95=percentile(used, 95) if used else None,
        most=max(used, default=None),
        efficiency=median(parts) if parts else None,
    )


def _measured(group: Iterable[Sample], resource: str) -> list[tuple[float, float]]:
    """Return what was used, and what that attempt had asked for, of each that ended well."""
    pairs = ((one.used(resource), getattr(one.asked, resource)) for one in group if not one.cause)
    return [(used, float(asked)) for used, asked in pairs if used is not None]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of the values that *percent* of them do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


def sample_of(attempt: Attempt, processor: str) -> Sample | None:
    """Return what the ledger knows of an attempt as a sample; None if it never had a job, or was given up."""
    if attempt.submitted is None or attempt.cause == ABANDONED:
        return None
    order = from_json(attempt.inputs)
    return Sample(
        processor=processor,
        cluster=attempt.cluster,
        asked=Request(memory=order.memory_mb, walltime=order.walltime_s, cores=order.cores),
        memory_mb=attempt.use.get("peak_memory_mb"),
        wall_s=attempt.use.get("wall_s"),
        cpu_s=attempt.use.get("cpu_s"),
        cause=attempt.cause,
    )


# -- what to ask for instead ----------------------------------------------------------------------------


def advise(samples: Sequence[Sample], now: Mapping[str, Request]) -> list[Advice]:
    """Say what each processor should ask for, over all clusters, as its settings are for all of them."""
    groups: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.processor].append(sample)
    return [advice for name, group in sorted(groups.items()) for advice in _advise(name, group, now)]


def _advise(name: str, group: Sequence[Sample], now: Mapping[str, Request]) -> list[Advice]:
    found = [_advice(name, group, resource, _asked(now, group, resource)) for resource in _ROOM]
    advices = [advice for advice in found if advice is not None]
    return advices or [_nothing(name, _why_nothing(group))]


def _why_nothing(group: Sequence[Sample]) -> str:
    well = [one for one in group if not one.cause]
    if len(well) < ENOUGH:
        return f"too few attempts ended well for a suggestion: {len(well)}, and {ENOUGH} are needed"
    if all(one.used(resource) is None for one in well for resource in _ROOM):
        return f"of {len(well)} attempts that ended well nobody measured what they used"
    return "asks for what it needs"


def _nothing(name: str, words: str) -> Advice:
    return Advice(processor=name, resource="", value=None, words=words)


def _advice(name: str, group: Sequence[Sample], resource: str, asked: float) -> Advice | None:
    used = [one for one, _ in _measured(group, resource)]
    value, because = _more(group, resource, asked)
    if value is None and len(used) >= ENOUGH:
        value, because = _by_use(used, resource, asked)
    if value is None:
        return None
    words = f"ask for {amount(resource, value)} instead of {amount(resource, asked)}: {because}"
    return Advice(processor=name, resource=resource, value=value, words=words)


def _more(group: Sequence[Sample], resource: str, asked: float) -> tuple[float | None, str]:
    """Ask for more where attempts were ended at a limit that is not lower than today's."""
    deaths = [one for one in group if one.cause == _LIMITS.get(resource)]
    highest = max((float(getattr(one.asked, resource)) for one in deaths), default=0.0)
    if not deaths or highest < asked:
        return None, ""
    count = sum(getattr(one.asked, resource) >= asked for one in deaths)
    return _nice(resource, highest * _RAISE), f"{count} of {len(group)} attempts {_ENDED_AT[resource]}"


def _by_use(used: Sequence[float], resource: str, asked: float) -> tuple[float | None, str]:
    """Ask for what was used and some room: less where that is worth it, more where the limit is near."""
    usual, most = percentile(used, 95), max(used)
    for_usual, for_most = _ROOM[resource]
    value = _nice(resource, max(usual * for_usual, most * for_most))
    spared = asked - value
    less = spared >= _WORTH_PART * asked and spared >= _WORTH[resource]
    more = resource != "cores" and most > 0.9 * asked and value > asked
    if not (less or more):
        return None, ""
    form = "kept at most {} busy" if resource == "cores" else "used at most {}"
    because = f"95 % of {len(used)} attempts {form.format(exact(resource, usual))}"
    return value, because + (f", one {exact(resource, most)}" if most > usual else "")


def _nice(resource: str, wanted: float) -> float:
    """Round as a person would, and never below what is wanted by more than a twentieth."""
    if resource == "cores":
        return float(max(math.ceil(wanted - 0.05), 1))
    if resource == "walltime":
        step = 300 if wanted <= 7200 else 900 if wanted <= 43_200 else 3600
        return float(math.ceil(wanted / step) * step)
    step = 10 ** max(math.floor(math.log10(max(wanted, 1))) - 1, 1)
    return float(max(round(wanted / step), 1) * step)


# -- in words -------------------------------------------------------------------------------------------


def amount(resource: str, value: float) -> str:
    """Return a request in words, with its unit."""
    if resource == "walltime":
        return clock(value)
    return f"{value:.0f} MB" if resource == "memory" else f"{value:.0f} core{'s' * (value != 1)}"


def exact(resource: str, value: float) -> str:
    """Return what was used; of cores with a decimal, for it is an average."""
    return f"{value:.1f}" if resource == "cores" else amount(resource, value)


def clock(seconds: float) -> str:
    """Return seconds as HH:MM:SS; a day has no hour more than others, and there may be a hundred hours."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


_SETTING = {"memory": "memory_mb", "walltime": "walltime", "cores": "cores"}


def settings_lines(advices: Iterable[Advice]) -> str:
    """Return the lines to lay over the settings, '' if nothing is to change."""
    changes: defaultdict[str, list[str]] = defaultdict(list)
    for advice in advices:
        if advice.value is not None:
            text = f'"{clock(advice.value)}"' if advice.resource == "walltime" else f"{advice.value:.0f}"
            changes[advice.processor].append(f"    {_SETTING[advice.resource]}: {text}")
    lines = [line for name, rows in changes.items() for line in (f"  {name}:", *rows)]
    return "\n".join(["processors:", *lines]) if lines else ""


def count_causes(samples: Iterable[Sample]) -> dict[tuple[str, str], dict[str, int]]:
    """Count the attempts that failed, by processor and cluster, and then by cause."""
    found: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if sample.cause:
            found[sample.processor, sample.cluster][sample.cause] += 1
    return {key: dict(sorted(counted.items())) for key, counted in found.items()}
