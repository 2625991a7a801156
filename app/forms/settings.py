"""The form of the installation's own settings."""

from flask_babel import lazy_gettext as _
from wtforms import FileField

from app.forms.base import BaseForm, name_field


class CompanyForm(BaseForm):
    company_name = name_field(_("Company"), 200)
    logo = FileField(_("Logo"))
