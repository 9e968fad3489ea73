"""Attempts that a cluster refuses: they wait, ever longer, until it takes them or the settings change."""

from __future__ import annotations

import hashlib

import structlog

from cci.daemon import retrying
from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.daemon.workplace import Workplace
from cci.status import Status

log = structlog.get_logger()

#: The cause of an open attempt that its cluster refused when it was last asked; no job exists then.
REFUSED = "submission-refused"
#: Where an attempt's inputs say under which settings it was refused.
REFUSED_UNDER = "refused_under"


def is_refused(attempt: Attempt) -> bool:
    """Whether its cluster refused an open attempt when it was last asked."""
    return attempt.state is Stage.SUBMITTING and attempt.cause == REFUSED


def refused_attempts(workplace: Workplace) -> list[Attempt]:
    """Return the open attempts that their clusters refused when they were last asked."""
    return [one for one in workplace.ledger.open_attempts(workplace.url, Stage.SUBMITTING) if is_refused(one)]


def refusing(workplace: Workplace) -> dict[tuple[str, str], str]:
    """Return what clusters say to the processors that they refuse, by cluster and processor.

    An attempt that asked for more than its processor does, after another had failed, says nothing of others.
    """
    return {
        (one.cluster, workplace.ledger.task(one.task_id).processor): one.job_message
        for one in refused_attempts(workplace)
        if retrying.KEY not in one.inputs
    }


def settings_mark(workplace: Workplace, entry: TaskEntry, cluster: str) -> str:
    """Return a text that changes when the settings of what was refused do."""
    settings, configured = workplace.settings, workplace.processors.get(entry.processor)
    told: list[object] = [
        settings.processors.get(entry.processor),
        settings.clusters.get(cluster),
        settings.retry,
    ]
    if configured is not None:
        processor = configured.processor
        told += [
            configured.clusters,
            processor.walltime,
            processor.memory_mb,
            processor.cores,
            processor.gpus,
        ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def reconsider(workplace: Workplace) -> int:
    """Give up refused attempts whose settings have changed since, so that a sweep tries at once.

    Returns how many; that no job exists is certain, for it was the last thing that the cluster said.
    """
    done = 0
    for attempt in refused_attempts(workplace):
        entry = workplace.ledger.task(attempt.task_id)
        mark = settings_mark(workplace, entry, attempt.cluster)
        if attempt.inputs.get(REFUSED_UNDER) != mark:
            done += give_up(
                workplace, entry, attempt, "the settings have changed since the cluster refused it"
            )
    return done


def give_up(workplace: Workplace, entry: TaskEntry, attempt: Attempt, reason: str) -> bool:
    """Close a refused attempt, so that its task waits as before it; False if somebody is at it now."""
    with workplace.ledger.in_hand(attempt.id) as (taken, holder):
        if taken is None or taken.cause != REFUSED:
            return False
        workplace.ledger.reopen(entry.id, Status.PRE_COMPLETE, reason, {}, ended=(taken.id, holder))
        workplace.ledger.set_back(attempt.cluster, entry.processor)
    log.info("refused attempt given up", action="submit", task=entry.label, reason=reason)
    return True
