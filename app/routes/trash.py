"""The trash, and what is brought back from it."""

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.models import Attachment, Client, Project, Tag, TimeEntry
from app.reports import trash as report
from app.routes import access, answers
from app.services import attachments, history, trash

blueprint = Blueprint("trash", __name__, url_prefix="/trash")


@blueprint.get("")
def index() -> str:
    now, page = clock.now(), answers.list_words().page
    shown = report.trash(db.session(), access.user(), now, page=page)
    return render_template("trash/index.html", shown=shown, page=page, days_left=lambda at: report.days_left(at, now))


@blueprint.post("/time-entries/<int:entry_id>/undelete")
def undelete_time_entry(entry_id: int) -> Response:
    session, user = db.session(), access.user()
    entry = TimeEntry.load_from_trash(session, user, entry_id, clock.now())
    single = db.application().settings.single_active_timer
    history.undelete(session, user, entry, now=clock.now(), single=single)
    answers.say_undoable(gettext("The entry is back."))
    return answers.back_to(request.form.get("next"), url_for("trash.index"))


@blueprint.post("/clients/<int:client_id>/undelete")
def undelete_client(client_id: int) -> Response:
    return _undelete(Client.load_from_trash(db.session(), access.user(), client_id, clock.now()))


@blueprint.post("/projects/<int:project_id>/undelete")
def undelete_project(project_id: int) -> Response:
    return _undelete(Project.load_from_trash(db.session(), access.user(), project_id, clock.now()))


@blueprint.post("/tags/<int:tag_id>/undelete")
def undelete_tag(tag_id: int) -> Response:
    return _undelete(Tag.load_from_trash(db.session(), access.user(), tag_id, clock.now()))


@blueprint.post("/attachments/<int:attachment_id>/undelete")
def undelete_attachment(attachment_id: int) -> Response:
    attachment = Attachment.load_from_trash(db.session(), access.user(), attachment_id, clock.now())
    attachments.undelete(db.session(), access.user(), attachment)
    answers.say(gettext("%(name)s is back.", name=attachment.name))
    return answers.back_to(request.form.get("next"), url_for("trash.index"))


def _undelete(record: Client | Project | Tag) -> Response:
    trash.undelete_shared(db.session(), access.user(), record)
    answers.say(gettext("%(name)s is back.", name=record.name))
    return answers.back_to(request.form.get("next"), url_for("trash.index"))
