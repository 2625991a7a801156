"""For whom the work is done."""

from sqlalchemy import Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.shared import Archivable

COLORS = 12  # the palette of look.md, told apart in light, dark and by the colour-blind
THERE = text("deleted_at IS NULL")


class Client(Archivable, Base):
    """`color` is a place in the palette, 0 to 11."""

    __tablename__ = "clients"
    __table_args__ = (Index("uq_clients_name", "name", unique=True, sqlite_where=THERE, postgresql_where=THERE),)

    name: Mapped[str] = mapped_column(String(200))
    color: Mapped[int] = mapped_column(SmallInteger, default=0)
