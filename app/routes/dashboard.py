"""Today."""

from flask import Blueprint, render_template

from app import clock, db
from app.reports import dashboard, projects
from app.routes import access, answers

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/")
def today() -> str:
    user = access.user()
    shown = dashboard.dashboard(db.session(), user, answers.running(), clock.now())
    return render_template("dashboard/today.html", shown=shown, projects=projects.choices(db.session(), user))
