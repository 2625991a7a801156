"""A file that belongs to a client, a project, a task or a time entry."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, joinedload, mapped_column, relationship

from app.db import Base, Instant
from app.errors import Forbidden, NotFound
from app.models.client import Client
from app.models.project import Project, Task
from app.models.shared import LARGEST_ID, RESTS
from app.models.stored_file import StoredFile
from app.models.time_entry import TimeEntry
from app.models.user import User

Holder = Client | Project | Task | TimeEntry

_KEYS = ("client_id", "project_id", "task_id", "time_entry_id")
_EXACTLY_ONE = " + ".join(f"(CASE WHEN {key} IS NULL THEN 0 ELSE 1 END)" for key in _KEYS) + " = 1"


class Attachment(Base):
    """Exactly one of the four keys names what it belongs to. Deleted, it rests in the trash with its bytes.

    `thumbnail` is the stored file of a small picture, where the file is a picture that could be read.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        CheckConstraint(_EXACTLY_ONE, name="one_holder"),
        Index("ix_attachments_client_id", "client_id"),
        Index("ix_attachments_project_id", "project_id"),
        Index("ix_attachments_task_id", "task_id"),
        Index("ix_attachments_time_entry_id", "time_entry_id"),
        Index("ix_attachments_created_by_id", "created_by_id"),
        Index("ix_attachments_deleted_at", "deleted_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    time_entry_id: Mapped[int | None] = mapped_column(ForeignKey("time_entries.id"))
    stored_file_id: Mapped[int] = mapped_column(ForeignKey("stored_files.id"), unique=True)
    thumbnail_id: Mapped[int | None] = mapped_column(ForeignKey("stored_files.id"), unique=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)

    file: Mapped[StoredFile] = relationship(lazy="raise", foreign_keys=[stored_file_id])
    thumbnail: Mapped[StoredFile | None] = relationship(lazy="raise", foreign_keys=[thumbnail_id])
    created_by: Mapped[User | None] = relationship(lazy="raise")

    @property
    def name(self) -> str:
        """What the file was called where it came from."""
        return self.file.original_name

    @classmethod
    def key_of(cls, holder: Holder) -> InstrumentedAttribute[int | None]:
        """The column that names such a thing."""
        keys: dict[type[Holder], InstrumentedAttribute[int | None]] = {
            Client: cls.client_id,
            Project: cls.project_id,
            Task: cls.task_id,
            TimeEntry: cls.time_entry_id,
        }
        return keys[type(holder)]

    @classmethod
    def of(cls, holder: Holder) -> Select[Self]:
        """What hangs on it and is not in the trash."""
        return select(cls).where(cls.key_of(holder) == holder.id, cls.deleted_at.is_(None))

    @classmethod
    def visible_to(cls, user: User) -> Select[Self]:
        """Whoever may read what it belongs to may read it."""
        return select(cls).where(cls.deleted_at.is_(None), cls._belongs_to_what_is_seen(user))

    @classmethod
    def in_trash(cls, user: User, now: datetime) -> Select[Self]:
        """What the person may bring back, for 30 days, unless what it belongs to is in the trash as well."""
        own = cls.created_by_id == user.id
        theirs = or_(own, cls.time_entry_id.is_(None)) if user.is_admin else own
        return select(cls).where(cls.deleted_at >= now - RESTS, theirs, cls._belongs_to_what_is_seen(user))

    @classmethod
    def load(cls, session: Session, user: User, attachment_id: int) -> Self:
        """One the person may read, with its files. Raises NotFound."""
        return cls._found(session, cls.visible_to(user), attachment_id)

    @classmethod
    def load_to_change(cls, session: Session, user: User, attachment_id: int) -> Self:
        """Raises NotFound, or Forbidden for whoever neither brought it nor is an administrator."""
        found = cls.load(session, user, attachment_id)
        if not found.may_be_changed_by(user):
            raise Forbidden
        return found

    @classmethod
    def load_from_trash(cls, session: Session, user: User, attachment_id: int, now: datetime) -> Self:
        """Raises NotFound."""
        return cls._found(session, cls.in_trash(user, now), attachment_id)

    @classmethod
    def _found(cls, session: Session, among: Select[Any], attachment_id: int) -> Self:
        if attachment_id > LARGEST_ID:
            raise NotFound
        with_files = among.options(joinedload(cls.file), joinedload(cls.thumbnail))
        found: Self | None = session.scalar(with_files.where(cls.id == attachment_id))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def _belongs_to_what_is_seen(cls, user: User) -> ColumnElement[bool]:
        """Asked row by row with the keys at hand: a list of all that is seen may be long."""
        task = and_(Task.id == cls.task_id, Task.project_id == Project.id)
        return or_(
            Client.visible_to(user).where(Client.id == cls.client_id).exists(),
            Project.visible_to(user).where(Project.id == cls.project_id).exists(),
            Project.visible_to(user).join(Task, task).exists(),
            TimeEntry.visible_to(user).where(TimeEntry.id == cls.time_entry_id).exists(),
        )

    def may_be_changed_by(self, user: User) -> bool:
        """An entry and what hangs on it are its owner's alone."""
        if self.time_entry_id is not None:
            return self.created_by_id == user.id
        return user.is_admin or self.created_by_id == user.id

    def delete(self, now: datetime) -> None:
        self.deleted_at = self.deleted_at or now

    def undelete(self) -> None:
        self.deleted_at = None


def may_be_added_to(holder: Holder, user: User) -> bool:
    """Clients, projects and tasks take files from everyone signed in, an entry from its owner alone."""
    return not isinstance(holder, TimeEntry) or holder.user_id == user.id
