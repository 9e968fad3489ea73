"""Alembic's entry: run on the connection that the ledger hands over; there is no other way in."""

from __future__ import annotations

from alembic import context

from cci.daemon.ledger.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
context.run_migrations()
