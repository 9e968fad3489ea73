"""The pace of submissions: one turn after the other on each cluster, over all processes of one ledger."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from cci.daemon.workplace import Workplace
from cci.errors import CciError

#: A turn that is further away than this, in seconds, is not waited for with the attempt in hand.
HOLD_S = 5.0


class Paced(CciError):
    """The next submission to the cluster is not due yet."""

    code = "E-PACED"
    transient = True

    def __init__(self, cluster: str, until: datetime) -> None:
        super().__init__(f"the next submission to {cluster} is due at {until:%H:%M:%S} UTC")
        self.until = until

    def wait_s(self, now: datetime) -> float:
        """Return how long it is until then, in seconds; never quite nothing."""
        return max(0.05, (self.until - now).total_seconds())


def wait_for_turn(workplace: Workplace, cluster: str) -> None:
    """Wait until a job may be handed to a cluster; at once where the settings ask for no interval.

    Raises
    ------
    Paced
        If that is longer than `HOLD_S`, or everything comes to an end; no turn was taken.
    """
    limits = workplace.settings.limits
    if not (limits.submit_interval_s or limits.submit_jitter_s):
        return
    gap_s = limits.submit_interval_s + random.uniform(0, limits.submit_jitter_s)  # noqa: S311 (no secret)
    turn, taken = workplace.ledger.next_turn(f"cluster {cluster}", gap_s, within_s=HOLD_S)
    if not taken or workplace.stopping.wait(max(0.0, (turn - datetime.now(UTC)).total_seconds())):
        raise Paced(cluster, turn)
