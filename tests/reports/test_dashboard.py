"""The week adds up, begins on the person's day and counts what runs."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.models import Source, TimeEntry, User
from app.reports.dashboard import LATEST, Dashboard, dashboard
from tests.conftest import NOON

HOUR = timedelta(hours=1)


def book(session: Session, user: User, start: datetime, length: timedelta | None) -> None:
    entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=NOON, updated_at=NOON)
    entry.take_span(start, start + length if length is not None else None, user.zone)
    session.add(entry)
    session.commit()


def shown(session: Session, user: User, now: datetime = NOON) -> Dashboard:
    return dashboard(session, user, TimeEntry.running(session, user), now)


@pytest.mark.engines
@pytest.mark.parametrize(
    ("week_start", "first", "hours"),
    [(0, date(2026, 11, 16), 5), (6, date(2026, 11, 15), 6), (2, date(2026, 11, 11), 6)],
)
def test_the_week_begins_on_the_persons_day_and_is_the_sum_of_its_days(
    session: Session, owner: User, week_start: int, first: date, hours: int
) -> None:
    owner.week_start = week_start
    for day, length in ((15, 1), (16, 2), (17, 3)):
        book(session, owner, datetime(2026, 11, day, 8, tzinfo=UTC), length * HOUR)
    book(session, owner, datetime(2026, 11, 10, 8, tzinfo=UTC), 9 * HOUR)
    week = shown(session, owner)
    assert (week.week[0].day, len(week.week), week.week_seconds) == (first, 7, hours * 3600)
    assert week.week_seconds == sum(day.seconds for day in week.week)
    assert week.today_seconds == 3 * 3600
    assert [day.day for day in week.week if day.is_today] == [date(2026, 11, 17)]
    assert week.scale.top >= max(day.seconds for day in week.week)


def test_what_runs_counts_up_to_now_for_the_day_it_began(session: Session, owner: User) -> None:
    book(session, owner, datetime(2026, 11, 16, 22, tzinfo=UTC), None)  # 23:00 in Berlin
    week = shown(session, owner)
    assert (week.today_seconds, week.week[0].seconds, week.week_seconds) == (0, 13 * 3600, 13 * 3600)
    assert shown(session, owner, NOON + HOUR).week_seconds == 14 * 3600


def test_today_is_the_persons_day(session: Session, owner: User) -> None:
    owner.time_zone = "Pacific/Kiritimati"  # fourteen hours ahead
    assert shown(session, owner).today == date(2026, 11, 18)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ],
)
def test_a_day_on_which_clocks_change_counts_what_elapsed(
    session: Session, owner: User, zone: str, day: date, hours: float
) -> None:
    owner.time_zone = zone
    first = datetime(day.year, day.month, day.day, tzinfo=owner.zone).astimezone(UTC)
    book(session, owner, first, hours * HOUR)
    week = shown(session, owner, first + 20 * HOUR)
    assert (week.today, week.today_seconds, week.week_seconds) == (day, hours * 3600, hours * 3600)


def test_the_latest_are_those_that_have_ended(session: Session, owner: User) -> None:
    for number in range(LATEST + 2):
        book(session, owner, NOON - HOUR * (number + 1), HOUR)
    book(session, owner, NOON, None)
    latest = shown(session, owner).latest
    assert [entry.started_at for entry in latest] == [NOON - HOUR * (number + 1) for number in range(LATEST)]
