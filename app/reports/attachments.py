"""What hangs on a client, a project, a task or a time entry."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.orm import Session, joinedload

from app.models import Attachment, User
from app.models.attachment import Holder, may_be_added_to

FEW = 10  # on the page of what they belong to
PAGE = 100  # on a page of their own


@dataclass(frozen=True)
class Attached:
    """The latest first. `in_all` counts what other pages hold, too."""

    rows: Sequence[Attachment]
    in_all: int
    may_be_added: bool


def attached(session: Session, user: User, holder: Holder, *, page: int = 1, most: int = PAGE) -> Attached:
    """A page of them, with their files and who brought them, in two statements."""
    found = (
        Attachment.of(holder)
        .options(joinedload(Attachment.file), joinedload(Attachment.created_by))
        .order_by(Attachment.created_at.desc(), Attachment.id.desc())
    )
    in_all = session.scalar(Attachment.of(holder).with_only_columns(func.count())) or 0
    rows = session.scalars(found.limit(most).offset((page - 1) * most)).all() if in_all else []
    return Attached(rows, in_all, may_be_added_to(holder, user))
