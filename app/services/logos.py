"""The company's logo: replaced and removed without ever losing one."""

import secrets
from datetime import datetime
from io import BytesIO
from typing import BinaryIO

from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from app import db
from app.errors import Refused, Unavailable
from app.models import FileKind, Installation, User
from app.services import attachments, pictures, uploads, vector_pictures
from app.services.pictures import PictureRefused, Reason

WIDTH, HEIGHT = 600, 200  # pixels, at most
FIELD = "logo"

_LONGEST_WAIT_SECONDS = 5
_NOT_A_PICTURE = _("This file is not a picture we can read. The logo was not changed.")
_KINDS = _("Choose a PNG, JPEG, GIF, WebP or SVG picture. The logo was not changed.")
_TOO_LARGE = _("The file is too large: 16 MiB are the most, for SVG 1 MiB. The logo was not changed.")
_SENTENCES = {
    Reason.EMPTY: _("The file is empty. The logo was not changed."),
    Reason.EXTENSION: _KINDS,
    Reason.NEEDS_CONVERSION: _KINDS,
    Reason.NOT_A_PICTURE: _NOT_A_PICTURE,
    Reason.TRUNCATED: _("The picture is cut off. Send the whole file; the logo was not changed."),
    Reason.TOO_MANY_BYTES: _TOO_LARGE,
    Reason.TOO_MANY_PIXELS: _("The picture is too large, too long or too intricate. The logo was not changed."),
    Reason.ACTIVE: _(
        "The SVG holds what a logo must not: text, pictures, scripts, filters, entities or links. Turn texts into "
        "paths, or send it as PNG."
    ),
}


def replace(session: Session, user: User, upload: BinaryIO, filename: str, now: datetime) -> None:
    """Makes the upload the logo. Raises Refused, and Unavailable when the store takes nothing."""
    try:
        picture = _read(upload, filename)
    except PictureRefused as refused:
        raise Refused(_SENTENCES[refused.reason], FIELD) from refused
    name = f"company_logo_{secrets.token_hex(4)}.png"
    uploads.keep(
        session,
        FileKind.LOGO,
        name,
        BytesIO(picture),
        content_type="image/png",
        original_name=attachments.clean_name(filename),
        uploaded_by=user,
        now=now,
    )
    _name(session, name)


def remove(session: Session) -> None:
    """Takes the logo away; none is fine."""
    _name(session, None)


def _read(upload: BinaryIO, filename: str) -> bytes:
    """As PNG; a drawing is turned into pixels first, and those are read like any other picture."""
    if not pictures.one_at_a_time.acquire(timeout=_LONGEST_WAIT_SECONDS):
        raise Unavailable(_("Many pictures are being read just now. The logo was not changed; try again in a minute."))
    try:
        if vector_pictures.is_one(filename):
            drawn = vector_pictures.rasterised(upload, width=WIDTH, height=HEIGHT)
            upload, filename = BytesIO(drawn), "drawn.png"
        return pictures.fitted(upload, filename, width=WIDTH, height=HEIGHT)
    finally:
        pictures.one_at_a_time.release()


def _name(session: Session, name: str | None) -> None:
    """Under a lock, so that of two uploads at once each removes the one before it."""
    installation = Installation.this(session)
    db.lock(session, installation)
    former, installation.logo_filename = installation.logo_filename, name
    session.flush()
    if former:
        uploads.remove(session, FileKind.LOGO, former)
