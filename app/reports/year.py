"""A person's year: its months, and every day of it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import TimeEntry, User
from app.reports.charts import Scale, scale
from app.reports.time_entries import elapsed

STEPS = (2 * clock.HOUR, 5 * clock.HOUR, 8 * clock.HOUR)  # where a day's square gets darker; the same for every year


@dataclass(frozen=True)
class Month:
    """From `first` to `last`; `billable_seconds` are a part of `seconds`."""

    first: date
    last: date
    seconds: int
    billable_seconds: int
    is_now: bool


@dataclass(frozen=True)
class YearDay:
    """`week` and `weekday` say where it stands (from 0), `level` how full it is, 0 (nothing) to 4 (eight hours)."""

    day: date
    seconds: int
    week: int
    weekday: int
    level: int
    is_today: bool


@dataclass(frozen=True)
class Year:
    """`earlier` and `later` tell whether there is time before and after it."""

    year: int
    months: list[Month]
    days: list[YearDay]
    scale: Scale
    earlier: bool
    later: bool
    is_past: bool

    @property
    def seconds(self) -> int:
        return sum(month.seconds for month in self.months)

    @property
    def billable_seconds(self) -> int:
        return sum(month.billable_seconds for month in self.months)

    @property
    def weeks(self) -> int:
        return self.days[-1].week + 1


def year(session: Session, user: User, number: int, now: datetime) -> Year:
    """Seconds count what runs up to `now`. The months are the sums of their days, the year of its months."""
    first, last = date(number, 1, 1), date(number, 12, 31)
    asked = {"user_id": user.id, "first": first, "last": last, "now": now}
    sums = {day: (int(total), int(billable or 0)) for day, total, billable in session.execute(_sums(), asked)}
    today = clock.local_date(now, user.zone)
    months = [_month(number, month, sums, today) for month in range(1, 13)]
    earliest, latest = session.execute(_span(), {"user_id": user.id}).one()
    return Year(
        year=number,
        months=months,
        days=_days(first, last, sums, user.week_start, today),
        scale=scale(max(month.seconds for month in months)),
        earlier=earliest is not None and earliest < first,
        later=latest is not None and latest > last,
        is_past=last < today,
    )


def _month(year: int, month: int, sums: dict[date, tuple[int, int]], today: date) -> Month:
    first, last = clock.month_days(year, month)
    of_month = [found for day, found in sums.items() if first <= day <= last]
    return Month(
        first, last, sum(total for total, _ in of_month), sum(part for _, part in of_month), first <= today <= last
    )


def _days(first: date, last: date, sums: dict[date, tuple[int, int]], week_start: int, today: date) -> list[YearDay]:
    begins = clock.week_start(first, week_start)
    days = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        week, weekday = divmod((day - begins).days, 7)
        seconds = sums.get(day, (0, 0))[0]
        days.append(YearDay(day, seconds, week, weekday, _level(seconds), day == today))
    return days


def _level(seconds: int) -> int:
    return 1 + sum(seconds >= step for step in STEPS) if seconds else 0


@cache
def _sums() -> Select[date, int, int]:
    now = bindparam("now", type_=TimeEntry.started_at.type)
    length = elapsed(now)
    return (
        select(TimeEntry.local_date, func.sum(length), func.sum(length).filter(TimeEntry.billable))
        .where(
            TimeEntry.user_id == bindparam("user_id"),
            TimeEntry.deleted_at.is_(None),
            TimeEntry.local_date.between(bindparam("first"), bindparam("last")),
        )
        .group_by(TimeEntry.local_date)
    )


@cache
def _span() -> Select[date | None, date | None]:
    """The first and the last day there is anything, each by one look at the index."""

    def outermost(last: bool) -> object:
        place = TimeEntry.local_date.desc() if last else TimeEntry.local_date
        mine = select(TimeEntry.local_date).where(
            TimeEntry.user_id == bindparam("user_id"), TimeEntry.deleted_at.is_(None)
        )
        return mine.order_by(place).limit(1).scalar_subquery()

    return select(outermost(last=False), outermost(last=True))  # type: ignore[call-overload,no-any-return]
