"""What the work is done on, and the tasks within."""

from datetime import datetime
from typing import Self

from sqlalchemy import Boolean, ForeignKey, Index, Select, SmallInteger, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from app.db import Base, Instant
from app.errors import Forbidden, NotFound
from app.models.client import THERE, Client
from app.models.shared import LARGEST_ID, Archivable, Shared
from app.models.user import User


class Project(Archivable, Base):
    """`billable` is what new time entries take over. `color` is a place in the palette, 0 to 11."""

    __tablename__ = "projects"
    __table_args__ = (Index("ix_projects_client_id", "client_id"),)

    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str] = mapped_column(String(200))
    color: Mapped[int] = mapped_column(SmallInteger, default=0)
    billable: Mapped[bool] = mapped_column(Boolean, default=True)

    client: Mapped[Client | None] = relationship(lazy="raise")

    @property
    def is_open(self) -> bool:
        """Whether new time may be booked on it."""
        if self.archived_at is not None or self.deleted_at is not None:
            return False
        return self.client is None or (self.client.archived_at is None and self.client.deleted_at is None)

    @classmethod
    def visible_to(cls, user: User) -> Select[Self]:
        """All that are not in the trash, with their clients."""
        return super().visible_to(user).options(joinedload(cls.client))

    @classmethod
    def names_of_open(cls, user: User) -> Select[int, str, str]:
        """Id, name and client's name of those that take new time, by name; the client's is None where there is none."""
        return (
            cls.visible_to(user)
            .with_only_columns(cls.id, cls.name, Client.name)
            .outerjoin(cls.client)
            .where(cls.archived_at.is_(None), Client.archived_at.is_(None))
            .order_by(func.lower(cls.name), cls.id)
        )

    @classmethod
    def in_trash(cls, user: User, now: datetime) -> Select[Self]:
        """What the person may bring back, with its clients."""
        return super().in_trash(user, now).options(joinedload(cls.client))


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

    project: Mapped[Project] = relationship(lazy="raise")

    @classmethod
    def visible_to(cls, user: User) -> Select[Self]:
        """Those of projects that are not in the trash."""
        return select(cls).where(Project.visible_to(user).where(Project.id == cls.project_id).exists())

    @classmethod
    def load(cls, session: Session, user: User, task_id: int) -> Self:
        """One with its project and client. Raises NotFound."""
        if task_id > LARGEST_ID:
            raise NotFound
        whole = cls.visible_to(user).options(joinedload(cls.project).joinedload(Project.client))
        found = session.scalar(whole.where(cls.id == task_id))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def load_to_change(cls, session: Session, user: User, task_id: int) -> Self:
        """Raises NotFound, or Forbidden for whoever neither made it nor is an administrator."""
        found = cls.load(session, user, task_id)
        if not found.may_be_changed_by(user):
            raise Forbidden
        return found

    def may_be_changed_by(self, user: User) -> bool:
        return user.is_admin or self.created_by_id == user.id


class Tag(Shared, Base):
    """A word people put on time entries."""

    __tablename__ = "tags"
    __table_args__ = (Index("uq_tags_name", "name", unique=True, sqlite_where=THERE, postgresql_where=THERE),)

    name: Mapped[str] = mapped_column(String(100))
