"""Who is signed in where, which devices are known, and which sign-ins were refused.

Only hashes of secrets are stored: a stolen database signs nobody in.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Boolean, ForeignKey, Index, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from app.db import Base, Instant
from app.models.user import User

SHORT_SESSION = timedelta(hours=24)
LONG_SESSION = timedelta(days=60)
SEEN_EVERY = timedelta(minutes=1)


def new_secret() -> str:
    """256 random bits for a cookie or a link."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """The form a random secret is stored and looked up in (64 hex digits)."""
    return hashlib.sha256(secret.encode()).hexdigest()


class UserSession(Base):
    """A sign-in on one device. No row, no person."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user_id", "user_id"), Index("ix_user_sessions_expires_at", "expires_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    sid_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    stay_signed_in: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_seen_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)

    user: Mapped[User] = relationship(lazy="raise")

    def seen(self, now: datetime) -> None:
        """Moves the end of the session on: it lapses after the last use, not after the first."""
        self.last_seen_at = now
        self.expires_at = now + (LONG_SESSION if self.stay_signed_in else SHORT_SESSION)

    def is_due_to_be_seen(self, now: datetime) -> bool:
        return now - self.last_seen_at >= SEEN_EVERY

    @classmethod
    def end_all(cls, session: Session, user: User, *, but_sid: str | None = None) -> None:
        """Signs the person out everywhere, but on the device that holds `but_sid`."""
        ended = delete(cls).where(cls.user_id == user.id)
        if but_sid is not None:
            ended = ended.where(cls.sid_hash != hashed(but_sid))
        session.execute(ended)


class UserDevice(Base):
    """A browser that signed in to this account before. It signs nobody in: it only has a count of its own."""

    __tablename__ = "user_devices"
    __table_args__ = (Index("uq_user_devices_user_id", "user_id", "device_hash", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    device_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Instant)


class SignInAttempt(Base):
    """A refused sign-in. The typed name is kept as a hash only: people type passwords into the wrong field."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_account_hash", "account_hash", "at"),
        Index("ix_sign_in_attempts_address", "address", "at"),
        Index("ix_sign_in_attempts_at", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_hash: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    device_hash: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Instant)


class OneTimeLink(Base):
    """A link that lets somebody in once: to set the house up, to join, to choose a new password."""

    __tablename__ = "one_time_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)

    user: Mapped[User | None] = relationship(lazy="raise")
