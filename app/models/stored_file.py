"""What is known of each stored file: the row that doctor and backup hold the bytes against."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import storage
from app.db import Base, Instant


class FileKind(StrEnum):
    AVATAR = "avatar"
    LOGO = "logo"
    ATTACHMENT = "attachment"
    THUMBNAIL = "thumbnail"


FOLDERS = {  # where files of a kind lie in the store
    FileKind.AVATAR: storage.AVATARS,
    FileKind.LOGO: "logos",
    FileKind.ATTACHMENT: "attachments",
    FileKind.THUMBNAIL: "thumbnails",
}


class StoredFile(Base):
    """`size` is in bytes, `sha256` 64 hex digits, `content_type` what it is served as, `original_name` as uploaded."""

    __tablename__ = "stored_files"
    __table_args__ = (Index("uq_stored_files_kind", "kind", "name", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str] = mapped_column(String(127))
    original_name: Mapped[str] = mapped_column(String(255))
    uploaded_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    uploaded_at: Mapped[datetime] = mapped_column(Instant)

    @property
    def key(self) -> str:
        """Under which the store has the bytes."""
        return f"{FOLDERS[FileKind(self.kind)]}/{self.name}"

    @classmethod
    def any_exist(cls, session: Session) -> bool:
        return session.scalar(select(cls.id).limit(1)) is not None

    @classmethod
    def forget(cls, session: Session, kind: FileKind, name: str) -> None:
        session.execute(delete(cls).where(cls.kind == kind, cls.name == name))
