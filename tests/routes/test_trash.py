"""Undo at the pages, the trash, and two edits of one entry."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Project, Tag, TimeEntry, User
from app.services import catalogue
from tests.conftest import NOON, Browser

WORDS = {"description": "work", "date": "2026-11-17", "time": "9-10"}


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def entry(as_owner: Browser, session: Session, owner: User) -> TimeEntry:
    as_owner.post("/time-entries", WORDS | {"tags": "bug"})
    return session.scalars(select(TimeEntry)).one()


@pytest.fixture
def project(session: Session, owner: User) -> Project:
    acme = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    made = catalogue.save_project(session, owner, None, name="Website", client=acme, color=2, billable=True, now=NOON)
    session.commit()
    return made


def undo_offered(browser: Browser, page: str = "/") -> str:
    found = re.search(r'action="([^"]+)" data-toast-target="undo"', browser.get(page).text)
    assert found, "no toast with a button to undo"
    return found[1]


def anew(session: Session, entry: TimeEntry) -> TimeEntry:
    session.rollback()
    session.refresh(entry)
    return entry


class TestUndo:
    def test_is_offered_once_after_each_act_and_takes_it_back(
        self, as_owner: Browser, session: Session, entry: TimeEntry
    ) -> None:
        as_owner.get("/")  # the notice of adding
        as_owner.post(f"/time-entries/{entry.id}/delete")
        address = undo_offered(as_owner)
        assert 'data-toast-target="undo"' not in as_owner.get("/").text

        answer = as_owner.post(address, {"next": "/time-entries"})

        assert (answer.status_code, answer.location) == (303, "/time-entries")
        assert anew(session, entry).deleted_at is None

    @pytest.mark.parametrize("act", ["/timer/start", "/timer/continue/{id}", "/time-entries"])
    def test_is_offered_for_the_timer_and_for_what_is_added(
        self, as_owner: Browser, entry: TimeEntry, act: str
    ) -> None:
        as_owner.get("/")
        as_owner.post(act.format(id=entry.id), WORDS)
        assert undo_offered(as_owner).startswith("/time-entries/undo/")

    def test_of_somebody_else_does_not_exist(
        self, as_owner: Browser, as_colleague: Browser, as_administrator: Browser, session: Session, entry: TimeEntry
    ) -> None:
        address = undo_offered(as_owner)
        assert [browser.post(address).status_code for browser in (as_colleague, as_administrator)] == [404, 404]
        assert anew(session, entry).deleted_at is None

    def test_of_a_stranger_is_sent_to_the_sign_in(self, stranger: Browser) -> None:
        assert stranger.post("/time-entries/undo/x").location.startswith("/login")

    def test_of_what_was_changed_since_changes_nothing(
        self, as_owner: Browser, session: Session, entry: TimeEntry
    ) -> None:
        address = undo_offered(as_owner)
        as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "more"})
        assert as_owner.post(address).status_code == 409
        assert anew(session, entry).description == "more"

    def test_a_page_fetched_in_the_background_takes_no_notice_away(self, as_owner: Browser, entry: TimeEntry) -> None:
        assert "data-toast-target" not in as_owner.get("/", headers={"X-Background": "1"}).text
        assert undo_offered(as_owner)


class TestTwoEditsOfOneEntry:
    def test_the_second_is_told_and_keeps_its_words(
        self, as_owner: Browser, session: Session, entry: TimeEntry
    ) -> None:
        page = as_owner.get(f"/time-entries/{entry.id}").text
        assert f'name="version" value="{entry.version}"' in page
        as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "first", "version": entry.version})

        second = WORDS | {"description": "second <b>", "time": "9-12", "version": entry.version}
        refused = as_owner.post(f"/time-entries/{entry.id}", second)

        assert refused.status_code == 409
        assert 'value="second &lt;b&gt;"' in refused.text
        assert 'value="9-12"' in refused.text
        assert re.search(r"<strong>.*first.*</strong>", refused.text)
        assert anew(session, entry).description == "first"

        again = second | {"version": re.findall(r'name="version" value="(\d+)"', refused.text)[0]}
        assert as_owner.post(f"/time-entries/{entry.id}", again).status_code == 303
        assert anew(session, entry).description == "second <b>"

    def test_a_form_refused_for_its_words_has_seen_no_newer_version(
        self, as_owner: Browser, session: Session, entry: TimeEntry
    ) -> None:
        as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "first", "version": entry.version})
        wrong = WORDS | {"description": "second", "date": "nonsense", "version": entry.version + 1}
        refused = as_owner.post(f"/time-entries/{entry.id}", wrong)
        assert refused.status_code == 422
        as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "third"})
        seen = re.findall(r'name="version" value="(\d+)"', refused.text)[0]
        assert as_owner.post(f"/time-entries/{entry.id}", WORDS | {"version": seen}).status_code == 409
        assert anew(session, entry).description == "third"

    def test_a_form_without_a_version_is_not_asked(self, as_owner: Browser, session: Session, entry: TimeEntry) -> None:
        as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "first"})
        assert as_owner.post(f"/time-entries/{entry.id}", WORDS | {"description": "second"}).status_code == 303


class TestTheTrash:
    def test_says_that_it_is_empty(self, as_owner: Browser) -> None:
        assert "The trash is empty" in as_owner.get("/trash").text

    def test_holds_an_entry_for_thirty_days_and_gives_it_back(
        self, as_owner: Browser, session: Session, entry: TimeEntry, traveller: time_machine.Traveller
    ) -> None:
        as_owner.post(f"/time-entries/{entry.id}/delete")
        assert "30 days left" in as_owner.get("/trash").text
        assert "work" not in as_owner.get("/time-entries?range=all").text.split("<main")[1].split("</main>")[0]

        answer = as_owner.post(f"/trash/time-entries/{entry.id}/undelete")

        assert answer.location == "/trash"
        assert anew(session, entry).deleted_at is None
        assert as_owner.post(f"/trash/time-entries/{entry.id}/undelete").status_code == 404

    @pytest.mark.parametrize("kind", ["projects", "clients"])
    def test_holds_what_is_deleted_and_undo_gives_it_back(
        self, as_owner: Browser, session: Session, project: Project, kind: str
    ) -> None:
        record = project if kind == "projects" else project.client
        assert record is not None
        answer = as_owner.post(f"/{kind}/{record.id}/delete")
        assert answer.location == f"/{kind}"
        assert f"/{kind}/{record.id}" not in as_owner.get(f"/{kind}?archived=0", headers={"X-Background": "1"}).text
        assert as_owner.get(f"/{kind}/{record.id}", headers={"X-Background": "1"}).status_code == 404
        assert record.name in as_owner.get("/trash", headers={"X-Background": "1"}).text

        assert as_owner.post(undo_offered(as_owner)).status_code == 303
        assert as_owner.get(f"/{kind}/{record.id}").status_code == 200

    def test_of_another_is_not_open_but_the_administrator_brings_back_what_is_shared(
        self,
        as_owner: Browser,
        as_colleague: Browser,
        as_administrator: Browser,
        session: Session,
        project: Project,
        entry: TimeEntry,
    ) -> None:
        as_owner.post(f"/projects/{project.id}/delete")
        as_owner.post(f"/time-entries/{entry.id}/delete")
        assert "Website" not in as_colleague.get("/trash").text
        assert as_colleague.post(f"/trash/projects/{project.id}/undelete").status_code == 404
        assert as_colleague.post(f"/trash/time-entries/{entry.id}/undelete").status_code == 404
        assert as_administrator.post(f"/trash/time-entries/{entry.id}/undelete").status_code == 404
        assert as_administrator.post(f"/trash/projects/{project.id}/undelete").status_code == 303

    @pytest.mark.parametrize("kind", ["projects", "clients", "tags"])
    def test_is_not_filled_by_a_colleague(
        self, as_owner: Browser, as_colleague: Browser, session: Session, project: Project, entry: TimeEntry, kind: str
    ) -> None:
        tag = session.scalars(select(Tag)).one()
        key = {"projects": project.id, "clients": project.client_id, "tags": tag.id}[kind]
        assert as_colleague.post(f"/{kind}/{key}/delete").status_code == 403
        assert as_owner.post(f"/{kind}/{key}/delete").status_code == 303

    def test_gives_back_no_name_that_was_given_away(self, as_owner: Browser, project: Project) -> None:
        as_owner.post(f"/projects/{project.id}/delete")
        as_owner.post("/projects", {"name": "Website", "client": project.client_id, "color": "1"})
        answer = as_owner.post(f"/trash/projects/{project.id}/undelete")
        assert answer.status_code == 409
        assert "Rename one of them first" in answer.text

    @pytest.mark.parametrize("kind", ["projects", "clients", "tags", "time-entries"])
    def test_knows_no_number_that_is_too_large(self, as_owner: Browser, kind: str) -> None:
        assert as_owner.post(f"/trash/{kind}/99999999999999999999/undelete").status_code == 404

    def test_counts_its_statements_whatever_lies_in_it(
        self, as_owner: Browser, session: Session, entry: TimeEntry, statements: list[str]
    ) -> None:
        as_owner.post(f"/time-entries/{entry.id}/delete")
        as_owner.get("/trash")
        statements.clear()
        as_owner.get("/trash")
        few = len(statements)
        for _ in range(5):
            as_owner.post("/time-entries", WORDS | {"tags": "a,b"})
        session.execute(update(TimeEntry).values(deleted_at=NOON))
        session.commit()
        statements.clear()
        as_owner.get("/trash")
        assert len(statements) <= few, statements


class TestATag:
    def test_is_listed_renamed_and_deleted(self, as_owner: Browser, session: Session, entry: TimeEntry) -> None:
        tag = session.scalars(select(Tag)).one()
        assert f'href="/tags/{tag.id}"' in as_owner.get("/tags").text
        assert as_owner.post(f"/tags/{tag.id}", {"name": "defect"}).status_code == 303
        assert "defect" in as_owner.get("/tags?q=DEF").text
        assert "defect" not in as_owner.get("/tags?q=nothing").text.split("<main")[1]

        as_owner.post(f"/tags/{tag.id}/delete")
        assert "defect" not in as_owner.get("/time-entries?range=all", headers={"X-Background": "1"}).text
        as_owner.post(undo_offered(as_owner))
        assert "defect" in as_owner.get("/time-entries?range=all").text

    @pytest.mark.parametrize("name", ["", "a,b", "OTHER", "x" * 101])
    def test_is_refused_a_name_that_cannot_be_used(
        self, as_owner: Browser, session: Session, entry: TimeEntry, name: str
    ) -> None:
        as_owner.post("/time-entries", WORDS | {"tags": "other"})
        tag = session.scalars(select(Tag).where(Tag.name == "bug")).one()
        answer = as_owner.post(f"/tags/{tag.id}", {"name": name})
        assert answer.status_code == 422
        assert "invalid-feedback" in answer.text

    def test_of_anothers_making_is_seen_but_not_changed(
        self, as_owner: Browser, as_colleague: Browser, session: Session, entry: TimeEntry
    ) -> None:
        tag = session.scalars(select(Tag)).one()
        assert "bug" in as_colleague.get("/tags").text
        assert as_colleague.get(f"/tags/{tag.id}").status_code == 403
        assert as_colleague.post(f"/tags/{tag.id}", {"name": "x"}).status_code == 403


def test_who_was_signed_out_meanwhile_gets_the_typed_words_back(as_owner: Browser) -> None:
    refused = as_owner.client.post(
        "/time-entries", data=WORDS | {"description": "a <b>long</b> text", "next": "/trash"}
    )
    assert refused.status_code == 400
    assert "a &lt;b&gt;long&lt;/b&gt; text" in refused.text
    assert 'href="/trash"' in refused.text
