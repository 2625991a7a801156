"""A span of time as a person types it: `9-10:30`, `22-2`, `1h30`, `90m`, `1:30`, `1,5`, `45`.

The grammar, after case, kinds of spaces, dashes and digits are made alike:

    span      =  clock dash clock  |  duration               dash: - – — − to bis
    clock     =  9 · 9:30 · 9.30 · 930 · 9:30:15             then: am pm uhr, or nothing for the 24-hour clock
    duration  =  45             minutes
              |  1.5 · 1,5      hours (so a dot is a time only within a range: `9.30-11`)
              |  1:30 · 1:30:15
              |  1h · 1h30 · 1h 30m 15s · 1,5h · 90m         also hr, std, min, sec, sek … and the whole words

What cannot be understood is refused with a reason, which the form puts into words. `9-9` may mean nothing or a whole
day, so it is refused (a whole day is `0-24`). Where only one side says am or pm, the other is read so that the range is
the shortest: `9-5pm` starts at nine in the morning, `1-5pm` at one in the afternoon.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import product
from math import floor
from zoneinfo import ZoneInfo

from app import clock
from app.clock import DAY, HOUR, MINUTE, Kind, Resolved

LONGEST_TEXT = 100  # characters
# One entry longer than a day is a slip of the keys (1530 for 15:30) far more often than it is work.
LONGEST_ENTRY = DAY


class Reason(StrEnum):
    """Why a text is not a span."""

    EMPTY = "empty"
    TEXT_TOO_LONG = "text_too_long"
    NOT_UNDERSTOOD = "not_understood"
    NEGATIVE = "negative"
    RANGE_NOT_WANTED = "range_not_wanted"  # two clock times where a length was asked for
    HOUR_OUT_OF_RANGE = "hour_out_of_range"
    MINUTE_OUT_OF_RANGE = "minute_out_of_range"
    SECOND_OUT_OF_RANGE = "second_out_of_range"
    NO_LENGTH = "no_length"
    TOO_LONG = "too_long"
    ENDS_BEFORE_START = "ends_before_start"


class SpanRefused(ValueError):
    """A text, or a range on a certain day, that is not a span of time."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Duration:
    """A length without a place in the day."""

    seconds: int


@dataclass(frozen=True)
class ClockRange:
    """From one clock time to another, as typed; `next_day` says that the end lies on the day after the start."""

    start: time
    end: time
    next_day: bool

    def __post_init__(self) -> None:
        if not self.next_day and self.end == self.start:
            raise SpanRefused(Reason.NO_LENGTH)
        if not self.next_day and self.end < self.start:
            raise SpanRefused(Reason.ENDS_BEFORE_START)
        if self.next_day and self.end > self.start:
            raise SpanRefused(Reason.TOO_LONG)


def parse_span(text: str, *, longest: int = LONGEST_ENTRY) -> Duration | ClockRange:
    """Either kind of span; `longest` is the most seconds a duration may have."""
    parts = _parts(text)
    if len(parts) == 1:
        return Duration(_duration(parts[0], longest))
    return _clock_range(*_pair(parts))


def parse_duration(text: str, *, longest: int = LONGEST_ENTRY) -> int:
    """Seconds, from 1 to `longest`."""
    parts = _parts(text)
    if len(parts) > 1:
        raise SpanRefused(Reason.RANGE_NOT_WANTED)
    return _duration(parts[0], longest)


def parse_clock(text: str) -> time:
    """One clock time; `24:00` is understood only as the end of a range."""
    [seconds] = _readings(_clock(_alike(text)), guess=False)
    return _time(seconds)


def parse_clock_range(start: str, end: str) -> ClockRange:
    """Two fields, read as if they were typed with a dash between them."""
    return _clock_range(_alike(start), _alike(end))


def resolve(span: ClockRange, day: date, tz: ZoneInfo) -> tuple[Resolved, Resolved]:
    """The instants of a range that starts on `day`; what has elapsed between them is the length, not what was typed.

    1. The start is read as `clock.to_instant` does: the first pass of a repeated hour, forward from a missing one.
    2. So is the end, on the same day or, with `next_day`, on the day after.
    3. But an end typed before the start that comes round again on the same day is that second pass: `2:50-2:10`, in the
       night in which clocks go back from 3:00 to 2:00, lasts twenty minutes, not a day and more.
    4. In the night in which clocks go forward a start may be moved to or past its end (`2:30-3:00` in Berlin).
       That time did not exist, so it is refused; the next day would be a guess of 23 hours.
    """
    start = clock.to_instant(datetime.combine(day, span.start), tz)
    end = _end(span, day, tz, start.instant)
    if end.instant == start.instant:
        raise SpanRefused(Reason.NO_LENGTH)
    if end.instant < start.instant:
        raise SpanRefused(Reason.ENDS_BEFORE_START)
    return start, end


def _end(span: ClockRange, day: date, tz: ZoneInfo, start: datetime) -> Resolved:
    if not span.next_day:
        return clock.to_instant(datetime.combine(day, span.end), tz)
    # Midnight as an end is always the end of the day, even where 00:00 comes round twice (Havana).
    if time() < span.end < span.start:
        again = clock.to_instant(datetime.combine(day, span.end), tz, second_pass=True)
        if again.kind is Kind.AMBIGUOUS and again.instant > start:
            return again
    return clock.to_instant(datetime.combine(day + timedelta(days=1), span.end), tz)


# --- text made alike ------------------------------------------------------------------------------------------------

_DASHES = frozenset("-‐‑‒–—―−﹣")
_DASH = re.compile(r" ?(?:-|to|bis) ?")


def _parts(text: str) -> list[str]:
    """What stands around the dashes. `to` and `bis` occur in no other word of the grammar."""
    return _DASH.split(_alike(text))


def _pair(parts: list[str]) -> tuple[str, str]:
    if len(parts) != 2:
        raise SpanRefused(Reason.NOT_UNDERSTOOD)
    return parts[0], parts[1]


def _alike(text: str) -> str:
    """Lower case, ASCII digits and dashes, single spaces; what is invisible is gone."""
    if len(text) > LONGEST_TEXT:
        raise SpanRefused(Reason.TEXT_TOO_LONG)
    alike = " ".join("".join(map(_alike_char, text)).lower().split())
    if not alike:
        raise SpanRefused(Reason.EMPTY)
    if alike.startswith("-"):
        raise SpanRefused(Reason.NEGATIVE)
    return alike


def _alike_char(char: str) -> str:
    if char in _DASHES:
        return "-"
    if "\uff01" <= char <= "\uff5e":  # the full-width forms stand in the order of ASCII
        return chr(ord(char) - 0xFEE0)
    digit = unicodedata.decimal(char, None)  # any script's digits, but not ² or ½, which are no digits of a number
    if digit is not None:
        return str(digit)
    return "" if unicodedata.category(char) == "Cf" else char  # direction marks and the like come with pasted text


# --- durations ------------------------------------------------------------------------------------------------------

# `++` keeps what it has taken and never tries again, so that a hostile text costs no more than an honest one.
_INTEGER = r"[0-9]++"
_DECIMAL = r"[0-9]*+[.,][0-9]++"
_H = r" ?(?:h|hrs?|hours?|std\.?|stunden?)"
_M = r" ?(?:m|mins?\.?|minut(?:es?|en?))"
_S = r" ?(?:s|secs?\.?|seconds?|sek\.?|sekunden?)"

# One number of some unit, in seconds …
_SCALED = (
    (re.compile(rf"({_INTEGER})(?:{_M})?"), MINUTE),
    (re.compile(rf"({_DECIMAL})(?:{_H})?"), HOUR),
    (re.compile(rf"({_DECIMAL}){_M}"), MINUTE),
    (re.compile(rf"({_INTEGER}){_S}"), 1),
)
# … or several that add up.
_COMPOSED = (
    re.compile(rf"(?P<h>{_INTEGER}):(?P<m>[0-9]{{2}})(?::(?P<s>[0-9]{{2}}))?(?:{_H})?"),
    re.compile(rf"(?P<h>{_INTEGER}){_H} ?(?P<m>{_INTEGER})"),
    re.compile(rf"(?P<h>{_INTEGER}){_H}(?: ?(?P<m>{_INTEGER}){_M})?(?: ?(?P<s>{_INTEGER}){_S})?"),
    re.compile(rf"(?P<m>{_INTEGER}){_M} ?(?P<s>{_INTEGER}){_S}"),
)


def _duration(text: str, longest: int) -> int:
    seconds = _seconds(text)
    if seconds == 0:
        raise SpanRefused(Reason.NO_LENGTH)
    if seconds > longest:
        raise SpanRefused(Reason.TOO_LONG)
    return seconds


def _seconds(text: str) -> int:
    for pattern, unit in _SCALED:
        if match := pattern.fullmatch(text):
            return _half_up(Fraction(match[1].replace(",", ".")) * unit)
    for pattern in _COMPOSED:
        if match := pattern.fullmatch(text):
            return _sum(**match.groupdict())
    raise SpanRefused(Reason.NOT_UNDERSTOOD)


def _half_up(seconds: Fraction) -> int:
    return floor(seconds + Fraction(1, 2))


def _sum(h: str | None = None, m: str | None = None, s: str | None = None) -> int:
    minutes, seconds = int(m or 0), int(s or 0)
    if h is not None and minutes >= 60:
        raise SpanRefused(Reason.MINUTE_OUT_OF_RANGE)
    if seconds >= 60:
        raise SpanRefused(Reason.SECOND_OUT_OF_RANGE)
    return int(h or 0) * HOUR + minutes * MINUTE + seconds


# --- clock times ----------------------------------------------------------------------------------------------------

_SUFFIX = r"(?: ?(?:(?P<half>[ap])(?:\.?m\.?)?|uhr))?"
_CLOCKS = (
    re.compile(
        rf"(?P<hour>[0-9]{{1,2}})(?:(?P<dot>[:.])(?P<minute>[0-9]{{2}})(?:(?P=dot)(?P<second>[0-9]{{2}}))?)?{_SUFFIX}"
    ),
    re.compile(rf"(?P<hour>[0-9]{{1,2}})(?P<minute>[0-9]{{2}}){_SUFFIX}"),
)


@dataclass(frozen=True)
class _Clock:
    """What a face shows: `past` is seconds past the hour, `half` is a, p or, on a clock of 24 hours, nothing."""

    hour: int
    past: int
    half: str | None


def _clock_range(start_text: str, end_text: str) -> ClockRange:
    start, end = _clock(start_text), _clock(end_text)
    one_says = (start.half is None) != (end.half is None)
    pairs = product(_readings(start, guess=one_says), _readings(end, guess=one_says))
    first, last = min(pairs, key=lambda pair: (pair[1] - pair[0] - 1) % DAY)  # no length counts as a whole day
    return ClockRange(_time(first), _time(last % DAY), next_day=last < first or last == DAY)


def _clock(text: str) -> _Clock:
    match = next(filter(None, (pattern.fullmatch(text) for pattern in _CLOCKS)), None)
    if match is None:
        raise SpanRefused(Reason.NOT_UNDERSTOOD)
    found = match.groupdict()
    past = _sum(h="0", m=found["minute"], s=found.get("second"))
    return _Clock(int(found["hour"]), past, found["half"])


def _readings(face: _Clock, *, guess: bool) -> tuple[int, ...]:
    """Seconds after midnight that the face may mean, up to 24:00; more than one only with `guess`."""
    fits_half = 1 <= face.hour <= 12
    if face.half is None and not (guess and fits_half):
        return (_of_24(face),)
    if not fits_half:
        raise SpanRefused(Reason.HOUR_OUT_OF_RANGE)
    morning = face.hour % 12 * HOUR + face.past
    halves = {"a": (morning,), "p": (morning + DAY // 2,), None: (morning, morning + DAY // 2)}
    return halves[face.half]


def _of_24(face: _Clock) -> int:
    seconds = face.hour * HOUR + face.past
    if seconds > DAY:
        raise SpanRefused(Reason.HOUR_OUT_OF_RANGE)
    return seconds


def _time(seconds: int) -> time:
    if seconds == DAY:
        raise SpanRefused(Reason.HOUR_OUT_OF_RANGE)
    return time(seconds // HOUR, seconds % HOUR // MINUTE, seconds % MINUTE)
