"""The installation's own settings, for administrators: the company's name and its logo."""

import re
from typing import BinaryIO, cast

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import NotFound, Refused
from app.forms.settings import CompanyForm
from app.models import FileKind, Installation
from app.models.stored_file import FOLDERS
from app.routes import access, answers
from app.services import logos

blueprint = Blueprint("settings", __name__)

LOGO_NAME = re.compile(r"company_logo_[0-9a-f]{8}\.(?:png|jpe?g|gif|webp)", re.ASCII)


@blueprint.get("/admin/settings")
@access.admin_only
def index() -> str:
    return _page(CompanyForm(data={"company_name": Installation.this(db.session()).company_name}))


@blueprint.post("/admin/settings")
@access.admin_only
def save() -> Response | tuple[str, int]:
    form = CompanyForm(request.form)
    if not form.validate():
        return _page(form), Refused.status
    Installation.this(db.session()).company_name = form.company_name.data
    answers.say(gettext("Saved."))
    return answers.see_other(url_for("settings.index"))


@blueprint.post("/admin/upload-logo")
@access.admin_only
def upload_logo() -> Response | tuple[str, int]:
    try:
        stream, filename = _chosen()
        logos.replace(db.session(), access.user(), stream, filename, clock.now())
    except Refused as refused:
        db.session().rollback()
        form = CompanyForm(data={"company_name": Installation.this(db.session()).company_name})
        form.refuse(refused)
        return _page(form), refused.status
    answers.say(gettext("The logo is changed."))
    return answers.see_other(url_for("settings.index"))


@blueprint.post("/admin/remove-logo")
@access.admin_only
def remove_logo() -> Response:
    logos.remove(db.session())
    answers.say(gettext("The logo is removed."))
    return answers.see_other(url_for("settings.index"))


@blueprint.get("/uploads/logos/<filename>")
def serve_uploaded_logo(filename: str) -> Response:
    """For everybody: it stands on the sign-in page. Raises NotFound."""
    if not LOGO_NAME.fullmatch(filename):
        raise NotFound
    return answers.stored_picture(f"{FOLDERS[FileKind.LOGO]}/{filename}", whose="public")


def _chosen() -> tuple[BinaryIO, str]:
    upload = request.files.get(logos.FIELD)
    if upload is None or not upload.filename:
        raise Refused(gettext("Choose a picture."), logos.FIELD)
    return cast("BinaryIO", upload.stream), upload.filename


def _page(form: CompanyForm) -> str:
    return render_template("settings/index.html", form=form)
