"""Where time entered by hand lies, and what an edit refuses."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.errors import Conflict, Refused
from app.models import TimeEntry, User
from app.models.subject import Subject
from app.services import time_entries, timer
from app.services.time_entries import Span
from tests.conftest import NOON

HOUR = timedelta(hours=1)
YESTERDAY = date(2026, 11, 16)
NINE = datetime(2026, 11, 16, 8, tzinfo=UTC)  # in Berlin


def add(session: Session, user: User, start: datetime, length: timedelta = HOUR) -> TimeEntry:
    return time_entries.add(session, user, Subject("work"), Span(start, start + length, user.zone), now=NOON)


def placed(
    session: Session, user: User, day: date, seconds: int, now: datetime = NOON
) -> tuple[datetime, datetime | None]:
    span = time_entries.place(session, user, day, seconds, now=now)
    return span.start, span.end


@pytest.mark.engines
def test_a_length_begins_at_nine_or_after_the_last_entry_of_the_day(session: Session, owner: User) -> None:
    assert placed(session, owner, YESTERDAY, 3600) == (NINE, NINE + HOUR)
    for start in (NINE + 5 * HOUR, NINE + 2 * HOUR):
        add(session, owner, start)
    assert placed(session, owner, YESTERDAY, 3600) == (NINE + 6 * HOUR, NINE + 7 * HOUR)


def test_what_is_deleted_or_goes_on_into_the_next_day_is_not_followed(session: Session, owner: User) -> None:
    add(session, owner, NINE + 5 * HOUR).delete(NOON)
    add(session, owner, NINE + 13 * HOUR, 4 * HOUR)
    assert placed(session, owner, YESTERDAY, 60) == (NINE, NINE + timedelta(minutes=1))


def test_a_length_today_ends_now_and_is_refused_where_it_would_begin_yesterday(session: Session, owner: User) -> None:
    assert placed(session, owner, date(2026, 11, 17), 3600) == (NOON - HOUR, NOON)
    midnight = datetime(2026, 11, 16, 23, tzinfo=UTC)
    assert placed(session, owner, date(2026, 11, 17), 3600, midnight + HOUR) == (midnight, midnight + HOUR)
    with pytest.raises(Refused, match="not that old"):
        placed(session, owner, date(2026, 11, 17), 3601, midnight + HOUR)


@pytest.mark.engines
def test_an_end_before_the_start_is_refused(session: Session, owner: User) -> None:
    with pytest.raises(Refused):
        add(session, owner, NINE, -HOUR)
    entry = add(session, owner, NINE)
    with pytest.raises(Refused):
        time_entries.edit(session, owner, entry, Subject(), Span(NINE, NINE - HOUR, owner.zone), now=NOON)


def test_an_edit_never_starts_or_stops_the_timer(session: Session, owner: User) -> None:
    stopped = add(session, owner, NINE)
    running = timer.start(session, owner, Subject("runs"), read_now=lambda: NOON)
    for entry, end in ((stopped, None), (running, NOON + HOUR)):
        with pytest.raises(Conflict):
            time_entries.edit(session, owner, entry, Subject(), Span(NINE, end, owner.zone), now=NOON)


def test_an_edit_moves_the_day_an_entry_counts_for(session: Session, owner: User) -> None:
    entry = add(session, owner, NINE)
    late = NINE - 10 * HOUR  # 23:00 of the evening before
    time_entries.edit(session, owner, entry, Subject(), Span(late, late + 2 * HOUR, owner.zone), now=NOON)
    assert (entry.local_date, entry.updated_at) == (date(2026, 11, 15), NOON)
