"""What an act of a person changed: enough to undo it as a whole."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Instant


class TimeEntryChange(Base):
    """One time entry changed by one act; an act may change several.

    `act` is a random name that all its changes share, `version` the entry's afterwards, `former` what the entry was
    before (JSON; None where the act made it).
    """

    __tablename__ = "time_entry_changes"
    __table_args__ = (
        Index("ix_time_entry_changes_user_id_act", "user_id", "act"),
        Index("ix_time_entry_changes_time_entry_id", "time_entry_id"),
        Index("ix_time_entry_changes_at", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    act: Mapped[str] = mapped_column(String(22))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    time_entry_id: Mapped[int] = mapped_column(ForeignKey("time_entries.id", ondelete="CASCADE"))
    version: Mapped[int]
    former: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant)
