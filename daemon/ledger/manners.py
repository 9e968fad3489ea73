"""What caps and pace need to know, over all processes.

Open attempts counted, caps set at run time, clusters that take no jobs, and turns.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cci.daemon.ledger.base import Book, now
from cci.daemon.ledger.tables import AttemptRow, AwayRow, CapRow, Meta, TaskRow
from cci.daemon.ledger.values import Away, OpenCount, SetCap, Stage


class Manners(Book):
    """The part of the ledger that knows how much is going on, and how much may."""

    def open_counts(self, archive: str) -> list[OpenCount]:
        """Count the open attempts of an archive by all that a cap may ask for."""
        with self._reading() as session:
            return open_counts(session, archive)

    def set_caps(self) -> list[SetCap]:
        """Return the caps that were set at run time, by name."""
        with self._reading() as session:
            rows = session.scalars(select(CapRow).order_by(CapRow.name))
            return [SetCap(name=row.name, value=row.value, who=row.who, at=row.at) for row in rows]

    def set_cap(self, name: str, value: int, *, who: str) -> None:
        """Set a cap, in place of the one that the settings have; it holds until `unset_cap`."""
        with self._writing() as session:
            session.merge(CapRow(name=name, value=value, who=who, at=now()))

    def unset_cap(self, name: str) -> bool:
        """Give a cap back to the settings; return whether it was set."""
        with self._writing() as session:
            row = session.get(CapRow, name, with_for_update=True)
            if row is not None:
                session.delete(row)
            return row is not None

    def away(self) -> list[Away]:
        """Return the clusters that took no job when they were last asked."""
        with self._reading() as session:
            rows = session.scalars(select(AwayRow).order_by(AwayRow.cluster, AwayRow.processor))
            return [
                Away(
                    cluster=row.cluster,
                    processor=row.processor,
                    reason=row.reason,
                    tries=row.tries,
                    until=row.until,
                )
                for row in rows
            ]

    def set_away(self, cluster: str, processor: str, reason: str, *, until: datetime) -> None:
        """Note that a cluster took no job, and until when it gets no new ones."""
        with self._writing() as session:
            row = session.get(AwayRow, (cluster, processor), with_for_update=True)
            tries = row.tries + 1 if row else 1
            session.merge(
                AwayRow(cluster=cluster, processor=processor, reason=reason, tries=tries, until=until)
            )

    def set_back(self, cluster: str, processor: str) -> None:
        """Note that a cluster has answered, and if *processor* is not '', that it took a job of it."""
        with self._writing() as session:
            for row in session.scalars(select(AwayRow).where(AwayRow.cluster == cluster)):
                if row.processor in {"", processor}:
                    session.delete(row)

    def next_turn(self, name: str, gap_s: float, *, within_s: float) -> tuple[datetime, bool]:
        """Take the next turn in a sequence that all processes share.

        Parameters
        ----------
        gap_s
            How long after this turn the next one is, at the earliest, in seconds.
        within_s
            A turn that is further away than this is not taken.

        Returns
        -------
        datetime, bool
            When the turn is, and whether it was taken.
        """
        try:
            return self._next_turn(f"turn {name}", timedelta(seconds=gap_s), timedelta(seconds=within_s))
        except IntegrityError:
            # another process has just begun the sequence
            return self.next_turn(name, gap_s, within_s=within_s)

    def _next_turn(self, name: str, gap: timedelta, within: timedelta) -> tuple[datetime, bool]:
        with self._writing() as session:
            row = session.get(Meta, name, with_for_update=True)
            present = now()
            turn = max(present, datetime.fromisoformat(row.value)) if row else present
            if turn - present > within:
                return turn, False
            after = (turn + gap).isoformat()
            if row is None:
                session.add(Meta(name=name, value=after))
            else:
                row.value = after
            return turn, True


def open_counts(session: Session, archive: str) -> list[OpenCount]:
    """Count open attempts; see `Manners.open_counts`."""
    task, attempt = TaskRow, AttemptRow
    what = (task.archive, task.project, task.processor, attempt.cluster, attempt.state, attempt.job_state)
    # of all archives: asked for one, a database may begin with its tasks, of which there are very many
    query = (
        select(*what, func.count())
        .select_from(attempt)
        .join(task, task.id == attempt.open_task)
        .where(attempt.open_task.is_not(None))
        .group_by(*what)
        .order_by(*what)
    )
    return [
        OpenCount(
            project=project,
            processor=processor,
            cluster=cluster,
            state=Stage(state),
            job_state=job_state,
            count=count,
        )
        for of, project, processor, cluster, state, job_state, count in session.execute(query)
        if of == archive
    ]


def one_by_one(session: Session) -> None:
    """Let transactions that call this follow one another, until each ends: what they count stays true."""
    # SQLite has one writer at a time anyway; elsewhere every such transaction locks the same row
    session.get(Meta, "instance", with_for_update=True)
