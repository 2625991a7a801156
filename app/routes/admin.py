"""People, for administrators."""

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import Conflict, Refused
from app.forms.accounts import PersonForm
from app.models import Role, User
from app.routes import access, answers
from app.services import accounts

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.get("/users")
@access.admin_only
def users() -> str:
    return _users_page(PersonForm())


@blueprint.post("/users")
@access.admin_only
def add_user() -> str | tuple[str, int]:
    form = PersonForm(request.form)
    try:
        if form.validate():
            user = accounts.create(
                db.session(),
                form.username.data,
                now=clock.now(),
                email=form.email.data,
                full_name=form.full_name.data,
                role=Role(form.role.data),
            )
            return _link_page(user, accounts.Purpose.JOIN)
    except Refused as refused:
        form.refuse(refused)
    return _users_page(form), Refused.status


@blueprint.post("/users/<int:user_id>/link")
@access.admin_only
def new_link(user_id: int) -> str:
    return _link_page(_load(user_id), accounts.Purpose.RESET)


@blueprint.post("/users/<int:user_id>/role")
@access.admin_only
def change_role(user_id: int) -> Response:
    role = Role.ADMIN if request.form.get("role") == Role.ADMIN else Role.MEMBER
    user = _load(user_id)
    accounts.change_role(db.session(), user, role)
    answers.say(gettext("%(name)s has another role now.", name=user.display_name))
    return answers.see_other(url_for("admin.users"))


@blueprint.post("/users/<int:user_id>/disable")
@access.admin_only
def disable(user_id: int) -> Response:
    user = _load(user_id)
    accounts.disable(db.session(), user, clock.now())
    answers.say(gettext("%(name)s can no longer sign in. What they entered stays.", name=user.display_name))
    return answers.see_other(url_for("admin.users"))


@blueprint.post("/users/<int:user_id>/enable")
@access.admin_only
def enable(user_id: int) -> Response:
    user = _load(user_id)
    accounts.enable(user)
    answers.say(gettext("%(name)s can sign in again.", name=user.display_name))
    return answers.see_other(url_for("admin.users"))


@blueprint.errorhandler(Conflict)
def say_conflict(conflict: Conflict) -> tuple[str, int]:
    """What would leave nobody to administer is refused on the very page."""
    db.session().rollback()
    return _users_page(PersonForm(), str(conflict)), conflict.status


def _load(user_id: int) -> User:
    return User.load(db.session(), access.user(), user_id)


def _users_page(form: PersonForm, problem: str = "") -> str:
    people = (
        db.session()
        .scalars(User.visible_to(access.user()).order_by(User.disabled_at.is_not(None), User.username_key))
        .all()
    )
    return render_template("admin/users.html", form=form, people=people, problem=problem, Role=Role)


def _link_page(user: User, purpose: accounts.Purpose) -> str:
    """The link is shown once and stored as a hash: no redirect, or it would have to be kept somewhere."""
    token = accounts.make_link(db.session(), purpose, user, clock.now())
    scheme = "https" if access.is_https() else "http"
    base = db.application().settings.base_url or f"{scheme}://{request.host}"
    return render_template("admin/link.html", person=user, link=base + url_for("welcome.join", token=token))
