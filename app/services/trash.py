"""The trash: what was deleted rests 30 days and comes back whole; then it is really gone."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask_babel import lazy_gettext as _
from sqlalchemy import ColumnElement, Engine, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from app import db
from app.errors import Conflict
from app.models import (
    Attachment,
    Client,
    Project,
    Tag,
    Task,
    TimeEntry,
    TimeEntryChange,
    User,
    time_entry_tags,
)
from app.models.shared import RESTS
from app.services import attachments, catalogue

BATCH = 500  # rows a transaction: well under half a second, also on a small machine

Emptying = Callable[[Session, datetime], int]


def delete_shared(session: Session, user: User, record: Client | Project | Tag, *, now: datetime) -> int:
    """Puts it into the trash, a client with its projects, and says how many those are.

    Time stays, and keeps the name it was booked on. Raises Conflict for a client with projects of other people.
    """
    catalogue.alone(session, user, record)
    if record.deleted_at is not None:
        return 0
    projects = _projects_of(session, record, Project.deleted_at.is_(None))
    if not all(project.may_be_changed_by(user) for project in projects):
        raise Conflict(_("It has projects of other people. An administrator can delete it with them, or archive it."))
    record.delete(now)
    for project in projects:
        project.delete(now)
    session.flush()
    return len(projects)


def undelete_shared(session: Session, user: User, record: Client | Project | Tag) -> None:
    """Brings it back, a client with the projects it took along.

    Raises Conflict where its name was given away meanwhile, or its client is still in the trash.
    """
    catalogue.alone(session, user, record)
    if record.deleted_at is None:
        return
    catalogue.refuse_taken_name(session, record)
    if isinstance(record, Project) and _client_rests(session, record):
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


def _client_rests(session: Session, project: Project) -> bool:
    resting = select(Client.id).where(Client.id == project.client_id, Client.deleted_at.is_not(None))
    return session.scalar(resting) is not None


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
        if not batch:
            return removed
        removed += batch


def _changes(session: Session, long_ago: datetime) -> int:
    return _remove(session, TimeEntryChange, TimeEntryChange.at < long_ago)


def _attachments(session: Session, long_ago: datetime) -> int:
    return _remove_attachments(session, Attachment.deleted_at < long_ago)


def _attachments_of_time_entries(session: Session, long_ago: datetime) -> int:
    gone = TimeEntry.deleted_at < long_ago
    bearing = select(TimeEntry.id).where(gone, exists().where(Attachment.time_entry_id == TimeEntry.id))
    ids = session.scalars(bearing.limit(BATCH).with_for_update(of=TimeEntry)).all()
    return _remove_attachments(session, Attachment.time_entry_id.in_(ids))


def _time_entries(session: Session, long_ago: datetime) -> int:
    return _remove(session, TimeEntry, TimeEntry.deleted_at < long_ago, TimeEntry.import_key.is_(None))


def _imported_entries(session: Session, long_ago: datetime) -> int:
    """Their keys stay, so that the same file does not bring back what was deleted; what they said goes."""
    gone = (
        TimeEntry.deleted_at < long_ago,
        TimeEntry.import_key.is_not(None),
        TimeEntry.import_row.is_not(None),
    )
    some = select(TimeEntry.id).where(*gone).limit(BATCH)
    blank = update(TimeEntry).where(TimeEntry.id.in_(some), *gone).returning(TimeEntry.id)
    ids = session.scalars(blank.values(description="", import_row=None, project_id=None, task_id=None)).all()
    session.execute(delete(time_entry_tags).where(time_entry_tags.c.time_entry_id.in_(ids)))
    return len(ids)


def _projects(session: Session, long_ago: datetime) -> int:
    """With their tasks, and what hangs on either."""
    unused = (Project.deleted_at < long_ago, ~exists().where(TimeEntry.project_id == Project.id))
    ids = session.scalars(select(Project.id).where(*unused).limit(BATCH).with_for_update(of=Project)).all()
    tasks = select(Task.id).where(Task.project_id.in_(ids))
    hanging = or_(Attachment.project_id.in_(ids), Attachment.task_id.in_(tasks))
    if removed := _remove_attachments(session, hanging):
        return removed
    session.execute(delete(Task).where(Task.project_id.in_(ids)))
    session.execute(delete(Project).where(Project.id.in_(ids)))
    return len(ids)


def _clients(session: Session, long_ago: datetime) -> int:
    """With what hangs on them."""
    unused = (Client.deleted_at < long_ago, ~exists().where(Project.client_id == Client.id))
    ids = session.scalars(select(Client.id).where(*unused).limit(BATCH).with_for_update(of=Client)).all()
    if removed := _remove_attachments(session, Attachment.client_id.in_(ids)):
        return removed
    session.execute(delete(Client).where(Client.id.in_(ids)))
    return len(ids)


def _places_of_tags(session: Session, long_ago: datetime) -> int:
    """A tag may hang on hundreds of thousands of entries."""
    places = time_entry_tags.c
    on_one = select(Tag.id).where(Tag.deleted_at < long_ago, exists().where(places.tag_id == Tag.id)).limit(1)
    tag_id = session.scalar(on_one.with_for_update(of=Tag))
    if tag_id is None:
        return 0
    ids = session.scalars(select(places.time_entry_id).where(places.tag_id == tag_id).limit(10 * BATCH)).all()
    session.execute(delete(time_entry_tags).where(places.tag_id == tag_id, places.time_entry_id.in_(ids)))
    return len(ids)


def _tags(session: Session, long_ago: datetime) -> int:
    return _remove(session, Tag, Tag.deleted_at < long_ago)


_EMPTYINGS: tuple[Emptying, ...] = (
    _changes,
    _attachments,
    _attachments_of_time_entries,
    _time_entries,
    _imported_entries,
    _projects,
    _clients,
    _places_of_tags,
    _tags,
)


def _remove(session: Session, kind: type[TimeEntryChange | TimeEntry | Tag], *gone: ColumnElement[bool]) -> int:
    """Some of what is `gone`; asked once more while removing, as somebody may have put it back since."""
    some = select(kind.id).where(*gone).limit(BATCH)
    removing = delete(kind).where(kind.id.in_(some), *gone).returning(kind.id)
    return len(session.scalars(removing, execution_options={"synchronize_session": False}).all())


def _remove_attachments(session: Session, which: ColumnElement[bool]) -> int:
    some = select(Attachment.id).where(which).limit(BATCH)
    ids = session.scalars(some.with_for_update(of=Attachment)).all()
    attachments.remove(session, ids)
    return len(ids)
