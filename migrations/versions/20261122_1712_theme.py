"""People choose a theme.

Revision: 20261122_1712
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_1712"
down_revision = "20261122_1711"


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("theme", sa.String(length=6), server_default="system", nullable=False))
        users.create_check_constraint("theme", "theme IN ('system', 'light', 'dark')")
