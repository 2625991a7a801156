"""Today at its page."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import url_for
from sqlalchemy.orm import Session

from app.db import Application
from app.models import Source, TimeEntry, User
from app.routes import answers
from app.services import catalogue
from tests.conftest import NOON, Browser, length_shown

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def book(session: Session, user: User, start: datetime, length: timedelta | None, name: str = "") -> TimeEntry:
    entry = TimeEntry(user_id=user.id, source=Source.MANUAL, description=name, created_at=NOON, updated_at=NOON)
    entry.take_span(start, start + length if length is not None else None, user.zone)
    session.add(entry)
    session.commit()
    return entry


def furnish(session: Session, user: User, numbers: range) -> None:
    """Entries that each have a project, client, task and tag of their own."""
    for number in numbers:
        client = catalogue.save_client(session, user, None, name=f"client {number}", color=1, now=NOON)
        project = catalogue.save_project(
            session, user, None, name=f"project {number}", client=client, color=1, billable=True, now=NOON
        )
        entry = TimeEntry(user_id=user.id, source=Source.MANUAL, created_at=NOON, updated_at=NOON)
        entry.take_span(NOON - HOUR - timedelta(minutes=number), NOON - timedelta(minutes=number), user.zone)
        entry.project, entry.task = project, catalogue.task_named(session, user, project, "task", NOON)
        entry.tags = catalogue.tags_named(session, user, [f"tag {number}", "common"], NOON)
        session.add(entry)
    session.commit()


@pytest.mark.engines
def test_it_shows_what_runs_and_counts_it_up_to_now(as_owner: Browser, session: Session, owner: User) -> None:
    book(session, owner, NOON - 3 * HOUR, HOUR, "done")
    book(session, owner, NOON - HOUR / 2, None, "runs")
    page = as_owner.get("/").text
    assert ("runs" in page, "done" in page) == (True, True)
    assert page.count(length_shown("1:30:00")) >= 2  # the week and the day


def test_it_shows_nobody_elses_time(as_administrator: Browser, session: Session, owner: User) -> None:
    book(session, owner, NOON - 3 * HOUR, HOUR, "private words")
    assert "private words" not in as_administrator.get("/").text


def test_it_invites_whoever_has_no_time_yet(as_owner: Browser) -> None:
    assert "Ways to begin" in as_owner.get("/").text


def test_a_stranger_is_sent_to_sign_in(stranger: Browser) -> None:
    assert stranger.get("/").location == "/login"


def test_it_costs_as_many_statements_however_much_there_is(
    as_owner: Browser, session: Session, owner: User, statements: list[str]
) -> None:
    book(session, owner, NOON - HOUR / 2, None, "runs")
    counts = []
    for numbers in (range(5), range(5, 60)):
        furnish(session, owner, numbers)
        statements.clear()
        assert as_owner.get("/").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10


def test_the_addresses_written_out_for_rows_are_those_of_the_routes(app: Application) -> None:
    entry = TimeEntry(id=7, ended_at=NOON)
    with app.test_request_context():
        assert answers.edit_url(entry, "/projects") == url_for("time_entries.edit", entry_id=7, next="/projects")
        assert answers.act_url(entry) == url_for("timer.continue_", entry_id=7)
        assert answers.act_url(TimeEntry(id=7)) == url_for("timer.stop")
