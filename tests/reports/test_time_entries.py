"""Totals, days and pages of a range agree with each other, and an index finds them."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.db import Application
from app.models import Source, TimeEntry, User
from app.reports import dashboard
from app.reports.time_entries import Range, TimeList, rows, sums_by_day, time_list
from tests.conftest import NOON

HOUR = timedelta(hours=1)
Sent = list[tuple[str, Any]]


def booked(user: User, start: datetime, length: timedelta | None, **more: Any) -> TimeEntry:
    entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=NOON, updated_at=NOON, **more)
    entry.take_span(start, start + length if length is not None else None, user.zone)
    return entry


def fill(session: Session, user: User, count: int) -> list[TimeEntry]:
    """Entries of odd lengths over a year, many of them begun together, some deleted, one running."""
    chance = random.Random(count)
    made = [
        booked(
            user,
            NOON - HOUR * chance.randrange(24 * 365),
            timedelta(seconds=chance.randrange(30_000)),
            billable=chance.random() < 0.5,
            deleted_at=NOON if chance.random() < 0.1 else None,
        )
        for _ in range(count - 1)
    ]
    made.append(booked(user, NOON - HOUR, None))
    session.add_all(made)
    session.commit()
    return made


def all_pages(session: Session, user: User, shown: Range) -> Iterator[TimeList]:
    page = time_list(session, user, shown, now=NOON)
    yield page
    while page.next is not None:
        page = time_list(session, user, shown, now=NOON, after=page.next)
        yield page


@pytest.mark.engines
@pytest.mark.parametrize("shown", [Range(), Range(date(2026, 3, 1), date(2026, 10, 31)), Range(date(2026, 11, 17))])
def test_totals_days_and_entries_agree(session: Session, owner: User, colleague: User, shown: Range) -> None:
    fill(session, colleague, 50)
    made = [entry for entry in fill(session, owner, 350) if entry.deleted_at is None]
    mine = [e for e in made if (shown.first or date.min) <= e.local_date <= (shown.last or date.max)]
    days: Counter[date] = Counter()
    for entry in mine:
        days[entry.local_date] += entry.seconds(NOON)
    assert sums_by_day(session, owner, shown, now=NOON) == {entry.local_date: days[entry.local_date] for entry in mine}
    for page in all_pages(session, owner, shown):
        assert (page.seconds, page.count) == (sum(days.values()), len(mine))
        assert page.billable_seconds == sum(entry.seconds(NOON) for entry in mine if entry.billable)
        assert all(day.seconds == days[day.day] for day in page.days)
    listed = [e.id for page in all_pages(session, owner, shown) for day in page.days for e in day.entries]
    key = {entry.id: (entry.local_date, entry.started_at, entry.id) for entry in mine}
    assert listed == sorted(key, key=key.__getitem__, reverse=True)
    assert [entry.id for entry in rows(session, owner, shown)] == listed[::-1]


def test_an_empty_range_has_nothing(session: Session, owner: User) -> None:
    page = time_list(session, owner, Range(), now=NOON)
    assert (page.seconds, page.billable_seconds, page.count, page.days, page.next) == (0, 0, 0, [], None)


def test_an_entry_over_midnight_counts_for_the_day_it_began(session: Session, owner: User) -> None:
    session.add(booked(owner, datetime(2026, 11, 16, 22, tzinfo=UTC), 3 * HOUR))  # 23:00 in Berlin
    session.commit()
    assert sums_by_day(session, owner, Range(), now=NOON) == {date(2026, 11, 16): 3 * 3600}


@pytest.fixture
def sent(app: Application) -> Iterator[Sent]:
    """Statements that read entries, with what was bound to them."""
    found: Sent = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT") and "time_entries" in statement:
            found.append((statement, parameters))

    event.listen(app.engine, "before_cursor_execute", note)
    yield found
    event.remove(app.engine, "before_cursor_execute", note)


def test_an_index_finds_whatever_is_asked_of_the_entries(session: Session, owner: User, sent: Sent) -> None:
    fill(session, owner, 500)
    sent.clear()
    year = Range(date(2026, 1, 1), date(2026, 12, 31))
    list(all_pages(session, owner, year))
    list(all_pages(session, owner, Range()))
    list(rows(session, owner, year))
    dashboard.dashboard(session, owner, TimeEntry.running(session, owner), NOON)
    assert len(sent) > 15
    for statement, parameters in list(sent):
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        assert not [step for *_, step in plan if step.startswith("SCAN time_entries")], statement
