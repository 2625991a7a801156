"""The profile picture: replaced and removed without ever losing one."""

import io
import secrets
from datetime import datetime
from typing import BinaryIO

from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from app import db
from app.errors import Refused, Unavailable
from app.models import FileKind, User
from app.services import pictures, uploads

SIDE = 256  # pixels
LONGEST_WAIT_SECONDS = 5

_SENTENCES = {
    pictures.Reason.EMPTY: _("The file is empty. Your picture was not changed."),
    pictures.Reason.EXTENSION: _("Choose a PNG, JPEG, GIF or WebP picture. Your picture was not changed."),
    pictures.Reason.NOT_A_PICTURE: _("This file is not a picture we can read. Your picture was not changed."),
    pictures.Reason.TRUNCATED: _("The picture is cut off. Send the whole file; your picture was not changed."),
    pictures.Reason.TOO_MANY_BYTES: _("The picture has more than 16 MiB. Make it smaller and try again."),
    pictures.Reason.TOO_MANY_PIXELS: _(
        "The picture has too many pixels: 50 megapixels are the most, for WebP 20. Make it smaller and try again."
    ),
    pictures.Reason.NEEDS_CONVERSION: _("HEIC and AVIF cannot be read here. Save the picture as JPEG and try again."),
}


def replace(session: Session, user: User, upload: BinaryIO, filename: str, now: datetime) -> None:
    """Makes the upload the person's picture. Raises Refused, and Unavailable when the store takes nothing.

    The decoding comes before any lock, the new file before the row, and the old file goes after the commit.
    """
    try:
        picture = _decoded(upload, filename)
    except pictures.PictureRefused as refused:
        raise Refused(_SENTENCES[refused.reason], "avatar") from refused
    name = _fresh_name(user)
    uploads.keep(
        session,
        FileKind.AVATAR,
        name,
        io.BytesIO(picture),
        content_type="image/webp",
        original_name=filename,
        uploaded_by=user,
        now=now,
    )
    _name(session, user, name)


def remove(session: Session, user: User) -> None:
    """Takes the person's picture away; none is fine."""
    db.lock(session, user)
    _name(session, user, None)


def _decoded(upload: BinaryIO, filename: str) -> bytes:
    if not pictures.one_at_a_time.acquire(timeout=LONGEST_WAIT_SECONDS):
        raise Unavailable(_("Many pictures are being read just now. Yours was not changed; try again in a minute."))
    try:
        return pictures.square_portrait(upload, filename, side=SIDE)
    finally:
        pictures.one_at_a_time.release()


def _name(session: Session, user: User, name: str | None) -> None:
    """Under the person's lock, so that of two uploads at once each removes the one before it."""
    former, user.avatar_filename = user.avatar_filename, name
    session.flush()
    if former:
        uploads.remove(session, FileKind.AVATAR, former)


def _fresh_name(user: User) -> str:
    while True:
        name = f"avatar_{user.id}_{secrets.token_hex(4)}.webp"
        if not uploads.is_taken(FileKind.AVATAR, name):
            return name
