"""Files on clients, projects, tasks and time entries: kept as they came, and never looked into by a browser."""

import os
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import BinaryIO

from flask_babel import lazy_gettext as _
from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import db, storage
from app.errors import Forbidden, Refused
from app.models import Attachment, FileKind, StoredFile, User
from app.models.attachment import Holder, may_be_added_to
from app.services import pictures, quotas, uploads
from app.services.quotas import Quotas

MAX_BYTES = 25 * 2**20
AT_ONCE = 10
FIELD = "files"
THUMBNAIL_SIDE = 96  # pixels
LONGEST_NAME = 255

_LONGEST_WAIT_SECONDS = 5
# What some program may open by itself once it is downloaded; everything else is bytes and nothing more.
_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_ANYTHING = "application/octet-stream"


@dataclass(frozen=True)
class Sent:
    """A file as it came: where its bytes are read, and what it was called there."""

    stream: BinaryIO
    filename: str

    @property
    def size(self) -> int:
        """In bytes; leaves the stream at its beginning."""
        size = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(0)
        return size


@dataclass(frozen=True)
class _Ready:
    """A file that was looked at. `thumbnail` is a small picture as WebP, or nothing."""

    sent: Sent
    name: str
    content_type: str
    thumbnail: bytes


def add(
    session: Session, user: User, holder: Holder, sent: Sequence[Sent], *, quotas: Quotas, now: datetime
) -> list[Attachment]:
    """Hangs all of the files on the holder, or none.

    Raises Forbidden; Refused, OverQuota among it; Unavailable where the store takes nothing. Bytes are prepared and
    stored before the lock, and taken away again where their rows come to nothing.
    """
    if not may_be_added_to(holder, user):
        raise Forbidden
    _refuse_unusable(sent)
    _refuse_over_quota(session, user, sent, quotas)
    ready = [_prepared(file) for file in sent]
    with ExitStack() as undoing:
        stored = [_put(session, file, undoing) for file in ready]
        undoing.callback(session.rollback)  # first of all: nobody shall wait while a store removes files
        db.lock(session, user)
        if quotas.in_all:
            db.serialise(session, "stored files")
        _refuse_over_quota(session, user, sent, quotas)  # again: somebody may have sent at the same time
        made = [_enter(session, user, holder, *pair, now) for pair in zip(ready, stored, strict=True)]
        user.changes += 1
        session.flush()
        undoing.pop_all()
    return made


def delete(session: Session, user: User, attachment: Attachment, *, now: datetime) -> None:
    """Puts it into the trash; its bytes stay."""
    db.lock(session, user)
    attachment.delete(now)
    user.changes += 1
    session.flush()


def undelete(session: Session, user: User, attachment: Attachment) -> None:
    db.lock(session, user)
    attachment.undelete()
    user.changes += 1
    session.flush()


def remove(session: Session, ids: Iterable[int]) -> None:
    """Takes these away for good: the rows now, the bytes after the commit."""
    of_these = Attachment.id.in_(list(ids))
    used = select(StoredFile).where(
        (StoredFile.id.in_(select(Attachment.stored_file_id).where(of_these)))
        | (StoredFile.id.in_(select(Attachment.thumbnail_id).where(of_these)))
    )
    files = session.scalars(used).all()
    session.execute(delete_rows(Attachment).where(of_these), execution_options={"synchronize_session": False})
    uploads.remove_many(session, files)


def clean_name(filename: str) -> str:
    """The last part of what it was called, on one line, at most 255 characters, with its extension.

    Without what nobody sees: control characters, and marks that turn the direction of letters and so hide an extension.
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    seen = "".join(" " if c.isspace() else c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    name = " ".join(seen.split()).strip(". ") if set(seen) <= {".", " "} else " ".join(seen.split())
    return _shortened(name) or "file"


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if len(name) <= LONGEST_NAME or not stem or len(extension) > 20:
        return name[:LONGEST_NAME]
    return stem[: LONGEST_NAME - len(extension) - 1] + dot + extension


def _refuse_unusable(sent: Sequence[Sent]) -> None:
    if not sent:
        raise Refused(_("Choose a file."), FIELD)
    if len(sent) > AT_ONCE:
        raise Refused(_("Send at most %(most)s files at once. Nothing was kept.", most=AT_ONCE), FIELD)
    for file in sent:
        if file.size == 0:
            raise Refused(_("%(name)s is empty. Nothing was kept.", name=clean_name(file.filename)), FIELD)
        if file.size > MAX_BYTES:
            name, most = clean_name(file.filename), MAX_BYTES // 2**20
            raise Refused(_("%(name)s has more than %(most)s MiB. Nothing was kept.", name=name, most=most), FIELD)


def _refuse_over_quota(session: Session, user: User, sent: Sequence[Sent], allowed: Quotas) -> None:
    quotas.check(session, user, sum(file.size for file in sent), allowed, field=FIELD)


def _prepared(sent: Sent) -> _Ready:
    head = sent.stream.read(16)
    content_type = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), _ANYTHING)
    thumbnail = _thumbnail(sent)
    sent.stream.seek(0)
    return _Ready(sent, clean_name(sent.filename), content_type, thumbnail)


def _thumbnail(sent: Sent) -> bytes:
    """Nothing where it is no picture we can read, or where so many are being read that this one would have to wait."""
    if sent.size > pictures.MAX_BYTES or not pictures.one_at_a_time.acquire(timeout=_LONGEST_WAIT_SECONDS):
        return b""
    try:
        return pictures.square_portrait(sent.stream, sent.filename, side=THUMBNAIL_SIDE)
    except pictures.PictureRefused:
        return b""
    finally:
        pictures.one_at_a_time.release()


@dataclass(frozen=True)
class _Kept:
    """What was stored of a file, under a name of ours."""

    name: str
    file: storage.Stored
    thumbnail: storage.Stored | None


def _put(session: Session, ready: _Ready, undoing: ExitStack) -> _Kept:
    name = f"att_{secrets.token_hex(16)}"
    undoing.callback(uploads.discard, FileKind.ATTACHMENT, name)
    file = uploads.put(session, FileKind.ATTACHMENT, name, ready.sent.stream)
    if not ready.thumbnail:
        return _Kept(name, file, None)
    undoing.callback(uploads.discard, FileKind.THUMBNAIL, f"{name}.webp")
    thumbnail = uploads.put(session, FileKind.THUMBNAIL, f"{name}.webp", BytesIO(ready.thumbnail))
    return _Kept(name, file, thumbnail)


def _enter(session: Session, user: User, holder: Holder, ready: _Ready, kept: _Kept, now: datetime) -> Attachment:
    file = uploads.enter(
        session,
        FileKind.ATTACHMENT,
        kept.name,
        kept.file,
        content_type=ready.content_type,
        original_name=ready.name,
        uploaded_by=user,
        now=now,
    )
    thumbnail = None
    if kept.thumbnail is not None:
        thumbnail = uploads.enter(
            session,
            FileKind.THUMBNAIL,
            f"{kept.name}.webp",
            kept.thumbnail,
            content_type="image/webp",
            original_name=ready.name,
            uploaded_by=user,
            now=now,
        )
    attachment = Attachment(file=file, thumbnail=thumbnail, created_by_id=user.id, created_at=now)
    setattr(attachment, Attachment.key_of(holder).key, holder.id)
    session.add(attachment)
    return attachment
