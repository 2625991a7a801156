"""The installation itself: one row."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Instant

ONLY = 1


class Installation(Base):
    """`installation_id` is what the marker in the upload root holds. Zone and currency are defaults for people."""

    __tablename__ = "installations"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    installation_id: Mapped[str] = mapped_column(String(36))
    company_name: Mapped[str] = mapped_column(String(200), default="")
    time_zone: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(Instant)
    logo_filename: Mapped[str | None] = mapped_column(String(100))

    @classmethod
    def this(cls, session: Session) -> "Installation":
        return session.scalars(select(cls)).one()
