"""Named rights that one process has at a time, and what the last good sweep of a project counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cci.daemon import holder as holders
from cci.daemon.ledger.base import LEASE, Book, LedgerUnavailable, now
from cci.daemon.ledger.tables import AttemptRow, LeaseRow, OutboxRow, ProjectRow


class Leases(Book):
    """The part of the ledger that knows leases and projects."""

    @contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        """Hold a named right while inside; yields whether it was free."""
        with holders.holding() as holder:
            got = self._take_lease(name, holder)
            try:
                yield got
            finally:
                if got:
                    self._give_back(name, holder)

    def _give_back(self, name: str, holder: str) -> None:
        # a ledger that is away keeps the row; nobody renews it, and this process does not heed it
        with suppress(LedgerUnavailable), self._writing() as session:
            row = session.get(LeaseRow, name, with_for_update=True)
            if row is not None and row.holder == holder:
                session.delete(row)

    def _take_lease(self, name: str, holder: str) -> bool:
        try:
            with self._writing() as session:
                row = session.get(LeaseRow, name, with_for_update=True)
                if row is None:
                    session.add(LeaseRow(name=name, holder=holder, until=now() + LEASE))
                    return True
                if row.until > now() and not holders.is_dead(row.holder):
                    return False
                row.holder, row.until = holder, now() + LEASE
                return True
        except IntegrityError:
            return False

    def last_counts(self, archive: str, project: str) -> dict[str, int] | None:
        """Return what the last good sweep counted in a project, None before the first."""
        with self._reading() as session:
            row = session.get(ProjectRow, (archive, project))
            return dict(row.counts) if row else None

    def save_counts(self, archive: str, project: str, counts: Mapping[str, int]) -> None:
        """Keep what a good sweep counted."""
        with self._writing() as session:
            session.merge(ProjectRow(archive=archive, project=project, counts=dict(counts), swept=now()))

    def renew(self, at_work: Collection[str]) -> None:
        """Renew every lease of the holders that are at work."""
        until = now() + LEASE
        with self._writing() as session:
            for table, column in ((AttemptRow, "held_until"), (OutboxRow, "held_until"), (LeaseRow, "until")):
                for row in session.scalars(select(table).where(table.holder.in_(at_work))):
                    setattr(row, column, until)
