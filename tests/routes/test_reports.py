"""The pages that show where the time went, and the pulse of a person's other pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from sqlalchemy.orm import Session

from app.models import User
from tests.conftest import NOON, Browser, length_shown

WORDS = {"description": "work", "date": "2026-11-17", "time": "9-10:30"}


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


class TestTheYear:
    def test_is_shown_with_its_numbers_as_a_table(self, as_owner: Browser) -> None:
        as_owner.post("/time-entries", WORDS)
        page = as_owner.get("/reports").text
        assert "Year 2026" in page
        assert length_shown("1:30:00") in page
        assert 'aria-label="November: 1:30:00"' in page

    def test_without_time_says_what_will_be_here(self, as_owner: Browser) -> None:
        assert "No time in 2026" in as_owner.get("/reports").text

    @pytest.mark.parametrize("asked", ["x", "0", "-1", "99999", "2026.5", "9" * 30])
    def test_of_nonsense_is_this_year(self, as_owner: Browser, asked: str) -> None:
        assert "2026" in as_owner.get(f"/reports?year={asked}").text

    def test_is_ones_own(self, as_owner: Browser, as_administrator: Browser) -> None:
        as_owner.post("/time-entries", WORDS)
        assert "No time in 2026" in as_administrator.get("/reports").text

    def test_of_a_stranger_is_sent_to_the_sign_in(self, stranger: Browser) -> None:
        assert stranger.get("/reports").location.startswith("/login")

    def test_asks_no_more_statements_for_more_time(self, as_owner: Browser, statements: list[str]) -> None:
        as_owner.get("/reports")
        statements.clear()
        as_owner.get("/reports")
        few = len(statements)
        for month in range(1, 11):
            as_owner.post("/time-entries", WORDS | {"date": f"2026-{month:02}-01"})
        statements.clear()
        as_owner.get("/reports")
        assert len(statements) == few


class TestThePulse:
    def asked(self, browser: Browser, stamp: str | None = None) -> tuple[int, str]:
        answer = browser.get("/pulse", headers={"X-Background": "1"} | ({"If-None-Match": stamp} if stamp else {}))
        return answer.status_code, answer.headers["ETag"]

    def test_says_nothing_new_until_the_person_changes_something(
        self, as_owner: Browser, as_colleague: Browser
    ) -> None:
        status, stamp = self.asked(as_owner)
        assert status == 200
        as_colleague.post("/time-entries", WORDS)
        assert self.asked(as_owner, stamp)[0] == 304

        for act, words in (
            ("/time-entries", WORDS),
            ("/timer/start", {}),
            ("/timer/stop", {}),
            ("/projects", {"name": "Website", "color": "1"}),
            ("/profile/edit", {"theme": "dark"}),
        ):
            as_owner.post(act, words)
            status, newer = self.asked(as_owner, stamp)
            assert (status, newer != stamp) == (200, True), act
            stamp = newer

    def test_beats_again_on_the_next_day(self, as_owner: Browser, traveller: time_machine.Traveller) -> None:
        _, stamp = self.asked(as_owner)
        traveller.shift(12 * 3600)
        assert self.asked(as_owner, stamp)[0] == 200

    def test_stands_in_the_page_it_is_compared_with(self, as_owner: Browser) -> None:
        _, stamp = self.asked(as_owner)
        assert f"data-live-stamp-value={stamp}" in as_owner.get("/").text

    def test_asks_only_who_it_is(self, as_owner: Browser, statements: list[str]) -> None:
        self.asked(as_owner)
        statements.clear()
        self.asked(as_owner)
        assert len(statements) == 1

    def test_is_not_somebody_being_there(
        self,
        as_owner: Browser,
        session: Session,
        owner: User,
        traveller: time_machine.Traveller,
        statements: list[str],
    ) -> None:
        traveller.shift(3600)
        statements.clear()
        self.asked(as_owner)
        assert not [statement for statement in statements if statement.startswith("UPDATE")]


class TestAbout:
    def test_tells_an_administrator_what_this_is(self, as_administrator: Browser) -> None:
        page = as_administrator.get("/admin/about").text
        assert "SQLite" in page
        assert "a folder of this machine" in page
        assert "The schema is up to date." in page

    @pytest.mark.engines
    def test_speaks_of_either_engine(self, as_administrator: Browser) -> None:
        assert as_administrator.get("/admin/about").status_code == 200

    def test_is_not_open_to_others(self, as_owner: Browser, stranger: Browser) -> None:
        assert as_owner.get("/admin/about").status_code == 403
        assert stranger.get("/admin/about").location.startswith("/login")

    def test_shows_findings_with_what_mends_them(self, as_administrator: Browser, environment: dict[str, str]) -> None:
        Path(environment["DATA_DIR"], "secret_key").chmod(0o644)
        page = as_administrator.get("/admin/about").text
        assert "can be read by others" in page
        assert "chmod 600" in page
