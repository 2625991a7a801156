"""One line for an entry, as a person types it: `yesterday 9-10:30 fix login @acme/website #bug`.

    line      =  [when] words [when]           `when` is read at the beginning, else at the end
    when      =  [day] [time]  |  [time] [day]
    time      =  a span of `app.forms.spans`, but never a bare number: `45 chairs` is no duration
    day       =  today · yesterday · mon … sunday (the last one, today included) · 2026-11-20 · 20.11. · 20.11.2026
                 · 20 nov · nov 20, and the same in German and Dutch
    words     =  what it was, with  @project · @client/project · #tag  anywhere in it

Names with spaces stand in quotes: `@"Acme Ltd/New site"`, `#"on site"`. What stands in quotes by itself is taken as
words and never as time: `read "9-10"`. Every line can be read; what is not understood is part of the words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from app.clock import FIRST_YEAR, LAST_YEAR
from app.forms import spans
from app.forms.spans import ClockRange, Duration, SpanRefused

LONGEST_LINE = 3000  # characters
MOST_OF_A_TIME = 7  # pieces: `1 hour 30 min 15 sec` has six
MOST_OF_A_DAY = 3  # `20. november 2026`


class Kind(StrEnum):
    """What a part of the line was taken for."""

    DAY = "day"
    TIME = "time"
    PROJECT = "project"
    TAG = "tag"
    WORDS = "words"


@dataclass(frozen=True)
class Part:
    """A piece of the line from character `start` to before `end`; `text` is what it says without marks and quotes."""

    kind: Kind
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Line:
    """`day` and `span` are None where none was said; `project` may be `client/project`. `parts` stand as typed."""

    description: str
    project: str
    tags: tuple[str, ...]
    day: date | None
    span: Duration | ClockRange | None
    parts: tuple[Part, ...]

    @property
    def time(self) -> str:
        """The span as typed, or nothing."""
        return next((part.text for part in self.parts if part.kind is Kind.TIME), "")


@dataclass(frozen=True)
class _Piece:
    """What stands between two spaces; quoted ones and marked ones are never read as time."""

    start: int
    end: int
    text: str
    kind: Kind = Kind.WORDS
    quoted: bool = False

    @property
    def plain(self) -> bool:
        return self.kind is Kind.WORDS and not self.quoted


@dataclass(frozen=True)
class _When:
    """What was found at one end of the line; `taken` are the pieces it took, `parts` what they were."""

    taken: int = 0
    day: date | None = None
    span: Duration | ClockRange | None = None
    parts: tuple[Part, ...] = ()


# A name in quotes may lack the second one while it is typed. `++` never tries again: a hostile line costs no more.
_PIECE = re.compile(r'(?P<mark>[@#])?(?:"(?P<quoted>[^"]*+)(?:"|$)|(?P<bare>[^\s"]\S*+))|(?P<stray>\S)')
_BARE_NUMBER = re.compile(r"[\d.,]+")


def read(text: str, *, today: date) -> Line:
    """What the line says on the day `today`. Whatever it holds, it can be read."""
    line = text[:LONGEST_LINE]
    pieces = list(_pieces(line))
    when, rest = _take_when(pieces, today)
    words = [piece for piece in rest if piece.kind is Kind.WORDS]
    projects = [piece.text for piece in rest if piece.kind is Kind.PROJECT]
    tags = {piece.text.casefold(): piece.text for piece in rest if piece.kind is Kind.TAG}
    parts = [*when.parts, *(Part(piece.kind, piece.start, piece.end, piece.text) for piece in _joined(line, rest))]
    return Line(
        description=" ".join(piece.text for piece in words),
        project=projects[-1] if projects else "",
        tags=tuple(tags.values()),
        day=when.day,
        span=when.span,
        parts=tuple(sorted(parts, key=lambda part: part.start)),
    )


def under(text: str, caret: int) -> Part | None:
    """What is being typed at `caret`: a project or a tag, be its name still empty, else the line up to there."""
    before = text[: min(caret, LONGEST_LINE)]
    pieces = list(_pieces(before))
    if before[-1:] in {"@", "#"} and (len(before) == 1 or before[-2].isspace()):
        return Part(Kind.PROJECT if before[-1] == "@" else Kind.TAG, len(before) - 1, len(before), "")
    if not pieces or (before[-1].isspace() and not pieces[-1].quoted):
        return None
    last = pieces[-1]
    if last.kind is not Kind.WORDS:
        return Part(last.kind, last.start, last.end, last.text)
    if all(piece.kind is Kind.WORDS for piece in pieces):
        return Part(Kind.WORDS, 0, len(before), before.strip())
    return None


def marked(kind: Kind, name: str) -> str:
    """A project or a tag as it is written in a line; a name in which a quote stands loses it."""
    mark, name = ("@" if kind is Kind.PROJECT else "#"), name.replace('"', "")
    return f'{mark}"{name}"' if any(char.isspace() for char in name) else f"{mark}{name}"


def _pieces(line: str) -> Iterator[_Piece]:
    kinds = {"@": Kind.PROJECT, "#": Kind.TAG, None: Kind.WORDS}
    for found in _PIECE.finditer(line):
        quoted, text = found["quoted"] is not None, found["quoted"] or found["bare"] or found["stray"] or ""
        kind = kinds[found["mark"]]
        if text:
            yield _Piece(found.start(), found.end(), " ".join(text.split()), kind, quoted)


def _joined(line: str, pieces: list[_Piece]) -> Iterator[_Piece]:
    """Neighbouring words as one part."""
    before: _Piece | None = None
    for piece in pieces:
        together = before is not None and before.kind is piece.kind is Kind.WORDS
        if together and before is not None and not line[before.end : piece.start].strip():
            before = _Piece(before.start, piece.end, f"{before.text} {piece.text}")
            continue
        if before is not None:
            yield before
        before = piece
    if before is not None:
        yield before


def _take_when(pieces: list[_Piece], today: date) -> tuple[_When, list[_Piece]]:
    """Day and time from the beginning; what is not there, from the end."""
    first = _at_the_beginning(pieces, today, _When())
    rest = pieces[first.taken :]
    last = _at_the_end(rest, today, first)
    if last.taken:
        rest = rest[: -last.taken]
    found = _When(0, first.day or last.day, first.span or last.span, first.parts + last.parts)
    return found, rest


def _at_the_beginning(pieces: list[_Piece], today: date, found: _When) -> _When:
    for count in range(min(MOST_OF_A_TIME, len(pieces) - found.taken), 0, -1):
        grown = _grown(pieces[found.taken : found.taken + count], found, today, has=found)
        if grown is not None:
            return _at_the_beginning(pieces, today, grown)
    return found


def _at_the_end(pieces: list[_Piece], today: date, has: _When, found: _When | None = None) -> _When:
    found = found or _When(0, has.day, has.span, ())
    left = len(pieces) - found.taken
    for count in range(min(MOST_OF_A_TIME, left), 0, -1):
        grown = _grown(pieces[left - count : left], found, today, has=found)
        if grown is not None:
            return _at_the_end(pieces, today, has, grown)
    return found


def _grown(some: list[_Piece], found: _When, today: date, *, has: _When) -> _When | None:
    """With the pieces taken as a day or a time that is not there yet, or None where they are neither."""
    if not all(piece.plain for piece in some):
        return None
    text = " ".join(piece.text for piece in some)
    taken = found.taken + len(some)
    if has.span is None and (span := _span(text)) is not None:
        part = Part(Kind.TIME, some[0].start, some[-1].end, text)
        return _When(taken, found.day, span, (*found.parts, part))
    if has.day is None and len(some) <= MOST_OF_A_DAY and (day := _day(text, today)) is not None:
        part = Part(Kind.DAY, some[0].start, some[-1].end, text)
        return _When(taken, day, found.span, (*found.parts, part))
    return None


def _span(text: str) -> Duration | ClockRange | None:
    if _BARE_NUMBER.fullmatch(text):
        return None
    try:
        return spans.parse_span(text)
    except SpanRefused:
        return None


# --- days -----------------------------------------------------------------------------------------------------------

_DAYS_FROM_TODAY = {
    **dict.fromkeys(("today", "heute", "vandaag"), 0),
    **dict.fromkeys(("yesterday", "gestern", "gisteren"), -1),
    **dict.fromkeys(("vorgestern", "eergisteren"), -2),
    **dict.fromkeys(("tomorrow", "morgen"), 1),
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "mon monday montag maandag",
            "tue tues tuesday dienstag dinsdag",
            "wed wednesday mittwoch woensdag",
            "thu thur thurs thursday donnerstag donderdag",
            "fri friday freitag vrijdag",
            "sat saturday samstag sonnabend zaterdag",
            "sun sunday sonntag zondag",
        )
    )
    for name in names.split()
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar januari",
            "feb february februar februari",
            "mar march märz maerz mrz maart mrt",
            "apr april",
            "may mai mei",
            "jun june juni",
            "jul july juli",
            "aug august augustus",
            "sep sept september",
            "oct october okt oktober",
            "nov november",
            "dec december dez dezember",
        ),
        start=1,
    )
    for name in names.split()
}
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})", re.ASCII)
_DOTTED = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})?", re.ASCII)
_NAMED = (
    re.compile(r"(?P<day>\d{1,2})\.? (?P<name>[a-zä]+)\.?(?: (?P<year>\d{4}))?", re.ASCII | re.IGNORECASE),
    re.compile(r"(?P<name>[a-zä]+)\.? (?P<day>\d{1,2})(?:,? (?P<year>\d{4}))?", re.ASCII | re.IGNORECASE),
)


def _day(text: str, today: date) -> date | None:
    word = text.lower()
    if word in _DAYS_FROM_TODAY:
        return today + timedelta(days=_DAYS_FROM_TODAY[word])
    if word in _WEEKDAYS:
        return today - timedelta(days=(today.weekday() - _WEEKDAYS[word]) % 7)
    for pattern in (_ISO, _DOTTED):
        if found := pattern.fullmatch(word):
            return _date(found["year"], int(found["month"]), int(found["day"]), today)
    for pattern in _NAMED:
        if (found := pattern.fullmatch(word)) and found["name"] in _MONTHS:
            return _date(found["year"], _MONTHS[found["name"]], int(found["day"]), today)
    return None


def _date(year: str | None, month: int, day: int, today: date) -> date | None:
    """Without a year, the one that makes it lie nearest to today; None where there is no such day."""
    years = [int(year)] if year else [today.year, today.year - 1, today.year + 1]
    days = [found for number in years if (found := _existing(number, month, day)) is not None]
    return min(days, key=lambda found: abs(found - today), default=None)


def _existing(year: int, month: int, day: int) -> date | None:
    if not FIRST_YEAR < year < LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
