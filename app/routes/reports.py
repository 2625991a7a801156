"""Where the time went."""

from flask import Blueprint, render_template, request

from app import clock, db
from app.reports.year import year as year_report
from app.routes import access

blueprint = Blueprint("reports", __name__)


@blueprint.get("/reports")
def year() -> str:
    """A year of one's own; nonsense shows this year."""
    now = clock.now()
    this_year = clock.local_date(now, access.user().zone).year
    asked = request.args.get("year", type=int) or this_year
    number = asked if clock.FIRST_YEAR < asked < clock.LAST_YEAR else this_year
    return render_template("reports/year.html", shown=year_report(db.session(), access.user(), number, now))
