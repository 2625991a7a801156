"""Files hang on clients, projects, tasks and time entries; the installation has a logo.

Revision: 20261122_1740
"""

import sqlalchemy as sa
from alembic import op

from app.db import Instant

revision = "20261122_1740"
down_revision = "20261122_1713"

HOLDERS = {"client_id": "clients", "project_id": "projects", "task_id": "tasks", "time_entry_id": "time_entries"}
EXACTLY_ONE = " + ".join(f"(CASE WHEN {key} IS NULL THEN 0 ELSE 1 END)" for key in HOLDERS) + " = 1"


def upgrade() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(key, sa.Integer(), nullable=True) for key in HOLDERS),
        sa.Column("stored_file_id", sa.Integer(), nullable=False),
        sa.Column("thumbnail_id", sa.Integer(), nullable=True),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.CheckConstraint(EXACTLY_ONE, name=op.f("ck_attachments_one_holder")),
        *(
            sa.ForeignKeyConstraint([key], [f"{table}.id"], name=op.f(f"fk_attachments_{key}"))
            for key, table in HOLDERS.items()
        ),
        sa.ForeignKeyConstraint(["stored_file_id"], ["stored_files.id"], name=op.f("fk_attachments_stored_file_id")),
        sa.ForeignKeyConstraint(["thumbnail_id"], ["stored_files.id"], name=op.f("fk_attachments_thumbnail_id")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_attachments_created_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("stored_file_id", name=op.f("uq_attachments_stored_file_id")),
        sa.UniqueConstraint("thumbnail_id", name=op.f("uq_attachments_thumbnail_id")),
    )
    for column in (*HOLDERS, "created_by_id", "deleted_at"):
        op.create_index(f"ix_attachments_{column}", "attachments", [column])
    op.add_column("installations", sa.Column("logo_filename", sa.String(length=100), nullable=True))
