"""The timer: one clock a person has running, on whatever device they look at it (law 5)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from app import clock, db
from app.errors import Conflict
from app.models import Source, TimeEntry, User
from app.models.subject import Subject
from app.services import history

ACCIDENT = timedelta(seconds=1)


def start(
    session: Session,
    user: User,
    subject: Subject,
    *,
    single: bool = True,
    read_now: Callable[[], datetime] = clock.now,
) -> TimeEntry:
    """Starts the clock; in single mode what ran is stopped at the same moment.

    The person's lock comes first and the clock is read after it, as the larger of now and the last start, so that
    no entry ends before it began, however many devices press the button at once.
    """
    db.lock(session, user)
    running = TimeEntry.running(session, user, with_subject=False)
    now = max([read_now(), *(entry.started_at for entry in running)])
    with history.act(session, user, now) as act:
        for former in running if single else ():
            act.changes(former)
            _finish(former, now)
        session.flush()  # frees the slot before the unique index sees the new entry
        entry = _new_entry(user, subject, now)
        entry.timer_slot = 0 if single else _lowest_free_slot(running)
        session.add(entry)
        act.makes(entry)
    return entry


def stop(
    session: Session, user: User, *, entry_id: int | None = None, read_now: Callable[[], datetime] = clock.now
) -> TimeEntry | None:
    """Stops the entry, or the latest that runs; None when nothing runs: stopping twice does no harm."""
    db.lock(session, user)
    entry = _chosen(TimeEntry.running(session, user, with_subject=False), entry_id)
    if entry is not None:
        now = read_now()
        with history.act(session, user, now) as act:
            act.changes(entry)
            entry.stop(now)
    return entry


def continue_(
    session: Session,
    user: User,
    former: TimeEntry,
    *,
    single: bool = True,
    read_now: Callable[[], datetime] = clock.now,
) -> TimeEntry:
    """Starts anew on what a former entry was about. Raises Conflict when its project is archived."""
    if former.project is not None and former.project.deleted_at is not None:
        raise Conflict(_("The project of this entry is in the trash. Put it back to go on with it."))
    if former.project is not None and not former.project.is_open:
        raise Conflict(_("The project of this entry is archived. Restore it to go on with it."))
    return start(session, user, Subject.of(former), single=single, read_now=read_now)


def discard(session: Session, user: User, entry_id: int, *, read_now: Callable[[], datetime] = clock.now) -> TimeEntry:
    """Throws a running entry away; it is marked, not removed. Raises NotFound, Conflict when it has stopped."""
    entry = TimeEntry.load_to_change(session, user, entry_id)
    if not entry.is_running:
        raise Conflict
    now = read_now()
    with history.act(session, user, now) as act:
        act.changes(entry)
        entry.delete(now)
    return entry


def _chosen(running: list[TimeEntry], entry_id: int | None) -> TimeEntry | None:
    if entry_id is None:
        return running[0] if running else None
    return next((entry for entry in running if entry.id == entry_id), None)


def _finish(entry: TimeEntry, now: datetime) -> None:
    """A click beside the mark leaves no trace: without text and within a second it is dropped."""
    if now - entry.started_at <= ACCIDENT and not entry.description:
        entry.delete(now)
    entry.stop(now)


def _lowest_free_slot(running: list[TimeEntry]) -> int:
    taken = {entry.timer_slot for entry in running}
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)


def _new_entry(user: User, subject: Subject, now: datetime) -> TimeEntry:
    entry = TimeEntry(user_id=user.id, source=Source.TIMER, created_at=now, updated_at=now)
    subject.put_on(entry)
    entry.take_span(now, None, user.zone)
    return entry
