"""Time without a database: now in UTC, a person's day, week and month as instants, lengths as text.

An *instant* is an aware datetime in UTC of whole seconds; it orders and subtracts truly. A *wall time* is what the
clocks of a zone show; it may happen twice (clocks go back) or never (clocks go forward). Only `to_instant` and `local`
cross between the two. Bounds are half open, [start, end), so that neighbours meet without gap or overlap.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

MINUTE = 60  # seconds, as everything here that is a bare int
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# The outermost years of `datetime` are left out, so that no offset, next day or week's start falls off its end.
FIRST_YEAR = 2
LAST_YEAR = 9998

# Files of a zone directory that name no place: "not set yet", and whatever this one machine is set to.
_NOWHERE = frozenset({"Factory", "localtime", "posixrules"})


class UnknownZone(ValueError):
    """No time zone has this name."""


class OutOfCalendar(ValueError):
    """A day before FIRST_YEAR or after LAST_YEAR, which no arithmetic here accepts."""


class Kind(StrEnum):
    """How a wall time met the clocks of its zone."""

    PLAIN = "plain"
    AMBIGUOUS = "ambiguous"  # it happened twice, as clocks went back
    MISSING = "missing"  # it never happened, as clocks went forward


@dataclass(frozen=True)
class Resolved:
    """The instant a wall time stands for, and whether there was a choice or a shift in finding it."""

    instant: datetime
    kind: Kind


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def zone(name: str) -> ZoneInfo:
    """The zone of that name, old names such as Asia/Calcutta included (browsers still send them)."""
    if name not in _known_zones():  # asked first, so that no stranger's text is ever used as a path
        raise UnknownZone(f"There is no time zone named {name[:80]!r}.")
    return ZoneInfo(name)


@cache
def zone_names() -> tuple[str, ...]:
    """Names for a menu, sorted: one for each place in tzdata's own list (no former names), and UTC."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    places = {line.split("\t")[2] for line in table.splitlines() if not line.startswith("#")}
    return tuple(sorted(places & _known_zones() | {"UTC"}))


def to_instant(wall: datetime, tz: ZoneInfo, *, second_pass: bool = False) -> Resolved:
    """The instant at which the clocks of `tz` show `wall` (naive; what is below a second is cut off).

    A time that happens twice is read as the earlier, or as the later with `second_pass`. A time that never happens
    is moved forward by as much as the clocks were (RFC 5545, PEP 495): 02:30 in Berlin's spring is 03:30.
    """
    if wall.tzinfo is not None:
        raise ValueError("A wall time carries no zone of its own; `wall` was aware.")
    _check(wall)
    first, second = _passes(wall.replace(microsecond=0), tz)
    if first < second:
        return Resolved(second if second_pass else first, Kind.AMBIGUOUS)
    return Resolved(first, Kind.PLAIN if first == second else Kind.MISSING)


def local(instant: datetime, tz: ZoneInfo) -> datetime:
    """The wall time in `tz`, aware; its `fold` is 1 in the second pass of a repeated hour."""
    return utc(instant).astimezone(tz)


def local_date(instant: datetime, tz: ZoneInfo) -> date:
    return local(instant, tz).date()


def utc(moment: datetime) -> datetime:
    """The same moment as an instant: in UTC, what is below a second cut off."""
    if moment.utcoffset() is None:
        raise ValueError("A time without a zone is not an instant; `to_instant` makes one.")
    _check(moment)
    return moment.astimezone(UTC).replace(microsecond=0)


def day_bounds(day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants [start, end) of a day: mostly 24 hours, 23 or 25 when clocks change (23.5 on Lord Howe Island).

    A day without a midnight begins at its first moment; a day that a zone left out (Apia, 30 December 2011) is empty.
    """
    return range_bounds(day, day, tz)


def week_bounds(day: date, first_weekday: int, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants [start, end) of the week around `day`; `first_weekday` as in `week_start`."""
    first = week_start(day, first_weekday)
    return range_bounds(first, first + timedelta(days=6), tz)


def month_bounds(year: int, month: int, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants [start, end) of a month, 1 to 12."""
    return range_bounds(*month_days(year, month), tz)


def range_bounds(first: date, last: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants [start, end) of the days from `first` to `last`, both included."""
    if last < first:
        raise ValueError(f"The last day, {last}, lies before the first, {first}.")
    _check(first)
    _check(last)
    return _start_of_day(first, tz), _start_of_day(last + timedelta(days=1), tz)


def week_start(day: date, first_weekday: int) -> date:
    """The first day of the week around `day`, if weeks begin on `first_weekday` (0 is Monday, 6 is Sunday)."""
    if not 0 <= first_weekday <= 6:
        raise ValueError(f"Weekdays run from 0 to 6, not {first_weekday}.")
    _check(day)
    return day - timedelta(days=(day.weekday() - first_weekday) % 7)


def month_days(year: int, month: int) -> tuple[date, date]:
    """The first and the last day of a month, 1 to 12."""
    first = date(year, month, 1)
    _check(first)
    into_next = first + timedelta(days=31)
    return first, into_next - timedelta(days=into_next.day)


def seconds_between(start: datetime, end: datetime) -> int:
    """Elapsed seconds, negative if `end` comes first."""
    # Through UTC, as Python subtracts two times of one zone by their wall clocks, off by an hour across a change.
    return (utc(end) - utc(start)) // timedelta(seconds=1)


def hours_minutes(seconds: int) -> str:
    """`1:30`. Seconds are cut off, not rounded: 0:59:59 of work never shows as an hour.

    A sum is shown from summed seconds, never from what is shown of its parts.
    """
    minutes = abs(seconds) // MINUTE
    sign = "-" if seconds < 0 and minutes else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02}"


def hours_minutes_seconds(seconds: int) -> str:
    """`1:30:07`, `-0:00:05`; hours go on beyond 24."""
    minutes, rest = divmod(abs(seconds), MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if seconds < 0 else ''}{hours}:{minutes:02}:{rest:02}"


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOWHERE


def _check(day: date) -> None:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise OutOfCalendar(f"The year {day.year} is not between {FIRST_YEAR} and {LAST_YEAR}.")


def _passes(wall: datetime, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """`wall` counted by the offset before and by the offset after the nearest change of the clocks.

    Mostly the same instant twice; the second is later where the time is repeated, earlier where it is missing.
    """
    first, second = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _start_of_day(day: date, tz: ZoneInfo) -> datetime:
    first, second = _passes(datetime.combine(day, time()), tz)
    if first > second:
        return _first_moment(day, tz, second, first)
    # Of two midnights the first begins the day (Havana goes back from 01:00 to 00:00 and stays in it), unless the
    # evening before is repeated too (St John's went back from 00:01 to 23:01): then the second, a minute is lost to it.
    if first < second and _date(second - timedelta(seconds=1), tz) < day:
        return second
    return first


def _first_moment(day: date, tz: ZoneInfo, earliest: datetime, latest: datetime) -> datetime:
    """The first instant on or after a day whose midnight was skipped; the jump lies between the two instants.

    Searched for, because it may have begun before midnight (Toronto, 30 March 1919, from 23:30 to 00:30).
    """

    def reached(second: int) -> bool:
        return _date(earliest + timedelta(seconds=second), tz) >= day

    seconds = range((latest - earliest) // timedelta(seconds=1))
    return earliest + timedelta(seconds=bisect_left(seconds, x=True, key=reached))


def _date(instant: datetime, tz: ZoneInfo) -> date:
    return instant.astimezone(tz).date()  # as `local_date`, but also in the year after LAST_YEAR
