"""The trash: what was deleted rests 30 days and comes back whole; then it is really gone."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask_babel import lazy_gettext as _
from sqlalchemy import ColumnElement, Engine, Select, delete, exists, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import db
from app.errors import Conflict
from app.models import Client, Project, Tag, Task, TimeEntry, TimeEntryChange, User, time_entry_tags
from app.models.shared import RESTS
from app.services import catalogue

BATCH = 500  # rows a transaction: well under half a second, also on a small machine

Emptying = Callable[[Session, datetime], int]


def delete_shared(session: Session, user: User, record: Client | Project | Tag, *, now: datetime) -> None:
    """Puts it into the trash, a client with its projects. Time stays, and keeps the name it was booked on."""
    catalogue.alone(session, user)
    record.delete(now)
    for project in _projects_of(session, record, Project.deleted_at.is_(None)):
        project.delete(now)
    session.flush()


def undelete_shared(session: Session, user: User, record: Client | Project | Tag) -> None:
    """Brings it back, a client with the projects it took along.

    Raises Conflict where its name was given away meanwhile, or its client is still in the trash.
    """
    catalogue.alone(session, user)
    catalogue.refuse_taken_name(session, record)
    if isinstance(record, Project) and record.client is not None and record.client.deleted_at is not None:
        raise Conflict(_("Its client is in the trash, too. Bring the client back first."))
    for project in _projects_of(session, record, Project.deleted_at == record.deleted_at):
        project.undelete()
    record.undelete()
    session.flush()


def empty(engine: Engine, *, now: datetime) -> int:
    """Removes for good what has rested long enough, and says how many rows that were.

    What something else still names stays: a project in the trash is kept while any time is booked on it.
    """
    long_ago = now - RESTS
    return sum(_empty_one_kind(engine, emptying, long_ago) for emptying in _EMPTYINGS)


def _projects_of(session: Session, record: Client | Project | Tag, which: ColumnElement[bool]) -> Sequence[Project]:
    if not isinstance(record, Client):
        return []
    return session.scalars(select(Project).where(Project.client_id == record.id, which)).all()


def _empty_one_kind(engine: Engine, emptying: Emptying, long_ago: datetime) -> int:
    removed = 0
    while True:
        with db.transaction(engine) as session:
            db.hold_writes(session)
            batch = emptying(session, long_ago)
        removed += batch
        if batch < BATCH:
            return removed


def _changes(session: Session, long_ago: datetime) -> int:
    return _remove(session, TimeEntryChange.id, select(TimeEntryChange.id).where(TimeEntryChange.at < long_ago))


def _time_entries(session: Session, long_ago: datetime) -> int:
    gone = _resting(TimeEntry.deleted_at, TimeEntry.id, long_ago).where(TimeEntry.import_key.is_(None))
    return _remove(session, TimeEntry.id, gone)


def _imported_entries(session: Session, long_ago: datetime) -> int:
    """Their keys stay, so that the same file does not bring back what was deleted; what they said goes."""
    gone = _resting(TimeEntry.deleted_at, TimeEntry.id, long_ago).where(
        TimeEntry.import_key.is_not(None), TimeEntry.import_row.is_not(None)
    )
    ids = session.scalars(gone.limit(BATCH)).all()
    session.execute(delete(time_entry_tags).where(time_entry_tags.c.time_entry_id.in_(ids)))
    blank = update(TimeEntry).where(TimeEntry.id.in_(ids))
    session.execute(blank.values(description="", import_row=None, project_id=None, task_id=None))
    return len(ids)


def _projects(session: Session, long_ago: datetime) -> int:
    used = exists().where(TimeEntry.project_id == Project.id)
    ids = session.scalars(_resting(Project.deleted_at, Project.id, long_ago).where(~used).limit(BATCH)).all()
    session.execute(delete(Task).where(Task.project_id.in_(ids)))
    session.execute(delete(Project).where(Project.id.in_(ids)))
    return len(ids)


def _clients(session: Session, long_ago: datetime) -> int:
    used = exists().where(Project.client_id == Client.id)
    return _remove(session, Client.id, _resting(Client.deleted_at, Client.id, long_ago).where(~used))


def _tags(session: Session, long_ago: datetime) -> int:
    return _remove(session, Tag.id, _resting(Tag.deleted_at, Tag.id, long_ago))


_EMPTYINGS: tuple[Emptying, ...] = (_changes, _time_entries, _imported_entries, _projects, _clients, _tags)


def _resting(
    deleted_at: InstrumentedAttribute[datetime | None], key: InstrumentedAttribute[int], long_ago: datetime
) -> Select[int]:
    return select(key).where(deleted_at < long_ago)


def _remove(session: Session, key: InstrumentedAttribute[int], gone: Select[int]) -> int:
    ids = session.scalars(gone.limit(BATCH)).all()
    if ids:
        session.execute(delete(key.class_).where(key.in_(ids)), execution_options={"synchronize_session": False})
    return len(ids)
