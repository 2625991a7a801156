"""Projects."""

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import NotFound, Refused
from app.forms.catalogue import ProjectForm
from app.models import Client, Project
from app.reports import attachments
from app.reports import projects as report
from app.routes import access, answers
from app.services import catalogue, trash

blueprint = Blueprint("projects", __name__, url_prefix="/projects")


@blueprint.get("")
def index() -> str:
    archived, search, page = answers.list_words()
    rows = report.projects(db.session(), access.user(), archived=archived, search=search, page=page)
    return render_template(
        "projects/index.html", rows=rows, archived=archived, search=search, page=page, most=report.PAGE
    )


@blueprint.get("/new")
def new() -> str:
    color = str(catalogue.next_color(db.session(), Project))
    client = request.args.get("client", "")
    return _form_page(ProjectForm(data={"color": color, "billable": True, "client": client}), None)


@blueprint.post("")
def add() -> Response | tuple[str, int]:
    return _save(None)


@blueprint.get("/<int:project_id>")
def edit(project_id: int) -> str:
    project = Project.load(db.session(), access.user(), project_id)
    if not project.may_be_changed_by(access.user()):
        return render_template("projects/show.html", project=project, **_hanging_on(project))
    stored = {
        "name": project.name,
        "client": str(project.client_id or ""),
        "color": str(project.color),
        "billable": project.billable,
    }
    return _form_page(ProjectForm(data=stored), project)


@blueprint.post("/<int:project_id>")
def save(project_id: int) -> Response | tuple[str, int]:
    return _save(Project.load_to_change(db.session(), access.user(), project_id))


@blueprint.post("/<int:project_id>/archive")
def archive(project_id: int) -> Response:
    project = Project.load_to_change(db.session(), access.user(), project_id)
    catalogue.archive(db.session(), access.user(), project, now=clock.now())
    answers.say(
        gettext("%(name)s is archived. Its time stays.", name=project.name),
        undo=url_for("projects.restore", project_id=project.id),
    )
    return answers.see_other(url_for("projects.index"))


@blueprint.post("/<int:project_id>/restore")
def restore(project_id: int) -> Response:
    project = Project.load_to_change(db.session(), access.user(), project_id)
    catalogue.restore(db.session(), access.user(), project)
    answers.say(gettext("%(name)s is back.", name=project.name))
    return answers.back_to(request.form.get("next"), url_for("projects.index"))


@blueprint.post("/<int:project_id>/delete")
def delete(project_id: int) -> Response:
    project = Project.load_to_change(db.session(), access.user(), project_id)
    trash.delete_shared(db.session(), access.user(), project, now=clock.now())
    undo = url_for("trash.undelete_project", project_id=project.id)
    answers.say(gettext("%(name)s is in the trash. Its time stays.", name=project.name), undo=undo)
    return answers.see_other(url_for("projects.index"))


def _save(project: Project | None) -> Response | tuple[str, int]:
    form = ProjectForm(request.form)
    _offer_clients(form, project)
    try:
        if form.validate():
            catalogue.save_project(
                db.session(),
                access.user(),
                project,
                name=form.name.data,
                client=_chosen_client(form),
                color=int(form.color.data),
                billable=form.billable.data,
                now=clock.now(),
            )
            answers.say(gettext("Saved."))
            return answers.see_other(url_for("projects.index"))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
    return _page(form, project), Refused.status


def _chosen_client(form: ProjectForm) -> Client | None:
    if not form.client.data:
        return None
    try:
        return Client.load(db.session(), access.user(), int(form.client.data))
    except (NotFound, ValueError) as error:
        raise Refused(gettext("This client is gone. Choose another."), "client") from error


def _form_page(form: ProjectForm, project: Project | None) -> str:
    _offer_clients(form, project)
    return _page(form, project)


def _page(form: ProjectForm, project: Project | None) -> str:
    return render_template(
        "projects/edit.html", form=form, project=project, **(_hanging_on(project) if project else {})
    )


def _hanging_on(project: Project) -> dict[str, Any]:
    """What its page shows besides: tasks and attachments."""
    session, user, page = db.session(), access.user(), answers.list_words().page
    return {
        "tasks": report.tasks(session, project, page=page),
        "page": page,
        "most": report.PAGE,
        "attached": attachments.attached(session, user, project, most=attachments.FEW),
    }


def _offer_clients(form: ProjectForm, project: Project | None) -> None:
    """Active clients, and the one the project has already."""
    offered = report.client_choices(db.session(), access.user(), chosen=project.client if project else None)
    form.client.choices = [("", gettext("No client")), *((str(choice.id), choice.label) for choice in offered)]
