"""People of the demo are marked, so that all of it can be taken away.

Revision: 20261122_1713
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_1713"
down_revision = "20261122_1712"


def upgrade() -> None:
    op.add_column("users", sa.Column("is_demo", sa.Boolean(), server_default=sa.false(), nullable=False))
