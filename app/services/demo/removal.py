"""Takes a demo away: what its people entered, what only they used, and the people last, as they carry the mark.

Each step is a short transaction that looks anew at what is still there, so that whatever was interrupted goes on when
it is called again.
"""

import time
from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import datetime

from sqlalchemy import ColumnElement, CursorResult, Delete, Engine, delete, func, or_, select
from sqlalchemy.orm import Session

from app import db, storage
from app.models import Attachment, Client, FileKind, ImportRun, Project, Tag, Task, TimeEntry, User, time_entry_tags
from app.services import accounts, attachments, avatars, uploads
from app.services.demo.plan import Progress, Removed

BATCH = 2000  # entries with their tags and changes: a tenth of a second here
_FEW = 25  # records of the catalogue: PostgreSQL walks over what is left of a million deleted entries for each project

_Record = type[Client] | type[Project] | type[Task] | type[Tag]

# What keeps a record, whoever's it is; each kind after those that may keep it.
_IN_USE: dict[_Record, ColumnElement[bool]] = {
    Tag: select(1).where(time_entry_tags.c.tag_id == Tag.id).exists(),
    Task: or_(
        select(1).where(TimeEntry.task_id == Task.id).exists(),
        select(1).where(Attachment.task_id == Task.id).exists(),
    ),
    Project: or_(
        select(1).where(TimeEntry.project_id == Project.id).exists(),
        select(1).where(Task.project_id == Project.id).exists(),
        select(1).where(Attachment.project_id == Project.id).exists(),
    ),
    Client: or_(
        select(1).where(Project.client_id == Client.id).exists(),
        select(1).where(Attachment.client_id == Client.id).exists(),
    ),
}


def remove(
    engine: Engine, *, now: datetime, within: float | None = None, progress: Progress = lambda _entries: None
) -> Removed:
    """Takes everything of the demo away, or as much as is done in about `within` seconds.

    What somebody else uses stays: such a client, project, task or tag then has no maker. Raises Conflict where one of
    its people is the last administrator; then nothing was removed.
    """
    ends = time.monotonic() + within if within is not None else float("inf")
    gone = Removed()
    for done in _steps(engine, now):
        gone = Removed(*map(sum, zip(astuple(gone), astuple(done), strict=True)))
        progress(done.entries)
        if time.monotonic() >= ends:
            break
    with db.reading(engine) as session:
        return replace(gone, left=_count_left(session))


def _steps(engine: Engine, now: datetime) -> Iterator[Removed]:
    """Nobody adds to it any more; then no entry refers to the catalogue; then nothing names its maker."""
    with db.reading(engine) as session:
        people = session.scalars(select(User.id).where(User.is_demo).order_by(User.id)).all()
    _shut_out(engine, now)
    for user_id in people:
        while _remove_attachments(engine, user_id):
            yield Removed()
        while done := _remove_entries(engine, user_id):
            yield Removed(entries=done)
    for record in _IN_USE:
        yield from _remove_unused(engine, record)
    for user_id in people:
        yield _remove_person(engine, user_id)


def _shut_out(engine: Engine, now: datetime) -> None:
    """All at once, or none: one may be the last administrator."""
    with db.transaction(engine) as session:
        for user in session.scalars(select(User).where(User.is_demo, User.disabled_at.is_(None)).order_by(User.id)):
            accounts.disable(session, user, now)


def _remove_attachments(engine: Engine, user_id: int) -> int:
    with db.transaction(engine) as session:
        db.hold_writes(session)
        return _remove_some_attachments(session, user_id)


def _remove_some_attachments(session: Session, user_id: int) -> int:
    """What the person brought, with its bytes."""
    some = select(Attachment.id).where(Attachment.created_by_id == user_id).limit(BATCH)
    ids = session.scalars(some).all()
    attachments.remove(session, ids)
    return len(ids)


def _remove_entries(engine: Engine, user_id: int) -> int:
    with db.transaction(engine) as session:
        user = session.get(User, user_id)
        if user is None:
            return 0  # somebody else takes the demo away, too
        db.lock(session, user)
        return _delete_some_entries(session, user_id)


def _delete_some_entries(session: Session, user_id: int) -> int:
    """Their tags and changes go with them."""
    some = select(TimeEntry.id).where(TimeEntry.user_id == user_id).limit(BATCH)
    return _deleted(session, delete(TimeEntry).where(TimeEntry.id.in_(some)))


def _remove_unused(engine: Engine, record: _Record) -> Iterator[Removed]:
    last: int | None = 0
    while last is not None:
        with db.transaction(engine) as session:
            ids = _some_of_demo(session, record, after=last)
            done = _deleted(session, delete(record).where(record.id.in_(ids), ~_IN_USE[record]))
        last = ids[-1] if ids else None
        yield Removed(**{record.__tablename__: done})


def _some_of_demo(session: Session, record: _Record, *, after: int) -> list[int]:
    """Held against others, so that nobody books time on what is about to go."""
    db.hold_writes(session)
    people = select(User.id).where(User.is_demo)
    found = select(record.id).where(record.created_by_id.in_(people), record.id > after)
    return list(session.scalars(found.order_by(record.id).limit(_FEW).with_for_update()))


def _remove_person(engine: Engine, user_id: int) -> Removed:
    """With picture, sessions, links, and what a request that was under way still entered."""
    with db.transaction(engine) as session:
        user = session.get(User, user_id)
        if user is None:
            return Removed()
        avatars.remove(session, user)
        _remove_stray_pictures(session, user_id)
        _remove_some_attachments(session, user_id)
        entries = _delete_some_entries(session, user_id)
        session.execute(delete(ImportRun).where(ImportRun.user_id == user_id))
        return Removed(entries=entries, people=_deleted(session, delete(User).where(User.id == user_id)))


def _remove_stray_pictures(session: Session, user_id: int) -> None:
    """Those no row tells of, as the demo was killed between file and row."""
    for key in storage.store().list(storage.AVATARS):
        name = key.rpartition("/")[2]
        if name.startswith(f"avatar_{user_id}_"):
            uploads.remove(session, FileKind.AVATAR, name)


def _deleted(session: Session, statement: Delete) -> int:
    """How many rows went."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)  # noqa: S101 - a DELETE has no other
    return result.rowcount


def _count_left(session: Session) -> int:
    people = select(User.id).where(User.is_demo)
    entries = select(func.count()).select_from(TimeEntry).where(TimeEntry.user_id.in_(people))
    return (session.scalar(entries) or 0) + (session.scalar(select(func.count()).where(User.is_demo)) or 0)
