"""Coming in for the first time: setting the house up, joining by a link, registering where that is allowed."""

from flask import Blueprint, Response, render_template, request, session, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.forms.accounts import ChoosePasswordForm, RegisterForm, SetUpForm
from app.models import Installation, User
from app.models.user import fold
from app.routes import access, answers
from app.services import accounts, sign_in

blueprint = Blueprint("welcome", __name__)

BEFORE_SET_UP = frozenset({"welcome.set_up", "welcome.set_up_here", "health.health", "health.ready"})


def insist_on_set_up() -> Response | None:
    """Before each request of nobody: until an administrator exists there is nothing here but the set-up."""
    if access.is_signed_in() or request.endpoint in BEFORE_SET_UP or User.admin_exists(db.session()):
        return None
    return answers.see_other(url_for("welcome.set_up"))


@blueprint.get("/setup")
def set_up() -> Response | str | tuple[str, int]:
    if User.admin_exists(db.session()):
        return answers.see_other(url_for("auth.login"))
    if not _may_set_up():
        return render_template("welcome/link_needed.html"), Forbidden.status
    installation = Installation.this(db.session())
    form = SetUpForm(data={"time_zone": installation.time_zone, "currency": installation.currency})
    return _set_up_page(form)


@blueprint.post("/setup")
def set_up_here() -> Response | str | tuple[str, int]:
    if User.admin_exists(db.session()):
        answers.say(gettext("TimeTracker was set up already. Sign in instead."))
        return answers.see_other(url_for("auth.login"))
    if not _may_set_up():
        return render_template("welcome/link_needed.html"), Forbidden.status
    form = SetUpForm(request.form)
    if not form.validate():
        return _set_up_page(form), Refused.status
    try:
        user = accounts.set_up(
            db.session(),
            username=form.username.data,
            password=form.password.data or "",
            company_name=form.company_name.data,
            time_zone=form.time_zone.data,
            currency=form.currency.data,
            now=clock.now(),
        )
    except Refused as refused:
        form.refuse(refused)
        return _set_up_page(form), refused.status
    except Conflict as conflict:
        answers.say(str(conflict))
        return answers.see_other(url_for("auth.login"))
    user.week_start, user.time_format = answers.habits()
    return _let_in(user)


@blueprint.get("/join/<token>")
def join(token: str) -> str | tuple[str, int]:
    try:
        user = accounts.person_of_link(db.session(), token, clock.now())
    except NotFound:
        return render_template("welcome/link_spent.html"), NotFound.status
    return render_template("welcome/join.html", form=ChoosePasswordForm(), person=user)


@blueprint.post("/join/<token>")
def join_here(token: str) -> Response | tuple[str, int]:
    form = ChoosePasswordForm(request.form)
    try:
        person = accounts.person_of_link(db.session(), token, clock.now())
        if form.validate():
            is_new = person.password_hash is None
            user = accounts.use_link(db.session(), token, form.password.data or "", clock.now())
            if is_new:
                user.week_start, user.time_format = answers.habits()
            return _let_in(user)
    except NotFound:
        return render_template("welcome/link_spent.html"), NotFound.status
    except Refused as refused:
        form.refuse(refused)
    return render_template("welcome/join.html", form=form, person=person), Refused.status


@blueprint.get("/register")
def register() -> str:
    _refuse_unless_open()
    return render_template("welcome/register.html", form=RegisterForm())


@blueprint.post("/register")
def register_here() -> Response | tuple[str, int]:
    _refuse_unless_open()
    form = RegisterForm(request.form)
    try:
        if form.validate():
            _refuse_reserved(form.username.data)
            user = accounts.create(
                db.session(),
                form.username.data,
                now=clock.now(),
                password=form.password.data or "",
                full_name=form.full_name.data,
            )
            user.week_start, user.time_format = answers.habits()
            return _let_in(user)
    except Refused as refused:
        form.refuse(refused)
    return render_template("welcome/register.html", form=form), Refused.status


def _may_set_up() -> bool:
    """By the link that the server printed; without it only from this very machine.

    The link's secret moves into the session, so that it need not stand in the address of the form.
    """
    token = request.args.get("token") or session.get("set_up", "")
    if token and accounts.set_up_link_is_right(db.session(), token):
        session["set_up"] = token
        return True
    return access.is_local_without_proxy()


def _set_up_page(form: SetUpForm) -> str:
    return render_template("welcome/set_up.html", form=form)


def _let_in(user: User) -> Response:
    signed_in = sign_in.open_session(db.session(), user, access.visitor().device, stay=False, now=clock.now())
    return access.remember_in_cookies(answers.see_other(url_for("dashboard.today")), signed_in, stay=False)


def _refuse_unless_open() -> None:
    if not db.application().settings.allow_self_register:
        raise NotFound


def _refuse_reserved(username: str) -> None:
    """Names that the operator made administrators are not for whoever comes first."""
    if fold(username) in db.application().settings.admin_usernames:
        raise Refused(gettext("Somebody already has this user name."), "username")
