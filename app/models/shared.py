"""What clients, projects and tags have in common: they belong to the installation."""

from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ForeignKey, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Instant
from app.errors import Forbidden, NotFound
from app.models.user import User

RESTS = timedelta(days=30)  # what was deleted can be brought back for so long
LARGEST_ID = 2**31 - 1  # of an integer column; PostgreSQL refuses to be asked for more


class Shared:
    """Everyone signed in sees it; who made it, or an administrator, changes it. Deleted, it rests in the trash."""

    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-10)
    created_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True, sort_order=20
    )
    created_at: Mapped[datetime] = mapped_column(Instant, sort_order=30)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant, sort_order=40)

    @classmethod
    def visible_to(cls, _user: User) -> Select[Self]:
        """All that is not in the trash."""
        return select(cls).where(cls.deleted_at.is_(None))

    @classmethod
    def in_trash(cls, user: User, now: datetime) -> Select[Self]:
        """What the person may bring back, for 30 days."""
        resting = select(cls).where(cls.deleted_at >= now - RESTS)
        return resting if user.is_admin else resting.where(cls.created_by_id == user.id)

    @classmethod
    def load(cls, session: Session, user: User, record_id: int) -> Self:
        """Raises NotFound."""
        return cls._found(session, cls.visible_to(user), record_id)

    @classmethod
    def load_to_change(cls, session: Session, user: User, record_id: int) -> Self:
        """Raises NotFound, or Forbidden for whoever neither made it nor is an administrator."""
        found = cls.load(session, user, record_id)
        if not found.may_be_changed_by(user):
            raise Forbidden
        return found

    @classmethod
    def load_from_trash(cls, session: Session, user: User, record_id: int, now: datetime) -> Self:
        """Raises NotFound."""
        return cls._found(session, cls.in_trash(user, now), record_id)

    @classmethod
    def _found(cls, session: Session, among: Select[Any], record_id: int) -> Self:
        if record_id > LARGEST_ID:
            raise NotFound
        found: Self | None = session.scalar(among.where(cls.id == record_id))
        if found is None:
            raise NotFound
        return found

    def may_be_changed_by(self, user: User) -> bool:
        return user.is_admin or self.created_by_id == user.id

    def delete(self, now: datetime) -> None:
        self.deleted_at = self.deleted_at or now

    def undelete(self) -> None:
        self.deleted_at = None


class Archivable(Shared):
    """No new time is booked on it once it is archived; what there is stays."""

    archived_at: Mapped[datetime | None] = mapped_column(Instant, sort_order=10)

    def archive(self, now: datetime) -> None:
        self.archived_at = self.archived_at or now

    def restore(self) -> None:
        self.archived_at = None
