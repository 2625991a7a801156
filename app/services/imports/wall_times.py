"""Dates, times and durations as other programs write them, and the instants they stand for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import product
from zoneinfo import ZoneInfo

from app import clock
from app.clock import Kind
from app.errors import Refused

YEARS = range(1900, 3000)
ROUNDING = 1  # seconds by which a duration may differ from its span without a word

_YEAR_FIRST = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)", re.ASCII)
_DOTTED = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})", re.ASCII)
_EITHER = re.compile(r"(\d\d?)([/-])(\d\d?)\2(\d{4})", re.ASCII)
_TIME = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?(?:\s*([AaPp])\.?[Mm]\.?)?", re.ASCII)
_DURATION = re.compile(r"(\d{1,5}):([0-5]\d):([0-5]\d)", re.ASCII)


class Order(Enum):
    """What 03/04/2025 begins with."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


@dataclass(frozen=True)
class Span:
    """From `start` to `end` (UTC); `notes` say what had to be decided."""

    start: datetime
    end: datetime
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Met:
    """A wall time, how it met the clocks, and the instants it may stand for, the likeliest first."""

    wall: datetime
    kind: Kind
    readings: tuple[datetime, ...]


def order(dates: Iterable[str]) -> Order | None:
    """What the dates of a whole file begin with; None where none leaves it open. Raises Refused if nothing tells."""
    found = [(int(match[1]), int(match[3])) for match in map(_EITHER.fullmatch, set(dates)) if match]
    if not found:
        return None
    day_first = any(first > 12 >= second for first, second in found)
    month_first = any(second > 12 >= first for first, second in found)
    if day_first == month_first:
        raise Refused(
            "Whether day or month comes first in the dates of this file cannot be told: "
            f"{'they contradict one another' if day_first else 'no day is later than the 12th'}. "
            "Choose YYYY-MM-DD as the date format where the file comes from, and export it again. "
            "Nothing was imported."
        )
    return Order.DAY_FIRST if day_first else Order.MONTH_FIRST


def wall(day: str, hour: str, order: Order | None) -> datetime:
    """What a clock showed. Raises Refused."""
    return datetime.combine(_date(day, order), _time(hour))


def seconds(duration: str) -> int | None:
    """1:30:00 in seconds, or None."""
    match = _DURATION.fullmatch(duration)
    return int(match[1]) * clock.HOUR + int(match[2]) * clock.MINUTE + int(match[3]) if match else None


def resolve(start: datetime, end: datetime | None, length: int | None, zone: ZoneInfo) -> Span:
    """The instants of a span of wall times; `length` (seconds) tells which where the clocks were changed.

    Where it does not tell, a repeated time is the earlier and a missing one is moved forward, as `clock` does.
    Raises Refused when it ends before it starts, or has neither end nor length.
    """
    if end is None:
        return _from_length(start, length, zone)
    first, last = _meet(start, zone), _meet(end, zone)
    pairs = [(a, b) for a, b in product(first.readings, last.readings) if a <= b]
    if not pairs:
        raise Refused(f"it ends ({end}) before it starts ({start})")
    fitting = [pair for pair in pairs if length is not None and _fits(pair, length)]
    begun, ended = (fitting or pairs)[0]
    notes = [*_decided("start", first, begun, zone), *_decided("end", last, ended, zone)]
    if length is not None and not fitting:
        notes.append(_disagreement(length, clock.seconds_between(begun, ended)))
    return Span(begun, ended, tuple(notes))


def _from_length(start: datetime, length: int | None, zone: ZoneInfo) -> Span:
    if length is None:
        raise Refused("it has neither an end nor a duration")
    first = _meet(start, zone)
    begun = first.readings[0]
    return Span(begun, begun + timedelta(seconds=length), tuple(_decided("start", first, begun, zone)))


def _date(cell: str, order: Order | None) -> date:
    try:
        found = date(*_year_month_day(cell, order))
    except ValueError as error:
        raise Refused(f"{cell!r} is not a date") from error
    if found.year not in YEARS:
        raise Refused(f"the year of {cell!r} cannot be right")
    return found


def _year_month_day(cell: str, order: Order | None) -> tuple[int, int, int]:
    if match := _YEAR_FIRST.fullmatch(cell):
        return int(match[1]), int(match[2]), int(match[3])
    if match := _DOTTED.fullmatch(cell):
        return int(match[3]), int(match[2]), int(match[1])
    match = _EITHER.fullmatch(cell)
    if match is None or order is None:
        raise ValueError(cell)
    day, month = (match[1], match[3]) if order is Order.DAY_FIRST else (match[3], match[1])
    return int(match[4]), int(month), int(day)


def _time(cell: str) -> time:
    match = _TIME.fullmatch(cell)
    hour = _hour(int(match[1]), match[4]) if match else None
    if match is None or hour is None:
        raise Refused(f"{cell!r} is not a time of day")
    try:
        return time(hour, int(match[2]), int(match[3] or 0))
    except ValueError as error:
        raise Refused(f"{cell!r} is not a time of day") from error


def _hour(hour: int, half: str | None) -> int | None:
    """The hour of 24 for one of a clock of 12, or as it stands; None for 13 p.m."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if half in "Pp" else 0)


def _meet(wall: datetime, zone: ZoneInfo) -> _Met:
    found = clock.to_instant(wall, zone)
    if found.kind is Kind.PLAIN:
        return _Met(wall, found.kind, (found.instant,))
    # Of a missing time the other reading counts by the clocks after the change, which `to_instant` never does.
    return _Met(wall, found.kind, (found.instant, clock.utc(wall.replace(tzinfo=zone, fold=1))))


def _fits(pair: tuple[datetime, datetime], length: int) -> bool:
    return abs(clock.seconds_between(*pair) - length) <= ROUNDING


def _decided(what: str, met: _Met, instant: datetime, zone: ZoneInfo) -> list[str]:
    if met.kind is Kind.PLAIN:
        return []
    how = "happened twice" if met.kind is Kind.AMBIGUOUS else "never happened"
    return [f"its {what}, {met.wall}, {how} in {zone.key} as clocks changed; taken as {clock.local(instant, zone)}"]


def _disagreement(length: int, span: int) -> str:
    said, shown = clock.hours_minutes_seconds(length), clock.hours_minutes_seconds(span)
    return f"its duration says {said}, its start and end say {shown}; start and end were taken"
