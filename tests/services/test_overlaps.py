"""What shares time with an entry."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.models import TimeEntry, User
from app.models.subject import Subject
from app.services import overlaps, time_entries, timer
from app.services.time_entries import Span
from tests.conftest import NOON

HOUR = timedelta(hours=1)


def add(session: Session, user: User, start: datetime, end: datetime) -> TimeEntry:
    return time_entries.add(session, user, Subject("work"), Span(start, end, user.zone), now=NOON)


@pytest.mark.engines
@pytest.mark.parametrize(
    ("begins", "ends", "shares"),
    [
        (-2, -1, False),
        (-1, 0, False),  # it only touches
        (-1, 0.5, True),
        (0, 1, True),
        (0.25, 0.75, True),
        (-1, 2, True),
        (0.5, 2, True),
        (1, 2, False),
    ],
)
def test_an_entry_shares_what_lies_between_start_and_end(
    session: Session, owner: User, begins: float, ends: float, shares: bool
) -> None:
    other = add(session, owner, NOON + begins * HOUR, NOON + ends * HOUR)
    entry = add(session, owner, NOON, NOON + HOUR)

    assert overlaps.first(session, owner, entry) is (other if shares else None)


def test_a_running_timer_shares_all_that_comes_after_its_start(session: Session, owner: User) -> None:
    running = timer.start(session, owner, Subject("run"), read_now=lambda: NOON)

    assert overlaps.first(session, owner, add(session, owner, NOON, NOON + HOUR)) is running
    assert overlaps.first(session, owner, add(session, owner, NOON - HOUR, NOON)) is None
    assert overlaps.first(session, owner, running) is not None


def test_neither_the_deleted_nor_other_people_share_time(session: Session, owner: User, colleague: User) -> None:
    add(session, colleague, NOON, NOON + HOUR)
    time_entries.delete(session, owner, add(session, owner, NOON, NOON + HOUR), now=NOON)

    assert overlaps.first(session, owner, add(session, owner, NOON, NOON + HOUR)) is None
