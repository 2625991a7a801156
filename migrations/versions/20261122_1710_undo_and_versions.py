"""Time entries carry a version, each change of one can be undone, and a person's changes are counted.

Revision: 20261122_1710
"""

import sqlalchemy as sa
from alembic import op

from app.db import Instant

revision = "20261122_1710"
down_revision = "20261122_1300"


def upgrade() -> None:
    op.add_column("time_entries", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("users", sa.Column("changes", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "time_entry_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=22), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("time_entry_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("former", sa.Text(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["time_entry_id"],
            ["time_entries.id"],
            name=op.f("fk_time_entry_changes_time_entry_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_time_entry_changes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_entry_changes")),
    )
    op.create_index("ix_time_entry_changes_user_id_act", "time_entry_changes", ["user_id", "act"])
    op.create_index("ix_time_entry_changes_time_entry_id", "time_entry_changes", ["time_entry_id"])
    op.create_index("ix_time_entry_changes_at", "time_entry_changes", ["at"])
