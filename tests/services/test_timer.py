"""The timer's rules: one clock a person, whatever happens at once (law 5)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import Application
from app.models import Source, TimeEntry, User
from app.models.subject import Subject
from app.services import timer

pytestmark = pytest.mark.engines
NINE = datetime(2026, 11, 17, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entries(session: Session, user: User) -> list[TimeEntry]:
    session.rollback()
    return list(session.scalars(select(TimeEntry).where(TimeEntry.user_id == user.id).order_by(TimeEntry.id)))


def test_starting_stops_what_ran_at_the_same_moment(session: Session, owner: User) -> None:
    first = timer.start(session, owner, Subject("first"), read_now=lambda: NINE)
    second = timer.start(session, owner, Subject("second"), read_now=lambda: NINE + HOUR)
    session.commit()
    assert first.ended_at == second.started_at == NINE + HOUR
    assert second.is_running


def test_a_clock_set_back_never_ends_an_entry_before_it_began(session: Session, owner: User) -> None:
    first = timer.start(session, owner, Subject("first"), read_now=lambda: NINE + HOUR)
    second = timer.start(session, owner, Subject("second"), read_now=lambda: NINE)
    session.commit()
    assert (first.started_at, first.ended_at, second.started_at) == (NINE + HOUR,) * 3


def test_a_slip_of_the_hand_within_a_second_and_without_words_is_dropped(session: Session, owner: User) -> None:
    slip = timer.start(session, owner, Subject(), read_now=lambda: NINE)
    timer.start(session, owner, Subject("meant"), read_now=lambda: NINE + timedelta(seconds=1))
    session.commit()
    assert slip.deleted_at is not None


def test_a_second_with_words_is_kept(session: Session, owner: User) -> None:
    short = timer.start(session, owner, Subject("call"), read_now=lambda: NINE)
    timer.start(session, owner, Subject("next"), read_now=lambda: NINE + timedelta(seconds=1))
    session.commit()
    assert short.deleted_at is None


def test_stopping_twice_does_no_harm(session: Session, owner: User) -> None:
    timer.start(session, owner, Subject("work"), read_now=lambda: NINE)
    stopped = timer.stop(session, owner, read_now=lambda: NINE + HOUR)
    again = timer.stop(session, owner, read_now=lambda: NINE + 2 * HOUR)
    session.commit()
    assert again is None
    assert stopped is not None
    assert stopped.ended_at == NINE + HOUR


def test_several_timers_take_the_lowest_free_slot(session: Session, owner: User) -> None:
    a = timer.start(session, owner, Subject("a"), single=False, read_now=lambda: NINE)
    b = timer.start(session, owner, Subject("b"), single=False, read_now=lambda: NINE)
    timer.stop(session, owner, entry_id=a.id, read_now=lambda: NINE + HOUR)
    c = timer.start(session, owner, Subject("c"), single=False, read_now=lambda: NINE + HOUR)
    session.commit()
    assert (a.timer_slot, b.timer_slot, c.timer_slot) == (0, 1, 0)


def test_the_database_itself_allows_one_running_timer_a_slot(session: Session, owner: User) -> None:
    for _ in range(2):
        entry = TimeEntry(user_id=owner.id, source=Source.TIMER, created_at=NINE, updated_at=NINE)
        entry.take_span(NINE, None, owner.zone)
        session.add(entry)
    with pytest.raises(IntegrityError):
        session.flush()


def test_the_database_itself_refuses_an_end_before_the_start(session: Session, owner: User) -> None:
    entry = TimeEntry(user_id=owner.id, source=Source.TIMER, created_at=NINE, updated_at=NINE)
    entry.take_span(NINE, NINE - HOUR, owner.zone)
    session.add(entry)
    with pytest.raises(IntegrityError):
        session.flush()


def test_many_starts_at_once_leave_one_running_and_no_overlap(app: Application, session: Session, owner: User) -> None:
    def start(number: int) -> None:
        with Session(app.engine) as own:
            timer.start(own, own.get_one(User, owner.id), Subject(f"start {number}"))
            own.commit()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(start, range(48)))
    kept = entries(session, owner)
    assert len(kept) == 48
    assert sum(entry.is_running for entry in kept) == 1
    kept.sort(key=lambda entry: (entry.started_at, entry.id))
    for earlier, later in pairwise(kept):
        assert earlier.ended_at is not None
        assert earlier.ended_at <= later.started_at
