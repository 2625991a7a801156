"""The demo by a click: made, shown once, and taken away."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import TimeEntry, User
from app.routes import demo as route
from app.services import demo
from tests.conftest import Browser


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small company is made in a moment."""
    few = partial(demo.Plan, users=3, projects=3, entries=60, years=1)
    monkeypatch.setattr("app.routes.demo.demo.Plan", few)
    monkeypatch.setattr(few, "language", "en", raising=False)


def count(session: Session, kind: type[TimeEntry | User]) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(kind)) or 0


def test_one_of_its_people_can_sign_in_with_what_is_shown_once(
    as_administrator: Browser, browser: Callable[[], Browser]
) -> None:
    page = as_administrator.post("/admin/demo").text
    name, password = re.findall(r"<dd><code>([^<]+)</code></dd>", page)

    visitor = browser()
    assert visitor.sign_in(name, password).location == "/"
    assert "Remove the demo" in as_administrator.get("/admin/about").text


def test_all_of_it_goes_with_a_click(as_administrator: Browser, session: Session) -> None:
    before = count(session, User)
    as_administrator.post("/admin/demo")
    assert count(session, TimeEntry) > 0

    answer = as_administrator.post("/admin/demo/remove")

    assert answer.location == "/admin/about"
    assert (count(session, TimeEntry), count(session, User)) == (0, before)
    assert "Make a demo company" in as_administrator.get("/admin/about").text


def test_what_takes_too_long_goes_on_with_the_next_click(
    as_administrator: Browser, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_administrator.post("/admin/demo")
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0)
    as_administrator.post("/admin/demo/remove")
    assert "left" in as_administrator.get("/admin/about").text
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 60)
    as_administrator.post("/admin/demo/remove")
    assert count(session, TimeEntry) == 0


def test_it_is_refused_where_somebody_has_entered_time(as_administrator: Browser, session: Session) -> None:
    as_administrator.post("/timer/start")
    answer = as_administrator.post("/admin/demo")
    assert answer.status_code == 409
    assert "Somebody has entered time here" in answer.text
    assert count(session, TimeEntry) == 1


@pytest.mark.parametrize("act", ["/admin/demo", "/admin/demo/remove"])
def test_it_is_the_administrators(as_owner: Browser, stranger: Browser, act: str) -> None:
    assert as_owner.post(act).status_code == 403
    assert stranger.post(act).location.startswith("/login")


def test_a_new_house_offers_it_to_the_administrator_only(as_administrator: Browser, as_owner: Browser) -> None:
    assert "a demo company" in as_administrator.get("/").text
    assert "a demo company" not in as_owner.get("/").text
