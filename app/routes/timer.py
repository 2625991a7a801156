"""The timer: start, stop, continue, discard."""

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import Refused
from app.forms.time_entries import subject_words
from app.models import TimeEntry
from app.reports import projects
from app.routes import access, answers, entering
from app.services import subjects, timer

blueprint = Blueprint("timer", __name__, url_prefix="/timer")


@blueprint.get("")
def show() -> Response | str:
    """What runs; with `?format=json` for a script: `running` counts, `entries` say since when (UTC) and on what."""
    running = answers.running()
    if request.args.get("format") != "json":
        return render_template("timer/show.html", running=running, projects=_choices(), problem=None, typed={})
    return jsonify(running=len(running), entries=[_as_json(entry) for entry in running])


@blueprint.post("/start")
def start() -> Response | tuple[str, int]:
    user, now = access.user(), clock.now()
    try:
        subject = subjects.resolve(db.session(), user, subject_words(request.form), now)
    except Refused as refused:
        db.session().rollback()
        page = render_template(
            "timer/show.html", running=answers.running(), projects=_choices(), problem=refused, typed=request.form
        )
        return page, refused.status
    answers.say_undoable(entering.started(timer.start(db.session(), user, subject, single=_single())))
    return _back()


@blueprint.post("/stop")
def stop() -> Response:
    stopped = timer.stop(db.session(), access.user(), entry_id=request.form.get("entry", type=int))
    if stopped is None:
        answers.say(gettext("It had stopped already."))
    else:
        length = clock.hours_minutes_seconds(stopped.seconds(clock.now()))
        answers.say_undoable(gettext("Stopped after %(length)s.", length=length))
    return _back()


@blueprint.post("/continue/<int:entry_id>")
def continue_(entry_id: int) -> Response:
    former = TimeEntry.load(db.session(), access.user(), entry_id)
    answers.say_undoable(entering.started(timer.continue_(db.session(), access.user(), former, single=_single())))
    return _back()


@blueprint.post("/discard/<int:entry_id>")
def discard(entry_id: int) -> Response:
    timer.discard(db.session(), access.user(), entry_id)
    answers.say_undoable(gettext("The timer is discarded."))
    return _back()


def _single() -> bool:
    return db.application().settings.single_active_timer


def _back() -> Response:
    """To the page the button stood on, where the timer is in the same place."""
    return answers.back_to(request.form.get("next"), url_for("dashboard.today"))


def _choices() -> list[projects.Choice]:
    return projects.choices(db.session(), access.user())


def _as_json(entry: TimeEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "description": entry.description,
        "project": entry.project.name if entry.project else None,
        "started_at": entry.started_at.isoformat(),
    }
