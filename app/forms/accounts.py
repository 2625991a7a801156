"""Forms of people: signing in, joining, the profile."""

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, FileField, PasswordField, SelectField, StringField, ValidationError, validators
from wtforms.fields.choices import SelectChoice

from app import clock
from app.forms.base import BaseForm, name_field, trimmed
from app.models import Role, Theme

WEEKDAYS = [
    SelectChoice("0", _("Monday")),
    SelectChoice("1", _("Tuesday")),
    SelectChoice("2", _("Wednesday")),
    SelectChoice("3", _("Thursday")),
    SelectChoice("4", _("Friday")),
    SelectChoice("5", _("Saturday")),
    SelectChoice("6", _("Sunday")),
]
ROLES = [SelectChoice(Role.MEMBER, _("Member")), SelectChoice(Role.ADMIN, _("Administrator"))]
CLOCKS = [SelectChoice("24h", _("24 hours, 17:30")), SelectChoice("12h", _("12 hours, 5:30 pm"))]

THEMES = [
    SelectChoice(Theme.SYSTEM, _("As the system")),
    SelectChoice(Theme.LIGHT, _("Light")),
    SelectChoice(Theme.DARK, _("Dark")),
]


class ZoneField(SelectField):
    """A menu of zones; one that stands under a former name (Etc/UTC, US/Eastern) is offered, too, and so not lost."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=list(clock.zone_names()), validate_choice=False, **kwargs)

    def iter_choices(self) -> Any:
        names = list(clock.zone_names())
        self.choices = [self.data, *names] if self.data and self.data not in names else names
        return super().iter_choices()


def known_zone(_form: Any, field: Field) -> None:
    """Accepts former names of zones, too: browsers still send them."""
    try:
        clock.zone(field.data or "")
    except clock.UnknownZone as error:
        raise ValidationError(str(_("Choose a time zone from the list."))) from error


def without_nul(text: str) -> str:
    """PostgreSQL takes no NUL, not even to look for it."""
    return text.replace("\0", "")


class SignInForm(BaseForm):
    """The name is compared, never judged: its form tells nobody who exists."""

    username = StringField(_("User name or e-mail"), filters=[trimmed, without_nul])
    password = PasswordField(_("Password"))
    stay = BooleanField(_("Stay signed in on this device"))
    next = StringField()


class ChoosePasswordForm(BaseForm):
    password = PasswordField(_("New password"), [validators.InputRequired(_("Choose a password."))])
    password_confirm = PasswordField(
        _("New password again"), [validators.EqualTo("password", _("The two passwords differ."))]
    )


class PasswordForm(ChoosePasswordForm):
    current_password = PasswordField(
        _("Current password"), [validators.InputRequired(_("Type your current password."))]
    )


class RegisterForm(ChoosePasswordForm):
    username = name_field(_("User name"), 64, required=_("Choose a user name."))
    full_name = name_field(_("Full name"), 200)


class SetUpForm(ChoosePasswordForm):
    username = name_field(_("User name"), 64, required=_("Choose a user name."))
    company_name = name_field(_("Company"), 200)
    time_zone = ZoneField(_("Time zone"), [known_zone])
    currency = StringField(
        _("Currency"),
        [validators.Regexp(r"^[A-Z]{3}$", message=_("Write the currency's three letters, such as EUR."))],
        filters=[lambda value: (value or "").strip().upper()],
    )


class PersonForm(BaseForm):
    """Adding a person; they choose their own password by a link."""

    username = name_field(_("User name"), 64, required=_("Choose a user name."))
    full_name = name_field(_("Full name"), 200)
    email = name_field(_("E-mail"), 254)
    role = SelectField(_("Role"), choices=ROLES)


class ProfileForm(BaseForm):
    """Every field may be missing from a post; it then keeps its value."""

    full_name = name_field(_("Full name"), 200)
    email = name_field(_("E-mail"), 254)
    preferred_language = SelectField(_("Language"))
    time_zone = ZoneField(_("Time zone"), [known_zone])
    week_start = SelectField(_("The week begins on"), choices=WEEKDAYS)
    time_format = SelectField(_("Clock"), choices=CLOCKS)
    theme = SelectField(_("Appearance"), choices=THEMES)
    avatar = FileField(_("Picture"))
