"""What Alembic runs: the steps that are missing, in the transaction and on the connection that `schema` passes in."""

from __future__ import annotations

from alembic import context

from alertbot.store.schema import VERSION_TABLE
from alertbot.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
