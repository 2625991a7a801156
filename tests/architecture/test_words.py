"""Every language is complete: no word is left out, and none says something else than the code fills in."""

import re
import runpy
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message

from app.routes import words
from tests.architecture.test_house_rules import ROOT

TOOL = runpy.run_path(str(ROOT / "tools" / "words.py"))
EXTRACTED: Catalog = TOOL["extracted"]()
LANGUAGES = sorted(code for code in words.languages() if code != words.SOURCE)


def messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def in_english(message: Message) -> tuple[str, ...]:
    return message.id if isinstance(message.id, tuple) else (str(message.id),)


def translated(message: Message) -> tuple[str, ...]:
    if isinstance(message.string, tuple | list):
        return tuple(message.string)
    return (str(message.string or ""),)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)[sd]", text))


def test_english_and_german_and_one_more_are_there() -> None:
    assert {"en", "de", "nl"} <= set(words.languages())
    assert words.languages()["de"] == "Deutsch"


@pytest.mark.parametrize("language", LANGUAGES)
class TestALanguage:
    def test_leaves_no_word_out(self, language: str) -> None:
        found = TOOL["catalog"](language)
        missing = [
            message.id
            for message in messages(EXTRACTED)
            if (there := found.get(message.id)) is None or not all(text.strip() for text in translated(there))
        ]
        assert not missing, f"run tools/words.py and translate in app/translations/{language}.po: {missing}"

    def test_keeps_no_word_that_is_gone_and_guesses_none(self, language: str) -> None:
        found = TOOL["catalog"](language)
        gone = [message.id for message in messages(found) if EXTRACTED.get(message.id) is None]
        guessed = [message.id for message in messages(found) if message.fuzzy]
        assert not gone + guessed, f"run tools/words.py, then look at {gone + guessed}"

    def test_fills_in_what_the_english_fills_in(self, language: str) -> None:
        wrong = [
            message.id
            for message in messages(TOOL["catalog"](language))
            for text in translated(message)
            if placeholders(text) - {"num"} != placeholders(in_english(message)[-1]) - {"num"}
        ]
        assert not wrong, f"the names in %(…)s must be the English ones: {wrong}"

    def test_has_as_many_plurals_as_its_rule_asks_for(self, language: str) -> None:
        found = TOOL["catalog"](language)
        wrong = [m.id for m in messages(found) if isinstance(m.id, tuple) and len(translated(m)) != found.num_plurals]
        assert not wrong

    def test_keeps_blanks_at_the_ends_where_sentences_are_joined(self, language: str) -> None:
        wrong = [
            message.id
            for message in messages(TOOL["catalog"](language))
            for english, text in zip(in_english(message), translated(message), strict=False)
            if (english[:1].isspace(), english[-1:].isspace()) != (text[:1].isspace(), text[-1:].isspace())
        ]
        assert not wrong
