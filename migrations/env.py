"""What Alembic runs: the revisions of ``versions/`` on the connection it is handed, all in one transaction."""

from alembic import context

from ingest.store.derived import DERIVED

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=DERIVED[0].metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
