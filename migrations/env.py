"""Runs the migrations on the connection that `app.services.schema` hands over, within its transaction."""

from alembic import context

from app.models import User

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=User.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
