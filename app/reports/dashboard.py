"""Today: what runs, the day, the week day by day, the latest entries."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app import clock
from app.models import TimeEntry, User
from app.reports.charts import Scale, scale
from app.reports.time_entries import Range, sums_by_day

LATEST = 10


@dataclass(frozen=True)
class WeekDay:
    day: date
    seconds: int
    is_today: bool


@dataclass(frozen=True)
class Dashboard:
    """Seconds count what runs up to now. The week's are the sum of its days, so they always add up."""

    running: list[TimeEntry]
    today: date
    today_seconds: int
    week: list[WeekDay]
    week_seconds: int
    scale: Scale
    latest: list[TimeEntry]


def dashboard(session: Session, user: User, running: list[TimeEntry], now: datetime) -> Dashboard:
    today = clock.local_date(now, user.zone)
    first = clock.week_start(today, user.week_start)
    days = [first + timedelta(days=offset) for offset in range(7)]
    sums = sums_by_day(session, user, Range(days[0], days[-1]), now=now)
    return Dashboard(
        running=running,
        today=today,
        today_seconds=sums.get(today, 0),
        week=[WeekDay(day, sums.get(day, 0), day == today) for day in days],
        week_seconds=sum(sums.values()),
        scale=scale(max(sums.values(), default=0)),
        latest=_latest(session, user),
    )


def _latest(session: Session, user: User) -> list[TimeEntry]:
    """The last entries that have ended; what runs stands above them already."""
    return list(session.scalars(_latest_ended(), {"user_id": user.id}))


@cache
def _latest_ended() -> Select[TimeEntry]:
    """Built once: building it costs as much as running it."""
    ended = select(TimeEntry).where(
        TimeEntry.user_id == bindparam("user_id"), TimeEntry.deleted_at.is_(None), TimeEntry.ended_at.is_not(None)
    )
    return TimeEntry.with_subject(ended).order_by(TimeEntry.started_at.desc(), TimeEntry.id.desc()).limit(LATEST)
