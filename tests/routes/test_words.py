"""The language of a page: the person's choice, else the browser's; dates and numbers follow it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import User
from app.routes import words
from app.services import accounts
from tests.conftest import NOON, Browser

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.mark.parametrize(
    ("asked", "heading"),
    [
        ("de-AT,de;q=0.9", "Anmelden"),
        ("nl", "Inloggen"),
        ("fr,ja", "Sign in"),
        ("", "Sign in"),
        ("\xff;q=x", "Sign in"),
        ("en-US,de", "Sign in"),
    ],
)
def test_a_stranger_is_spoken_to_as_the_browser_asks(stranger: Browser, asked: str, heading: str) -> None:
    assert f"<h1>{heading}</h1>" in stranger.get("/login", headers={"Accept-Language": asked}).text


def test_the_persons_choice_goes_before_the_browsers(as_owner: Browser) -> None:
    assert 'lang="de"' in as_owner.get("/", headers=GERMAN).text
    as_owner.post("/profile/edit", {"preferred_language": "nl"})
    page = as_owner.get("/", headers=GERMAN).text
    assert 'lang="nl"' in page
    assert "Vandaag" in page


def test_a_language_that_is_gone_is_no_mistake(as_owner: Browser, session: Session, owner: User) -> None:
    owner.preferred_language = "xx"
    session.commit()
    assert 'lang="en"' in as_owner.get("/").text


@pytest.mark.parametrize(
    ("language", "day", "full"),
    [("en", "Tue 17 Nov", "17 November 2026"), ("de", "Di. 17. Nov", "17. November 2026"), ("nl", "di 17 nov", "2026")],
)
def test_dates_are_said_as_the_language_says_them(as_owner: Browser, language: str, day: str, full: str) -> None:
    as_owner.post("/profile/edit", {"preferred_language": language})
    page = as_owner.get("/").text
    assert day in page
    assert full in page


def test_what_a_form_refuses_is_said_in_the_language_even_by_the_library(as_owner: Browser) -> None:
    as_owner.post("/profile/edit", {"preferred_language": "de"})
    page = as_owner.post("/profile/edit", {"week_start": "9"}).text
    assert "Not a valid choice" not in page
    assert "Keine gültige Auswahl" in page


@pytest.mark.parametrize(
    ("asked", "week_start", "clock"), [("en-US", 6, "12h"), ("de", 0, "24h"), ("ar-EG", 5, "12h"), ("x", 0, "24h")]
)
def test_who_joins_finds_the_week_and_the_clock_of_their_country(
    stranger: Browser, session: Session, administrator: User, asked: str, week_start: int, clock: str
) -> None:
    user = accounts.create(session, "new", now=NOON)
    token = accounts.make_link(session, accounts.Purpose.JOIN, user, NOON)
    session.commit()
    word = "a long new secret"

    stranger.post(f"/join/{token}", {"password": word, "password_confirm": word}, headers={"Accept-Language": asked})

    session.expire_all()
    user = session.scalars(select(User).where(User.username == "new")).one()
    assert (user.week_start, user.time_format) == (week_start, clock)


def test_a_new_password_by_a_link_changes_no_habit(stranger: Browser, session: Session, owner: User) -> None:
    token = accounts.make_link(session, accounts.Purpose.RESET, owner, NOON)
    session.commit()
    word = "a long new secret"
    stranger.post(f"/join/{token}", {"password": word, "password_confirm": word}, headers={"Accept-Language": "en-US"})
    session.refresh(owner)
    assert (owner.week_start, owner.time_format) == (0, "24h")


def test_one_file_is_one_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "eo.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Today"\nmsgstr "Hodiaŭ"\n'
    )
    monkeypatch.setattr(words, "TRANSLATIONS", tmp_path)
    words.languages.cache_clear()
    words.catalogue.cache_clear()
    try:
        assert words.languages() == {"en": "English", "eo": "Esperanto"}
        assert words.catalogue("eo").ugettext("Today") == "Hodiaŭ"
        assert words.catalogue("eo").ugettext("Time") == "Time"
    finally:
        words.languages.cache_clear()
        words.catalogue.cache_clear()
