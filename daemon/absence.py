"""Which clusters take no jobs at present: noted where one is asked, heeded where one is chosen.

It is kept in the ledger, so that every process knows it, also ``cci why``. It decides only where new attempts
go; what a cluster's silence means for its jobs is decided elsewhere: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cci.daemon.workplace import Workplace
from cci.errors import CciError, ClusterUnavailable, SubmissionRefused

#: However often a cluster failed, after this time it is tried with new attempts again.
LONGEST = timedelta(minutes=5)


@contextmanager
def noted(workplace: Workplace, cluster: str) -> Iterator[None]:
    """Note how a cluster answers what is asked of it inside, which is no job to be taken."""
    try:
        yield
    except ClusterUnavailable as error:
        note(workplace, cluster, "", error)
        raise
    note(workplace, cluster, "")


def note(workplace: Workplace, cluster: str, processor: str, error: Exception | None = None) -> None:
    """Note one answer of a cluster; an error that says nothing of the cluster changes nothing.

    Parameters
    ----------
    processor
        Whose job was handed over; '' where none was.
    error
        What came of it, None if all went well.
    """
    if isinstance(error, (ClusterUnavailable, SubmissionRefused)):
        # a cluster that takes no job may answer all questions: those do not bring it back
        _failed(workplace, cluster, processor, error)
    elif error is None and _is_away(workplace, cluster, processor):
        workplace.ledger.set_back(cluster, processor)


def _is_away(workplace: Workplace, cluster: str, processor: str) -> bool:
    return any(one.cluster == cluster and one.processor in {"", processor} for one in workplace.ledger.away())


def _failed(workplace: Workplace, cluster: str, processor: str, error: CciError) -> None:
    before = [one for one in workplace.ledger.away() if (one.cluster, one.processor) == (cluster, processor)]
    until = workplace.later(before[0].tries if before else 0)
    workplace.ledger.set_away(
        cluster, processor, error.message, until=min(until, datetime.now(UTC) + LONGEST)
    )
