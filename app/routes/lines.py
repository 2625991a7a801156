"""One line for anything: an entry with its time, or the timer where none is said."""

import unicodedata
from datetime import date
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from app import clock, db
from app.errors import Refused
from app.forms import lines
from app.forms.lines import Kind, Line, Part
from app.forms.time_entries import Length, read_time, tag_names
from app.models import Project
from app.models.subject import Words
from app.reports import completions
from app.routes import access, answers, entering
from app.services import subjects, time_entries, timer

blueprint = Blueprint("lines", __name__, url_prefix="/line")

FIELD = "line"


@blueprint.get("")
def index() -> str:
    return _page(_typed(request.args))


@blueprint.post("")
def enter() -> Response | tuple[str, int]:
    typed = _typed(request.form)
    try:
        _refuse_too_long(typed)
        said = _entered(_read(typed))
    except Refused as refused:
        db.session().rollback()
        return _page(typed, refused), refused.status
    answers.say_undoable(said)
    return answers.back_to(request.form.get("next"), url_for("dashboard.today"))


@blueprint.get("/understood")
def understood() -> str:
    """What a line is taken for, as chips: asked while it is typed."""
    return render_template("lines/understood.html", **_shown(_typed(request.args)))


@blueprint.get("/completions")
def complete() -> Response:
    """What the word at `caret` may go on with: `text` for the place from `start` to `end`, and how it is shown."""
    line = _typed(request.args)
    part = lines.under(line, request.args.get("caret", len(line), type=int))
    found = _completions(part) if part else []
    return jsonify([{"start": part.start, "end": part.end, **one} for one in found] if part else [])


def _typed(sent: MultiDict[str, str]) -> str:
    """The line, with a space for each character nobody sees, so that all others stay in their places."""
    return "".join(" " if unicodedata.category(char) in {"Cc", "Cs"} else char for char in sent.get(FIELD, ""))


def _read(typed: str) -> Line:
    return lines.read(typed, today=clock.local_date(clock.now(), access.user().zone))


def _refuse_too_long(typed: str) -> None:
    """Rather than leaving the end of it out."""
    if len(typed) > lines.LONGEST_LINE:
        raise Refused(gettext("Use at most %(most)s characters.", most=lines.LONGEST_LINE), FIELD)


def _entered(line: Line) -> str:
    """What was done. Raises Refused."""
    session, user, now = db.session(), access.user(), clock.now()
    if not line.parts:
        raise Refused(gettext("Write what you do, and when, such as: 9-10:30 fix login @website"), FIELD)
    if line.day is not None and line.span is None:
        raise Refused(gettext("When was it that day? Add a span such as 9-10:30, or a duration such as 1h30."), FIELD)
    project = subjects.project_meant(session, user, line.project)
    words = Words(line.description, str(project.id) if project else "", tags=tag_names(list(line.tags)))
    subject = subjects.resolve(session, user, words, now)
    if line.span is None:
        return entering.started(
            timer.start(session, user, subject, single=db.application().settings.single_active_timer)
        )
    day = line.day or clock.local_date(now, user.zone)
    span = entering.span_of(session, user, read_time(line.time, day, user.zone), day, now)
    made = time_entries.add(session, user, subject, span, now=now)
    return entering.added(made, user) + entering.warned(session, made, user)


def _page(typed: str, problem: Refused | None = None) -> str:
    back = request.values.get("next", "")
    return render_template(
        "lines/index.html",
        problem=problem,
        back=back if answers.is_on_this_site(back) else "",
        **_shown(typed),
    )


def _shown(typed: str) -> dict[str, Any]:
    """The line, its parts, the project it means, and why not where it means none."""
    line = _read(typed)
    project, unknown = _project(line)
    day = line.day or clock.local_date(clock.now(), access.user().zone)
    return {
        "typed": typed,
        "line": line,
        "project": project,
        "unknown": unknown,
        "length": _length(line, day),
        "kinds": Kind,
        "separately": url_for("time_entries.new", **_fields(line, project)),
    }


def _project(line: Line) -> tuple[Project | None, str]:
    try:
        return subjects.project_meant(db.session(), access.user(), line.project), ""
    except Refused as refused:
        return None, str(refused)


def _length(line: Line, day: date) -> int | None:
    """Seconds that really pass, or None where no time is said or there is none of that on the day."""
    if line.span is None:
        return None
    try:
        when = read_time(line.time, day, access.user().zone)
    except Refused:
        return None
    if isinstance(when, Length):
        return when.seconds
    return clock.seconds_between(when.start, when.end or when.start)


def _fields(line: Line, project: Project | None) -> dict[str, Any]:
    """For the form with a field for each."""
    fields: dict[str, Any] = {
        "description": line.description,
        "project": str(project.id) if project else "",
        "tags": ", ".join(line.tags),
        "date": line.day.isoformat() if line.day else "",
        "time": line.time,
    }
    return {name: value for name, value in fields.items() if value}


def _completions(part: Part) -> list[dict[str, str]]:
    session, user = db.session(), access.user()
    if part.kind is Kind.WORDS:
        return [_former(one) for one in completions.former(session, user, part.text)]
    look = completions.projects if part.kind is Kind.PROJECT else completions.tags
    return [
        {"text": lines.marked(part.kind, found.name), "shown": found.shown, "more": ""}
        for found in look(session, user, part.text)
    ]


def _former(one: completions.Former) -> dict[str, str]:
    project = lines.marked(Kind.PROJECT, one.project) if one.project else ""
    words = " ".join(one.description.split())
    return {"text": f"{words} {project}".strip(), "shown": words, "more": one.project}
