"""The trash of a person: what they may bring back, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.models import Client, Project, Tag, TimeEntry, User
from app.models.shared import RESTS

T = TypeVar("T", TimeEntry, Client, Project, Tag)
MOST = 100


@dataclass(frozen=True)
class Trash:
    """The latest of each kind, at most MOST; what rested longer than 30 days is no longer shown."""

    entries: Sequence[TimeEntry]
    clients: Sequence[Client]
    projects: Sequence[Project]
    tags: Sequence[Tag]

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.clients or self.projects or self.tags)


def trash(session: Session, user: User, now: datetime) -> Trash:
    since = now - RESTS
    return Trash(
        entries=session.scalars(_latest(TimeEntry.with_subject(TimeEntry.in_trash(user)), TimeEntry, since)).all(),
        clients=session.scalars(_latest(Client.in_trash(user), Client, since)).all(),
        projects=session.scalars(_latest(Project.in_trash(user), Project, since)).all(),
        tags=session.scalars(_latest(Tag.in_trash(user), Tag, since)).all(),
    )


def days_left(deleted_at: datetime, now: datetime) -> int:
    """Whole days until it is gone for good, at least one."""
    return max(1, (deleted_at + RESTS - now).days)


def _latest(found: Select[T], kind: type[T], since: datetime) -> Select[T]:
    return found.where(kind.deleted_at >= since).order_by(kind.deleted_at.desc(), kind.id.desc()).limit(MOST)
