"""Clients, projects and tags rest in the trash; a name is free again while its record rests there.

Revision: 20261122_1711
"""

import sqlalchemy as sa
from alembic import op

from app.db import Instant

revision = "20261122_1711"
down_revision = "20261122_1710"

RESTING = sa.text("deleted_at IS NOT NULL")
THERE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("deleted_at", Instant(), nullable=True))
        clients.drop_constraint("uq_clients_name", type_="unique")
    with op.batch_alter_table("tags") as tags:
        tags.add_column(sa.Column("deleted_at", Instant(), nullable=True))
        tags.drop_constraint("uq_tags_name", type_="unique")
    op.add_column("projects", sa.Column("deleted_at", Instant(), nullable=True))
    for table in ("clients", "tags"):
        op.create_index(f"uq_{table}_name", table, ["name"], unique=True, sqlite_where=THERE, postgresql_where=THERE)
    op.create_index(
        "ix_time_entries_deleted",
        "time_entries",
        ["user_id", "deleted_at"],
        sqlite_where=RESTING,
        postgresql_where=RESTING,
    )
