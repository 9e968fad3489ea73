"""The daemon's durable journal: what was intended, done and acknowledged, in a database that processes share.

The ledger never decides anything; it refuses what the table of transitions or a lost lease forbids.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Engine, text

from cci.daemon.ledger.attempts import Attempts
from cci.daemon.ledger.base import LeaseLost, LedgerUnavailable, Stale
from cci.daemon.ledger.engine import open_engine
from cci.daemon.ledger.leases import Leases
from cci.daemon.ledger.manners import Manners
from cci.daemon.ledger.outbox import Outbox
from cci.daemon.ledger.tables import Meta
from cci.daemon.ledger.tasks import Tasks
from cci.daemon.ledger.values import (
    Attempt,
    Away,
    Birth,
    Change,
    NewJob,
    NewTask,
    OpenCount,
    SetCap,
    Stage,
    TaskEntry,
    Write,
)

__all__ = [
    "Attempt",
    "Away",
    "Birth",
    "Change",
    "LeaseLost",
    "Ledger",
    "LedgerUnavailable",
    "NewJob",
    "NewTask",
    "OpenCount",
    "SetCap",
    "Stage",
    "Stale",
    "TaskEntry",
    "Write",
    "open_ledger",
]

_NAME = text("INSERT INTO meta (name, value) VALUES ('instance', :value) ON CONFLICT DO NOTHING")


class Ledger(Tasks, Attempts, Outbox, Leases, Manners):
    """The whole ledger; *instance* tells it from every other, and goes into a project's owner record."""

    def __init__(self, engine: Engine, *, who: str = "cci") -> None:
        super().__init__(engine, who=who)
        self.instance = self._instance()

    def _instance(self) -> str:
        with self._writing() as session:
            row = session.get(Meta, "instance")
            if row is None:
                # of several that open a new ledger at once the first one names it
                session.execute(_NAME, {"value": secrets.token_hex(8)})
            return (row or session.get_one(Meta, "instance")).value

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def open_ledger(url: str, *, who: str = "cci") -> Ledger:
    """Open the ledger at a SQLAlchemy URL, making or migrating its tables.

    Raises
    ------
    SettingsError
        If it cannot be opened.
    """
    return Ledger(open_engine(url), who=who)
