"""Signing in and out at the pages: the cookie, what it is worth, where one lands; the profile and its password."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.http import dump_cookie
from werkzeug.test import TestResponse

from app import clock
from app.models import SignInAttempt, User, UserDevice, UserSession
from app.models.user_session import hashed
from app.services import accounts
from tests.conftest import PASSWORD, Browser

WRONG = "not the password"
NEW_PASSWORD = "another horse battery"


def cookies_of(answer: TestResponse) -> dict[str, str]:
    """Name → the whole line of each cookie an answer sets."""
    return {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}


def session_cookie(browser: Browser) -> str:
    found = browser.client.get_cookie("session")
    assert found is not None
    return found.value


def replay(browser: Callable[[], Browser], cookie: str) -> Browser:
    """Another browser that got hold of a session cookie."""
    thief = browser()
    thief.client.set_cookie("session", cookie)
    return thief


def sign_in_at(client: FlaskClient, base_url: str, **kwargs: Any) -> TestResponse:
    """Signs the owner in, cookies carried by hand: the test client hides Secure ones where the request is plain."""
    page = client.get("/login", base_url=base_url, **kwargs)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    name, _, rest = page.headers["Set-Cookie"].partition("=")
    headers = kwargs.pop("headers", {}) | {"Cookie": dump_cookie(name, rest.partition(";")[0])}
    sent = {"csrf_token": token[1], "username": "owner", "password": PASSWORD}
    return client.post("/login", base_url=base_url, data=sent, headers=headers, **kwargs)


class TestTheForm:
    @pytest.mark.usefixtures("owner")
    def test_name_and_password_let_in(self, stranger: Browser) -> None:
        answer = stranger.sign_in("  Owner ")
        assert (answer.status_code, answer.location) == (303, "/")
        assert stranger.get("/").status_code == 200

    @pytest.mark.parametrize("name", ["owner", "nobody", "", "\0", "a\0b", "x" * 10_000, "' OR 1=1 --", "🕰"])
    @pytest.mark.engines
    @pytest.mark.usefixtures("owner")
    def test_a_refusal_gives_the_form_back_with_one_sentence(self, name: str, stranger: Browser) -> None:
        answer = stranger.sign_in(name, WRONG)
        assert answer.status_code == 422
        assert answer.text.count("The name or the password is wrong.") == 1
        assert 'name="csrf_token"' in answer.text
        assert WRONG not in answer.text

    def test_what_was_typed_into_the_name_stays(self, stranger: Browser) -> None:
        assert 'value="&#34;&gt;me"' in stranger.sign_in('">me', WRONG).text

    @pytest.mark.usefixtures("owner")
    def test_too_many_give_the_form_back_and_say_when_to_come_again(self, stranger: Browser, session: Session) -> None:
        session.add_all(refusals("owner", 10))
        session.commit()
        answer = stranger.sign_in("owner")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 900
        assert "Try again in 15 minutes" in answer.text
        assert 'name="csrf_token"' in answer.text

    def test_a_device_that_signed_in_before_is_not_locked_out_by_others(
        self, as_owner: Browser, browser: Callable[[], Browser], session: Session
    ) -> None:
        as_owner.post("/logout")
        session.add_all(refusals("owner", 10))
        session.commit()
        assert browser().sign_in("owner").status_code == 429
        assert as_owner.sign_in("owner").status_code == 303

    def test_the_device_cookie_signs_nobody_in(self, as_owner: Browser, browser: Callable[[], Browser]) -> None:
        device = as_owner.client.get_cookie("device", path="/login")
        assert device is not None
        other = browser()
        other.client.set_cookie("device", device.value)
        assert other.get("/profile").status_code == 303
        assert other.get("/login").status_code == 200

    def test_whoever_is_signed_in_already_goes_on(self, as_owner: Browser) -> None:
        assert as_owner.get("/login?next=/profile").location == "/profile"


class TestWhereItLeads:
    @pytest.mark.parametrize(
        "place", ["/time-entries?range=all", "/profile", "/", "/time-entries?from=2026-11-01&to=2026-11-30"]
    )
    @pytest.mark.usefixtures("owner")
    def test_back_to_the_page_that_was_wanted(self, place: str, stranger: Browser) -> None:
        sent_away = stranger.get(place)
        assert (sent_away.status_code, sent_away.location.partition("?")[0]) == (303, "/login")
        form = stranger.get(sent_away.location).text
        wanted = re.search(r'name="next" value="([^"]+)"', form)
        sent = {"next": wanted[1].replace("&amp;", "&")} if wanted else {}
        answer = stranger.post("/login", {"username": "owner", "password": PASSWORD} | sent)
        assert answer.location == place

    @pytest.mark.parametrize(
        "place",
        [
            "//evil.example",
            "///evil.example",
            "https://evil.example",
            "http://localhost/profile",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "evil.example",
            "@evil.example",
            "/\0/evil.example",
            "",
        ],
    )
    def test_never_off_the_site(self, place: str, stranger: Browser, as_owner: Browser) -> None:
        answer = stranger.post("/login", {"username": "owner", "password": PASSWORD, "next": place})
        assert (answer.status_code, answer.location) == (303, "/")
        assert as_owner.get("/login", query_string={"next": place}).location == "/"

    def test_an_escaped_tab_is_a_path_of_ours(self, as_owner: Browser) -> None:
        assert as_owner.get("/login", query_string={"next": "/%09/evil.example"}).location == "/%09/evil.example"

    def test_a_form_sent_while_signed_out_leads_to_the_sign_in(self, stranger: Browser) -> None:
        answer = stranger.post("/timer/start", {"description": "x"})
        assert (answer.status_code, answer.location) == (303, "/login")


class TestTheCookie:
    @pytest.mark.usefixtures("owner")
    def test_it_is_kept_from_scripts_and_other_sites(self, stranger: Browser) -> None:
        line = cookies_of(stranger.sign_in("owner"))["session"]
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert "Path=/" in line
        assert "Secure" not in line
        assert "Expires" not in line

    def test_only_a_hash_of_its_secret_is_stored(self, as_owner: Browser, session: Session) -> None:
        with as_owner.client.session_transaction() as kept:
            sid = kept["sid"]
        assert session.scalars(select(UserSession)).one().sid_hash == hashed(sid)

    @pytest.mark.usefixtures("owner")
    def test_nothing_of_the_session_before_is_kept(self, stranger: Browser) -> None:
        stranger.get("/login")
        with stranger.client.session_transaction() as before:
            before["planted"] = "x"
            before["sid"] = "chosen by an attacker"
            token = before["csrf_token"]
        stranger.sign_in("owner")
        with stranger.client.session_transaction() as after:
            assert "planted" not in after
            assert after["sid"] != "chosen by an attacker"
            assert after.get("csrf_token") != token

    def test_signing_in_anew_ends_the_session_before(self, as_owner: Browser, browser: Callable[[], Browser]) -> None:
        former = session_cookie(as_owner)
        assert as_owner.sign_in("owner").status_code == 303
        assert replay(browser, former).get("/profile").status_code == 303
        assert as_owner.get("/profile").status_code == 200

    def test_signing_out_ends_it_on_the_server(self, as_owner: Browser, browser: Callable[[], Browser]) -> None:
        former = session_cookie(as_owner)
        assert replay(browser, former).get("/profile").status_code == 200
        answer = as_owner.post("/logout")
        assert (answer.status_code, answer.location) == (303, "/login")
        assert replay(browser, former).get("/profile").status_code == 303

    @pytest.mark.parametrize("cookie", ["", "x", "eyJzaWQiOiJ4In0.x.x", "\xff\xfe", "a" * 10_000])
    def test_a_made_up_cookie_is_nobodys(self, cookie: str, stranger: Browser) -> None:
        line = dump_cookie("session", cookie, max_size=0) + "; device=\xff"
        assert stranger.client.get("/profile", headers={"Cookie": line}).status_code == 303

    @pytest.mark.usefixtures("owner")
    def test_it_lapses_a_day_after_the_last_use(self, stranger: Browser) -> None:
        with time_machine.travel(clock.now(), tick=False) as travelling:
            stranger.sign_in("owner")
            travelling.shift(timedelta(hours=23))
            assert stranger.get("/profile").status_code == 200
            travelling.shift(timedelta(hours=23))
            assert stranger.get("/profile").status_code == 200
            travelling.shift(timedelta(hours=24))
            assert stranger.get("/profile").status_code == 303

    @pytest.mark.usefixtures("owner")
    def test_staying_signed_in_lasts_sixty_days_after_the_last_use(self, stranger: Browser) -> None:
        with time_machine.travel(clock.now(), tick=False) as travelling:
            line = cookies_of(stranger.post("/login", {"username": "owner", "password": PASSWORD, "stay": "y"}))
            assert "Expires" in line["session"]
            for _ in range(2):
                travelling.shift(timedelta(days=59))
                assert stranger.get("/profile").status_code == 200
            travelling.shift(timedelta(days=60))
            assert stranger.get("/profile").status_code == 303

    @pytest.mark.usefixtures("owner")
    def test_being_seen_is_written_at_most_once_a_minute_and_not_for_the_polling_of_a_page(
        self, stranger: Browser, statements: list[str]
    ) -> None:
        def writes(after: int, **headers: str) -> int:
            travelling.shift(after)
            statements.clear()
            stranger.get("/profile", headers=headers)
            return sum(statement.startswith("UPDATE user_sessions") for statement in statements)

        with time_machine.travel(clock.now(), tick=False) as travelling:
            stranger.sign_in("owner")
            assert writes(59) == 0
            assert writes(1, **{"X-Background": "1"}) == 0
            assert writes(0) == 1
            assert writes(1) == 0

    @pytest.mark.usefixtures("owner")
    def test_it_is_called_host_and_secure_under_https(self, stranger: Browser) -> None:
        line = cookies_of(sign_in_at(stranger.client, "https://localhost"))["__Host-session"]
        assert "; Secure" in line
        assert "Path=/" in line
        assert "Domain" not in line

    class TestBehindAProxy:
        @pytest.fixture
        def environment(self, environment: dict[str, str]) -> dict[str, str]:
            return environment | {"TRUSTED_PROXIES": "10.0.0.0/8", "BASE_URL": "https://time.example.org"}

        @pytest.mark.parametrize(
            ("base_url", "connection", "proto", "name"),
            [
                ("http://inner", "10.1.2.3", "https", "__Host-session"),
                ("http://inner", "::ffff:10.1.2.3", "https", "__Host-session"),
                ("http://inner", "10.1.2.3", "http", "session"),
                ("http://inner", "192.0.2.1", "https", "session"),
                ("http://time.example.org", "192.0.2.1", None, "__Host-session"),
                ("http://other.example.org", "192.0.2.1", None, "session"),
            ],
        )
        @pytest.mark.usefixtures("owner")
        def test_https_is_believed_of_a_trusted_proxy_and_of_base_url(
            self, base_url: str, connection: str, proto: str | None, name: str, stranger: Browser
        ) -> None:
            headers = {"X-Forwarded-Proto": proto} if proto else {}
            answer = sign_in_at(
                stranger.client, base_url, headers=headers, environ_overrides={"REMOTE_ADDR": connection}
            )
            assert answer.status_code == 303
            assert ("; Secure" in cookies_of(answer)[name]) is (name == "__Host-session")

        @pytest.mark.parametrize(
            ("connection", "forwarded", "counted"),
            [
                ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
                ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
                ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
                ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
                ("10.0.0.1", "nonsense, 203.0.113.9", "203.0.113.9"),
                ("10.0.0.1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
                ("10.0.0.1", "", "10.0.0.1"),
                ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
                ("10.0.0.1", "x" * 10_000, "x" * 64),
            ],
        )
        def test_refusals_are_counted_for_the_address_a_trusted_proxy_vouches_for(
            self, connection: str, forwarded: str, counted: str, stranger: Browser, session: Session
        ) -> None:
            came = {"environ_overrides": {"REMOTE_ADDR": connection}, "headers": {"X-Forwarded-For": forwarded}}
            stranger.sign_in("nobody", WRONG, **came)
            assert session.scalars(select(SignInAttempt)).one().address == counted


class TestTheProfile:
    def test_what_is_not_in_the_post_keeps_its_value(self, as_owner: Browser, owner: User, session: Session) -> None:
        everything = {
            "full_name": "Olga Owner",
            "email": "olga@nas.local",
            "preferred_language": "en",
            "time_zone": "Asia/Tokyo",
            "week_start": "6",
            "time_format": "12h",
        }
        as_owner.post("/profile/edit", everything)
        assert as_owner.post("/profile/edit").status_code == 303
        assert stored(owner, session) == everything
        as_owner.post("/profile/edit", {"full_name": ""})
        assert stored(owner, session) == everything | {"full_name": ""}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"time_zone": "Mars/Olympus"},
            {"time_zone": ""},
            {"week_start": "7"},
            {"week_start": "-1"},
            {"week_start": "monday"},
            {"time_format": "25h"},
            {"preferred_language": "tlh"},
            {"email": "no address"},
            {"full_name": "x" * 201},
        ],
        ids=str,
    )
    def test_a_wrong_value_changes_nothing_and_keeps_what_was_typed(
        self, wrong: dict[str, str], as_owner: Browser, owner: User, session: Session
    ) -> None:
        before = stored(owner, session)
        answer = as_owner.post("/profile/edit", {"full_name": "Typed & kept", "time_format": "12h"} | wrong)
        assert answer.status_code == 422
        assert 'value="Typed &amp; kept"' in answer.text or "full_name" in wrong
        assert stored(owner, session) == before

    def test_a_former_name_of_a_zone_is_taken(self, as_owner: Browser, owner: User, session: Session) -> None:
        as_owner.post("/profile/edit", {"time_zone": "Asia/Calcutta"})
        assert stored(owner, session)["time_zone"] == "Asia/Calcutta"

    @pytest.mark.parametrize("path", ["/profile", "/profile/edit", "/profile/password"])
    def test_a_stranger_signs_in_first(self, path: str, stranger: Browser) -> None:
        assert stranger.get(path).location == f"/login?next={path}"


class TestThePassword:
    def test_a_new_one_ends_the_other_sessions_but_not_this_one(
        self, as_owner: Browser, browser: Callable[[], Browser]
    ) -> None:
        elsewhere = browser()
        elsewhere.sign_in("owner")
        answer = as_owner.post("/profile/password", passwords(PASSWORD, NEW_PASSWORD, NEW_PASSWORD))
        assert (answer.status_code, answer.location) == (303, "/profile")
        assert as_owner.get("/profile").status_code == 200
        assert elsewhere.get("/profile").status_code == 303
        assert browser().sign_in("owner", PASSWORD).status_code == 422
        assert browser().sign_in("owner", NEW_PASSWORD).status_code == 303

    @pytest.mark.parametrize(
        "typed",
        [
            (WRONG, NEW_PASSWORD, NEW_PASSWORD),
            ("", NEW_PASSWORD, NEW_PASSWORD),
            (PASSWORD, NEW_PASSWORD, "else"),
            (PASSWORD, "short", "short"),
            (PASSWORD, "", ""),
            (PASSWORD, "x" * 1025, "x" * 1025),
        ],
    )
    def test_a_refused_one_changes_nothing(
        self, typed: tuple[str, str, str], as_owner: Browser, browser: Callable[[], Browser]
    ) -> None:
        answer = as_owner.post("/profile/password", passwords(*typed))
        assert answer.status_code == 422
        assert "is-invalid" in answer.text
        assert NEW_PASSWORD not in answer.text
        assert browser().sign_in("owner", PASSWORD).status_code == 303


def test_disabling_ends_every_session(as_owner: Browser, owner: User, session: Session) -> None:
    accounts.disable(session, owner, clock.now())
    session.commit()
    assert as_owner.get("/profile").status_code == 303
    assert session.scalars(select(UserDevice)).all() != []


def refusals(name: str, times: int) -> list[SignInAttempt]:
    """Refusals from elsewhere, just now."""
    return [SignInAttempt(account_hash=hashed(name), address="198.51.100.7", at=clock.now()) for _ in range(times)]


def passwords(current: str, new: str, again: str) -> dict[str, str]:
    return {"current_password": current, "password": new, "password_confirm": again}


def stored(user: User, session: Session) -> dict[str, str]:
    session.refresh(user)
    return {
        "full_name": user.full_name,
        "email": user.email or "",
        "preferred_language": user.preferred_language or "",
        "time_zone": user.time_zone,
        "week_start": str(user.week_start),
        "time_format": user.time_format,
    }
