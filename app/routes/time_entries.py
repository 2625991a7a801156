"""The list of a person's time, its file, and entries mended by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.documents.time_entries_csv import csv_lines
from app.errors import Conflict, NotFound, Refused
from app.forms.base import one_line
from app.forms.time_entries import (
    Length,
    TimeEntryForm,
    read_choice,
    read_id,
    read_range,
    read_start,
    read_time,
    subject_words,
    time_text,
)
from app.models import TimeEntry, User
from app.models.shared import LARGEST_ID
from app.reports import attachments, projects
from app.reports import time_entries as report
from app.routes import access, answers, entering
from app.services import history, subjects, time_entries

blueprint = Blueprint("time_entries", __name__)

RANGE = ("range", "from", "to")
FILTER = ("project", "client", "tag", "billable", "running", "text")
LONGEST_TEXT = 200


@blueprint.get("/time-entries")
def index() -> str | tuple[str, int]:
    user, now = access.user(), clock.now()
    chosen = read_range(request.args, clock.local_date(now, user.zone), user.week_start)
    wanted = _wanted()
    asked_for = report.Range(chosen.first, chosen.last, wanted)
    shown = report.time_list(db.session(), user, asked_for, now=now, after=_place())
    page = render_template(
        "time_entries/index.html",
        shown=shown,
        chosen=chosen,
        filtering=_filtering(wanted),
        filters={name: value for name, value in _asked().items() if name in FILTER},
        ranged={name: value for name, value in _asked().items() if name in RANGE},
        next_page=_next_page(shown.next),
        as_csv=url_for("time_entries.as_csv", **_asked()),
    )
    return (page, Refused.status) if chosen.problem else page


@blueprint.get("/time-entries.csv")
def as_csv() -> Response:
    """The same range as a file, streamed from a session of its own."""
    user = access.user()
    chosen = read_range(request.args, clock.local_date(clock.now(), user.zone), user.week_start)
    if chosen.problem:
        raise Refused(chosen.problem)
    engine = db.application().engine
    shown = report.Range(chosen.first, chosen.last, _wanted())

    def lines() -> Iterator[str]:
        with db.reading(engine) as own:
            yield from csv_lines(report.rows(own, user, shown))

    name = f"time-entries_{chosen.first or 'all'}_{chosen.last or 'all'}.csv"
    return Response(lines(), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@blueprint.get("/time-entries/new")
def new() -> str:
    """Fields of the address stand there already, as a line was understood."""
    form = TimeEntryForm(request.args if "time" in request.args or "description" in request.args else None)
    form.date.data = form.date.data or clock.local_date(clock.now(), access.user().zone)
    return _entry_page(form, None)


@blueprint.post("/time-entries")
def add() -> Response | tuple[str, int]:
    user, now = access.user(), clock.now()
    form = TimeEntryForm(request.form)
    try:
        if form.validate():
            words = subject_words(request.form)
            when = read_time(form.time.data, form.date.data, user.zone)
            subject = subjects.resolve(db.session(), user, words, now)
            span = entering.span_of(db.session(), user, when, form.date.data, now)
            entry = time_entries.add(db.session(), user, subject, span, now=now)
            answers.say_undoable(entering.added(entry, user) + entering.warned(db.session(), entry, user))
            return answers.back_to(request.form.get("next"), url_for("time_entries.index"))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
    return _entry_page(form, None), Refused.status


@blueprint.get("/time-entries/<int:entry_id>")
def edit(entry_id: int) -> str:
    entry = _found_or_in_trash(entry_id)
    if entry.user_id != access.user().id:
        owner = User.load(db.session(), access.user(), entry.user_id)
        return render_template("time_entries/show.html", entry=entry, owner=owner, attached=_attached(entry))
    return _entry_page(_filled(entry), entry)


@blueprint.post("/time-entries/<int:entry_id>")
def save(entry_id: int) -> Response | tuple[str, int]:
    user, now = access.user(), clock.now()
    form = TimeEntryForm(request.form)
    try:
        entry = TimeEntry.load_to_change(db.session(), user, entry_id)
    except NotFound:
        return _deleted_meanwhile(form, entry_id), Conflict.status
    if _was_changed_meanwhile(entry):
        return _entry_page(form, entry, as_it_is_now=entry), Conflict.status
    try:
        if form.validate():
            _refuse_if_stopped_meanwhile(entry)
            subject = subjects.resolve(db.session(), user, subject_words(request.form), now, former=entry)
            time_entries.edit(db.session(), user, entry, subject, _new_span(form, entry, user), now=now)
            answers.say_undoable(gettext("Saved.") + entering.warned(db.session(), entry, user))
            return answers.back_to(request.form.get("next"), url_for("time_entries.index"))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
        entry = TimeEntry.load(db.session(), user, entry_id)  # the rollback forgot what it is about
    return _entry_page(form, entry), Refused.status


@blueprint.post("/time-entries/<int:entry_id>/delete")
def delete(entry_id: int) -> Response:
    entry = TimeEntry.load_to_change(db.session(), access.user(), entry_id)
    time_entries.delete(db.session(), access.user(), entry, now=clock.now())
    answers.say_undoable(gettext("The entry is in the trash."))
    return answers.back_to(request.form.get("next"), url_for("time_entries.index"))


@blueprint.post("/time-entries/undo/<act>")
def undo(act: str) -> Response:
    single = db.application().settings.single_active_timer
    history.undo(db.session(), access.user(), act, now=clock.now(), single=single)
    answers.say_undoable(gettext("It is as it was before."))
    return answers.back_to(request.form.get("next"), url_for("time_entries.index"))


def _filled(entry: TimeEntry) -> TimeEntryForm:
    return TimeEntryForm(
        data={
            "description": entry.description,
            "project": str(entry.project_id or ""),
            "task": entry.task.name if entry.task else "",
            "tags": ", ".join(tag.name for tag in entry.tags),
            "billable": entry.billable,
            "date": entry.local_start.date(),
            "time": time_text(entry, access.user().time_format),
        }
    )


def _new_span(form: TimeEntryForm, entry: TimeEntry, user: User) -> time_entries.Span | None:
    """None when day and time stand as they were shown: an hour that happened twice keeps the reading it has."""
    day, typed = form.date.data, form.time.data
    as_shown = typed == time_text(entry, user.time_format)
    if as_shown and day == entry.local_start.date():
        return None
    if entry.is_running:
        return time_entries.Span(read_start(typed, day, entry.zone).start, None, entry.zone)
    when = _own_length(entry) if as_shown else read_time(typed, day, entry.zone)
    if isinstance(when, Length):
        start = _moved_to(entry, day)
        return time_entries.Span(start, start + timedelta(seconds=when.seconds), entry.zone)
    return time_entries.Span(when.start, when.end, entry.zone)


def _refuse_if_stopped_meanwhile(entry: TimeEntry) -> None:
    """A form opened while the timer ran holds a start where a span would be read."""
    if "running" in request.form and not entry.is_running:
        raise Refused(gettext("The timer was stopped meanwhile. Write from when to when it was."), "time")


def _found_or_in_trash(entry_id: int) -> TimeEntry:
    """Raises NotFound, which tells the owner of a deleted entry where it is."""
    try:
        return TimeEntry.load(db.session(), access.user(), entry_id)
    except NotFound:
        TimeEntry.load_from_trash(db.session(), access.user(), entry_id, clock.now())
        raise NotFound(gettext("This entry is in the trash, and can be put back from there.")) from None


def _deleted_meanwhile(form: TimeEntryForm, entry_id: int) -> str:
    """The form with every word of it, where another page deleted the entry meanwhile. Raises NotFound."""
    entry = TimeEntry.load_from_trash(db.session(), access.user(), entry_id, clock.now())
    form.problems.append(
        str(
            gettext("It was deleted on another page meanwhile. Put it back from the trash there, then save this again.")
        )
    )
    return _entry_page(form, entry)


def _was_changed_meanwhile(entry: TimeEntry) -> bool:
    """Whether another page saved the entry since this form was opened; a form without a version does not ask."""
    seen = request.form.get("version", type=int)
    return seen is not None and seen != entry.version


def _own_length(entry: TimeEntry) -> Length:
    """A span that stands as it was shown and moves to another day keeps its length, whatever clocks do there."""
    return Length(clock.seconds_between(entry.started_at, entry.ended_at or entry.started_at))


def _moved_to(entry: TimeEntry, day: date) -> datetime:
    """The entry's start, on another day at the same time of day."""
    if day == entry.local_start.date():
        return entry.started_at
    return clock.to_instant(datetime.combine(day, entry.local_start.time().replace(fold=0)), entry.zone).instant


def _entry_page(form: TimeEntryForm, entry: TimeEntry | None, *, as_it_is_now: TimeEntry | None = None) -> str:
    """With `as_it_is_now` it tells what another page saved meanwhile, above the words that were typed here."""
    choices = projects.choices(db.session(), access.user(), chosen=entry.project if entry else None)
    form.project.choices = [("", gettext("No project")), *((str(choice.id), choice.label) for choice in choices)]
    back = request.values.get("next", "")
    return render_template(
        "time_entries/edit.html",
        form=form,
        entry=entry,
        back=back if answers.is_on_this_site(back) else "",
        as_it_is_now=as_it_is_now,
        version=_version_shown(entry, as_it_is_now),
        attached=_attached(entry) if entry else None,
    )


def _version_shown(entry: TimeEntry | None, as_it_is_now: TimeEntry | None) -> int | None:
    """What the person has seen of the entry: a form that is refused for another reason saw no newer one."""
    if entry is None or as_it_is_now is not None:
        return entry.version if entry else None
    return request.form.get("version", entry.version, type=int)


def _attached(entry: TimeEntry) -> attachments.Attached:
    return attachments.attached(db.session(), access.user(), entry, most=attachments.FEW)


def _place() -> report.Place | None:
    """Where the page begins, from the address; nonsense begins at the top."""
    try:
        day, start, key = request.args.get("after", "").split("_")
        place = report.Place(date.fromisoformat(day), clock.utc(datetime.fromisoformat(start)), int(key))
    except (ValueError, OverflowError):
        return None
    return place if 0 < place.entry_id <= LARGEST_ID else None


def _next_page(place: report.Place | None) -> str | None:
    if place is None:
        return None
    after = f"{place.day.isoformat()}_{place.started_at.isoformat()}_{place.entry_id}"
    return url_for("time_entries.index", **_asked(), after=after)


def _asked() -> dict[str, Any]:
    """Range and filter as they were asked for, to ask for the same again."""
    return {name: request.args[name] for name in (*RANGE, *FILTER) if request.args.get(name)}


def _wanted() -> report.Filter:
    asked = request.args
    return report.Filter(
        project_id=read_id(asked, "project"),
        client_id=read_id(asked, "client"),
        tag_id=read_id(asked, "tag"),
        billable=read_choice(asked, "billable"),
        running=read_choice(asked, "running"),
        text=one_line(asked.get("text"))[:LONGEST_TEXT],
    )


@dataclass(frozen=True)
class Filtering:
    """Ids and names that may be chosen, read only where somebody filters: each list costs a statement."""

    projects: list[tuple[int, str]]
    clients: list[tuple[int, str]]
    tags: list[tuple[int, str]]


def _filtering(wanted: report.Filter) -> Filtering | None:
    if wanted == report.EVERYTHING and "filter" not in request.args:
        return None
    session, user = db.session(), access.user()
    return Filtering(
        projects=[(choice.id, choice.label) for choice in projects.choices(session, user)],
        clients=[(choice.id, choice.label) for choice in projects.client_choices(session, user)],
        tags=[(tag.id, tag.name) for tag in projects.tags(session, user)],
    )
