"""What every answer owes the browser, what other sites may not do, and that nothing typed breaks the house."""

import errno
import io
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import abort
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.config import Settings
from app.db import Application
from app.errors import TooManyAttempts
from app.models import User
from app.models.subject import Subject
from app.reports import dashboard, time_entries
from app.services import avatars, catalogue, schema, timer
from tests.conftest import NOON, Browser

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)
FIELDS = (
    *("username", "password", "password_confirm", "current_password", "full_name", "email", "role", "next"),
    *("time_zone", "week_start", "time_format", "preferred_language", "currency", "company_name", "stay"),
    *("description", "project", "task", "tags", "billable", "date", "time", "entry", "name", "client", "color"),
)
NONSENSE: dict[str, Any] = {
    "nul": "a\0b",
    "bytes": b"\xff\xfe\xed\xa0\x80",
    "long": "x" * 100,
    "huge": "9" * 25,
    "negative": "-1",
    "lists": ["1", "2"],
}
KINDS = ("nothing", "file", *NONSENSE)
OWN_PAGES = {
    403: "This is not open to you",
    404: "There is nothing here",
    413: "This is too large",
    422: "This could not be used",
    429: "Too many attempts",
    500: "A mistake of ours",
    503: "Not just now",
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"MAX_CONTENT_LENGTH": "4096", "ALLOW_SELF_REGISTER": "true"}


@pytest.fixture
def broken(app: Application, monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes today's page raise."""

    def break_it(error: BaseException) -> None:
        def raise_it(*_args: Any) -> None:
            raise error

        monkeypatch.setattr(dashboard, "dashboard", raise_it)

    return break_it


@contextmanager
def failing(app: Application, statement: str, error: Exception, *, for_good: bool = False) -> Iterator[None]:
    """The database raises at the first such statement, and after it at all others if it is gone for good."""
    met: list[str] = []

    def fail(_conn: Any, _cursor: Any, sent: str, *_rest: Any) -> None:
        if sent.startswith(statement) or met:
            met.extend([sent] if for_good else [])
            raise error

    event.listen(app.engine, "before_cursor_execute", fail)
    yield
    event.remove(app.engine, "before_cursor_execute", fail)


def full_disk() -> OperationalError:
    return OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))


def assert_protected(answer: TestResponse) -> None:
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["form-action"] in {"'self'", "'none'"}
    for kind in ("script-src", "style-src"):
        assert directives.get(kind, "'none'") in {"'self'", "'none'"}
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


class TestHeaders:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/", 200),
            ("/profile", 200),
            ("/time-entries.csv", 200),
            ("/nowhere", 404),
            ("/admin/users", 403),
            ("/timer/start", 405),
            ("/time-entries?from=nonsense", 422),
            ("/login", 303),
            ("/uploads/avatars/avatar_1_00000000.png", 404),
            ("/uploads/avatars/..%2f..%2fsecret_key", 404),
        ],
    )
    def test_what_the_owner_sees_is_protected_and_never_kept(self, path: str, status: int, as_owner: Browser) -> None:
        answer = as_owner.get(path)
        assert answer.status_code == status
        assert_protected(answer)
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        ("path", "status"),
        [("/", 303), ("/login", 200), ("/register", 200), ("/join/x", 404), ("/_health", 200), ("/_ready", 200)],
    )
    def test_what_a_stranger_sees_is_protected(self, path: str, status: int, stranger: Browser) -> None:
        answer = stranger.get(path)
        assert answer.status_code == status
        assert_protected(answer)

    def test_static_files_are_protected(self, stranger: Browser) -> None:
        files = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', stranger.get("/login").text))
        assert len(files) > 3
        for file in files:
            answer = stranger.get(file)
            assert answer.status_code == 200
            assert_protected(answer)
            answer.close()
        assert_protected(stranger.get("/static/nowhere.js"))

    def test_a_face_is_protected_and_kept_by_the_browser_alone(
        self, as_owner: Browser, owner: User, session: Session
    ) -> None:
        avatars.replace(session, owner, io.BytesIO(PNG), "me.png", NOON)
        session.commit()
        answer = as_owner.get(str(owner.get_avatar_url()))
        assert answer.status_code == 200
        assert_protected(answer)
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"].startswith("private")

    @pytest.mark.parametrize("status", sorted(OWN_PAGES))
    def test_every_error_has_a_page_of_its_own(
        self, status: int, as_owner: Browser, broken: Callable[[BaseException], None]
    ) -> None:
        errors: dict[int, BaseException] = {429: TooManyAttempts(60), 500: RuntimeError("x"), 503: full_disk()}
        try:
            abort(status)
        except Exception as aborted:  # noqa: BLE001 - abort() makes the exception of each status
            broken(errors.get(status, aborted))
        answer = as_owner.get("/")
        assert answer.status_code == status
        assert OWN_PAGES[status] in answer.text
        assert_protected(answer)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Sign out" in answer.text


class TestPages:
    def test_no_page_holds_a_script_a_style_or_a_handler(
        self,
        as_administrator: Browser,
        browser: Callable[[], Browser],
        app: Application,
        administrator: User,
        session: Session,
    ) -> None:
        furnish(session, administrator)
        outside = browser()
        addresses = [address_of(rule, 1) for rule in rules(app, "GET")]
        pages = [visitor.get(address) for address in addresses for visitor in (as_administrator, outside)]
        pages = [page for page in pages if page.mimetype == "text/html" and page.status_code < 300]
        assert len(pages) > 15
        for page in pages:
            assert not INLINE.search(page.text), page.request.path

    def test_the_search_for_them_finds_them(self) -> None:
        for bad in (
            "<script>x",
            '<p style="x">',
            '<a onclick="x">',
            "<style>",
            '<a href="javascript:x">',
            "<p ONLOAD='x'",
        ):
            assert INLINE.search(bad)
        assert not INLINE.search('<script defer src="/static/x.js"></script><p data-action="focus->select#all">')


@pytest.mark.parametrize("folder", ["legacy/", "", "logos/..%2flegacy/", "avatars/..%2flegacy%2f", "legacy%2f"])
def test_what_waits_for_the_import_of_the_old_database_is_served_to_nobody(
    folder: str, app: Application, as_administrator: Browser
) -> None:
    waiting = app.settings.upload_folder / "legacy" / "receipts" / "company_logo_0123abcd.png"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(PNG)

    assert as_administrator.get(f"/uploads/{folder}receipts/{waiting.name}").status_code == 404
    assert as_administrator.get(f"/uploads/{folder}receipts%2f{waiting.name}").status_code == 404


class TestOtherSites:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 303),
            ({"Sec-Fetch-Site": "same-origin"}, 303),
            ({"Sec-Fetch-Site": "none"}, 303),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "made up"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
            ({"Origin": "http://localhost"}, 303),
            ({"Origin": "https://localhost"}, 303),
            ({"Origin": "http://localhost:8080"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "http://localhost.evil.example"}, 403),
            ({"Origin": "http://localhost@evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": ""}, 403),
            ({"Origin": "http://[nonsense"}, 403),
            ({"Origin": "http://inner:8080", "Host": "inner:8080"}, 303),
            ({"Origin": "http://inner", "Host": "inner:8080"}, 403),
        ],
        ids=str,
    )
    def test_a_write_is_refused_by_where_it_comes_from(
        self, headers: dict[str, str], status: int, as_owner: Browser, app: Application
    ) -> None:
        sent = {"csrf_token": as_owner.token()}
        cookie = as_owner.client.get_cookie("session")
        assert cookie is not None
        came = headers | {"Cookie": f"session={cookie.value}"}
        bare = app.test_client(use_cookies=False)  # one with cookies keeps them from other hosts
        assert bare.post("/timer/stop", data=sent, headers=came).status_code == status

    def test_reading_is_not_refused(self, as_owner: Browser) -> None:
        assert as_owner.get("/profile", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200

    class TestWithBaseUrl:
        @pytest.fixture
        def environment(self, environment: dict[str, str]) -> dict[str, str]:
            return environment | {"BASE_URL": "http://time.example.org:8443"}

        @pytest.mark.parametrize(
            ("origin", "status"),
            [
                ("http://time.example.org:8443", 303),
                ("https://time.example.org:8443", 303),
                ("http://time.example.org", 403),
                ("http://localhost", 303),
            ],
        )
        def test_the_address_of_base_url_is_ours(self, origin: str, status: int, as_owner: Browser) -> None:
            assert as_owner.post("/timer/stop", headers={"Origin": origin}).status_code == status

    def test_a_write_without_the_token_is_refused(self, as_owner: Browser, session: Session) -> None:
        for sent in ({}, {"csrf_token": ""}, {"csrf_token": "made up"}):
            answer = as_owner.client.post("/timer/start", data=sent)
            assert answer.status_code == 400
            assert_protected(answer)
        assert session.execute(text("SELECT count(*) FROM time_entries")).scalar() == 0

    def test_a_token_of_another_session_is_refused(self, as_owner: Browser, as_colleague: Browser) -> None:
        sent = {"csrf_token": as_colleague.token()}
        assert as_owner.client.post("/timer/stop", data=sent).status_code == 400

    def test_a_token_may_come_in_a_header(self, as_owner: Browser) -> None:
        headers = {"X-CSRFToken": as_owner.token()}
        assert as_owner.client.post("/timer/stop", headers=headers).status_code == 303

    def test_every_write_asks_for_the_token(self, as_administrator: Browser, app: Application) -> None:
        for rule in rules(app, "POST"):
            assert as_administrator.client.post(address_of(rule, 1)).status_code == 400, rule.rule


class TestWhenThingsBreak:
    def test_a_mistake_of_ours_shows_the_shell_without_asking_the_database(
        self, as_owner: Browser, monkeypatch: pytest.MonkeyPatch, statements: list[str]
    ) -> None:
        def fail(*_args: Any, **_kwargs: Any) -> None:
            statements.clear()
            raise RuntimeError

        monkeypatch.setattr(time_entries, "time_list", fail)
        answer = as_owner.get("/time-entries")
        assert answer.status_code == 500
        assert "Sign out" in answer.text
        assert statements == []

    def test_without_a_database_there_is_still_a_page(self, as_owner: Browser, app: Application) -> None:
        def fail(*_args: Any) -> None:
            raise full_disk()

        event.listen(app.engine, "before_cursor_execute", fail)
        try:
            answer = as_owner.get("/")
        finally:
            event.remove(app.engine, "before_cursor_execute", fail)
        assert answer.status_code == 503
        assert "Not just now" in answer.text
        assert_protected(answer)

    @pytest.mark.engines
    @pytest.mark.parametrize(
        ("status", "error"), [(503, full_disk()), (409, IntegrityError("", {}, Exception("twice")))]
    )
    def test_a_write_that_fails_half_way_is_answered_to_the_person_who_sent_it(
        self, as_owner: Browser, app: Application, status: int, error: Exception
    ) -> None:
        """A flush that fails forgets what was read, and the page names the person."""
        token = as_owner.token()
        with failing(app, "INSERT INTO time_entries", error):
            answer = as_owner.client.post("/timer/start", data={"csrf_token": token, "description": "x"})
        assert answer.status_code == status
        assert "Sign out" in answer.text

    @pytest.mark.engines
    def test_a_database_that_goes_away_half_way_still_leaves_a_page(self, as_owner: Browser, app: Application) -> None:
        token = as_owner.token()
        with failing(app, "INSERT INTO time_entries", full_disk(), for_good=True):
            answer = as_owner.client.post("/timer/start", data={"csrf_token": token, "description": "x"})
        assert answer.status_code == 503
        assert "Not just now" in answer.text

    def test_without_templates_there_are_still_words(
        self, as_owner: Browser, monkeypatch: pytest.MonkeyPatch, session: Session
    ) -> None:
        """Too many open files, and no page was shown before: even the page about it cannot be read."""
        token = as_owner.token()

        def unreadable(*_args: Any, **_kwargs: Any) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("app.routes.errors.render_template", unreadable)
        monkeypatch.setattr(timer, "start", unreadable)
        answer = as_owner.client.post("/timer/start", data={"csrf_token": token, "tags": "x"})
        assert answer.status_code == 503
        assert "Nothing was changed" in answer.text
        assert_protected(answer)
        assert session.execute(text("SELECT count(*) FROM tags")).scalar() == 0

    def test_a_style_sheet_that_cannot_be_opened_is_not_called_a_mistake_of_ours(
        self, stranger: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = re.search(r'href="(/static/[^"]+\.css)', stranger.get("/login").text)
        assert found

        def unreadable(*_args: Any) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("whitenoise.responders.open", unreadable, raising=False)
        assert stranger.get(found[1]).status_code == 503

    def test_a_full_disk_is_not_called_a_mistake_of_ours(
        self, as_owner: Browser, broken: Callable[[BaseException], None]
    ) -> None:
        broken(OSError(errno.ENOSPC, "No space left on device"))
        assert as_owner.get("/").status_code == 503

    def test_nothing_is_stored_when_the_answer_is_an_error(
        self, as_owner: Browser, monkeypatch: pytest.MonkeyPatch, session: Session
    ) -> None:
        start = timer.start

        def start_and_fail(*args: Any, **kwargs: Any) -> None:
            start(*args, **kwargs)
            raise RuntimeError("x")

        monkeypatch.setattr(timer, "start", start_and_fail)
        assert as_owner.post("/timer/start", {"description": "x"}).status_code == 500
        assert session.execute(text("SELECT count(*) FROM time_entries")).scalar() == 0

    @pytest.mark.parametrize("kind", ["form", "file"])
    def test_a_body_too_large_is_refused(self, kind: str, as_owner: Browser) -> None:
        large = "x" * 5000
        sent = {"full_name": large} if kind == "form" else {"avatar": (io.BytesIO(large.encode()), "me.png")}
        answer = as_owner.post("/profile/edit", sent)
        assert answer.status_code == 413
        assert "This is too large" in answer.text
        assert_protected(answer)


class TestForMachines:
    @pytest.mark.parametrize("path", ["/_health", "/_ready"])
    def test_they_cost_no_session_and_set_no_cookie(self, path: str, as_owner: Browser, statements: list[str]) -> None:
        statements.clear()
        answer = as_owner.get(path)
        assert answer.status_code == 200
        assert answer.json == {"status": "ok"} | (
            {"database": "ok", "schema": "ok", "storage": "ok"} if path == "/_ready" else {}
        )
        assert "Set-Cookie" not in answer.headers
        assert not any("user" in statement for statement in statements)
        assert path == "/_ready" or statements == []

    def test_not_ready_without_the_upload_folder(self, stranger: Browser, settings: Settings) -> None:
        shutil.rmtree(settings.upload_folder)
        answer = stranger.get("/_ready")
        assert (answer.status_code, answer.json["storage"]) == (503, "not writable")  # type: ignore[index]
        assert stranger.get("/_health").status_code == 200

    @pytest.mark.engines
    @pytest.mark.parametrize(
        ("found", "state"), [(schema.revisions()[0], "outdated"), ("29991231_2359", "newer"), ("9f2b", "foreign")]
    )
    def test_not_ready_at_another_schema(
        self, found: str, state: str, stranger: Browser, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(schema, "head", lambda: "something newer")
        session.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        session.commit()
        answer = stranger.get("/_ready")
        assert (answer.status_code, answer.json["schema"]) == (503, state)  # type: ignore[index]


class TestNonsense:
    """Whatever is sent, nobody gets to see a mistake of ours."""

    NUMBERS = (0, 1, 4711, 2**31, 2**63, 10**20, "9" * 5000, "-1", "x", "%00", "%ff", "1.5")
    QUERIES = (
        "",
        "a=%00&q=%00&range=%00&from=%ff&to=%00&page=9999999999&after=%00&next=%00&token=%00&client=%00",
        "q=%ff%fe&page=-1&after=2026-11-17_2026-11-17T00:00:00_99999999999999999999&from=0001-01-01&to=9999-12-31",
        "q[]=1&q[]=2&page=0&from=99999-01-01&range=all&range=week&after=__&format=%00&next=//evil&client=-1",
        "after=9999-12-31_9999-12-31T23:59:59-12:00_1&project=99999999999999999999",
    )

    @pytest.mark.engines
    def test_in_addresses(
        self, as_administrator: Browser, app: Application, administrator: User, session: Session
    ) -> None:
        furnish(session, administrator)
        asked = [
            f"{address_of(rule, number)}?{query}"
            for rule in rules(app, "GET")
            for number in (self.NUMBERS if rule.arguments else (0,))
            for query in (self.QUERIES if number in {0, 1} else [""])
        ]
        failed = {address[:90] for address in asked if as_administrator.get(address).status_code >= 500}
        assert failed == set()

    @pytest.mark.engines
    @pytest.mark.parametrize("kind", KINDS)
    def test_in_forms(
        self, kind: str, as_administrator: Browser, app: Application, administrator: User, session: Session
    ) -> None:
        furnish(session, administrator)
        token = as_administrator.token()
        failed = set()
        for rule in rules(app, "POST"):
            if rule.endpoint in {"auth.logout", "auth.login_post", "welcome.register_here"}:
                continue  # they end the session; the tests of their own send them nonsense
            for number in self.NUMBERS if rule.arguments and kind == "nothing" else (1,):
                answer = as_administrator.client.post(
                    address_of(rule, number), data=nonsense(kind), headers={"X-CSRFToken": token}
                )
                if answer.status_code >= 500:
                    failed.add((rule.rule, number))
        assert failed == set()

    @pytest.mark.engines
    @pytest.mark.parametrize("path", ["/login", "/register", "/join/x", "/logout", "/setup"])
    def test_in_the_forms_of_strangers(self, path: str, stranger: Browser) -> None:
        headers = {"X-CSRFToken": stranger.token()}
        for kind in KINDS:
            assert stranger.client.post(path, data=nonsense(kind), headers=headers).status_code < 500, kind

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "a b"},
            {"Host": "[::1"},
            {"Host": ""},
            {"Accept-Language": "\xff;q=x," * 50},
            {"Cookie": "session=\xff; device=\xff\xfe; ;;=;"},
            {"X-Forwarded-For": ",,\xff,"},
            {"If-None-Match": '"\xff'},
            {"Range": "bytes=-"},
            {"Content-Type": "multipart/form-data"},
            {"Content-Length": "x"},
        ],
        ids=str,
    )
    def test_in_headers(self, headers: dict[str, str], stranger: Browser) -> None:
        assert stranger.get("/login", headers=headers).status_code < 500


def nonsense(kind: str) -> dict[str, Any]:
    if kind == "file":
        return {"avatar": (io.BytesIO(b"no picture"), "\0../x.png"), "full_name": (io.BytesIO(b"x"), "x")}
    return dict.fromkeys(FIELDS, NONSENSE[kind]) if kind != "nothing" else {}


def rules(app: Application, method: str) -> list[Rule]:
    found = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    assert len(found) > 10
    return found


def address_of(rule: Rule, number: object) -> str:
    """With the first of a choice of words, and the number in the place of everything else."""
    chosen = re.sub(r'<any\("?([^",)]+)[^>]*>', r"\1", rule.rule)
    return re.sub(r"<[^>]+>", str(number), chosen)


def furnish(session: Session, user: User) -> None:
    """A client, a project and a running entry, each of number 1, so that pages of one have something to show."""
    client = catalogue.save_client(session, user, None, name="Ink", color=0, now=NOON)
    catalogue.save_project(session, user, None, name="Web", client=client, color=1, billable=True, now=NOON)
    timer.start(session, user, Subject("work"))
    session.commit()
