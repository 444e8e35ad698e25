"""Alembic's entry: runs inside the connection that `bot.store.engine.migrate` opened."""

from alembic import context

from bot.store import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
context.run_migrations()
