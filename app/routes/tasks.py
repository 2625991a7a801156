"""Tasks: their names and what is attached to them. They are made where time is booked."""

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import db
from app.errors import Refused
from app.forms.catalogue import TaskForm
from app.models import Task
from app.reports import attachments
from app.routes import access, answers
from app.services import catalogue

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")


@blueprint.get("/<int:task_id>")
def edit(task_id: int) -> str:
    task = Task.load(db.session(), access.user(), task_id)
    return _page(TaskForm(data={"name": task.name}), task)


@blueprint.post("/<int:task_id>")
def save(task_id: int) -> Response | tuple[str, int]:
    task = Task.load_to_change(db.session(), access.user(), task_id)
    form = TaskForm(request.form)
    try:
        if form.validate():
            catalogue.rename_task(db.session(), access.user(), task, name=form.name.data)
            answers.say(gettext("Saved."))
            return answers.see_other(url_for("projects.edit", project_id=task.project_id))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
        task = Task.load(db.session(), access.user(), task_id)  # the rollback forgot what it belongs to
    return _page(form, task), Refused.status


def _page(form: TaskForm, task: Task) -> str:
    shown = attachments.attached(db.session(), access.user(), task, most=attachments.FEW)
    return render_template("tasks/edit.html", form=form, task=task, attached=shown)
