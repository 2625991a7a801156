"""What all forms share. A form turns what was typed into values or messages and never writes."""

import re
from typing import Any

from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from wtforms import Form, StringField, i18n, validators
from wtforms.meta import DefaultMeta

from app.errors import Refused

_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BaseForm(Form):
    """Messages stand at their field; `problems` holds those that belong to none."""

    class Meta(DefaultMeta):
        """What WTForms itself says is said in the language of the page."""

        def get_translations(self, _form: Any) -> Any:
            try:
                return i18n.get_translations((str(get_locale() or "en"),))
            except FileNotFoundError:  # a language we speak and WTForms does not
                return i18n.DummyTranslations()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: list[str] = []

    def refuse(self, refused: Refused) -> None:
        """Puts a refusal of a verb where the person can mend it."""
        field = self._fields.get(refused.field or "")
        if field is None:
            self.problems.append(str(refused))
        else:
            field.errors = [*field.errors, str(refused)]


def trimmed(value: str | None) -> str:
    return (value or "").strip()


def one_line(value: str | None) -> str:
    """Trimmed, without control characters, on one line."""
    return re.sub(r"\s+", " ", _INVISIBLE.sub("", value or "")).strip()


def at_most(characters: int) -> Any:
    return validators.Length(max=characters, message=_("Use at most %(most)s characters.", most=characters))


def name_field(label: Any, most: int, *, required: Any = None, **kwargs: Any) -> StringField:
    """A text on one line of at most `most` characters; `required` is the sentence where it is missing."""
    checks: list[Any] = [at_most(most)]
    checks.insert(0, validators.DataRequired(required) if required else validators.Optional())
    return StringField(label, checks, filters=[one_line], **kwargs)
