"""One line at the pages: entered, understood, refused, and gone on with."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import TimeEntry, User
from app.services import catalogue
from tests.conftest import NOON, Browser


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def website(session: Session, owner: User) -> int:
    acme = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    made = catalogue.save_project(
        session, owner, None, name="New Website", client=acme, color=2, billable=True, now=NOON
    )
    session.commit()
    return made.id


def entries(session: Session) -> list[TimeEntry]:
    return list(session.scalars(TimeEntry.with_subject(select(TimeEntry)).order_by(TimeEntry.id)).unique())


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """By the clock of Berlin in November."""
    return datetime(2026, 11, day, hour - 1, minute, tzinfo=UTC)


@pytest.mark.engines
def test_a_line_adds_an_entry(as_owner: Browser, session: Session, website: int) -> None:
    answer = as_owner.post(
        "/line", data={"line": 'fix login @"acme/new website" #bug 9-10:30', "next": "/time-entries"}
    )

    assert (answer.status_code, answer.location) == (303, "/time-entries")
    (made,) = entries(session)
    assert (made.description, made.project_id, [tag.name for tag in made.tags]) == ("fix login", website, ["bug"])
    assert (made.started_at, made.ended_at, made.billable) == (at(17, 9), at(17, 10, 30), True)
    assert "09:00 to 10:30, 1:30 hours" in as_owner.get("/time-entries").text


def test_a_duration_on_another_day_follows_what_is_there(as_owner: Browser, session: Session) -> None:
    as_owner.post("/line", data={"line": "yesterday 9-10 plan"})
    as_owner.post("/line", data={"line": "yesterday 2h standup"})

    assert [(one.started_at, one.ended_at) for one in entries(session)] == [
        (at(16, 9), at(16, 10)),
        (at(16, 10), at(16, 12)),
    ]
    assert entries(session)[1].local_date == date(2026, 11, 16)


@pytest.mark.usefixtures("website")
def test_what_lies_over_other_time_is_told(as_owner: Browser) -> None:
    as_owner.post("/line", data={"line": "9-10 <plan>"})
    as_owner.post("/line", data={"line": "9:30-11 call"})

    assert "It overlaps with “&lt;plan&gt;”, 09:00 to 10:00." in as_owner.get("/time-entries").text


def test_a_line_without_time_starts_the_timer(as_owner: Browser, session: Session, website: int) -> None:
    as_owner.post("/line", data={"line": "write offer @new"})

    (made,) = entries(session)
    assert (made.description, made.project_id, made.ended_at) == ("write offer", website, None)


@pytest.mark.engines
def test_what_nobody_sees_is_left_out(as_owner: Browser, session: Session) -> None:
    assert as_owner.get("/line/completions", query_string={"line": "f\x00o"}).status_code == 200
    assert as_owner.post("/line", data={"line": "1h\x00fix\x07 it"}).status_code == 303

    assert [one.description for one in entries(session)] == ["fix it"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "Write what you do"),
        ("yesterday plan", "When was it that day?"),
        ("9-10 x @nobody", "There is no open project called nobody."),
        ("23h59 x", "The day is not that old yet."),
        (" ".join(f"#t{n}" for n in range(60)) + " 1h", "Use at most 50 tags."),
        ("1h " + "x" * 3100, "Use at most"),
    ],
)
def test_what_cannot_be_entered_is_told_and_stays_as_typed(
    as_owner: Browser, session: Session, line: str, sentence: str
) -> None:
    answer = as_owner.post("/line", data={"line": line})

    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{line[:50]}' in answer.text
    assert entries(session) == []


@pytest.mark.usefixtures("website")
class TestWhatIsUnderstood:
    def chips(self, browser: Browser, line: str) -> list[str]:
        page = browser.get("/line/understood", query_string={"line": line}).text
        found = re.findall(r"<button[^>]*>(.*?)</button>", page, re.DOTALL)
        return [" ".join(re.sub(r"<[^>]+>", "", chip).split()) for chip in found]

    def test_stands_as_chips_in_the_order_of_the_line(self, as_owner: Browser) -> None:
        assert self.chips(as_owner, "fix login @new #bug 9-10:30") == [
            "fix login",
            "New Website · Acme",
            "bug",
            "9-10:30 = 1:30",
        ]

    def test_says_what_a_project_is_not(self, as_owner: Browser) -> None:
        page = as_owner.get("/line/understood", query_string={"line": "x @<b>"}).text

        assert "There is no open project called &lt;b&gt;." in page
        assert "<b>" not in page

    def test_leads_to_separate_fields_with_all_of_it(self, as_owner: Browser, website: int) -> None:
        page = as_owner.get("/line/understood", query_string={"line": "fix @new #bug yesterday 9-10:30"}).text
        address = re.search(r'href="(/time-entries/new[^"]+)"', page)
        assert address is not None

        form = as_owner.get(address[1].replace("&amp;", "&")).text

        for value in ('value="fix"', 'value="bug"', 'value="2026-11-16"', 'value="9-10:30"'):
            assert value in form
        assert re.search(rf'<option selected value="{website}"', form)


@pytest.mark.engines
class TestItGoesOnWith:
    def asked(self, browser: Browser, line: str, caret: int | None = None) -> list[Any]:
        query: dict[str, Any] = {"line": line} | ({"caret": caret} if caret is not None else {})
        found = browser.get("/line/completions", query_string=query).json
        assert isinstance(found, list)
        return found

    def test_projects_of_the_catalogue(self, as_owner: Browser, website: int) -> None:
        (found,) = self.asked(as_owner, "fix @web")

        assert found == {"start": 4, "end": 8, "text": '@"New Website"', "shown": "New Website · Acme", "more": ""}
        assert self.asked(as_owner, "fix @") == [found | {"end": 5}]

    def test_client_and_project_where_a_name_is_not_enough(
        self, as_owner: Browser, session: Session, owner: User, website: int
    ) -> None:
        catalogue.save_project(session, owner, None, name="New Website", client=None, color=2, billable=True, now=NOON)
        session.commit()

        assert {one["text"] for one in self.asked(as_owner, "@new")} == {'@"Acme/New Website"', '@"New Website"'}

    def test_tags(self, as_owner: Browser) -> None:
        as_owner.post("/line", data={"line": '1h x #bug #"on site"'})

        assert [one["text"] for one in self.asked(as_owner, "y #")] == ["#bug", '#"on site"']
        assert [one["text"] for one in self.asked(as_owner, "y #SITE")] == ['#"on site"']

    def test_what_the_person_entered_before_the_latest_first(
        self, as_owner: Browser, as_colleague: Browser, website: int
    ) -> None:
        as_owner.post("/line", data={"line": "1h Plan the week @new"})
        as_owner.post("/line", data={"line": "9-9:30 plan lunch"})
        as_owner.post("/line", data={"line": "8-9 plan lunch"})
        as_colleague.post("/line", data={"line": "1h plan a secret"})

        assert [one["text"] for one in self.asked(as_owner, "pla")] == [
            'Plan the week @"Acme/New Website"',
            "plan lunch",
        ]

    def test_letters_of_any_language_in_any_case(self, as_owner: Browser) -> None:
        as_owner.post("/line", data={"line": "1h Übergabe 🎉"})

        for begun in ("übergabe", "ÜBER", "Übergabe 🎉"):
            (found,) = self.asked(as_owner, begun)
            assert (found["start"], found["end"], found["text"]) == (0, len(begun), "Übergabe 🎉")

    @pytest.mark.parametrize("line", ["fix ", "fix #bug pla", "", "%", "_"])
    def test_nothing_where_nothing_is_begun(self, as_owner: Browser, line: str) -> None:
        as_owner.post("/line", data={"line": "1h plan"})

        assert self.asked(as_owner, line) == []


def test_strangers_enter_nothing(stranger: Browser) -> None:
    for address in ("/line", "/line/understood", "/line/completions"):
        assert stranger.get(address).location.startswith("/login")
    assert stranger.post("/line", data={"line": "1h x"}).location.startswith("/login")
