"""A person who signs in."""

import hashlib
import unicodedata
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, CheckConstraint, Index, Select, SmallInteger, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import storage
from app.db import Base, Instant
from app.errors import NotFound

AVATAR_COLORS = 12


class Role(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"


class Theme(StrEnum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class User(Base):
    """`username_key` and `email_key` are the folded forms people are found by.

    `changes` counts what the person changed, so that their other pages notice. `is_demo` marks people of the demo.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'member')", name="role"),
        CheckConstraint("week_start BETWEEN 0 AND 6", name="week_start"),
        CheckConstraint("time_format IN ('24h', '12h')", name="time_format"),
        CheckConstraint("theme IN ('system', 'light', 'dark')", name="theme"),
        Index("ix_users_email_key", "email_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64))
    username_key: Mapped[str] = mapped_column(String(256), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(762))
    full_name: Mapped[str] = mapped_column(String(200), default="")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16), default=Role.MEMBER)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    time_zone: Mapped[str] = mapped_column(String(64))
    week_start: Mapped[int] = mapped_column(SmallInteger, default=0)
    time_format: Mapped[str] = mapped_column(String(3), default="24h")
    preferred_language: Mapped[str | None] = mapped_column(String(16))
    avatar_filename: Mapped[str | None] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changes: Mapped[int] = mapped_column(default=0)
    theme: Mapped[str] = mapped_column(String(6), default=Theme.SYSTEM)
    is_demo: Mapped[bool] = mapped_column(Boolean, default=False)

    @property
    def display_name(self) -> str:
        return self.full_name or self.username

    @property
    def initials(self) -> str:
        """One or two letters that stand for a missing picture."""
        letters = [found[0] for word in self.display_name.split() if (found := [c for c in word if c.isalnum()])]
        return "".join([*letters[:1], *letters[1:][-1:]]).upper() or "·"

    @property
    def color(self) -> int:
        """The person's own colour, 0 to 11, the same for ever."""
        return int(hashlib.sha256(str(self.id).encode()).hexdigest(), 16) % AVATAR_COLORS

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def get_avatar_url(self) -> str | None:
        """The picture's address below the site's root, or None."""
        return f"/uploads/avatars/{self.avatar_filename}" if self.avatar_filename else None

    def get_avatar_path(self) -> str | None:
        """Where the picture lies on a local disk, or None; None also where pictures lie in a remote store."""
        folder = avatar_folder()
        return str(folder / self.avatar_filename) if folder and self.avatar_filename else None

    def has_avatar(self) -> bool:
        """Whether a picture is named and its file is really there; a remote store is not asked for each face."""
        if avatar_folder() is None:
            return bool(self.avatar_filename)
        try:
            return bool(self.avatar_filename) and storage.store().stat(self.avatar_key) is not None
        except OSError:
            return False

    @property
    def avatar_key(self) -> str:
        return f"{storage.AVATARS}/{self.avatar_filename}"

    @classmethod
    def named(cls, session: Session, username: str) -> Self:
        """The person of that user name. Raises NotFound."""
        found = session.scalar(select(cls).where(cls.username_key == fold(username)))
        if found is None:
            raise NotFound(f"There is no user named {username!r}; `timetracker user list` shows all.")
        return found

    @classmethod
    def of_sign_in_name(cls, session: Session, name: str) -> Self | None:
        """The person of a user name, or of an e-mail address that only one person has."""
        key = fold(name)
        by_name = session.scalar(select(cls).where(cls.username_key == key))
        if by_name is not None or not key:
            return by_name
        by_email = session.scalars(select(cls).where(cls.email_key == key).limit(2)).all()
        return by_email[0] if len(by_email) == 1 else None

    @classmethod
    def other_active_admins(cls, session: Session, user: "User") -> int:
        """How many administrators who can sign in there are besides `user`; an invited one cannot yet."""
        others = select(func.count()).where(
            cls.role == Role.ADMIN, cls.disabled_at.is_(None), cls.password_hash.is_not(None), cls.id != user.id
        )
        return session.scalar(others) or 0

    @classmethod
    def visible_to(cls, _user: "User") -> Select[Self]:
        """Names and faces are seen by everyone signed in."""
        return select(cls)

    @classmethod
    def load(cls, session: Session, user: "User", user_id: int) -> Self:
        """Raises NotFound."""
        found = session.scalar(cls.visible_to(user).where(cls.id == user_id))
        if found is None:
            raise NotFound
        return found

    @classmethod
    def admin_exists(cls, session: Session) -> bool:
        """Set-up is done when an administrator exists."""
        return session.scalar(select(cls.id).where(cls.role == Role.ADMIN).limit(1)) is not None


def fold(name: str) -> str:
    """The form names are compared in: trimmed, case and compatibility forms set aside."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def avatar_folder() -> Path | None:
    """Where pictures lie on a local disk, or None where they lie in a remote store."""
    return storage.store().folder(storage.AVATARS)
