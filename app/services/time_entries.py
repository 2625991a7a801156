"""Time entered and mended by hand."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.db import lock
from app.errors import Conflict, Refused
from app.models import Source, TimeEntry, User
from app.models.subject import Subject
from app.services import history

WORKDAY_BEGINS = time(9)


@dataclass(frozen=True)
class Span:
    """From `start` to `end` (UTC; None while it runs), as lived in `zone`."""

    start: datetime
    end: datetime | None
    zone: ZoneInfo


def add(session: Session, user: User, subject: Subject, span: Span, *, now: datetime) -> TimeEntry:
    """An entry that has ended. Raises Refused when it would end before it starts."""
    _check(span)
    lock(session, user)
    with history.act(session, user, now) as act:
        entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=now, updated_at=now)
        subject.put_on(entry)
        entry.take_span(span.start, span.end, span.zone)
        session.add(entry)
        act.makes(entry)
    return entry


def edit(
    session: Session, user: User, entry: TimeEntry, subject: Subject, span: Span | None, *, now: datetime
) -> TimeEntry:
    """Changes what an entry is about and, with a `span`, when it was.

    Raises Refused, and Conflict where the timer was stopped or started elsewhere meanwhile.
    """
    if span is not None:
        _check(span)
        if (span.end is None) != entry.is_running:
            raise Conflict(_("The timer was stopped meanwhile. Look at the entry again; nothing was changed."))
        if span.end is None and span.start > now:
            raise Refused(_("A running timer cannot start in the future."), "time")
    with history.act(session, user, now) as act:
        act.changes(entry)
        subject.put_on(entry)
        if span is not None:
            entry.take_span(span.start, span.end, span.zone)
    return entry


def delete(session: Session, user: User, entry: TimeEntry, *, now: datetime) -> None:
    """Marks an entry as deleted; a running one is stopped by that."""
    with history.act(session, user, now) as act:
        act.changes(entry)
        entry.delete(now)


def place(session: Session, user: User, day: date, seconds: int, *, now: datetime) -> Span:
    """Where a bare duration goes: today it has just ended, on another day it follows what is there, or begins at 9.

    Raises Refused when today is younger than that: it would begin on a day nobody chose.
    """
    lock(session, user)  # or two at once would be put on the same place
    zone = user.zone
    first, last = clock.day_bounds(day, zone)
    length = timedelta(seconds=seconds)
    if first <= now < last:
        if now - length < first:
            raise Refused(_("The day is not that old yet. Write from when to when it was, such as 9-10:30."), "time")
        start = now - length
    else:
        nine = clock.to_instant(datetime.combine(day, WORKDAY_BEGINS), zone).instant
        start = _end_of_last(session, user, first, last) or nine
    return Span(start, start + length, zone)


def _end_of_last(session: Session, user: User, first: datetime, last: datetime) -> datetime | None:
    """When the last entry of the day ended, if it did so within the day."""
    ended = select(func.max(TimeEntry.ended_at)).where(
        TimeEntry.user_id == user.id,
        TimeEntry.deleted_at.is_(None),
        TimeEntry.started_at >= first,
        TimeEntry.started_at < last,
        TimeEntry.ended_at < last,
    )
    return session.scalar(ended)


def _check(span: Span) -> None:
    if span.end is not None and clock.seconds_between(span.start, span.end) < 0:
        raise Refused(_("It ends before it starts."), "time")
