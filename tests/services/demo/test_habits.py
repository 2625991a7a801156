"""Shifts keep to the clock of the wall, also when clocks change, and are filled without overlap."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from app import clock
from app.clock import MINUTE
from app.services.demo import habits
from app.services.demo.habits import Habit, Period, Shift, Span
from tests.conftest import NOON

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))
OFFICE = Habit(frozenset(range(5)), ((9 * 60, 12 * 60 + 30), (13 * 60 + 15, 17 * 60)), by_hand=0.3)
NIGHTS = Habit(EVERY_DAY, ((14 * 60, 18 * 60), (22 * 60, 25 * 60 + 30)), by_hand=0.5)
NO_BREAK = Habit(EVERY_DAY, ((8 * 60, 12 * 60), (12 * 60, 16 * 60)), by_hand=0.5)
DAWN = Habit(EVERY_DAY, ((30, 4 * 60 + 30),), by_hand=0.5)


def shifts(habit: Habit, *, now: datetime = NOON, days: int = 730, zone: ZoneInfo = BERLIN) -> list[Shift]:
    period = Period(clock.local_date(now, zone) - timedelta(days=days), now, zone)
    return list(habits.shifts(habit, period, "seed", language="en"))


def filled(found: Sequence[Shift], count: int) -> list[Span]:
    total = sum(shift.seconds for shift in found)
    return [span for _shift, spans in habits.spans(found, total, count, Random(1)) for span in spans]


def test_work_begins_and_ends_around_its_hours_in_summer_and_winter() -> None:
    starts = [clock.local(shift.start, BERLIN) for shift in shifts(OFFICE)[::2]]
    assert {start.utcoffset() for start in starts} == {timedelta(hours=1), timedelta(hours=2)}
    for start in starts:
        assert (
            timedelta(hours=8, minutes=45)
            <= start.replace(tzinfo=None) - datetime.combine(start.date(), datetime.min.time())
            < timedelta(hours=13, minutes=45)
        )


def test_a_night_is_an_hour_shorter_or_longer_when_clocks_change() -> None:
    """By the wall it is half past 0 to half past 4, a quarter of an hour earlier or later on either side."""
    found = shifts(DAWN, now=datetime(2026, 12, 1, tzinfo=UTC), days=365)
    hours = {shift.day: shift.seconds / clock.HOUR for shift in found}
    assert 2.5 <= hours.pop(date(2026, 3, 29)) <= 3.5
    assert 4.5 <= hours.pop(date(2026, 10, 25)) <= 5.5
    assert all(3.5 <= length <= 4.5 for length in hours.values())


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_an_hour_that_is_missing_or_comes_twice_makes_no_overlap(zone: str) -> None:
    spans = filled(shifts(DAWN, now=datetime(2026, 12, 1, tzinfo=UTC), zone=ZoneInfo(zone)), 20_000)
    assert all(former.end <= latter.start for former, latter in pairwise(spans))
    assert all(span.local_date == clock.local_date(span.start, ZoneInfo(zone)) for span in spans)


def test_what_begins_after_midnight_counts_for_the_next_day() -> None:
    for zone in (BERLIN, ZoneInfo("America/New_York")):
        spans = filled(shifts(NIGHTS, zone=zone, days=400), 20_000)
        assert all(span.local_date == clock.local_date(span.start, zone) for span in spans)
        assert any(clock.local(span.start, zone).hour == 1 for span in spans)


@pytest.mark.parametrize("habit", [OFFICE, NIGHTS, DAWN, NO_BREAK])
@pytest.mark.parametrize("count", [1, 2, 300, 2_000, 40_000, 120_000])
def test_spans_neither_overlap_nor_last_less_than_a_minute(habit: Habit, count: int) -> None:
    spans = filled(shifts(habit), count)
    assert len(spans) == count
    assert all(span.end - span.start >= timedelta(minutes=1) for span in spans)
    assert all(former.end <= latter.start for former, latter in pairwise(spans))
    assert spans[-1].end <= NOON


def test_as_many_as_fit_are_made() -> None:
    found = shifts(OFFICE, days=90)
    most = sum(shift.seconds for shift in found) // habits.TIGHTEST
    spans = filled(found, most)
    assert most - 5 <= len(spans) <= most
    assert min(span.end - span.start for span in spans) >= timedelta(minutes=1)


def test_few_are_the_latest() -> None:
    assert filled(shifts(OFFICE), 10)[0].start > NOON - timedelta(days=10)


def test_what_is_written_by_hand_keeps_to_five_minutes_and_the_clock_does_not() -> None:
    spans = filled(shifts(OFFICE), 1500)
    seconds = {
        by_hand: [s.start.timestamp() % (5 * MINUTE) for s in spans if s.by_hand == by_hand]
        for by_hand in (True, False)
    }
    assert not any(seconds[True])
    assert not any(span.end.timestamp() % (5 * MINUTE) for span in spans if span.by_hand)
    assert sum(map(bool, seconds[False])) > 0.9 * len(seconds[False]) > 500
    assert len(seconds[True]) > 200


def test_nobody_works_on_free_days() -> None:
    days = {shift.day for shift in shifts(OFFICE)}
    assert all(day.weekday() < 5 for day in days)
    assert not days & {date(2024, 12, 25), date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6)}
    assert 380 < len(days) < 480


def test_the_last_shift_ends_now_or_where_the_timer_starts() -> None:
    morning = shifts(OFFICE, now=NOON)[-1]
    assert morning.start < morning.end == NOON
    cut = list(habits.until(shifts(OFFICE), NOON - timedelta(hours=1)))
    assert cut[-1].end == NOON - timedelta(hours=1)
