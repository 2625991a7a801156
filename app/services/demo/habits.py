"""When people work: their days become shifts, and shifts become the spans of time entries.

A shift is laid on the clock of the wall, so that nine o'clock stays nine o'clock when clocks change; within it only
elapsed seconds are counted, so that nothing overlaps and no row needs a time zone of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app import clock
from app.clock import HOUR, MINUTE
from app.services.demo.free_days import absences, holidays

USUAL = int(2.4 * HOUR)  # what goes by for each entry, breaks included, unless more are asked for
TIGHTEST = 75  # seconds that must go by for each entry, so that none is shorter than a minute
_SHORTEST_SHIFT = 30 * MINUTE
_GRID = 5 * MINUTE  # what people type


@dataclass(frozen=True)
class Habit:
    """`hours` are pairs of minutes after midnight, beyond 1440 for the night; 0 in `weekdays` is Monday.

    `by_hand` is the share of shifts that are written down afterwards rather than timed.
    """

    weekdays: frozenset[int]
    hours: tuple[tuple[int, int], ...]
    by_hand: float


@dataclass(frozen=True)
class Period:
    """The days in which a person works, as their zone counts them; nothing begins or ends after `now`."""

    first: date
    now: datetime
    zone: ZoneInfo

    @property
    def today(self) -> date:
        return clock.local_date(self.now, self.zone)


@dataclass(frozen=True)
class Shift:
    """`seconds` from `start`, on `day`, which ends at `midnight` (both instants)."""

    day: date
    start: datetime
    seconds: int
    midnight: datetime
    by_hand: bool

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)


class Span(NamedTuple):
    """What a time entry covers. `local_date` is the day it began on."""

    start: datetime
    end: datetime
    local_date: date
    by_hand: bool


def shifts(habit: Habit, period: Period, seed: str, *, language: str) -> Iterator[Shift]:
    """All shifts of a period, the oldest first and none overlapping; the last one ends now if now is in it."""
    random = Random(seed)  # noqa: S311 - chance that can be repeated
    away = absences(random, period.first, period.today)
    former_end = datetime.min.replace(tzinfo=period.now.tzinfo)
    for number in range((period.today - period.first).days + 1):
        day = period.first + timedelta(days=number)
        drawn = [(random.random() < habit.by_hand, _minutes(random), _minutes(random)) for _ in habit.hours]
        if day.weekday() not in habit.weekdays or day in away or day in holidays(day.year, language):
            continue
        midnight = clock.day_bounds(day, period.zone)[1]
        for hours, (by_hand, late, longer) in zip(habit.hours, drawn, strict=True):
            begins, ends = max(0, hours[0] * MINUTE + late), hours[1] * MINUTE + longer
            if by_hand:
                begins, ends = begins // _GRID * _GRID, ends // _GRID * _GRID
            planned, end = _instant(day, begins, period.zone), min(period.now, _instant(day, ends, period.zone))
            start = max(former_end, planned)
            seconds = clock.seconds_between(start, end)
            if seconds >= _SHORTEST_SHIFT:
                yield Shift(day, start, seconds, midnight, by_hand and start == planned)
                former_end = end


def until(shifts: Iterable[Shift], last: datetime) -> Iterator[Shift]:
    """The shifts before `last`, the one around it cut off there."""
    for shift in shifts:
        seconds = min(shift.seconds, clock.seconds_between(shift.start, last))
        if seconds >= _SHORTEST_SHIFT:
            yield Shift(shift.day, shift.start, seconds, shift.midnight, shift.by_hand)


def spans(shifts: Iterable[Shift], total: int, count: int, random: Random) -> Iterator[tuple[Shift, list[Span]]]:
    """Fills shifts of `total` seconds with `count` spans; where few are wanted, only the latest shifts.

    Asks for at least TIGHTEST seconds a span.
    """
    if not count:
        return
    filled = min(total, count * USUAL)
    unevenness = 0.6 * (1 - TIGHTEST * count / filled)
    passed, done = filled - total, 0
    for shift in shifts:
        passed += shift.seconds
        if passed <= 0:
            continue
        wavering = unevenness * shift.seconds * (random.random() - 0.5) if passed < filled else 0
        due = round(min(1, (passed + wavering) / filled) * count) - done
        due = max(0, min(due, shift.seconds // MINUTE))
        if due:
            done += due
            yield shift, _cut(shift, due, random)


def _cut(shift: Shift, count: int, random: Random) -> list[Span]:
    """`count` spans of a shift, of all lengths, with short breaks."""
    by_hand = shift.by_hand and shift.seconds >= count * 2 * _GRID
    least, step = (_GRID, _GRID) if by_hand else (MINUTE, 1)
    weights = list(accumulate(random.random() ** 3 + 0.06 for _ in range(count)))
    scale = (shift.seconds - count * least) / weights[-1]
    found, start = list[Span](), 0
    for number, weight in enumerate(weights, 1):
        end = number * least + int(scale * weight + 0.001) // step * step
        rested = start + _worked(end - start, random, by_hand=by_hand)
        began = shift.start + timedelta(seconds=start)
        day = shift.day if began < shift.midnight else shift.day + timedelta(days=1)
        found.append(Span(began, shift.start + timedelta(seconds=rested), day, by_hand))
        start = end
    return found


def _worked(seconds: int, random: Random, *, by_hand: bool) -> int:
    """What is left of a stretch without the break at its end."""
    if not by_hand:
        return seconds - int((seconds - MINUTE) * 0.1 * random.random())
    return seconds - _GRID if seconds > 6 * _GRID and random.random() < 0.3 else seconds


def _minutes(random: Random) -> int:
    """How much later than usual, in seconds: up to a quarter of an hour either way, and never on the minute."""
    return random.randrange(-15 * MINUTE, 15 * MINUTE)


def _instant(day: date, seconds: int, zone: ZoneInfo) -> datetime:
    """The moment when the clocks show that time after the midnight before `day`."""
    return clock.to_instant(datetime.combine(day, time()) + timedelta(seconds=seconds), zone).instant
