"""Coming in for the first time: the set-up, links, self-registration."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.models import Installation, Role, User
from app.routes.access import FORWARDING
from app.services import accounts
from app.services.accounts import Purpose
from tests.conftest import NOON, PASSWORD, Browser, add_person

ANSWERS = {
    "username": "first",
    "password": PASSWORD,
    "password_confirm": PASSWORD,
    "company_name": "Ink & Paper",
    "time_zone": "Europe/Lisbon",
    "currency": "chf",
}
NEW_PASSWORD = "another horse battery"


@pytest.fixture
def newcomer(browser: Callable[[], Browser]) -> Browser:
    """Whoever comes first, at this very machine."""
    return browser()


def set_up_link(session: Session) -> str:
    token = accounts.make_link(session, Purpose.SET_UP, None, NOON)
    session.commit()
    return f"/setup?token={token}"


def is_set_up(session: Session) -> bool:
    session.rollback()
    return User.admin_exists(session)


class TestBeforeTheSetUp:
    @pytest.mark.parametrize(
        "path", ["/", "/login", "/profile", "/time-entries.csv", "/admin/users", "/register", "/join/x", "/nowhere"]
    )
    def test_every_page_sends_to_the_set_up(self, path: str, newcomer: Browser) -> None:
        answer = newcomer.get(path)
        assert (answer.status_code, answer.location) == (303, "/setup")

    def test_a_member_alone_does_not_make_it_done(self, newcomer: Browser, session: Session) -> None:
        add_person(session, "member")
        assert newcomer.get("/login").location == "/setup"

    def test_an_administrator_of_the_command_line_makes_it_done(self, newcomer: Browser, session: Session) -> None:
        add_person(session, "administrator", Role.ADMIN)
        assert newcomer.get("/setup").location == "/login"
        assert newcomer.get("/login").status_code == 200

    def test_machines_that_watch_are_not_sent_away(self, newcomer: Browser) -> None:
        assert newcomer.get("/_health").status_code == newcomer.get("/_ready").status_code == 200


class TestSettingUp:
    def test_it_makes_the_administrator_and_lets_them_in(self, newcomer: Browser, session: Session) -> None:
        answer = newcomer.post("/setup", ANSWERS)
        assert (answer.status_code, answer.location) == (303, "/")
        house, user = Installation.this(session), session.scalars(select(User)).one()
        assert (user.username, user.role, user.time_zone) == ("first", Role.ADMIN, "Europe/Lisbon")
        assert (house.company_name, house.time_zone, house.currency) == ("Ink & Paper", "Europe/Lisbon", "CHF")
        assert newcomer.get("/admin/users").status_code == 200

    def test_it_offers_the_zone_and_currency_of_the_environment(self, newcomer: Browser) -> None:
        page = newcomer.get("/setup").text
        assert '<option selected value="Europe/Berlin">' in page
        assert 'value="EUR"' in page

    @pytest.mark.parametrize(
        "wrong",
        [
            {"username": ""},
            {"username": "x" * 65},
            {"password": "short", "password_confirm": "short"},
            {"password_confirm": "something else"},
            {"password": "", "password_confirm": ""},
            {"password": "First", "password_confirm": "First", "username": "first"},
            {"time_zone": "Mars/Olympus"},
            {"time_zone": "../../etc/passwd"},
            {"time_zone": None},
            {"currency": "EURO"},
            {"currency": ""},
            {"company_name": "x" * 201},
        ],
        ids=str,
    )
    def test_a_wrong_answer_gives_the_form_back_with_all_but_the_passwords(
        self, wrong: dict[str, Any], newcomer: Browser, session: Session
    ) -> None:
        typed = {name: value for name, value in (ANSWERS | wrong).items() if value is not None}
        answer = newcomer.post("/setup", typed)
        assert answer.status_code == 422
        assert "is-invalid" in answer.text
        assert 'value="Ink &amp; Paper"' in answer.text or "company_name" in wrong
        assert 'value="first"' in answer.text or "username" in wrong
        assert PASSWORD not in answer.text
        assert not is_set_up(session)
        assert Installation.this(session).company_name == ""

    def test_afterwards_it_leads_to_the_sign_in(self, newcomer: Browser, browser: Callable[[], Browser]) -> None:
        newcomer.post("/setup", ANSWERS)
        later = browser()
        assert later.get("/setup").location == "/login"
        assert later.post("/setup", ANSWERS).location == "/login"
        assert "was set up already" in later.get("/login").text

    @pytest.mark.engines
    @pytest.mark.usefixtures("app")
    def test_of_two_at_once_one_is_the_administrator_and_the_other_is_told(
        self, browser: Callable[[], Browser], session: Session
    ) -> None:
        both = [browser(), browser()]
        tokens = [one.token() for one in both]
        together = Barrier(2)

        def press(number: int) -> TestResponse:
            together.wait()
            return both[number].client.post(
                "/setup", data=ANSWERS | {"csrf_token": tokens[number], "username": f"number {number}"}
            )

        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(press, range(2)))
        assert sorted(answer.location for answer in answers) == ["/", "/login"]
        assert session.scalar(select(func.count()).select_from(User)) == 1
        second = both[[answer.location for answer in answers].index("/login")]
        assert "was set up already" in second.get("/login").text


class TestWhoMaySetUp:
    """Without the link only somebody at this very machine: the tests' browser calls 'localhost'."""

    @pytest.mark.parametrize("header", FORWARDING)
    def test_what_came_through_a_proxy_needs_the_link(self, header: str, newcomer: Browser, session: Session) -> None:
        token, behind = newcomer.token(), {header: "127.0.0.1"}
        assert newcomer.get("/setup", headers=behind).status_code == 403
        answer = newcomer.client.post("/setup", data=ANSWERS | {"csrf_token": token}, headers=behind)
        assert answer.status_code == 403
        assert "one-time link" in answer.text
        assert not is_set_up(session)

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("localhost:8080", 200),
            ("LOCALHOST", 200),
            ("127.0.0.1:8080", 200),
            ("[::1]:8080", 200),
            ("evil.example:8080", 403),
            ("localhost.evil.example", 403),
            ("192.168.1.5:8080", 403),
        ],
    )
    def test_a_page_of_another_site_that_took_our_address_cannot(
        self, host: str, status: int, newcomer: Browser
    ) -> None:
        assert newcomer.get("/setup", headers={"Host": host}).status_code == status

    def test_a_wrong_link_is_no_link(self, newcomer: Browser) -> None:
        assert newcomer.get("/setup?token=wrong", headers={"Via": "proxy"}).status_code == 403

    class TestOnAServer:
        @pytest.fixture
        def environment(self, environment: dict[str, str]) -> dict[str, str]:
            return environment | {"HOST": "0.0.0.0"}

        def test_it_takes_the_link(self, newcomer: Browser, session: Session) -> None:
            answer = newcomer.get("/setup")
            assert answer.status_code == 403
            assert "one-time link" in answer.text
            assert newcomer.get(set_up_link(session)).status_code == 200

        def test_the_link_is_remembered_for_the_form(self, newcomer: Browser, session: Session) -> None:
            newcomer.get(set_up_link(session))
            assert newcomer.post("/setup", ANSWERS | {"currency": "?"}).status_code == 422
            assert newcomer.post("/setup", ANSWERS).location == "/"
            assert is_set_up(session)

        def test_a_post_without_the_link_makes_nobody(
            self, newcomer: Browser, browser: Callable[[], Browser], session: Session
        ) -> None:
            other = browser()
            other.get(set_up_link(session))
            with other.client.session_transaction() as kept:
                del kept["set_up"]
            token = newcomer.client.get("/setup")
            assert "csrf_token" not in token.text
            assert newcomer.client.post("/setup", data=ANSWERS).status_code == 400
            assert not is_set_up(session)

        def test_afterwards_the_link_is_dead(
            self, newcomer: Browser, browser: Callable[[], Browser], session: Session
        ) -> None:
            link = set_up_link(session)
            newcomer.get(link)
            newcomer.post("/setup", ANSWERS)
            assert browser().get(link).location == "/login"


class TestJoining:
    @pytest.fixture
    def link(self, session: Session) -> str:
        invited = accounts.create(session, "invited", now=NOON)
        token = accounts.make_link(session, Purpose.JOIN, invited, clock.now())
        session.commit()
        return f"/join/{token}"

    def test_a_link_sets_the_first_password_and_lets_in(self, link: str, stranger: Browser) -> None:
        assert "invited" in stranger.get(link).text
        answer = stranger.post(link, {"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD})
        assert (answer.status_code, answer.location) == (303, "/")
        assert stranger.get("/profile").status_code == 200

    def test_it_lets_in_once(self, link: str, stranger: Browser, browser: Callable[[], Browser]) -> None:
        stranger.post(link, {"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD})
        other = browser()
        assert other.get(link).status_code == 404
        answer = other.post(link, {"password": PASSWORD, "password_confirm": PASSWORD})
        assert answer.status_code == 404
        assert "used already" in answer.text
        assert other.sign_in("invited", NEW_PASSWORD).status_code == 303

    @pytest.mark.parametrize(
        "typed", [("short", "short"), (NEW_PASSWORD, "other"), ("", ""), ("invited!"[:7], "invited")]
    )
    def test_a_refused_password_gives_the_form_back_and_keeps_the_link(
        self, typed: tuple[str, str], link: str, stranger: Browser
    ) -> None:
        answer = stranger.post(link, {"password": typed[0], "password_confirm": typed[1]})
        assert answer.status_code == 422
        assert "is-invalid" in answer.text
        assert stranger.get(link).status_code == 200

    @pytest.mark.parametrize("token", ["wrong", "%00", "%ff", "x" * 10_000])
    def test_a_made_up_link_is_a_spent_one(self, token: str, stranger: Browser) -> None:
        assert stranger.get(f"/join/{token}").status_code == 404

    def test_a_link_ends_what_was_signed_in_before(
        self, link: str, as_owner: Browser, browser: Callable[[], Browser]
    ) -> None:
        former = as_owner.client.get_cookie("session")
        assert former is not None
        as_owner.post(link, {"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD})
        assert "invited" in as_owner.get("/profile").text
        other = browser()
        other.client.set_cookie("session", former.value)
        assert other.get("/profile").status_code == 303


class TestRegistering:
    ANSWERS = {"username": "newcomer", "full_name": "New", "password": PASSWORD, "password_confirm": PASSWORD}  # noqa: RUF012

    def test_it_is_not_there_unless_the_operator_allows_it(self, stranger: Browser) -> None:
        assert stranger.get("/register").status_code == 404
        assert stranger.post("/register", self.ANSWERS).status_code == 404
        assert "/register" not in stranger.get("/login").text

    class TestAllowed:
        @pytest.fixture
        def environment(self, environment: dict[str, str]) -> dict[str, str]:
            return environment | {"ALLOW_SELF_REGISTER": "true", "ADMIN_USERNAMES": "boss, Chief"}

        def test_a_stranger_becomes_a_member(self, stranger: Browser, session: Session) -> None:
            assert stranger.get("/register").status_code == 200
            assert stranger.post("/register", TestRegistering.ANSWERS).location == "/"
            assert User.named(session, "newcomer").role == Role.MEMBER
            assert stranger.get("/profile").status_code == 200

        @pytest.mark.parametrize("name", ["boss", " BOSS ", "chief", "ｂｏｓｓ", "administrator", ""])
        def test_names_that_are_taken_or_kept_for_administrators_are_refused(
            self, name: str, stranger: Browser, session: Session
        ) -> None:
            answer = stranger.post("/register", TestRegistering.ANSWERS | {"username": name})
            assert answer.status_code == 422
            assert 'value="New"' in answer.text
            assert session.scalar(select(func.count()).select_from(User)) == 1

        def test_whom_the_operator_named_is_an_administrator_once_signed_in(
            self, stranger: Browser, session: Session
        ) -> None:
            add_person(session, "Boss")
            stranger.sign_in("boss")
            assert stranger.get("/admin/users").status_code == 200
