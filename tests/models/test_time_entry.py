"""What one entry knows by itself, and who finds it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.errors import Forbidden, NotFound
from app.models import Source, TimeEntry, User
from app.models.subject import Subject
from app.services import timer
from tests.conftest import NOON

HOUR = timedelta(hours=1)


def entry_of(zone: str, start: datetime, length: timedelta | None) -> TimeEntry:
    entry = TimeEntry(source=Source.MANUAL)
    entry.take_span(start, start + length if length is not None else None, ZoneInfo(zone))
    return entry


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Europe/Berlin", 17), ("UTC", 16), ("Pacific/Kiritimati", 17), ("Pacific/Pago_Pago", 16), ("Asia/Kathmandu", 17)],
)
def test_it_counts_for_the_day_it_began_in_its_zone(zone: str, day: int) -> None:
    entry = entry_of(zone, datetime(2026, 11, 16, 23, 30, tzinfo=UTC), HOUR)
    assert (entry.local_date, entry.local_start.date(), entry.time_zone) == (
        date(2026, 11, day),
        entry.local_date,
        zone,
    )


def test_its_length_is_what_elapsed_whatever_the_clocks_did() -> None:
    entry = entry_of("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), HOUR)
    assert entry.local_end is not None
    assert entry.local_start.time() == entry.local_end.time()  # half past two comes twice
    assert entry.seconds(NOON) == 3600


def test_while_it_runs_it_counts_up_to_now_and_never_below_nothing() -> None:
    entry = entry_of("UTC", NOON, None)
    assert [entry.seconds(NOON + hours * HOUR) for hours in (-1, 0, 2)] == [0, 0, 7200]


def test_it_never_ends_before_it_began() -> None:
    entry = entry_of("UTC", NOON, None)
    entry.stop(NOON - HOUR)
    assert entry.ended_at == NOON


def test_deleted_twice_it_keeps_the_first_moment() -> None:
    entry = entry_of("UTC", NOON, HOUR)
    entry.delete(NOON)
    entry.delete(NOON + HOUR)
    assert entry.deleted_at == NOON


@pytest.mark.engines
def test_its_owner_changes_it_an_administrator_reads_it_and_for_others_it_is_not_there(
    session: Session, owner: User, colleague: User, administrator: User
) -> None:
    key = timer.start(session, owner, Subject("work")).id
    session.commit()
    assert TimeEntry.load_to_change(session, owner, key).id == TimeEntry.load(session, administrator, key).id == key
    with pytest.raises(Forbidden):
        TimeEntry.load_to_change(session, administrator, key)
    for load in (TimeEntry.load, TimeEntry.load_to_change):
        with pytest.raises(NotFound):
            load(session, colleague, key)


@pytest.mark.engines
@pytest.mark.parametrize("number", [0, 2**31, 2**63, 10**20])
def test_a_number_no_entry_can_have_is_not_found(session: Session, owner: User, number: int) -> None:
    with pytest.raises(NotFound):
        TimeEntry.load(session, owner, number)
