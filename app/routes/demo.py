"""The demo company by a click, for administrators."""

from flask import Blueprint, Response, render_template, url_for
from flask_babel import gettext, ngettext

from app import clock, db
from app.routes import access, answers
from app.services import demo

blueprint = Blueprint("demo", __name__, url_prefix="/admin/demo")

PATIENCE_SECONDS = 5


@blueprint.post("")
@access.admin_only
def add() -> str:
    """The password is shown once and stored as a hash: no redirect, or it would have to be kept somewhere."""
    language = answers.language() if answers.language() in demo.LANGUAGES else demo.Plan.language
    made = demo.add(db.application().engine, demo.Plan(language=language), now=clock.now())
    return render_template("demo/made.html", made=made)


@blueprint.post("/remove")
@access.admin_only
def remove() -> Response:
    """As much as a person waits for; what is left goes with the next click."""
    removed = demo.remove(db.application().engine, now=clock.now(), within=PATIENCE_SECONDS)
    if removed.left:
        answers.say(
            ngettext("%(num)s record of the demo is left.", "%(num)s records of the demo are left.", removed.left)
        )
    else:
        answers.say(gettext("The demo is gone. What somebody else uses has stayed."))
    return answers.see_other(url_for("about.index"))
