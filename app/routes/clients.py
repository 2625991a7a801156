"""Clients."""

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext, ngettext

from app import clock, db
from app.errors import Refused
from app.forms.catalogue import ClientForm
from app.models import Client
from app.reports import attachments
from app.reports import projects as report
from app.routes import access, answers
from app.services import catalogue, trash

blueprint = Blueprint("clients", __name__, url_prefix="/clients")


@blueprint.get("")
def index() -> str:
    archived, search, page = answers.list_words()
    rows = report.clients(db.session(), access.user(), archived=archived, search=search, page=page)
    return render_template(
        "clients/index.html", rows=rows, archived=archived, search=search, page=page, most=report.PAGE
    )


@blueprint.get("/new")
def new() -> str:
    return _form_page(ClientForm(data={"color": str(catalogue.next_color(db.session(), Client))}), None)


@blueprint.post("")
def add() -> Response | tuple[str, int]:
    return _save(None)


@blueprint.get("/<int:client_id>")
def edit(client_id: int) -> str:
    client = Client.load(db.session(), access.user(), client_id)
    if not client.may_be_changed_by(access.user()):
        return render_template("clients/show.html", client=client, attached=_attached(client))
    return _form_page(ClientForm(data={"name": client.name, "color": str(client.color)}), client)


@blueprint.post("/<int:client_id>")
def save(client_id: int) -> Response | tuple[str, int]:
    return _save(Client.load_to_change(db.session(), access.user(), client_id))


@blueprint.post("/<int:client_id>/archive")
def archive(client_id: int) -> Response:
    client = Client.load_to_change(db.session(), access.user(), client_id)
    catalogue.archive(db.session(), access.user(), client, now=clock.now())
    answers.say(
        gettext("%(name)s is archived. Its time stays.", name=client.name),
        undo=url_for("clients.restore", client_id=client.id),
    )
    return answers.see_other(url_for("clients.index"))


@blueprint.post("/<int:client_id>/restore")
def restore(client_id: int) -> Response:
    client = Client.load_to_change(db.session(), access.user(), client_id)
    catalogue.restore(db.session(), access.user(), client)
    answers.say(gettext("%(name)s is back.", name=client.name))
    return answers.back_to(request.form.get("next"), url_for("clients.index"))


@blueprint.post("/<int:client_id>/delete")
def delete(client_id: int) -> Response:
    client = Client.load_to_change(db.session(), access.user(), client_id)
    projects = trash.delete_shared(db.session(), access.user(), client, now=clock.now())
    undo = url_for("trash.undelete_client", client_id=client.id)
    answers.say(_deleted(client, projects), undo=undo)
    return answers.see_other(url_for("clients.index"))


def _deleted(client: Client, projects: int) -> str:
    if not projects:
        return str(gettext("%(name)s is in the trash. Its time stays.", name=client.name))
    return str(
        ngettext(
            "%(name)s and its project are in the trash. Their time stays.",
            "%(name)s and its %(num)s projects are in the trash. Their time stays.",
            projects,
            name=client.name,
        )
    )


def _save(client: Client | None) -> Response | tuple[str, int]:
    form = ClientForm(request.form)
    try:
        if form.validate():
            catalogue.save_client(
                db.session(),
                access.user(),
                client,
                name=form.name.data,
                color=int(form.color.data),
                now=clock.now(),
            )
            answers.say(gettext("Saved."))
            return answers.see_other(url_for("clients.index"))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
    return _form_page(form, client), Refused.status


def _form_page(form: ClientForm, client: Client | None) -> str:
    attached = _attached(client) if client else None
    return render_template("clients/edit.html", form=form, client=client, attached=attached)


def _attached(client: Client) -> attachments.Attached:
    return attachments.attached(db.session(), access.user(), client, most=attachments.FEW)
