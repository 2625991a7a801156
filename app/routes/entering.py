"""What pages that take time have in common: where a span lies, and what is said of it."""

from datetime import date, datetime

from flask_babel import gettext
from sqlalchemy.orm import Session

from app import clock
from app.forms.time_entries import Length, Moments
from app.models import TimeEntry, User
from app.routes import answers
from app.services import overlaps, time_entries
from app.services.time_entries import Span


def span_of(session: Session, user: User, when: Moments | Length, day: date, now: datetime) -> Span:
    """A bare duration gets its place in the day. Raises Refused."""
    if isinstance(when, Length):
        return time_entries.place(session, user, day, when.seconds, now=now)
    return Span(when.start, when.end, user.zone)


def added(entry: TimeEntry, user: User) -> str:
    """Says what was understood, with its length: a slip of the keys shows at once."""
    shown = answers.span_shown(entry, user)
    words = {
        "day": answers.day(entry.local_date),
        "start": shown.start,
        "end": shown.end,
        "length": clock.hours_minutes(entry.seconds(entry.ended_at or entry.started_at)),
    }
    if shown.days_later:
        return str(gettext("Added: %(day)s, %(start)s to %(end)s of the next day, %(length)s hours.", **words))
    return str(gettext("Added: %(day)s, %(start)s to %(end)s, %(length)s hours.", **words))


def warned(session: Session, entry: TimeEntry, user: User) -> str:
    """A sentence where other time lies in the same hours, or nothing: what was entered stands either way."""
    other = overlaps.first(session, user, entry)
    if other is None:
        return ""
    shown = answers.span_shown(other, user)
    words = {"what": other.description[:80] or gettext("No description"), "start": shown.start, "end": shown.end}
    return " " + str(gettext("It overlaps with “%(what)s”, %(start)s to %(end)s.", **words))


def started(entry: TimeEntry) -> str:
    what = entry.description or (entry.project.name if entry.project else "")
    return str(gettext("Started: %(what)s", what=what[:80]) if what else gettext("The timer runs."))
