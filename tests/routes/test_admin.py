"""People, for administrators: who may, what it does, and who always stays."""

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import OneTimeLink, Role, User
from app.models.user_session import hashed
from tests.conftest import PASSWORD, Browser, add_person

SCRIPT = "<script>alert(1)</script>"
ACTS = ["link", "role", "disable", "enable"]
NEW_PASSWORD = {"password": "another horse battery", "password_confirm": "another horse battery"}


def link_on(page: str) -> str:
    found = re.search(r'value="(http[^"]+/join/[^"]+)"', page)
    assert found, "the page shows no link"
    return html.unescape(found[1])


def session_cookie(browser: Browser) -> str:
    found = browser.client.get_cookie("session")
    assert found is not None
    return found.value


def now_of(session: Session, user: User) -> User:
    session.refresh(user)
    return user


class TestWhoMay:
    @pytest.mark.parametrize("act", ACTS)
    def test_a_member_may_not_and_changes_nothing(
        self, act: str, as_owner: Browser, administrator: User, session: Session
    ) -> None:
        assert as_owner.post(f"/admin/users/{administrator.id}/{act}", {"role": "member"}).status_code == 403
        assert now_of(session, administrator).is_admin
        assert administrator.is_active

    def test_a_member_neither_sees_nor_adds_people(self, as_owner: Browser, session: Session) -> None:
        assert as_owner.get("/admin/users").status_code == 403
        assert as_owner.post("/admin/users", {"username": "x", "role": "admin"}).status_code == 403
        assert "/admin/users" not in as_owner.get("/profile").text
        assert len(session.scalars(select(User)).all()) == 2

    def test_a_stranger_signs_in_first(self, stranger: Browser, administrator: User) -> None:
        assert stranger.get("/admin/users").location == "/login?next=/admin/users"
        for act in ACTS:
            assert stranger.post(f"/admin/users/{administrator.id}/{act}").location == "/login"

    @pytest.mark.parametrize("act", ACTS)
    def test_acts_are_forms_not_addresses(self, act: str, as_administrator: Browser, owner: User) -> None:
        answer = as_administrator.get(f"/admin/users/{owner.id}/{act}")
        assert answer.status_code == 405
        assert "This address only takes forms" in answer.text

    @pytest.mark.engines
    def test_somebody_unknown_is_not_there(self, as_administrator: Browser) -> None:
        sent = {"csrf_token": as_administrator.token(), "role": "member"}
        numbers = ["0", "-1", "4711", "x", "1.5", 2**31, 2**63, 10**20, "9" * 5000]
        for address in (f"/admin/users/{number}/{act}" for number in numbers for act in ACTS):
            assert as_administrator.client.post(address, data=sent).status_code == 404, address[:60]


class TestAdding:
    def test_the_person_comes_in_by_a_link_shown_once_and_stored_hashed(
        self, as_administrator: Browser, browser: Callable[[], Browser], session: Session
    ) -> None:
        page = as_administrator.post(
            "/admin/users", {"username": "new", "full_name": "New One", "email": "new@nas.local", "role": "member"}
        )
        link = link_on(page.text)
        kept = session.scalars(select(OneTimeLink)).one()
        assert kept.token_hash == hashed(link.rpartition("/")[2])
        assert "/join/" not in as_administrator.get("/admin/users").text
        newcomer = browser()
        assert newcomer.post(link, NEW_PASSWORD).status_code == 303
        assert newcomer.get("/profile").status_code == 200
        assert browser().get(link).status_code == 404

    @pytest.mark.parametrize("role", list(Role))
    def test_the_role_is_the_one_chosen(self, role: Role, as_administrator: Browser, session: Session) -> None:
        as_administrator.post("/admin/users", {"username": "new", "role": role})
        assert User.named(session, "new").role == role

    @pytest.mark.parametrize(
        "wrong",
        [
            {"username": ""},
            {"username": " ADMINISTRATOR "},
            {"username": "x" * 65},
            {"email": "no address"},
            {"role": "emperor"},
            {"full_name": "x" * 201},
        ],
        ids=str,
    )
    def test_a_wrong_answer_gives_the_form_back(
        self, wrong: dict[str, str], as_administrator: Browser, session: Session
    ) -> None:
        typed = {"username": "new", "full_name": "Full & Well", "email": "a@b", "role": "member"} | wrong
        answer = as_administrator.post("/admin/users", typed)
        assert answer.status_code == 422
        assert "is-invalid" in answer.text
        assert 'value="Full &amp; Well"' in answer.text or "full_name" in wrong
        assert len(session.scalars(select(User)).all()) == 1

    def test_names_are_shown_never_run(
        self, as_administrator: Browser, browser: Callable[[], Browser], session: Session
    ) -> None:
        page = as_administrator.post("/admin/users", {"username": SCRIPT, "full_name": SCRIPT, "role": "member"})
        scripted = browser()
        pages = [page.text, scripted.get(link_on(page.text)).text]
        scripted.post(link_on(page.text), NEW_PASSWORD)
        pages += [scripted.get(path).text for path in ("/", "/profile", "/profile/edit")]
        pages.append(as_administrator.get("/admin/users").text)
        user = User.named(session, SCRIPT)
        as_administrator.post(f"/admin/users/{user.id}/disable")
        pages.append(as_administrator.get("/admin/users").text)
        for shown in pages:
            assert html.escape(SCRIPT) in shown
            assert SCRIPT not in shown


class TestLinks:
    def test_a_new_link_lets_choose_a_new_password(
        self, as_administrator: Browser, as_owner: Browser, browser: Callable[[], Browser], owner: User
    ) -> None:
        link = link_on(as_administrator.post(f"/admin/users/{owner.id}/link").text)
        assert browser().sign_in("owner", PASSWORD).status_code == 303
        assert browser().post(link, NEW_PASSWORD).status_code == 303
        assert as_owner.get("/profile").status_code == 303
        assert browser().sign_in("owner", PASSWORD).status_code == 422
        assert browser().sign_in("owner", NEW_PASSWORD["password"]).status_code == 303

    def test_a_link_is_https_where_the_page_is(self, as_administrator: Browser, owner: User) -> None:
        assert link_on(as_administrator.post(f"/admin/users/{owner.id}/link").text).startswith("http://localhost/")
        as_administrator.client.set_cookie("__Host-session", session_cookie(as_administrator), secure=True)
        page = as_administrator.post(f"/admin/users/{owner.id}/link", base_url="https://localhost")
        assert link_on(page.text).startswith("https://localhost/")


class TestRoles:
    def test_a_role_is_given_and_taken(self, as_administrator: Browser, as_owner: Browser, owner: User) -> None:
        as_administrator.post(f"/admin/users/{owner.id}/role", {"role": "admin"})
        assert as_owner.get("/admin/users").status_code == 200
        as_administrator.post(f"/admin/users/{owner.id}/role", {"role": "member"})
        assert as_owner.get("/admin/users").status_code == 403

    @pytest.mark.parametrize("act", ["role", "disable"])
    def test_the_last_administrator_stays(
        self, act: str, as_administrator: Browser, administrator: User, session: Session
    ) -> None:
        answer = as_administrator.post(f"/admin/users/{administrator.id}/{act}", {"role": "member"})
        assert answer.status_code == 409
        assert "This is the last administrator" in answer.text
        assert now_of(session, administrator).is_admin
        assert administrator.is_active

    @pytest.mark.engines
    def test_of_two_who_demote_each_other_at_once_one_stays(
        self, as_administrator: Browser, administrator: User, browser: Callable[[], Browser], session: Session
    ) -> None:
        other = add_person(session, "other", Role.ADMIN)
        as_other = browser()
        as_other.sign_in("other")
        acts = [(as_administrator, other.id, as_administrator.token()), (as_other, administrator.id, as_other.token())]
        together = Barrier(2)

        def demote(act: tuple[Browser, int, str]) -> int:
            who, whom, token = act
            together.wait()
            sent = {"csrf_token": token, "role": "member"}
            return who.client.post(f"/admin/users/{whom}/role", data=sent).status_code

        with ThreadPoolExecutor(2) as threads:
            statuses = list(threads.map(demote, acts))
        assert statuses.count(303) == 1
        assert [now_of(session, person).is_admin for person in (administrator, other)].count(True) == 1


class TestDisabling:
    def test_it_signs_out_and_keeps_out_until_enabled(
        self, as_administrator: Browser, as_owner: Browser, owner: User, browser: Callable[[], Browser]
    ) -> None:
        as_administrator.post(f"/admin/users/{owner.id}/disable")
        assert as_owner.get("/profile").status_code == 303
        assert browser().sign_in("owner").status_code == 422
        as_administrator.post(f"/admin/users/{owner.id}/enable")
        assert as_owner.get("/profile").status_code == 303
        assert browser().sign_in("owner").status_code == 303

    def test_an_administrator_may_leave_when_another_stays(
        self, as_administrator: Browser, administrator: User, session: Session
    ) -> None:
        add_person(session, "other", Role.ADMIN)
        assert as_administrator.post(f"/admin/users/{administrator.id}/disable").status_code == 303
        assert as_administrator.get("/profile").status_code == 303
