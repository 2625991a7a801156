"""About this installation, for administrators."""

from flask import Blueprint, render_template

from app import db
from app.routes import access
from app.services.about import about

blueprint = Blueprint("about", __name__)


@blueprint.get("/admin/about")
@access.admin_only
def index() -> str:
    return render_template("about/index.html", shown=about(db.session(), db.application().settings))
