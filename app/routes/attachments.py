"""Files on clients, projects, tasks and time entries: sent in forms, and downloaded, never shown."""

import unicodedata
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wsgi import FileWrapper

from app import clock, db
from app.errors import NotFound, Refused
from app.models import Attachment, Client, Project, StoredFile, Task, TimeEntry
from app.models.attachment import Holder
from app.reports import attachments as report
from app.routes import access, answers
from app.services import attachments, uploads
from app.services.attachments import Sent
from app.services.quotas import OverQuota, Quotas

blueprint = Blueprint("attachments", __name__)

HOLDERS: dict[str, tuple[type[Holder], str, str]] = {
    "clients": (Client, "clients.edit", "client_id"),
    "projects": (Project, "projects.edit", "project_id"),
    "tasks": (Task, "tasks.edit", "task_id"),
    "time-entries": (TimeEntry, "time_entries.edit", "entry_id"),
}
RULE = '/<any("time-entries", projects, clients, tasks):kind>/<int:holder_id>/attachments'
CHUNK = 64 * 1024


@blueprint.get(RULE)
def index(kind: str, holder_id: int) -> str:
    return _page(kind, _load(kind, holder_id))


@blueprint.post(RULE)
def add(kind: str, holder_id: int) -> Response | tuple[str, int]:
    holder, user = _load(kind, holder_id), access.user()
    allowed = Quotas.of(db.application().settings)
    try:
        made = attachments.add(db.session(), user, holder, _sent(), quotas=allowed, now=clock.now())
    except Refused as refused:
        db.session().rollback()
        sentence = _quota_sentence(refused) if isinstance(refused, OverQuota) else str(refused)
        return _page(kind, _load(kind, holder_id), sentence), refused.status
    answers.say(_added(made))
    return answers.back_to(request.form.get("next"), _address(kind, holder.id))


@blueprint.get("/attachments/<int:attachment_id>/<name>")
def download(attachment_id: int, name: str) -> Response:
    """Streamed from the store as it came; the browser saves it and never shows it."""
    attachment = Attachment.load(db.session(), access.user(), attachment_id)
    if name != attachment.name:
        raise NotFound
    response = _streamed(attachment.file)
    response.headers.set("Content-Disposition", "attachment", **_both_names(name))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.get("/thumbnails/<int:attachment_id>")
def thumbnail(attachment_id: int) -> Response:
    attachment = Attachment.load(db.session(), access.user(), attachment_id)
    if attachment.thumbnail is None:
        raise NotFound
    response = _streamed(attachment.thumbnail)
    response.headers["Cache-Control"] = "private, no-cache"  # a restore may give its number to another
    return response


@blueprint.post("/attachments/<int:attachment_id>/delete")
def delete(attachment_id: int) -> Response:
    attachment = Attachment.load_to_change(db.session(), access.user(), attachment_id)
    attachments.delete(db.session(), access.user(), attachment, now=clock.now())
    undo = url_for("trash.undelete_attachment", attachment_id=attachment.id)
    answers.say(gettext("%(name)s is in the trash.", name=attachment.name), undo=undo)
    return answers.back_to(request.form.get("next"), url_for("trash.index"))


def _load(kind: str, holder_id: int) -> Holder:
    return HOLDERS[kind][0].load(db.session(), access.user(), holder_id)


def _address(kind: str, holder_id: int) -> str:
    _, endpoint, key = HOLDERS[kind]
    values: dict[str, Any] = {key: holder_id}
    return url_for(endpoint, **values)


def _sent() -> list[Sent]:
    """An empty field is sent as a file without a name."""
    files = request.files.getlist(attachments.FIELD)
    return [Sent(cast("BinaryIO", file.stream), file.filename) for file in files if file.filename]


def _added(made: list[Attachment]) -> Any:
    if len(made) == 1:
        return gettext("%(name)s is attached.", name=made[0].name)
    return gettext("%(count)s files are attached.", count=len(made))


def _quota_sentence(over: OverQuota) -> Any:
    used, allowed = answers.file_size(over.used), answers.file_size(over.allowed)
    if over.of_everybody:
        return gettext(
            "All files together may take %(allowed)s, and %(used)s are used. Nothing was kept; whoever runs this site "
            "can make room.",
            allowed=allowed,
            used=used,
        )
    return gettext(
        "Your files may take %(allowed)s, and %(used)s are used, the trash included. Nothing was kept.",
        allowed=allowed,
        used=used,
    )


def _page(kind: str, holder: Holder, problem: str = "") -> str:
    number = answers.list_words().page
    shown = report.attached(db.session(), access.user(), holder, page=number)
    back = request.values.get("next", "")
    return render_template(
        "attachments/index.html",
        kind=kind,
        holder=holder,
        attached=shown,
        page=number,
        most=report.PAGE,
        problem=problem,
        address=_address(kind, holder.id),
        back=back if answers.is_on_this_site(back) else "",
    )


def _streamed(file: StoredFile) -> Response:
    """Piece by piece, so that memory does not grow with the file. Raises NotFound."""
    try:
        stream = uploads.open_file(file)
    except FileNotFoundError as error:
        raise NotFound(gettext("The file is not where it was stored. Tell whoever runs this site.")) from error
    response = Response(FileWrapper(stream, CHUNK), mimetype=file.content_type, direct_passthrough=True)
    response.content_length = file.size
    response.set_etag(file.sha256)
    response.headers["Content-Security-Policy"] = answers.NOTHING_RUNS
    response.make_conditional(request)
    return response


def _both_names(name: str) -> dict[str, str]:
    """For browsers, which read the second, and for old programs, which take the first, in plain letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    if plain == name:
        return {"filename": name}
    return {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"}
