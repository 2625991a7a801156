"""Backups, their verifications and drills: when each ran, whether it still runs, what came of it."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, Select, SmallInteger, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Instant

DEAD_AFTER = timedelta(seconds=60)  # without a sign of life


class BackupKind(StrEnum):
    BACKUP = "backup"
    VERIFICATION = "verification"  # all of an archive read
    DRILL = "drill"  # a restore into a scratch folder, compared with the archive


class BackupState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Backup(Base):
    """One run. `name` is the archive's path, or its bare name where it lies among the others in DATA_DIR/backups.

    `beat_at` is the last sign of life of a running one, `percent` how far it is. `size` is the archive's in bytes,
    `sha256` its 64 hex digits, `entries` and `files` how many it holds. `problem` says what failed, or what a backup
    that was made could not hold whole.
    """

    __tablename__ = "backups"
    __table_args__ = (
        CheckConstraint("kind IN ('backup', 'verification', 'drill')", name="kind"),
        CheckConstraint("state IN ('running', 'done', 'failed')", name="state"),
        Index("ix_backups_began_at", "began_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default=BackupState.RUNNING)
    scheduled: Mapped[bool] = mapped_column(default=False)
    began_at: Mapped[datetime] = mapped_column(Instant)
    beat_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    percent: Mapped[int] = mapped_column(SmallInteger, default=0)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    entries: Mapped[int | None] = mapped_column(BigInteger)
    files: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str] = mapped_column(Text, default="")

    def is_alive(self, now: datetime) -> bool:
        return self.state == BackupState.RUNNING and self.beat_at > now - DEAD_AFTER

    @classmethod
    def alive(cls, kind: BackupKind, now: datetime) -> Select["Backup"]:
        """Those that run and gave a sign of life."""
        return select(cls).where(cls.kind == kind, cls.state == BackupState.RUNNING, cls.beat_at > now - DEAD_AFTER)

    @classmethod
    def all_alive(cls, now: datetime) -> Select["Backup"]:
        """Those of any kind."""
        return select(cls).where(cls.state == BackupState.RUNNING, cls.beat_at > now - DEAD_AFTER)

    @classmethod
    def reads_files(cls, session: Session, now: datetime) -> bool:
        """Whether a backup runs, which may still read files that people remove."""
        return session.scalar(cls.alive(BackupKind.BACKUP, now).with_only_columns(cls.id).limit(1)) is not None

    @classmethod
    def latest(cls, session: Session, kind: BackupKind) -> "Backup | None":
        """The one that began last, be it done or not."""
        return session.scalar(select(cls).where(cls.kind == kind).order_by(cls.began_at.desc(), cls.id.desc()).limit(1))


class WaitingRemoval(Base):
    """A stored file whose row is gone and whose bytes wait until no backup runs."""

    __tablename__ = "waiting_removals"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant)
