"""A span of somebody's time."""

from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    bindparam,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship, selectinload

from app import clock
from app.db import Base, Instant, lock
from app.errors import Forbidden, NotFound
from app.models.project import Project, Tag, Task
from app.models.shared import LARGEST_ID, RESTS
from app.models.user import User

DESCRIPTION_LENGTH = 3000
RUNNING = "ended_at IS NULL AND deleted_at IS NULL"
RESTING = "deleted_at IS NOT NULL"


class Source(StrEnum):
    TIMER = "timer"
    MANUAL = "manual"
    TOGGL = "toggl"


time_entry_tags = Table(
    "time_entry_tags",
    Base.metadata,
    Column("time_entry_id", ForeignKey("time_entries.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class ImportRun(Base):
    """One run of an import: the id by which all it brought is undone as a whole."""

    __tablename__ = "import_runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    source: Mapped[str] = mapped_column(String(16))
    file_name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Instant)
    undone_at: Mapped[datetime | None] = mapped_column(Instant)


class TimeEntry(Base):
    """Start and end are instants; `time_zone` is the zone it was made in and `local_date` the day it began there.

    It runs while `ended_at` is empty. `timer_slot` is 0 unless a person may run several timers at once.
    `import_key` tells a row of an imported file again, `import_row` is that row as it was read (JSON). `version` grows
    with each change and is checked by the database; tags in the trash are not shown, but keep their place.
    """

    __tablename__ = "time_entries"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="end_after_start"),
        CheckConstraint("task_id IS NULL OR project_id IS NOT NULL", name="task_in_project"),
        ForeignKeyConstraint(["task_id", "project_id"], ["tasks.id", "tasks.project_id"], name="fk_time_entries_task"),
        Index(
            "uq_time_entries_running",
            "user_id",
            "timer_slot",
            unique=True,
            sqlite_where=text(RUNNING),
            postgresql_where=text(RUNNING),
        ),
        Index("ix_time_entries_user_id_started_at", "user_id", "started_at", "id"),
        Index("ix_time_entries_user_id_local_date", "user_id", "local_date", "started_at", "id"),
        Index("uq_time_entries_import_key", "user_id", "import_key", unique=True),
        Index("ix_time_entries_project_id", "project_id"),
        Index("ix_time_entries_task_id", "task_id"),
        Index("ix_time_entries_import_run_id", "import_run_id"),
        Index(
            "ix_time_entries_deleted",
            "user_id",
            "deleted_at",
            sqlite_where=text(RESTING),
            postgresql_where=text(RESTING),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[int | None]
    description: Mapped[str] = mapped_column(Text, default="")
    billable: Mapped[bool] = mapped_column(Boolean, default=False)
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    timer_slot: Mapped[int] = mapped_column(SmallInteger, default=0)
    time_zone: Mapped[str] = mapped_column(String(64))
    local_date: Mapped[date] = mapped_column(Date)
    source: Mapped[str] = mapped_column(String(16))
    import_run_id: Mapped[int | None] = mapped_column(ForeignKey("import_runs.id"))
    import_key: Mapped[str | None] = mapped_column(String(64))
    import_row: Mapped[str | None] = mapped_column(Text, deferred=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - the name SQLAlchemy reads

    user: Mapped[User] = relationship(lazy="raise")
    project: Mapped[Project | None] = relationship(lazy="raise", foreign_keys=[project_id])
    task: Mapped[Task | None] = relationship(
        lazy="raise", foreign_keys="TimeEntry.task_id", primaryjoin="TimeEntry.task_id == Task.id"
    )
    tags: Mapped[list[Tag]] = relationship(
        lazy="raise",
        secondary=time_entry_tags,
        secondaryjoin=lambda: and_(time_entry_tags.c.tag_id == Tag.id, Tag.deleted_at.is_(None)),
        order_by=Tag.name,
    )

    @property
    def is_running(self) -> bool:
        return self.ended_at is None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def local_start(self) -> datetime:
        return self.started_at.astimezone(self.zone)

    @property
    def local_end(self) -> datetime | None:
        return self.ended_at.astimezone(self.zone) if self.ended_at else None

    def seconds(self, now: datetime) -> int:
        """Elapsed seconds, for a running entry up to `now`."""
        return max(0, clock.seconds_between(self.started_at, self.ended_at or now))

    def take_span(self, start: datetime, end: datetime | None, zone: ZoneInfo) -> None:
        """Sets when it was, and with it the day it counts for."""
        self.started_at, self.ended_at = start, end
        self.time_zone = zone.key
        self.local_date = clock.local_date(start, zone)

    def stop(self, at: datetime) -> None:
        """Ends a running entry; the clock may have been set back, so never before its start."""
        self.ended_at = max(at, self.started_at)
        self.updated_at = at

    def delete(self, at: datetime) -> None:
        """Marks it; the row rests in the trash."""
        self.deleted_at = self.deleted_at or at

    @classmethod
    def own(cls, user: User) -> Select[Self]:
        """A person's own entries, without the deleted."""
        return select(cls).where(cls.user_id == user.id, cls.deleted_at.is_(None))

    @classmethod
    def visible_to(cls, user: User) -> Select[Self]:
        """A person's own entries; an administrator reads everybody's."""
        return select(cls).where(cls.deleted_at.is_(None)) if user.is_admin else cls.own(user)

    @classmethod
    def with_subject(cls, entries: Select[Self]) -> Select[Self]:
        """The same entries with what they are about, in two statements however many."""
        return entries.options(
            joinedload(cls.project).joinedload(Project.client), joinedload(cls.task), selectinload(cls.tags)
        )

    @classmethod
    def load(cls, session: Session, user: User, entry_id: int) -> Self:
        """An entry the person may read. Raises NotFound."""
        if entry_id > LARGEST_ID:
            raise NotFound
        found = session.scalar(cls.with_subject(cls.visible_to(user).where(cls.id == entry_id)))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def in_trash(cls, user: User, now: datetime) -> Select[Self]:
        """What the person deleted in the last 30 days, an administrator too only of their own."""
        return select(cls).where(cls.user_id == user.id, cls.deleted_at >= now - RESTS)

    @classmethod
    def load_from_trash(cls, session: Session, user: User, entry_id: int, now: datetime) -> Self:
        """Held against other changes until the commit. Raises NotFound."""
        if entry_id > LARGEST_ID:
            raise NotFound
        lock(session, user)
        found = session.scalar(cls.with_subject(cls.in_trash(user, now).where(cls.id == entry_id)))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def load_to_change(cls, session: Session, user: User, entry_id: int) -> Self:
        """An entry of the person's own, held against other changes until the commit. Raises NotFound, Forbidden."""
        lock(session, user)
        found = cls.load(session, user, entry_id)
        if found.user_id != user.id:
            raise Forbidden
        return found

    @classmethod
    def running(cls, session: Session, user: User, *, with_subject: bool = True) -> list[Self]:
        """What runs for the person now, the latest first.

        Sorted here: an ORDER BY lures SQLite away from the small index of what runs into walking all entries.
        """
        found = session.scalars(cls._running(with_subject), {"user_id": user.id})
        return sorted(found, key=lambda entry: (entry.started_at, entry.id), reverse=True)

    @classmethod
    @cache
    def _running(cls, with_subject: bool) -> Select[Self]:
        """Built once: every page asks it."""
        running = select(cls).where(
            cls.user_id == bindparam("user_id"), cls.ended_at.is_(None), cls.deleted_at.is_(None)
        )
        return cls.with_subject(running) if with_subject else running
