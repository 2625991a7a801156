"""Time of one person that lies over other time of theirs."""

from datetime import timedelta

from sqlalchemy import or_
from sqlalchemy.orm import Session

from app.models import TimeEntry, User

LONGEST = timedelta(days=31)  # how long before a start an entry that ended may have begun: what an index can seek to


def first(session: Session, user: User, entry: TimeEntry) -> TimeEntry | None:
    """The earliest other entry that shares time with this one; one that only touches it does not.

    An entry that ended and was longer than 31 days is overlooked.
    """
    shared = TimeEntry.own(user).where(
        TimeEntry.id != entry.id,
        TimeEntry.started_at > entry.started_at - LONGEST,
        or_(TimeEntry.ended_at.is_(None), TimeEntry.ended_at > entry.started_at),
    )
    if entry.ended_at is not None:
        shared = shared.where(TimeEntry.started_at < entry.ended_at)
    return session.scalar(shared.order_by(TimeEntry.started_at, TimeEntry.id).limit(1))
