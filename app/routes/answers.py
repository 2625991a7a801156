"""Answers every blueprint gives alike: redirects, notices, and what each template may call."""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlsplit

from babel import Locale, UnknownLocaleError
from babel.core import negotiate_locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from babel.units import format_unit
from flask import Response, flash, g, redirect, request, url_for
from flask_babel import get_translations, gettext, refresh
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from app import clock, db, storage
from app.db import Application
from app.errors import NotFound
from app.forms.base import one_line
from app.forms.time_entries import RANGES
from app.models import Installation, TimeEntry, User
from app.routes import access, words
from app.services import attachments, history

SIZE_UNITS = ("digital-byte", "digital-kilobyte", "digital-megabyte", "digital-gigabyte", "digital-terabyte")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NOTHING_RUNS = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


def see_other(address: str) -> Response:
    """303: the browser fetches the page anew, and going back does not post again."""
    return redirect(address, 303)  # type: ignore[return-value]


def back_to(address: str | None, fallback: str) -> Response:
    """303 to an address a form carried, if that is a place on this site."""
    return see_other(address if address and is_on_this_site(address) else fallback)


def is_on_this_site(address: str) -> bool:
    """A path of ours: no scheme, no host, no trick with slashes, backslashes or control characters."""
    if not address.startswith("/") or address.startswith("//") or "\\" in address:
        return False
    if any(ord(character) < 32 or ord(character) == 127 for character in address):
        return False
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc


def say(sentence: str, *, undo: str = "") -> None:
    """A notice on the next page the person sees, with a button that posts to `undo` to take the act back."""
    flash(str(sentence), undo)


def say_undoable(sentence: str) -> None:
    """A notice that offers to take back what this request did to time entries."""
    act = history.last_act(db.session())
    say(sentence, undo=url_for("time_entries.undo", act=act) if act else "")


def stored_picture(key: str, *, whose: str) -> Response:
    """A face or a logo. A name is never used twice, so caches (`whose`: private or public) keep it. Raises NotFound."""
    try:
        with storage.store().open(key) as stream:
            picture = stream.read()
    except FileNotFoundError as error:
        raise NotFound from error
    response = Response(picture, mimetype=_type_of(picture))
    response.set_etag(PurePosixPath(key).stem)
    response.headers["Cache-Control"] = f"{whose}, max-age=31536000, immutable"
    response.headers["Content-Security-Policy"] = NOTHING_RUNS
    response.make_conditional(request)
    return response


def _type_of(picture: bytes) -> str:
    """By the bytes, never by the name: pictures moved from the TimeTracker of old were named by their senders."""
    found = next((kind for signature, kind in _SIGNATURES if picture.startswith(signature)), None)
    if found is None or (found == "image/webp" and picture[8:12] != b"WEBP"):
        raise NotFound
    return found


def company() -> access.Company | None:
    """Whose pages these are, read once a request; None on a page about a database that does not answer."""
    if "company" not in g:
        g.company = access.Company.of(Installation.this(db.session()))
    return cast("access.Company | None", g.company)


def language() -> str:
    """The person's choice, else what the browser prefers among the languages there are; found once a request."""
    if "language" not in g:
        g.language = _language()
    return cast("str", g.language)


def forget_language() -> None:
    """The person has just chosen another one."""
    g.pop("language", None)
    g.pop("words", None)
    refresh()


def _language() -> str:
    if access.is_signed_in() and access.user().preferred_language in words.languages():
        return str(access.user().preferred_language)
    return negotiate_locale(_browser_prefers(), list(words.languages())) or words.SOURCE


def _browser_prefers() -> list[str]:
    return [value.replace("-", "_") for value in request.accept_languages.values()]


def habits() -> tuple[int, str]:
    """What the country of the browser's first language is used to: the first day of the week (0 is Monday), the clock.

    By Unicode CLDR; a language without a country counts for the country most of its speakers live in.
    """
    for preferred in _browser_prefers():
        try:
            locale = Locale.parse(preferred)
        except (ValueError, UnknownLocaleError):
            continue
        pattern = locale.time_formats["short"].pattern
        return locale.first_week_day, "12h" if re.search("[hK]", re.sub("'[^']*'", "", pattern)) else "24h"
    return 0, "24h"


def day(value: date) -> str:
    """As a person says it: "Tue 17 Nov"."""
    # For translators: a short date, as Unicode CLDR writes patterns: EEE the weekday, d the day, MMM the month.
    return _formatted(value, gettext("EEE d MMM"), words.format_locale(language()))


def full_day(value: date) -> str:
    return _formatted(value, "full", words.format_locale(language()))


def weekday(value: date) -> str:
    """Short: "Tue"."""
    return _formatted(value, "EEE", words.format_locale(language()))


def month_name(value: date, width: str = "wide") -> str:
    """November, Nov where `width` is abbreviated, or N where it is narrow."""
    return _formatted(
        value, {"wide": "LLLL", "abbreviated": "LLL", "narrow": "LLLLL"}[width], words.format_locale(language())
    )


def number(value: int) -> str:
    return str(format_decimal(value, locale=words.format_locale(language())))


def file_size(count: int) -> str:
    """Bytes as a person reads them: 12.3 MB (powers of 1,000)."""
    power = min(len(SIZE_UNITS) - 1, max(0, (len(str(count)) - 1) // 3))
    value = round(count / 1000**power, 1 if power > 1 else 0)
    return str(format_unit(value, SIZE_UNITS[power], length="short", locale=words.format_locale(language())))


def axis_hours(seconds: int) -> str:
    """A line of a scale: 0, 4, 0:30."""
    hours, rest = divmod(seconds, clock.HOUR)
    return f"{hours}:{rest // clock.MINUTE:02}" if rest else str(hours)


@lru_cache(maxsize=4096)
def _formatted(value: date, pattern: str, locale: str) -> str:
    """Kept, because a page names the same few days dozens of times and CLDR is slow."""
    return str(format_date(value, pattern, locale))


def time_of_day(value: datetime, user: User, *, seconds: bool = False) -> str:
    """A wall time by the person's clock."""
    rest = f"{value.minute:02}:{value.second:02}" if seconds else f"{value.minute:02}"
    if user.time_format == "24h":
        return f"{value.hour:02}:{rest}"
    half = _formatted_half(value.hour < 12, words.format_locale(language()))
    return f"{value.hour % 12 or 12}:{rest} {half}"


@lru_cache(maxsize=64)
def _formatted_half(morning: bool, locale: str) -> str:
    return str(format_time(time(0 if morning else 12), "a", locale=locale))


class SpanShown(NamedTuple):
    """When an entry was, by the clocks of its own zone; `full` has the seconds, `zone` is empty where it is one's own.

    `days_later` counts the midnights between start and end.
    """

    start: str
    end: str
    full: str
    days_later: int
    zone: str


def span_shown(entry: TimeEntry, user: User) -> SpanShown:
    start, end = entry.local_start, entry.local_end
    from_text, from_full = time_of_day(start, user), time_of_day(start, user, seconds=True)
    zone = other_zone(entry, user)
    if end is None:
        running = gettext("now")
        return SpanShown(from_text, running, f"{from_full}–{running}", 0, zone)
    full = f"{from_full}–{time_of_day(end, user, seconds=True)}"
    return SpanShown(from_text, time_of_day(end, user), full, end.toordinal() - start.toordinal(), zone)


def duration(seconds: int) -> Markup:
    """Hours and minutes, and the seconds small behind them: without them a column would not add up to its sum."""
    minutes, rest = divmod(seconds, 60)
    text = f'{minutes // 60}:{minutes % 60:02}<span class="seconds">:{rest:02}</span>'
    return Markup(text)  # noqa: S704 - nothing but numbers went in


def edit_url(entry: TimeEntry, back: str) -> str:
    """Written out, because a list asks for hundreds and `url_for` would be a tenth of the page."""
    return f"/time-entries/{entry.id}?next={quote(back)}"


def act_url(entry: TimeEntry) -> str:
    """Where the button at the end of a row leads: stop what runs, continue what has ended."""
    return f"/timer/continue/{entry.id}" if entry.ended_at else "/timer/stop"


def other_zone(entry: TimeEntry, user: User) -> str:
    """The zone an entry was made in, where it is not the person's own."""
    return "" if entry.time_zone == user.time_zone else entry.time_zone.rpartition("/")[2].replace("_", " ")


def _words() -> Any:
    """The catalogue of the page's language, looked up once a request instead of at every word."""
    if "words" not in g:
        g.words = get_translations()
    return g.words


def running() -> list[TimeEntry]:
    """What runs for the person, read once a request: the bar of every page shows it."""
    if "running" not in g:
        g.running = TimeEntry.running(db.session(), access.user())
    return cast("list[TimeEntry]", g.running)


class ListWords(NamedTuple):
    """How a list was asked for: archived ones, a search, the page (from 1)."""

    archived: bool
    search: str
    page: int


def stamp() -> str:
    """Stands for all that the person's pages show: it differs when they changed something, and on another day."""
    user = access.user()
    return f"{user.id}.{user.changes}.{clock.local_date(clock.now(), user.zone).isoformat()}"


def list_words() -> ListWords:
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 6 else 1
    return ListWords(request.args.get("archived") == "1", one_line(request.args.get("q"))[:200], max(1, number))


def register(app: Application) -> None:
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _words().ugettext(text),
        lambda one, many, count: _words().ungettext(one, many, count),
        newstyle=True,
    )
    app.jinja_env.filters.update(
        duration=duration,
        hours_minutes_seconds=clock.hours_minutes_seconds,
        day=day,
        full_day=full_day,
        hours_minutes=clock.hours_minutes,
        time_of_day=time_of_day,
        weekday=weekday,
        month_name=month_name,
        number=number,
        file_size=file_size,
        axis_hours=axis_hours,
        span_shown=span_shown,
        edit_url=edit_url,
        act_url=act_url,
    )
    app.jinja_env.globals.update(
        csrf_token=generate_csrf,
        other_zone=other_zone,
        one_day=timedelta(days=1),
        languages=words.languages(),
        running_timers=running,
        company=company,
        stamp=stamp,
        ranges=RANGES,
        most_bytes=attachments.MAX_BYTES,
        most_files=attachments.AT_ONCE,
    )

    @app.context_processor
    def for_every_page() -> dict[str, Any]:
        return {
            "me": access.user() if access.is_signed_in() else None,
            "language": language(),
            "now": clock.now(),
            "own_path": request.full_path.rstrip("?") if request.method in access.SAFE else "",
            "product": gettext("TimeTracker"),
        }
