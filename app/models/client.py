"""For whom the work is done."""

from datetime import datetime
from typing import Self

from sqlalchemy import ForeignKey, Select, SmallInteger, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Instant
from app.errors import Forbidden, NotFound
from app.models.user import User

LARGEST_ID = 2**31 - 1  # of an integer column; PostgreSQL refuses to be asked for more
COLORS = 12  # the palette of look.md, told apart in light, dark and by the colour-blind


class Client(Base):
    """`color` is a place in the palette, 0 to 11."""

    __tablename__ = "clients"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    color: Mapped[int] = mapped_column(SmallInteger, default=0)
    archived_at: Mapped[datetime | None] = mapped_column(Instant)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)

    @classmethod
    def visible_to(cls, _user: User) -> Select[Self]:
        """Clients belong to the installation: everyone signed in sees them."""
        return select(cls)

    @classmethod
    def load(cls, session: Session, user: User, client_id: int) -> Self:
        """Raises NotFound."""
        if client_id > LARGEST_ID:
            raise NotFound
        found = session.scalar(cls.visible_to(user).where(cls.id == client_id))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def load_to_change(cls, session: Session, user: User, client_id: int) -> Self:
        """Raises NotFound, or Forbidden for whoever neither made it nor is an administrator."""
        found = cls.load(session, user, client_id)
        if not found.may_be_changed_by(user):
            raise Forbidden
        return found

    def may_be_changed_by(self, user: User) -> bool:
        return user.is_admin or self.created_by_id == user.id

    def archive(self, now: datetime) -> None:
        self.archived_at = self.archived_at or now

    def restore(self) -> None:
        self.archived_at = None
