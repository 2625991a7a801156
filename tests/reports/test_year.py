"""The year of a person: months, days, and what stands before and after."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.models import User
from app.models.subject import Subject
from app.reports.year import year
from app.services import time_entries, timer
from app.services.time_entries import Span
from tests.conftest import NOON

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.engines


def add(session: Session, user: User, start: datetime, length: timedelta, *, billable: bool = False) -> None:
    subject = Subject("work", billable=billable)
    time_entries.add(session, user, subject, Span(start, start + length, user.zone), now=NOON)


def test_months_are_sums_of_their_days_and_the_year_of_its_months(
    session: Session, owner: User, colleague: User
) -> None:
    add(session, owner, datetime(2026, 3, 29, 0, tzinfo=UTC), 2 * HOUR, billable=True)  # over the change of clocks
    add(session, owner, datetime(2026, 3, 30, 8, tzinfo=UTC), HOUR)
    add(session, owner, datetime(2025, 12, 31, 23, 30, tzinfo=UTC), HOUR)  # 0:30 of New Year's day in Berlin
    add(session, colleague, datetime(2026, 3, 30, 8, tzinfo=UTC), HOUR)
    timer.start(session, owner, Subject(), read_now=lambda: NOON - HOUR)

    found = year(session, owner, 2026, NOON)

    assert [month.seconds // 3600 for month in found.months] == [1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert (found.seconds, found.billable_seconds) == (5 * 3600, 2 * 3600)
    assert sum(day.seconds for day in found.days) == found.seconds
    assert [month.first.month for month in found.months if month.is_now] == [11]


def test_every_day_stands_in_its_week_and_is_as_full_as_it_was(session: Session, owner: User) -> None:
    add(session, owner, datetime(2026, 1, 5, 8, tzinfo=UTC), 8 * HOUR)
    add(session, owner, datetime(2026, 1, 6, 8, tzinfo=UTC), HOUR / 60)

    days = {day.day: day for day in year(session, owner, 2026, NOON).days}

    assert len(days) == 365
    monday, tuesday = days[date(2026, 1, 5)], days[date(2026, 1, 6)]
    assert (monday.week, monday.weekday, monday.level) == (1, 0, 4)
    assert (tuesday.weekday, tuesday.level) == (1, 1)
    assert (days[date(2026, 1, 1)].week, days[date(2026, 1, 1)].weekday, days[date(2026, 1, 1)].level) == (0, 3, 0)


def test_a_week_begins_where_the_person_says(session: Session, owner: User) -> None:
    owner.week_start = 6
    sunday = next(day for day in year(session, owner, 2026, NOON).days if day.day == date(2026, 1, 4))
    assert (sunday.week, sunday.weekday) == (1, 0)


def test_it_tells_whether_there_is_time_before_and_after(session: Session, owner: User) -> None:
    assert [getattr(year(session, owner, 2026, NOON), name) for name in ("earlier", "later")] == [False, False]
    add(session, owner, datetime(2025, 5, 5, tzinfo=UTC), HOUR)
    found = [(year(session, owner, n, NOON).earlier, year(session, owner, n, NOON).later) for n in (2024, 2025, 2026)]
    assert found == [(False, True), (False, False), (True, False)]
