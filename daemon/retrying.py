"""Automatic retries: whether a failed attempt is followed by another by itself, and what that one asks for.

Pure functions over values. What is decided is kept in the ledger beside the attempt that failed, and the
next attempt is made from it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cci.causes import Retry, find_cause
from cci.daemon import order as orders
from cci.daemon.ledger import Attempt
from cci.daemon.order import Order
from cci.processor import Processor
from cci.retries import Retries, RetryRule

#: Where the ledger keeps the decision: in the outputs of the attempt that failed, the inputs of the next.
KEY = "again"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an attempt asks the cluster for: MB (2**20 bytes), seconds, and nodes that it avoids."""

    memory_mb: int
    walltime_s: int
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Again:
    """The next attempt: what it asks for, the causes of those before it, and all that as words."""

    request: Request
    causes: tuple[str, ...]
    words: str


def next_attempt(
    cause: str,
    asked: Request,
    rules: Retries,
    *,
    number: int,
    node: str = "",
    earlier: Sequence[str] = (),
    never_began: bool = False,
    max_restarts: int = 0,
) -> Again | str:
    """Decide what follows an attempt that ended badly.

    Parameters
    ----------
    cause
        The code of its cause.
    asked
        What it asked for.
    number
        The number of the attempt that ended.
    node
        Where it ran, '' if that is not known.
    earlier
        The causes of the attempts before it, back to the last time that a person wished a run.
    never_began
        Whether the cluster is proved to have lost it; then *max_restarts* counts, unless there is a rule.

    Returns
    -------
    Again or str
        Why there is no other attempt, '' if none was to be expected.
    """
    known = find_cause(cause)
    rule = rules.rule(cause) or (RetryRule(times=max_restarts) if never_began else None)
    if rule is None or not rule.times or (known is not None and known.retry is Retry.NEVER):
        return ""
    causes = (*earlier, cause)
    # one rule may be for many causes, such as all exit statuses: they share its times
    if sum(one == cause or rules.rule(one) is rule for one in earlier) >= rule.times:
        lost = f"{causes.count(cause)} jobs were lost"
        return lost if never_began else f"given up after {len(causes)} attempts{_last(asked, rule)}"
    request = _grown(asked, rule, rules, node)
    capped = _capped(asked, request, rule)
    if capped:
        return capped
    return Again(request=request, causes=causes, words=_words(asked, request, cause, number + 1))


def _grown(asked: Request, rule: RetryRule, rules: Retries, node: str) -> Request:
    longest = rules.max_walltime.total_seconds() if rules.max_walltime else math.inf
    avoid = (*asked.avoid, node) if rule.elsewhere and node and node not in asked.avoid else asked.avoid
    return Request(
        memory_mb=_grow(asked.memory_mb, rule.memory, rules.max_memory_mb or math.inf),
        walltime_s=_grow(asked.walltime_s, rule.walltime, longest),
        avoid=avoid,
    )


def _grow(asked: int, factor: float, most: float) -> int:
    """Multiply, up to the cap; who asked for more than that already goes on asking for it."""
    return max(asked, int(min(math.ceil(asked * factor), most)))


def _capped(asked: Request, request: Request, rule: RetryRule) -> str:
    """Say which cap keeps a retry from asking for more; '' if it does, or was not to."""
    if rule.memory > 1 and request.memory_mb == asked.memory_mb:
        return f"it asked for {asked.memory_mb} MB already, and retry.max_memory_mb allows no more"
    if rule.walltime > 1 and request.walltime_s == asked.walltime_s:
        return f"it asked for {_time(asked)} already, and retry.max_walltime allows no more"
    return ""


def _last(asked: Request, rule: RetryRule) -> str:
    if rule.memory > 1:
        return f", the last with {asked.memory_mb} MB"
    return f", the last with {_time(asked)}" if rule.walltime > 1 else ""


def _time(request: Request) -> str:
    return str(timedelta(seconds=request.walltime_s))


def _words(asked: Request, request: Request, cause: str, number: int) -> str:
    """Return what is different this time, and why it is: the reason of the task."""
    changes = []
    if request.memory_mb != asked.memory_mb:
        changes.append(f"with {request.memory_mb} MB")
    if request.walltime_s != asked.walltime_s:
        changes.append(f"with a wall time of {_time(request)}")
    if request.avoid != asked.avoid:
        changes.append(f"elsewhere than on {', '.join(request.avoid)}")
    return " ".join(filter(None, [f"attempt {number}", " and ".join(changes), f"after {cause}"]))


# -- in the ledger --------------------------------------------------------------------------------------


def to_json(again: Again) -> dict[str, Any]:
    """Return the form kept in the ledger."""
    request = {**vars(again.request), "avoid": list(again.request.avoid)}
    return {"request": request, "causes": list(again.causes), "words": again.words}


def from_json(value: Mapping[str, Any]) -> Again:
    """Read a decision back."""
    request = value["request"]
    return Again(
        request=Request(**{**request, "avoid": tuple(request["avoid"])}),
        causes=tuple(value["causes"]),
        words=value["words"],
    )


def causes_before(attempt: Attempt) -> tuple[str, ...]:
    """Return the causes of the attempts that this one follows by itself."""
    return tuple(attempt.inputs.get(KEY, {}).get("causes", ()))


def words_of(attempt: Attempt) -> str:
    """Return why this attempt was made by itself, '' if a person or a first sweep did."""
    return str(attempt.inputs.get(KEY, {}).get("words", ""))


def decided(attempts: Sequence[Attempt]) -> Again | None:
    """Return what the newest of a task's attempts left for the next one."""
    left = attempts[-1].outputs.get(KEY) if attempts else None
    return from_json(left) if left else None


def asked_by(order: Order) -> Request:
    """Return what an order asks for."""
    return Request(memory_mb=order.memory_mb, walltime_s=order.walltime_s, avoid=order.avoid)


def with_request(processor: Processor, again: Again | None) -> Processor:
    """Return a processor that asks for what was decided, or for more where the settings do by now."""
    if again is None:
        return processor
    changed = copy.copy(processor)
    changed.memory_mb = max(processor.memory_mb, again.request.memory_mb)
    changed.walltime = max(processor.walltime, timedelta(seconds=again.request.walltime_s))
    return changed


def as_inputs(order: Order, again: Again | None) -> dict[str, Any]:
    """Return an order as an attempt keeps it, with what was decided before it."""
    if again is None:
        return orders.to_json(order)
    return {**orders.to_json(replace(order, avoid=again.request.avoid)), KEY: to_json(again)}
