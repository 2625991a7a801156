"""Forms of time: what it was spent on, and when."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, DateField, SelectField, StringField, validators

from app import clock
from app.errors import Refused
from app.forms import spans
from app.forms.base import BaseForm, name_field, one_line, trimmed
from app.models import TimeEntry
from app.models.shared import LARGEST_ID
from app.models.subject import Words
from app.models.time_entry import DESCRIPTION_LENGTH

MOST_TAGS = 50
LONGEST_TAG = 100
LONGEST_TASK = 200

_SENTENCES = {
    spans.Reason.EMPTY: _("When was it? Write a span such as 9-10:30, or a duration such as 1h30."),
    spans.Reason.ENDS_BEFORE_START: _("It ends before it starts, as the clocks went that day."),
    spans.Reason.TOO_LONG: _("One entry by hand has at most 24 hours. For a span write both ends, such as 15:30-16."),
    spans.Reason.NO_LENGTH: _("It would have no length. A whole day is 0-24."),
    spans.Reason.NEGATIVE: _("Time is never less than nothing."),
    spans.Reason.HOUR_OUT_OF_RANGE: _("A clock shows 0 to 24 hours, with am and pm 1 to 12."),
    spans.Reason.MINUTE_OUT_OF_RANGE: _("An hour has 60 minutes."),
    spans.Reason.SECOND_OUT_OF_RANGE: _("A minute has 60 seconds."),
}
_NOT_UNDERSTOOD = _("Write a span such as 9-10:30, or a duration such as 1h30, 1:30, 1.5 (hours) or 45 (minutes).")
_YES = {"1", "true", "yes", "on", "y"}
_NO = {"0", "false", "no", "off", "n"}


class Checkbox(BooleanField):
    """Comes after a hidden 0, so the last word counts."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = bool(_choice(valuelist))


class TimeEntryForm(BaseForm):
    """An entry by hand. `time` is a span or a duration; for a running timer, when it started."""

    description = StringField(
        _("What was it?"),
        [
            validators.Length(
                max=DESCRIPTION_LENGTH, message=_("Use at most %(most)s characters.", most=DESCRIPTION_LENGTH)
            )
        ],
        filters=[trimmed],
    )
    project = SelectField(_("Project"), validate_choice=False)
    task = name_field(_("Task"), LONGEST_TASK)
    tags = name_field(_("Tags"), 2000)
    billable = Checkbox(_("Billable"))
    date = DateField(_("Date"), [validators.InputRequired(_("Choose a day."))])
    time = name_field(_("Time"), 100)

    def validate_date(self, field: DateField) -> None:
        if field.data is not None and not clock.FIRST_YEAR < field.data.year < clock.LAST_YEAR:
            raise validators.ValidationError(str(_("Choose a day between the years 3 and 9997.")))


@dataclass(frozen=True)
class Moments:
    """A span as typed, found in a zone (UTC; `end` None while it runs)."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class Length:
    """A bare duration in seconds: where in the day it lies is not said."""

    seconds: int


def read_time(text: str, day: date, zone: ZoneInfo) -> Moments | Length:
    """A span or a duration. Raises Refused."""
    try:
        typed = spans.parse_span(text)
        if isinstance(typed, spans.Duration):
            return Length(typed.seconds)
        start, end = spans.resolve(typed, day, zone)
    except spans.SpanRefused as refused:
        raise Refused(_SENTENCES.get(refused.reason, _NOT_UNDERSTOOD), "time") from refused
    return Moments(start.instant, end.instant)


def read_start(text: str, day: date, zone: ZoneInfo) -> Moments:
    """When a timer that still runs was started. Raises Refused."""
    try:
        typed = spans.parse_clock(text)
    except spans.SpanRefused as refused:
        raise Refused(_("When did it start? Write a time such as 9:30."), "time") from refused
    return Moments(clock.to_instant(datetime.combine(day, typed), zone).instant, None)


def time_text(entry: TimeEntry, time_format: str) -> str:
    """An entry's span in the form `read_time` reads: 09:00-10:30; a duration where it is a day or longer."""
    start, end = entry.local_start, entry.local_end
    if end is None:
        return clock_text(start, time_format)
    if end.replace(tzinfo=None) - start.replace(tzinfo=None) >= timedelta(days=1) or end == start:
        return clock.hours_minutes_seconds(entry.seconds(end))
    return f"{clock_text(start, time_format)}-{clock_text(end, time_format)}"


def clock_text(moment: datetime, time_format: str) -> str:
    """A time of day in the form `read_start` reads: 09:30, 9:30am, with seconds where there are any."""
    hours = "%H" if time_format == "24h" else "%I"
    text = moment.strftime(f"{hours}:%M" + (":%S" if moment.second else ""))
    return text if time_format == "24h" else text.lstrip("0") + ("am" if moment.hour < 12 else "pm")


def subject_words(posted: MultiDict[str, str]) -> Words:
    """Reads the fields every form of time has, all optional. Raises Refused."""
    description = (posted.get("description") or "").replace("\r\n", "\n").replace("\x00", "").strip()
    if len(description) > DESCRIPTION_LENGTH:
        raise Refused(_("Use at most %(most)s characters.", most=DESCRIPTION_LENGTH), "description")
    task = one_line(posted.get("task"))
    if len(task) > LONGEST_TASK:
        raise Refused(_("Use at most %(most)s characters.", most=LONGEST_TASK), "task")
    return Words(
        description=description,
        project=one_line(posted.get("project"))[:200],
        task=task,
        tags=tag_names(posted.getlist("tags")),
        billable=_choice(posted.getlist("billable")),
    )


def tag_names(typed: list[str]) -> tuple[str, ...]:
    """Words between commas, trimmed, each once. Raises Refused."""
    names = [one_line(name) for text in typed for name in re.split(r"[,;]", text)]
    unique = tuple({name.casefold(): name for name in names if name}.values())
    if len(unique) > MOST_TAGS:
        raise Refused(_("Use at most %(most)s tags.", most=MOST_TAGS), "tags")
    if any(len(name) > LONGEST_TAG for name in unique):
        raise Refused(_("A tag has at most %(most)s characters.", most=LONGEST_TAG), "tags")
    return unique


def _choice(values: list[str]) -> bool | None:
    """A checkbox comes after a hidden 0, so the last word counts; without any the project decides."""
    word = values[-1].strip().lower() if values else ""
    if word in _YES:
        return True
    return False if word in _NO else None


def read_id(asked: MultiDict[str, str], name: str) -> int | None:
    """The id of a record from the address; nonsense is none."""
    found = asked.get(name, type=int)
    return found if found is not None and 0 < found <= LARGEST_ID else None


def read_choice(asked: MultiDict[str, str], name: str) -> bool | None:
    return _choice([asked[name]]) if name in asked else None


@dataclass(frozen=True)
class ChosenRange:
    """What a list shows: `name` of a preset, or "custom"; open ends where `first` or `last` is None."""

    name: str
    first: date | None
    last: date | None
    problem: str = ""


RANGES = (
    ("today", _("Today")),
    ("this_week", _("This week")),
    ("last_week", _("Last week")),
    ("this_month", _("This month")),
    ("last_month", _("Last month")),
    ("this_year", _("This year")),
    ("all", _("All time")),
)


def read_range(asked: MultiDict[str, str], today: date, week_start: int) -> ChosenRange:
    """Days from the address: `from` and `to`, or a preset `range`; this week where nothing is asked."""
    if asked.get("from") or asked.get("to"):
        return _custom_range(asked.get("from", ""), asked.get("to", ""), _preset("this_week", today, week_start))
    name = asked.get("range", "this_week")
    return _preset(name if name in dict(RANGES) else "this_week", today, week_start)


def _custom_range(first: str, last: str, fallback: ChosenRange) -> ChosenRange:
    try:
        begins = date.fromisoformat(first) if first else None
        ends = date.fromisoformat(last) if last else None
    except ValueError:
        return replace(fallback, problem=str(_("Write dates as year-month-day, such as 2026-11-22.")))
    if begins and ends and ends < begins:
        return replace(fallback, problem=str(_("The range ends before it begins.")))
    return ChosenRange("custom", begins, ends)


def _preset(name: str, today: date, week_start: int) -> ChosenRange:
    week = clock.week_start(today, week_start)
    a_week, a_day = timedelta(days=7), timedelta(days=1)
    month, month_end = clock.month_days(today.year, today.month)
    before = month - a_day
    bounds: dict[str, tuple[date | None, date | None]] = {
        "today": (today, today),
        "this_week": (week, week + a_week - a_day),
        "last_week": (week - a_week, week - a_day),
        "this_month": (month, month_end),
        "last_month": clock.month_days(before.year, before.month),
        "this_year": (date(today.year, 1, 1), date(today.year, 12, 31)),
        "all": (None, None),
    }
    return ChosenRange(name, *bounds[name])
