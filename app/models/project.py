"""What the work is done on, and the tasks within."""

from datetime import datetime
from typing import Self

from sqlalchemy import Boolean, ForeignKey, Index, Select, SmallInteger, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from app.db import Base, Instant
from app.errors import Forbidden, NotFound
from app.models.client import LARGEST_ID, Client
from app.models.user import User


class Project(Base):
    """`billable` is what new time entries take over. `color` is a place in the palette, 0 to 11."""

    __tablename__ = "projects"
    __table_args__ = (Index("ix_projects_client_id", "client_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str] = mapped_column(String(200))
    color: Mapped[int] = mapped_column(SmallInteger, default=0)
    billable: Mapped[bool] = mapped_column(Boolean, default=True)
    archived_at: Mapped[datetime | None] = mapped_column(Instant)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)

    client: Mapped[Client | None] = relationship(lazy="raise")

    @property
    def is_open(self) -> bool:
        """Whether new time may be booked on it."""
        return self.archived_at is None and (self.client is None or self.client.archived_at is None)

    @classmethod
    def visible_to(cls, _user: User) -> Select[Self]:
        """Projects belong to the installation: everyone signed in sees them."""
        return select(cls).options(joinedload(cls.client))

    @classmethod
    def load(cls, session: Session, user: User, project_id: int) -> Self:
        """Raises NotFound."""
        if project_id > LARGEST_ID:
            raise NotFound
        found = session.scalar(cls.visible_to(user).where(cls.id == project_id))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def load_to_change(cls, session: Session, user: User, project_id: int) -> Self:
        """Raises NotFound, or Forbidden for whoever neither made it nor is an administrator."""
        found = cls.load(session, user, project_id)
        if not found.may_be_changed_by(user):
            raise Forbidden
        return found

    def may_be_changed_by(self, user: User) -> bool:
        return user.is_admin or self.created_by_id == user.id

    def archive(self, now: datetime) -> None:
        self.archived_at = self.archived_at or now

    def restore(self) -> None:
        self.archived_at = None


class Task(Base):
    """A piece of work within a project."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("id", "project_id"),  # what a time entry's pair of keys points at
        Index("ix_tasks_project_id", "project_id", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(200))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Tag(Base):
    """A word people put on time entries."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
