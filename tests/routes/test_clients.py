"""Clients at their pages, for each of the cast."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Client, User
from app.services import catalogue
from tests.conftest import NOON, Browser

HUGE = "99999999999999999999"
WORDS = {"name": "Acme", "color": "3"}
PATHS = ["/clients/{}", "/clients/{}/archive", "/clients/{}/restore"]


@pytest.fixture
def client(session: Session, owner: User) -> Client:
    made = catalogue.save_client(session, owner, None, name="Acme", color=1, now=NOON)
    session.commit()
    return made


def clients(session: Session) -> list[Client]:
    session.rollback()
    return list(session.scalars(select(Client).order_by(Client.id), execution_options={"populate_existing": True}))


def names_on(page: str) -> list[str]:
    return re.findall(r'class="cut record-name"[^>]* title="([^"]*)"', page)


@pytest.mark.engines
def test_anybody_signed_in_adds_a_client_and_everybody_sees_it(
    as_owner: Browser, as_colleague: Browser, session: Session, owner: User
) -> None:
    answer = as_owner.post("/clients", WORDS)
    [made] = clients(session)
    assert (answer.status_code, answer.location) == (303, "/clients")
    assert (made.name, made.color, made.created_by_id) == ("Acme", 3, owner.id)
    assert names_on(as_colleague.get("/clients").text) == ["Acme"]
    assert ">Acme</option>" in as_colleague.get("/projects/new").text


@pytest.mark.parametrize("who", ["as_owner", "as_administrator"])
def test_its_maker_and_an_administrator_edit_archive_and_restore(
    session: Session, client: Client, who: str, request: pytest.FixtureRequest
) -> None:
    browser: Browser = request.getfixturevalue(who)
    assert 'value="Acme"' in browser.get(f"/clients/{client.id}").text
    assert browser.post(f"/clients/{client.id}", {"name": "Other", "color": "11"}).status_code == 303
    assert [(kept.name, kept.color) for kept in clients(session)] == [("Other", 11)]
    for act, archived in (("archive", True), ("archive", True), ("restore", False), ("restore", False)):
        assert browser.post(f"/clients/{client.id}/{act}").location == "/clients"
        assert (clients(session)[0].archived_at is not None) == archived


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("who", "status"), [("stranger", 303), ("as_colleague", 403)])
def test_nobody_else_changes_a_client(
    session: Session, client: Client, path: str, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    answer = request.getfixturevalue(who).post(path.format(client.id), {"name": "Other", "color": "1"})
    assert (answer.status_code, answer.location) == (status, "/login" if who == "stranger" else None)
    assert [(kept.name, kept.archived_at) for kept in clients(session)] == [("Acme", None)]


def test_a_stranger_is_sent_to_sign_in_and_back(stranger: Browser) -> None:
    for path in ("/clients", "/clients/new", "/clients/1"):
        assert stranger.get(path).location == f"/login?next={path}"


def test_another_method_is_refused(as_owner: Browser, client: Client) -> None:
    for act in ("archive", "restore"):
        assert as_owner.get(f"/clients/{client.id}/{act}").status_code == 405


@pytest.mark.engines
def test_numbers_no_client_can_have_are_not_found(as_owner: Browser) -> None:
    for number in (HUGE, "3000000000", "4711"):
        assert as_owner.get(f"/clients/{number}").status_code == 404
        assert [as_owner.post(path.format(number), WORDS).status_code for path in PATHS] == [404, 404, 404]


def test_what_cannot_be_used_is_refused_at_its_field(as_owner: Browser, session: Session, client: Client) -> None:
    wrong = [{"name": ""}, {"name": " \0 "}, {"name": "x" * 201}, {"color": "12"}, {"color": "-1"}, {"color": "blue"}]
    for path in ("/clients", f"/clients/{client.id}"):
        for field in wrong:
            answer = as_owner.post(path, {"name": "Kept <words>", "color": "1", **field})
            assert (answer.status_code, "invalid-feedback" in answer.text) == (422, True), field
            assert "name" in field or 'value="Kept &lt;words&gt;"' in answer.text
    assert [(kept.name, kept.color) for kept in clients(session)] == [("Acme", 1)]


@pytest.mark.engines
def test_a_name_is_one_clients_only(as_owner: Browser, session: Session, client: Client) -> None:
    as_owner.post("/clients", {"name": "Other", "color": "2"})
    other = clients(session)[1]
    for path in ("/clients", f"/clients/{other.id}"):
        answer = as_owner.post(path, {"name": " Acme ", "color": "5"})
        assert (answer.status_code, "There is a client of this name already." in answer.text) == (422, True)
        assert re.search(r'<input checked[^>]* value="5"', answer.text)
    assert as_owner.post(f"/clients/{client.id}", WORDS).status_code == 303  # its own name is no other's


def test_names_are_trimmed_put_on_one_line_and_escaped(as_owner: Browser, session: Session) -> None:
    as_owner.post("/clients", {**WORDS, "name": "  <b>a</b>\r\n\0 b  "})
    assert [made.name for made in clients(session)] == ["<b>a</b> b"]
    assert "<b>a" not in as_owner.get("/clients").text


def test_an_archived_client_leaves_the_choices_until_it_is_restored(as_owner: Browser, client: Client) -> None:
    as_owner.post(f"/clients/{client.id}/archive")
    assert names_on(as_owner.get("/clients").text) == []
    assert names_on(as_owner.get("/clients?archived=1").text) == ["Acme"]
    assert "Acme" not in as_owner.get("/projects/new").text
    as_owner.post(f"/clients/{client.id}/restore")
    assert "Acme" in as_owner.get("/projects/new").text


@pytest.mark.engines
def test_search_and_pages(as_owner: Browser, session: Session, owner: User) -> None:
    names = [f"client {number:03}" for number in range(250)]
    session.add_all(Client(name=name, color=1, created_by_id=owner.id, created_at=NOON) for name in names)
    session.commit()
    assert [name for page in (1, 2) for name in names_on(as_owner.get(f"/clients?page={page}").text)] == names
    assert names_on(as_owner.get("/clients?q=T 249").text) == ["client 249"]
    assert names_on(as_owner.get("/clients?q=_").text) == []
    assert as_owner.get("/clients?q=%00").status_code == 200


@pytest.mark.engines
def test_the_same_client_added_twice_at_once_is_one(
    as_owner: Browser, browser: Callable[[], Browser], session: Session, owner: User
) -> None:
    other = browser()
    other.sign_in(owner.username)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda window: window.post("/clients", WORDS).status_code, [as_owner, other]))
    assert sorted(answers) == [303, 422]
    assert len(clients(session)) == 1
