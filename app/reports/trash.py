"""The trash of a person: what they may bring back, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session, joinedload

from app.models import Attachment, Client, Project, Tag, TimeEntry, User
from app.models.shared import RESTS

T = TypeVar("T", TimeEntry, Client, Project, Tag, Attachment)
MOST = 100


@dataclass(frozen=True)
class Trash:
    """A page of each kind, the latest first; `more` where there is a further page of any."""

    entries: Sequence[TimeEntry]
    clients: Sequence[Client]
    projects: Sequence[Project]
    tags: Sequence[Tag]
    attachments: Sequence[Attachment]
    more: bool

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.clients or self.projects or self.tags or self.attachments)


def trash(session: Session, user: User, now: datetime, *, page: int = 1) -> Trash:
    entries = _page(session, TimeEntry.with_subject(TimeEntry.in_trash(user, now)), TimeEntry, page)
    clients = _page(session, Client.in_trash(user, now), Client, page)
    projects = _page(session, Project.in_trash(user, now), Project, page)
    tags = _page(session, Tag.in_trash(user, now), Tag, page)
    attachments = _page(session, _with_files(user, now), Attachment, page)
    more = max(map(len, (entries, clients, projects, tags, attachments))) > MOST
    return Trash(entries[:MOST], clients[:MOST], projects[:MOST], tags[:MOST], attachments[:MOST], more)


def _with_files(user: User, now: datetime) -> Select[Attachment]:
    return Attachment.in_trash(user, now).options(joinedload(Attachment.file))


def days_left(deleted_at: datetime, now: datetime) -> int:
    """Days until it is gone for good, a day begun counted as one."""
    return -((now - deleted_at - RESTS) // timedelta(days=1))


def _page(session: Session, found: Select[T], kind: type[T], page: int) -> Sequence[T]:
    """A page, and one more where there are further ones."""
    latest = found.order_by(kind.deleted_at.desc(), kind.id.desc())
    return session.scalars(latest.limit(MOST + 1).offset((page - 1) * MOST)).all()
