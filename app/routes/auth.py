"""Signing in and out, the profile and its picture."""

import re
from typing import BinaryIO, cast

from flask import Blueprint, Response, render_template, request, session, url_for
from flask_babel import gettext
from werkzeug.datastructures import CombinedMultiDict, MultiDict

from app import clock, db, storage
from app.errors import NotFound, Refused, TooManyAttempts
from app.forms.accounts import PasswordForm, ProfileForm, SignInForm
from app.models import User
from app.models.user import avatar_folder
from app.routes import access, answers, words
from app.services import accounts, avatars, sign_in

blueprint = Blueprint("auth", __name__)

AVATAR_NAME = re.compile(r"avatar_\d{1,18}_[0-9a-f]{8}\.(?:png|jpe?g|gif|webp)", re.ASCII)


@blueprint.get("/login")
def login() -> Response | str:
    form = SignInForm(request.args)
    if access.is_signed_in():
        return answers.back_to(form.next.data, url_for("dashboard.today"))
    return _sign_in_page(form)


@blueprint.post("/login")
def login_post() -> Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
    form = SignInForm(request.form)
    settings, stay = db.application().settings, bool(form.stay.data)
    try:
        signed_in = sign_in.sign_in(
            db.session(),
            form.username.data or "",
            form.password.data or "",
            access.visitor(),
            stay=stay,
            admins=settings.admin_usernames,
            now=clock.now(),
        )
    except Refused as refused:
        form.refuse(refused)
        return _sign_in_page(form), refused.status
    except TooManyAttempts as refused:
        return _sign_in_page(form, refused), refused.status, {"Retry-After": str(refused.retry_after)}
    answer = answers.back_to(form.next.data, url_for("dashboard.today"))
    return access.remember_in_cookies(answer, signed_in, stay=stay)


@blueprint.post("/logout")
def logout() -> Response:
    sid = session.get("sid")
    if sid:
        sign_in.sign_out(db.session(), sid)
    session.clear()
    return answers.see_other(url_for("auth.login"))


@blueprint.get("/profile")
def profile() -> str:
    return render_template("auth/profile.html")


@blueprint.get("/profile/edit")
def edit_profile() -> str:
    return _profile_page(_profile_form(access.user()))


@blueprint.post("/profile/edit")
def save_profile() -> Response | tuple[str, int]:
    user = access.user()
    form = _profile_form(user)
    upload = request.files.get("avatar")
    if not form.validate():
        return _profile_page(form), Refused.status
    try:
        if upload is not None and upload.filename:
            avatars.replace(db.session(), user, cast("BinaryIO", upload.stream), upload.filename, clock.now())
        db.lock(db.session(), user)
        user.changes += 1
        _take_over(form, user)
    except Refused as refused:
        db.session().rollback()  # the picture may be swapped already; its file stays as an orphan
        form.refuse(refused)
        return _profile_page(form), refused.status
    answers.forget_language()
    answers.say(gettext("Your profile is saved."))
    return answers.see_other(url_for("auth.profile"))


@blueprint.post("/profile/avatar/remove")
def remove_avatar() -> Response:
    avatars.remove(db.session(), access.user())
    answers.say(gettext("Your picture is removed."))
    return answers.see_other(url_for("auth.edit_profile"))


@blueprint.get("/profile/password")
def password() -> str:
    return render_template("auth/password.html", form=PasswordForm())


@blueprint.post("/profile/password")
def change_password() -> Response | tuple[str, int]:
    form = PasswordForm(request.form)
    try:
        if form.validate():
            accounts.change_password(
                db.session(),
                access.user(),
                form.current_password.data or "",
                form.password.data or "",
                keep_sid=session["sid"],
            )
            answers.say(gettext("Your password is changed. Everywhere else you are signed out."))
            return answers.see_other(url_for("auth.profile"))
    except Refused as refused:
        form.refuse(refused)
    return render_template("auth/password.html", form=form), Refused.status


def get_avatar_upload_folder() -> str | None:
    """Where profile pictures lie on a local disk: `{UPLOAD_FOLDER}/avatars`; None where a remote store has them."""
    folder = avatar_folder()
    return str(folder) if folder else None


@blueprint.get("/uploads/avatars/<filename>")
def serve_uploaded_avatar(filename: str) -> Response:
    """A face, for everyone signed in. A name is never used twice, so browsers keep it for ever. Raises NotFound."""
    if not AVATAR_NAME.fullmatch(filename):
        raise NotFound
    return answers.stored_picture(f"{storage.AVATARS}/{filename}", whose="private")


def _sign_in_page(form: SignInForm, refused: TooManyAttempts | None = None) -> str:
    form.password.data = None
    return render_template("auth/login.html", form=form, refused=refused)


def _profile_form(user: User) -> ProfileForm:
    """The post over what is stored: a field that is not in the post keeps its value."""
    stored = MultiDict(
        {
            "full_name": user.full_name,
            "email": user.email or "",
            "preferred_language": user.preferred_language or "",
            "time_zone": user.time_zone,
            "week_start": str(user.week_start),
            "time_format": user.time_format,
            "theme": user.theme,
        }
    )
    form = ProfileForm(CombinedMultiDict([request.form, stored]))
    form.preferred_language.choices = [("", gettext("As the browser says")), *words.languages().items()]
    return form


def _take_over(form: ProfileForm, user: User) -> None:
    """Only what was posted: the rest may have been changed elsewhere since the page was drawn."""
    posted = request.form
    if "email" in posted:
        accounts.set_email(user, form.email.data)
    if "week_start" in posted:
        user.week_start = int(form.week_start.data)
    if "preferred_language" in posted:
        user.preferred_language = form.preferred_language.data or None
    for name in posted.keys() & {"full_name", "time_zone", "time_format", "theme"}:
        setattr(user, name, form[name].data)


def _profile_page(form: ProfileForm) -> str:
    return render_template("auth/edit_profile.html", form=form)
