#!/usr/bin/env python3
"""Brings the files of app/translations up to date with the words of the code.

    tools/words.py            update every language
    tools/words.py nl         add a language, or update one

New words stand there without a translation; tests/architecture/test_words.py fails until each has one.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.config import VERSION

APP = Path(__file__).resolve().parent.parent / "app"
TRANSLATIONS = APP / "translations"
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "lazy_ngettext": (1, 2)}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
BEGAN = datetime(2026, 11, 22, tzinfo=UTC)


def main() -> int:
    words = extracted()
    for language in sys.argv[1:] or sorted(path.stem for path in TRANSLATIONS.glob("*.po")):
        update(language, words)
    return 0


def extracted() -> Catalog:
    """All words of the code, with the places where they stand."""
    words = Catalog(project="TimeTracker", fuzzy=False, creation_date=BEGAN)  # a date would change at each run
    found = extract_from_dir(APP, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("For translators:",))
    for file, line, message, comments, context in sorted(found, key=lambda place: (place[0], place[1])):
        words.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return words


def catalog(language: str) -> Catalog:
    """The file of a language, or an empty one."""
    file = TRANSLATIONS / f"{language}.po"
    if not file.exists():
        return Catalog(
            locale=language,
            header_comment=f"# TimeTracker in {Locale.parse(language).english_name}.",
            project="TimeTracker",
            version=VERSION,
            last_translator="TimeTracker",
            language_team="TimeTracker",
            msgid_bugs_address="see README.md",
            fuzzy=False,
            revision_date=BEGAN,
        )
    with file.open("rb") as source:
        return read_po(source, locale=language)


def update(language: str, words: Catalog) -> None:
    """Keeps what is translated, adds what is new, drops what is gone; nothing is guessed."""
    found = catalog(language)
    found.update(words, no_fuzzy_matching=True)
    found.obsolete.clear()
    found.fuzzy = False
    with (TRANSLATIONS / f"{language}.po").open("wb") as target:
        write_po(target, found, width=110, omit_header=False, sort_by_file=True, include_lineno=False)


if __name__ == "__main__":
    sys.exit(main())
