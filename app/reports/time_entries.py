"""A range of a person's time: totals of all of it, its entries page by page, and the same as rows of a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from app.db import seconds_between
from app.models import Project, Tag, TimeEntry, User

PAGE = 100
BATCH = 1000


@dataclass(frozen=True)
class Filter:
    """What is wanted of a range; None and no text leave all of it. `text` stands in the description, in any case."""

    project_id: int | None = None
    client_id: int | None = None
    tag_id: int | None = None
    billable: bool | None = None
    running: bool | None = None
    text: str = ""

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.project_id is not None:
            yield TimeEntry.project_id == self.project_id
        if self.client_id is not None:
            yield TimeEntry.project_id.in_(select(Project.id).where(Project.client_id == self.client_id))
        if self.tag_id is not None:
            yield TimeEntry.tags.any(Tag.id == self.tag_id)
        if self.billable is not None:
            yield TimeEntry.billable.is_(self.billable)
        if self.running is not None:
            yield TimeEntry.ended_at.is_(None) if self.running else TimeEntry.ended_at.is_not(None)
        if self.text:
            yield func.lower(TimeEntry.description).contains(self.text.lower(), autoescape=True)


EVERYTHING = Filter()


@dataclass(frozen=True)
class Range:
    """Days from `first` to `last`, both included, by the local date of each entry; None is open. Of these, `wanted`."""

    first: date | None = None
    last: date | None = None
    wanted: Filter = EVERYTHING


@dataclass(frozen=True)
class Place:
    """Where a page begins: after this entry, in the order of the list (the latest day first)."""

    day: date
    started_at: datetime
    entry_id: int


@dataclass(frozen=True)
class Day:
    """Entries of one day that are on the page, and the seconds of the whole day."""

    day: date
    seconds: int
    entries: list[TimeEntry] = field(default_factory=list)


@dataclass(frozen=True)
class TimeList:
    """`seconds`, `billable_seconds` and `count` are of the whole range, not of the page."""

    seconds: int
    billable_seconds: int
    count: int
    days: list[Day]
    next: Place | None


def elapsed(now: ColumnElement[datetime]) -> FunctionElement[int]:
    """Seconds of an entry, in SQL; what runs counts up to `now`, and nothing where the clock was set back."""
    up_to_now = case((TimeEntry.started_at > now, TimeEntry.started_at), else_=now)
    return seconds_between(TimeEntry.started_at, func.coalesce(TimeEntry.ended_at, up_to_now))


def time_list(session: Session, user: User, shown: Range, *, now: datetime, after: Place | None = None) -> TimeList:
    """One page of the person's own entries, the latest first, and the totals of the range."""
    mine = _in_range(user, shown)
    total, billable, count = _totals(session, mine, now)
    entries = _page(session, user, shown, after)
    further = entries[PAGE:]
    entries = entries[:PAGE]
    sums = _sums_by_day(session, user, shown, entries, now)
    days: dict[date, Day] = {}
    for entry in entries:
        days.setdefault(entry.local_date, Day(entry.local_date, sums[entry.local_date])).entries.append(entry)
    last = entries[-1] if further else None
    place = Place(last.local_date, last.started_at, last.id) if last else None
    return TimeList(total, billable, count, list(days.values()), place)


def sums_by_day(session: Session, user: User, shown: Range, *, now: datetime) -> dict[date, int]:
    """Seconds by local date, for days that have any."""
    asked = {"user_id": user.id, "first": shown.first or date.min, "last": shown.last or date.max, "now": now}
    sums = _sums().where(*shown.wanted.conditions()) if shown.wanted != EVERYTHING else _sums()
    return {day: int(seconds) for day, seconds in session.execute(sums, asked)}


def rows(session: Session, user: User, shown: Range) -> Iterator[TimeEntry]:
    """Every entry of the range, the earliest first, a batch at a time: a file of any length costs little memory."""
    after: Place | None = None
    while batch := _batch(session, user, shown, after):
        yield from batch
        last = batch[-1]
        after = Place(last.local_date, last.started_at, last.id)
        session.expunge_all()


@cache
def _sums() -> Select[date, int]:
    """Built once: building it costs as much as running it."""
    now = bindparam("now", type_=TimeEntry.started_at.type)
    return (
        select(TimeEntry.local_date, func.sum(elapsed(now)))
        .where(
            TimeEntry.user_id == bindparam("user_id"),
            TimeEntry.deleted_at.is_(None),
            TimeEntry.local_date.between(bindparam("first"), bindparam("last")),
        )
        .group_by(TimeEntry.local_date)
    )


def _in_range(user: User, shown: Range) -> list[ColumnElement[bool]]:
    return [
        TimeEntry.user_id == user.id,
        TimeEntry.deleted_at.is_(None),
        TimeEntry.local_date.between(shown.first or date.min, shown.last or date.max),
        *shown.wanted.conditions(),
    ]


def _totals(session: Session, mine: list[ColumnElement[bool]], now: datetime) -> tuple[int, int, int]:
    length = elapsed(literal(now, TimeEntry.started_at.type))
    total, billable, count = session.execute(
        select(func.sum(length), func.sum(length).filter(TimeEntry.billable), func.count()).where(*mine)
    ).one()
    return int(total or 0), int(billable or 0), count


def _page(session: Session, user: User, shown: Range, after: Place | None) -> list[TimeEntry]:
    earlier = replace(shown, last=min(shown.last or date.max, after.day)) if after else shown
    ordered = _entries(user, earlier).order_by(
        TimeEntry.local_date.desc(), TimeEntry.started_at.desc(), TimeEntry.id.desc()
    )
    if after is not None:
        ordered = ordered.where(_before(after))
    return list(session.scalars(ordered.limit(PAGE + 1)))


def _batch(session: Session, user: User, shown: Range, after: Place | None) -> list[TimeEntry]:
    later = replace(shown, first=max(shown.first or date.min, after.day)) if after else shown
    ordered = _entries(user, later).order_by(TimeEntry.local_date, TimeEntry.started_at, TimeEntry.id)
    if after is not None:
        ordered = ordered.where(_after(after))
    return list(session.scalars(ordered.limit(BATCH)))


def _entries(user: User, shown: Range) -> Select[Any]:
    """The days of the range are all an index can seek to, so a page's place narrows them.

    A second bound beside them would be checked row by row: SQLite seeks to the first one it reads.
    """
    return TimeEntry.with_subject(select(TimeEntry).where(*_in_range(user, shown)))


def _before(place: Place) -> ColumnElement[bool]:
    day, start, key = TimeEntry.local_date, TimeEntry.started_at, TimeEntry.id
    earlier = or_(start < place.started_at, and_(start == place.started_at, key < place.entry_id))
    return or_(day < place.day, earlier)


def _after(place: Place) -> ColumnElement[bool]:
    day, start, key = TimeEntry.local_date, TimeEntry.started_at, TimeEntry.id
    later = or_(start > place.started_at, and_(start == place.started_at, key > place.entry_id))
    return or_(day > place.day, later)


def _sums_by_day(
    session: Session, user: User, shown: Range, entries: list[TimeEntry], now: datetime
) -> dict[date, int]:
    if not entries:
        return {}
    days = [entry.local_date for entry in entries]
    return sums_by_day(session, user, replace(shown, first=min(days), last=max(days)), now=now)
