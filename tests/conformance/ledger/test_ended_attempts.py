"""Attempts that have ended, for reports; on every database."""

from __future__ import annotations

from datetime import timedelta

from support.ledger import ARCHIVE, collecting, held, made, me, opened

from cci.daemon.ledger import Ledger
from cci.status import Status


def test_ended_attempts(ledger: Ledger) -> None:
    """Attempts at any task that are closed or being collected are told, oldest first; open ones are not."""
    failed, ended, running = (made(ledger, number) for number in (1, 2, 3))
    holder = me()
    first = held(ledger, failed, holder)
    ledger.close_attempt(
        first.id, holder, Status.JOB_ERROR, "no", {}, cause="staging-failed", use={"wall_s": 1}
    )
    second = collecting(ledger, ended, me())
    opened(ledger, running)
    (closed,) = ledger.attempts(failed.id)
    assert closed.closed is not None

    found = ledger.ended_attempts(ARCHIVE)
    assert [(first.id, "staging-failed", {"wall_s": 1}), (second.id, "", second.use)] == [
        (attempt.id, attempt.cause, attempt.use) for attempt in found
    ]
    assert [] == ledger.ended_attempts("https://other.example.org")
    assert found == ledger.ended_attempts(ARCHIVE, closed.closed)
    assert [second.id] == [
        attempt.id for attempt in ledger.ended_attempts(ARCHIVE, closed.closed + timedelta(seconds=1))
    ]
