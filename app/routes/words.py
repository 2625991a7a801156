"""The words of each language: one file of app/translations is one language.

The files are read as translators write them (gettext's PO), each when its language is first asked for, so that nothing
has to be compiled before TimeTracker runs.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.support import NullTranslations, Translations
from flask import has_request_context
from flask_babel import Domain, get_locale

TRANSLATIONS = Path(__file__).parents[1] / "translations"
SOURCE = "en"
FORMATS = {"en": "en_GB"}  # how dates and numbers are written where a language alone does not say it


class Catalogues(Domain):
    """Where Flask-Babel finds words: our files, in the language of the request."""

    def get_translations(self) -> NullTranslations:
        if not has_request_context():
            return NullTranslations()
        return catalogue(str(get_locale()))


@cache
def languages() -> dict[str, str]:
    """Code → the language's own name, in the order of the names."""
    codes = [SOURCE, *(path.stem for path in TRANSLATIONS.glob("*.po"))]
    names = {code: str(Locale.parse(code).get_display_name(code)).capitalize() for code in codes}
    return dict(sorted(names.items(), key=lambda item: item[1]))


@cache
def catalogue(language: str) -> NullTranslations:
    """The words of a language; English speaks for itself."""
    file = TRANSLATIONS / f"{language}.po"
    if language == SOURCE or not file.is_file():
        return NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - heavy, and asked once for a language
    from babel.messages.pofile import read_po  # noqa: PLC0415

    compiled = BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def format_locale(language: str) -> str:
    """The locale by which dates and numbers are written."""
    return FORMATS.get(language, language)
