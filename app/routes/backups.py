"""Backups, for administrators: make one, download, verify and see them all."""

from flask import Blueprint, Response, make_response, render_template, send_file, url_for

from app import clock, db
from app.routes import access, answers
from app.services.backup import shelf

blueprint = Blueprint("backups", __name__, url_prefix="/admin/backups")

LOOK_AGAIN_SECONDS = 2


@blueprint.get("")
@access.admin_only
def index() -> Response:
    """Shown anew every other second while one is being made or read."""
    app = db.application()
    shown = shelf.shelf(db.session(), app.settings, now=clock.now())
    response = make_response(render_template("backups/index.html", shown=shown, settings=app.settings))
    if shown.running is not None:
        response.headers["Refresh"] = str(LOOK_AGAIN_SECONDS)
    return response


@blueprint.post("")
@access.admin_only
def create() -> Response:
    app = db.application()
    shelf.make_soon(db.session(), app.engine, app.settings, now=clock.now())
    return answers.see_other(url_for("backups.index"))


@blueprint.get("/<name>")
@access.admin_only
def download(name: str) -> Response:
    path = shelf.find(db.application().settings, name)
    response = send_file(path, mimetype="application/gzip", as_attachment=True, download_name=path.name)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/<name>/verify")
@access.admin_only
def verify(name: str) -> Response:
    app = db.application()
    shelf.verify_soon(db.session(), app.engine, app.settings, name, now=clock.now())
    return answers.see_other(url_for("backups.index"))
