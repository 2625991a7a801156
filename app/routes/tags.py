"""Tags."""

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext

from app import clock, db
from app.errors import Refused
from app.forms.catalogue import TagForm
from app.models import Tag
from app.reports import projects as report
from app.routes import access, answers
from app.services import catalogue, trash

blueprint = Blueprint("tags", __name__, url_prefix="/tags")


@blueprint.get("")
def index() -> str:
    words = answers.list_words()
    rows = report.tags(db.session(), access.user(), search=words.search, page=words.page)
    return render_template("tags/index.html", rows=rows, search=words.search, page=words.page, most=report.PAGE)


@blueprint.get("/<int:tag_id>")
def edit(tag_id: int) -> str:
    tag = Tag.load_to_change(db.session(), access.user(), tag_id)
    return render_template("tags/edit.html", form=TagForm(data={"name": tag.name}), tag=tag)


@blueprint.post("/<int:tag_id>")
def save(tag_id: int) -> Response | tuple[str, int]:
    tag = Tag.load_to_change(db.session(), access.user(), tag_id)
    form = TagForm(request.form)
    try:
        if form.validate():
            catalogue.save_tag(db.session(), access.user(), tag, name=form.name.data)
            answers.say(gettext("Saved."))
            return answers.see_other(url_for("tags.index"))
    except Refused as refused:
        db.session().rollback()
        form.refuse(refused)
    return render_template("tags/edit.html", form=form, tag=tag), Refused.status


@blueprint.post("/<int:tag_id>/delete")
def delete(tag_id: int) -> Response:
    tag = Tag.load_to_change(db.session(), access.user(), tag_id)
    trash.delete_shared(db.session(), access.user(), tag, now=clock.now())
    undo = url_for("trash.undelete_tag", tag_id=tag.id)
    answers.say(gettext("%(name)s is in the trash.", name=tag.name), undo=undo)
    return answers.see_other(url_for("tags.index"))
