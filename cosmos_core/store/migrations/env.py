"""How alembic is run: on the connection, and inside the transaction, that the store hands over."""

from __future__ import annotations

from alembic import context

from cosmos_core.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
