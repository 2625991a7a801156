"""Forms of clients and projects."""

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, RadioField, SelectField, ValidationError

from app.forms.base import BaseForm, name_field
from app.models.client import COLORS

COLOR_NAMES = (
    _("Blue"),
    _("Orange"),
    _("Green"),
    _("Red"),
    _("Purple"),
    _("Brown"),
    _("Pink"),
    _("Grey"),
    _("Olive"),
    _("Cyan"),
    _("Navy"),
    _("Amber"),
)


def color_choices() -> list[tuple[str, Any]]:
    return [(str(place), COLOR_NAMES[place]) for place in range(COLORS)]


class ClientForm(BaseForm):
    name = name_field(_("Name"), 200, required=_("A client needs a name."))
    color = RadioField(_("Colour"), choices=color_choices)


class TagForm(BaseForm):
    name = name_field(_("Name"), 100, required=_("A tag needs a name."))

    def validate_name(self, field: Field) -> None:
        if "," in field.data or ";" in field.data:
            raise ValidationError(str(_("A tag holds no comma and no semicolon: they stand between tags.")))


class TaskForm(BaseForm):
    name = name_field(_("Name"), 200, required=_("A task needs a name."))


class ProjectForm(BaseForm):
    """`client` is an id, or empty for work that is for nobody else."""

    name = name_field(_("Name"), 200, required=_("A project needs a name."))
    client = SelectField(_("Client"), validate_choice=False)
    color = RadioField(_("Colour"), choices=color_choices)
    billable = BooleanField(_("Time on it is billable"))
