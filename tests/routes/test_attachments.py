"""Attachments over HTTP: sent in forms, downloaded and never shown, by those who see what they belong to."""

import io
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.db import Application
from app.models import Attachment, Project, StoredFile, Task, User
from app.models.subject import Subject
from app.routes import bodies
from app.services import catalogue, time_entries
from tests.conftest import NOON, Browser
from tests.routes.test_trash import undo_offered
from tests.services.test_attachments import files
from tests.services.test_avatars import drawn

HUGE = "99999999999999999999"
KINDS = ["clients", "projects", "tasks", "time-entries"]
CAST = ["stranger", "as_owner", "as_colleague", "as_administrator"]


@pytest.fixture(autouse=True)
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _holders(session: Session, owner: User) -> None:
    """A client, a project, a task and an entry of the owner, each of number 1."""
    client = catalogue.save_client(session, owner, None, name="Acme", color=0, now=NOON)
    web = catalogue.save_project(session, owner, None, name="Web", client=client, color=1, billable=True, now=NOON)
    catalogue.task_named(session, owner, web, "Draft", NOON)
    span = time_entries.Span(NOON - timedelta(hours=1), NOON, owner.zone)
    time_entries.add(session, owner, Subject("work"), span, now=NOON)
    session.commit()


def send(browser: Browser, kind: str, *named: tuple[str, bytes], **typed: str) -> TestResponse:
    """As a browser does; encoded here, as the test client would leave a temporary file open behind large ones."""
    sent = [FileStorage(io.BytesIO(data), name) for name, data in named]
    boundary, body = encode_multipart({"csrf_token": browser.token(), "files": sent, **typed})
    return browser.client.post(
        f"/{kind}/1/attachments", data=body, content_type=f"multipart/form-data; boundary={boundary}"
    )


@pytest.fixture
def attached(session: Session, as_owner: Browser) -> Callable[..., Attachment]:
    def made(kind: str = "projects", name: str = "Plan.pdf", data: bytes = b"%PDF-1.7 plan") -> Attachment:
        assert send(as_owner, kind, (name, data)).status_code == 303
        as_owner.get("/trash")  # takes the notice away
        session.rollback()
        return session.scalars(select(Attachment).order_by(Attachment.id.desc())).first() or pytest.fail("none")

    return made


def address(session: Session, attachment: Attachment) -> str:
    name = session.get_one(StoredFile, attachment.stored_file_id).original_name
    return f"/attachments/{attachment.id}/{quote(name, safe='')}"


def fetch(browser: Browser, path: str, **headers: str) -> TestResponse:
    """To the end, as a server sends it, so that the stream is closed."""
    return browser.get(path, headers=headers, buffered=True)


def rows(session: Session) -> list[Attachment]:
    session.rollback()
    return list(session.scalars(select(Attachment).order_by(Attachment.id)))


class TestSending:
    @pytest.mark.parametrize("kind", KINDS)
    def test_several_files_at_once_lists_them_on_the_page_of_what_they_belong_to(
        self, as_owner: Browser, kind: str
    ) -> None:
        answer = send(as_owner, kind, ("a.txt", b"one"), ("b <b>.txt", b"two"))

        assert (answer.status_code, answer.location) == (303, f"/{kind}/1")
        page = as_owner.get(f"/{kind}/1").text
        assert "2 files are attached." in page
        assert ">a.txt</a>" in page
        assert ">b &lt;b&gt;.txt</a>" in page
        assert "b <b>" not in page

    def test_goes_back_to_where_the_form_stood_if_that_is_here(self, as_owner: Browser) -> None:
        assert send(as_owner, "tasks", ("a", b"1"), next="/tasks/1?x=1").location == "/tasks/1?x=1"
        assert send(as_owner, "tasks", ("a", b"1"), next="//evil.example").location == "/tasks/1"

    @pytest.mark.engines
    @pytest.mark.parametrize(
        ("kind", "statuses"),
        [
            ("clients", [303, 303, 303, 303]),
            ("projects", [303, 303, 303, 303]),
            ("tasks", [303, 303, 303, 303]),
            ("time-entries", [303, 303, 404, 403]),
        ],
    )
    def test_is_open_to_those_who_see_it_and_for_an_entry_to_its_owner(
        self, session: Session, kind: str, statuses: list[int], request: pytest.FixtureRequest
    ) -> None:
        cast = [request.getfixturevalue(who) for who in CAST]
        answers = [send(browser, kind, ("a.txt", b"1")) for browser in cast]
        assert [answer.status_code for answer in answers] == statuses
        assert answers[0].location == "/login"
        assert len(rows(session)) == statuses[1:].count(303)

    @pytest.mark.parametrize(
        ("named", "words"),
        [
            ([], "Choose a file."),
            ([("", b"")], "Choose a file."),
            ([("a.txt", b"")], "a.txt is empty."),
            ([("big<i>", bytes(25 * 2**20 + 1))], "big&lt;i&gt; has more than 25 MiB."),
            ([(f"{n}.txt", b"1") for n in range(60)], "at most 10 files"),
        ],
        ids=["nothing", "an empty field", "empty", "too large", "sixty"],
    )
    def test_is_refused_at_the_field(
        self, app: Application, as_owner: Browser, named: list[tuple[str, bytes]], words: str
    ) -> None:
        answer = send(as_owner, "projects", *named)
        assert answer.status_code == 422
        field = answer.text.split('id="files-error"')[1].split("</div>")[0]
        assert words in field
        assert 'aria-invalid="true"' in answer.text
        assert files(app) == []

    def test_is_not_a_text_field(self, as_owner: Browser) -> None:
        answer = as_owner.post("/projects/1/attachments", {"files": "not a file"})
        assert (answer.status_code, "Choose a file." in answer.text) == (422, True)

    @pytest.mark.parametrize(
        "name",
        ["../../passwd", 'say "no"; a=b.txt', "a\\b.txt", "ü" * 300 + ".txt", "x\x0by.txt", "%2e%2e.txt", "a?b#c"],
    )
    def test_any_name_is_kept_and_given_back_as_text(
        self, session: Session, as_owner: Browser, attached: Callable[..., Attachment], name: str
    ) -> None:
        made = attached(name=name)
        link = re.search(r'href="(/attachments/[^"]+)"', as_owner.get("/projects/1").text)
        assert link
        answer = fetch(as_owner, link[1])
        assert (answer.status_code, answer.data) == (200, b"%PDF-1.7 plan")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")
        assert "\n" not in answer.headers["Content-Disposition"]
        kept = session.get_one(StoredFile, made.stored_file_id).original_name
        assert len(kept) <= 255
        assert "/" not in kept

    def test_over_a_quota_tells_what_is_used_and_allowed(self, app: Application, as_owner: Browser) -> None:
        object.__setattr__(app.settings, "quota_per_person", 2_000_000)
        send(as_owner, "projects", ("a", bytes(1_500_000)))
        answer = send(as_owner, "projects", ("b", bytes(600_000)))
        assert answer.status_code == 422
        assert "Your files may take 2 MB, and 1.5 MB are used" in answer.text
        object.__setattr__(app.settings, "quota_in_all", 1_000_000)
        object.__setattr__(app.settings, "quota_per_person", 0)
        assert "All files together may take 1 MB" in send(as_owner, "projects", ("b", b"1")).text
        assert len(files(app)) == 1

    def test_a_body_beyond_the_limit_is_refused_with_a_page(
        self, app: Application, as_owner: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "ATTACHMENTS_AT_MOST", app.settings.max_content_length + 2**20)
        limit = bodies.ATTACHMENTS_AT_MOST
        assert send(as_owner, "projects", ("a", bytes(limit))).status_code == 303
        answer = send(as_owner, "projects", ("a", bytes(limit + 2**20)))
        assert answer.status_code == 413
        assert answer.request.environ["wsgi.input"].read() == b""  # or the browser, still sending, would see no page
        assert "Files sent at once may have at most 17 MiB together" in answer.text
        assert len(files(app)) == 1

    def test_a_large_body_of_nobody_is_not_even_read(self, app: Application, stranger: Browser) -> None:
        large = bytes(app.settings.max_content_length + 1)
        assert send(stranger, "projects", ("a", large)).status_code == 413

    def test_a_large_body_is_taken_by_no_other_form(self, app: Application, as_owner: Browser) -> None:
        large = bytes(app.settings.max_content_length + 1)
        answer = as_owner.client.post("/profile/edit", data=large, content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 413

    def test_a_large_file_waits_in_the_data_folder_and_leaves_nothing_there(
        self, app: Application, as_owner: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = sorted(path.name for path in app.settings.data_dir.iterdir())
        folders = []
        real = tempfile.SpooledTemporaryFile

        def noted(*args: Any, **kwargs: Any) -> Any:
            folders.append(kwargs["dir"])
            return real(*args, **kwargs)

        monkeypatch.setattr(bodies, "SpooledTemporaryFile", noted)
        assert send(as_owner, "projects", ("a", bytes(2**20))).status_code == 303
        assert folders == [str(app.settings.data_dir)]
        assert sorted(path.name for path in app.settings.data_dir.iterdir()) == before

    @pytest.mark.parametrize("kind", KINDS)
    def test_to_what_does_not_exist_is_not_found(self, as_owner: Browser, kind: str) -> None:
        for number in ("4711", HUGE):
            for method in (as_owner.get, as_owner.post):
                assert method(f"/{kind}/{number}/attachments").status_code == 404
        assert as_owner.get("/tags/1/attachments").status_code == 404


class TestDownloading:
    @pytest.mark.engines
    @pytest.mark.parametrize(
        ("kind", "statuses"), [("clients", [303, 200, 200, 200]), ("time-entries", [303, 200, 404, 200])]
    )
    def test_is_open_to_those_who_see_what_it_belongs_to(
        self,
        session: Session,
        attached: Callable[..., Attachment],
        kind: str,
        statuses: list[int],
        request: pytest.FixtureRequest,
    ) -> None:
        made = attached(kind, "a.png", drawn())
        for path in (address(session, made), f"/thumbnails/{made.id}"):
            answers = [fetch(request.getfixturevalue(who), path) for who in CAST]
            assert [answer.status_code for answer in answers] == statuses
            assert answers[0].location.startswith("/login?next=/")

    def test_gives_the_bytes_as_they_came_and_nothing_a_browser_would_run(
        self, session: Session, as_owner: Browser, attached: Callable[..., Attachment]
    ) -> None:
        page = b"<script>alert(1)</script>" * 10_000
        answer = fetch(as_owner, address(session, attached(name="Übersicht €.html", data=page)))
        assert answer.data == page
        headers = answer.headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"] == (
            "attachment; filename=\"Ubersicht .html\"; filename*=UTF-8''%C3%9Cbersicht%20%E2%82%AC.html"
        )
        assert headers["Content-Length"] == str(len(page))
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "private, no-cache"

    def test_is_not_done_twice_by_a_browser_that_has_it(
        self, session: Session, as_owner: Browser, attached: Callable[..., Attachment]
    ) -> None:
        path = address(session, attached())
        tag = fetch(as_owner, path).headers["ETag"]
        again = fetch(as_owner, path, **{"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
        assert as_owner.client.head(path, buffered=True).status_code == 200

    def test_of_a_thumbnail_gives_a_picture(self, as_owner: Browser, attached: Callable[..., Attachment]) -> None:
        made = attached(name="a.png", data=drawn())
        assert f'src="/thumbnails/{made.id}"' in as_owner.get("/projects/1").text
        answer = fetch(as_owner, f"/thumbnails/{made.id}")
        assert (answer.headers["Content-Type"], answer.data[:4]) == ("image/webp", b"RIFF")
        assert answer.headers["Cache-Control"] == "private, no-cache"

    def test_of_a_file_called_thumbnail_gives_that_file(
        self, as_owner: Browser, attached: Callable[..., Attachment]
    ) -> None:
        made = attached(name="thumbnail", data=b"words")
        assert fetch(as_owner, f"/attachments/{made.id}/thumbnail").data == b"words"

    def test_finds_nothing_under_another_name_or_number(
        self, app: Application, as_owner: Browser, attached: Callable[..., Attachment]
    ) -> None:
        made = attached()
        for path in (f"{made.id}/other.pdf", f"{made.id}/thumbnail", "4711/Plan.pdf", f"{HUGE}/Plan.pdf"):
            assert as_owner.get(f"/attachments/{path}").status_code == 404
        (app.settings.upload_folder / files(app)[0]).unlink()
        gone = as_owner.get(f"/attachments/{made.id}/Plan.pdf")
        assert (gone.status_code, "not where it was stored" in gone.text) == (404, True)


class TestDeleting:
    @pytest.mark.engines
    @pytest.mark.parametrize(
        ("kind", "statuses"), [("projects", [303, 403, 303, 303]), ("time-entries", [303, 404, 403, 303])]
    )
    def test_is_open_to_who_brought_it_and_for_what_is_shared_to_an_administrator(
        self,
        session: Session,
        attached: Callable[..., Attachment],
        kind: str,
        statuses: list[int],
        request: pytest.FixtureRequest,
    ) -> None:
        cast = ["stranger", "as_colleague", "as_administrator", "as_owner"]
        for who, status in zip(cast, statuses, strict=True):
            made = attached(kind)
            answer = request.getfixturevalue(who).post(f"/attachments/{made.id}/delete")
            session.rollback()
            deleted = session.get_one(Attachment, made.id).deleted_at is not None
            assert (answer.status_code, deleted) == (status, status == 303 and who != "stranger")

    def test_puts_it_into_the_trash_and_undo_brings_it_back(
        self, app: Application, session: Session, as_owner: Browser, attached: Callable[..., Attachment]
    ) -> None:
        made = attached()
        path = address(session, made)
        assert as_owner.post(f"/attachments/{made.id}/delete", {"next": "/projects/1"}).location == "/projects/1"
        undo = undo_offered(as_owner)
        assert as_owner.get(path).status_code == 404
        assert as_owner.post(f"/attachments/{made.id}/delete").status_code == 404
        assert "Plan.pdf" in as_owner.get("/trash").text
        assert len(files(app)) == 1

        assert as_owner.post(undo).status_code == 303
        assert fetch(as_owner, path).status_code == 200
        assert "Plan.pdf is back." in as_owner.get("/projects/1").text

    def test_is_undone_by_nobody_else(
        self,
        as_owner: Browser,
        as_colleague: Browser,
        as_administrator: Browser,
        stranger: Browser,
        attached: Callable[..., Attachment],
    ) -> None:
        made = attached("time-entries")
        as_owner.post(f"/attachments/{made.id}/delete")
        for browser, status in ((as_colleague, 404), (as_administrator, 404), (stranger, 303), (as_owner, 303)):
            assert browser.post(f"/trash/attachments/{made.id}/undelete").status_code == status

    def test_takes_no_other_method(self, as_owner: Browser, attached: Callable[..., Attachment]) -> None:
        made = attached()
        assert as_owner.get(f"/attachments/{made.id}/delete").status_code == 404  # a name nobody gave
        assert as_owner.client.put(f"/attachments/{made.id}/delete").status_code in {400, 405}


class TestThePages:
    @pytest.mark.parametrize(("path", "words"), [("/projects/1", "Web"), ("/clients/1", "Acme"), ("/tasks/1", "Draft")])
    def test_are_read_by_everyone_and_changed_by_their_maker(
        self, as_owner: Browser, as_colleague: Browser, stranger: Browser, path: str, words: str
    ) -> None:
        assert f'action="{path}"' in as_owner.get(path).text
        page = as_colleague.get(path)
        assert page.status_code == 200
        assert words in page.text
        assert f'action="{path}"' not in page.text
        assert f'action="{path}/attachments"' in page.text
        assert as_colleague.post(path, {"name": "x", "color": "1"}).status_code == 403
        assert stranger.get(path).location == f"/login?next={path}"

    def test_of_an_entry_shows_an_administrator_what_hangs_on_it_without_a_form(
        self, as_administrator: Browser, attached: Callable[..., Attachment]
    ) -> None:
        attached("time-entries")
        page = as_administrator.get("/time-entries/1").text
        assert "Plan.pdf" in page
        assert 'name="files"' not in page
        assert "/delete" not in page

    def test_show_the_latest_and_lead_to_all(self, as_owner: Browser, attached: Callable[..., Attachment]) -> None:
        for start in (0, 10):
            send(as_owner, "projects", *((f"file {n}.txt", b"x") for n in range(start, start + 10)))
        page = as_owner.get("/projects/1").text
        assert page.count('class="attached-about"') == 10
        assert 'href="/projects/1/attachments"' in page
        assert as_owner.get("/projects/1/attachments").text.count('class="attached-about"') == 20
        assert as_owner.get("/projects/1/attachments?page=2").text.count('class="attached-about"') == 0

    @pytest.mark.parametrize("kind", KINDS)
    def test_ask_no_more_of_the_database_for_more_files(
        self, as_owner: Browser, attached: Callable[..., Attachment], kind: str, statements: list[str]
    ) -> None:
        attached(kind)
        as_owner.get(f"/{kind}/1")
        statements.clear()
        as_owner.get(f"/{kind}/1")
        few = len(statements)
        send(as_owner, kind, *((f"{n}.png", drawn()) for n in range(9)))
        as_owner.get(f"/{kind}/1")
        statements.clear()
        as_owner.get(f"/{kind}/1")
        assert len(statements) <= few, statements

    def test_of_what_was_deleted_are_not_found(self, session: Session, as_owner: Browser) -> None:
        as_owner.post("/clients/1/delete")
        for path in ("/clients/1", "/projects/1", "/tasks/1"):
            assert as_owner.get(path).status_code == 404
            assert as_owner.get(f"{path}/attachments").status_code == 404


class TestATask:
    def test_is_listed_with_its_project_and_renamed_by_its_maker_or_an_administrator(
        self, as_owner: Browser, as_administrator: Browser, session: Session
    ) -> None:
        assert 'href="/tasks/1"' in as_owner.get("/projects/1").text
        for browser, name in ((as_owner, " Second  draft "), (as_administrator, "Third <b>")):
            assert browser.post("/tasks/1", {"name": name}).location == "/projects/1"
        session.rollback()
        assert session.get_one(Task, 1).name == "Third <b>"
        assert "Third <b>" not in as_owner.get("/tasks/1").text

    @pytest.mark.parametrize("name", ["", " ", "x" * 201, "Other"])
    def test_is_refused_a_name_that_cannot_be_used(
        self, as_owner: Browser, session: Session, owner: User, name: str
    ) -> None:
        catalogue.task_named(session, owner, session.get_one(Project, 1), "Other", NOON)
        session.commit()
        answer = as_owner.post("/tasks/1", {"name": name})
        assert (answer.status_code, "invalid-feedback" in answer.text) == (422, True)
        session.rollback()
        assert session.get_one(Task, 1).name == "Draft"

    def test_of_no_number_is_not_found(self, as_owner: Browser) -> None:
        for number in ("4711", HUGE):
            assert as_owner.get(f"/tasks/{number}").status_code == 404
            assert as_owner.post(f"/tasks/{number}", {"name": "x"}).status_code == 404
