"""The profile picture over HTTP: sent with the profile's form, seen by everyone signed in, by nobody else."""

import errno
import io
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app import db
from app.db import Application
from app.models import User
from app.storage.local import LocalStore
from tests.conftest import Browser
from tests.services.test_avatars import drawn, files, named, refusals, rows, upload


def send(browser: Browser, data: bytes | None = None, name: str = "me.png", **typed: str) -> TestResponse:
    fields: dict[str, Any] = {"avatar": (io.BytesIO(drawn() if data is None else data), name), **typed}
    return browser.post("/profile/edit", fields, content_type="multipart/form-data")


def put_by_hand(app: Application, name: str, data: bytes) -> Path:
    path = app.settings.upload_folder / "avatars" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.engines
def test_an_upload_is_saved_with_the_rest_of_the_form_and_shown(
    app: Application, as_owner: Browser, owner: User
) -> None:
    answer = send(as_owner, full_name="Olive Owner")

    assert (answer.status_code, answer.location) == (303, "/profile")
    page = as_owner.get("/profile").text
    assert f'src="/uploads/avatars/{named(app, owner)}"' in page
    assert "Olive Owner" in page


def test_a_post_without_a_file_keeps_the_picture(app: Application, as_owner: Browser, owner: User) -> None:
    before = upload(app, owner)

    assert send(as_owner, b"", "").status_code == 303
    assert as_owner.post("/profile/edit", {"full_name": "Olive"}).status_code == 303

    assert named(app, owner) == before


def test_a_colleague_sees_name_and_face(
    app: Application, as_owner: Browser, as_colleague: Browser, owner: User
) -> None:
    send(as_owner)

    assert as_colleague.get(f"/uploads/avatars/{named(app, owner)}").status_code == 200


@pytest.mark.parametrize(("name", "data", "words"), refusals()[:-1], ids=lambda value: str(value)[:20])
def test_a_refused_upload_gives_the_form_back_with_a_sentence_at_the_field(
    app: Application, as_owner: Browser, owner: User, name: str, data: bytes, words: str
) -> None:
    before = upload(app, owner)

    answer = send(as_owner, data, name, full_name="Typed & kept")

    assert answer.status_code == 422
    assert 'value="Typed &amp; kept"' in answer.text
    field = answer.text.split('id="avatar-error"')[1].split("</div>")[0]
    assert words in field
    assert (named(app, owner), files(app)) == (before, [before])
    assert len(rows(app)) == 1


def test_a_body_above_the_limit_is_refused_with_a_page(app: Application, as_owner: Browser, owner: User) -> None:
    before = upload(app, owner)
    limit = app.settings.max_content_length

    head = b'--x\r\nContent-Disposition: form-data; name="avatar"; filename="me.png"\r\n\r\n'
    answer = as_owner.client.post(
        "/profile/edit",
        data=head + b"x" * limit + b"\r\n--x--\r\n",
        headers={"X-CSRFToken": as_owner.token()},
        content_type="multipart/form-data; boundary=x",
    )

    assert answer.status_code == 413
    assert "This is too large" in answer.text
    assert "16 MiB" in answer.text
    assert (named(app, owner), files(app)) == (before, [before])


def test_a_full_disk_gives_the_page_for_that_and_changes_nothing(
    app: Application, as_owner: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = upload(app, owner)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LocalStore, "put", full)
    answer = send(as_owner, full_name="Not saved")

    assert answer.status_code == 503
    assert "could not be stored just now" in answer.text
    assert (named(app, owner), files(app)) == (before, [before])
    assert "Not saved" not in as_owner.get("/profile").text


def test_a_commit_that_fails_keeps_the_old_picture(
    app: Application, as_owner: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = upload(app, owner)
    token = as_owner.token()

    def full(*_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    with monkeypatch.context() as broken:
        broken.setattr(db, "_commit", full)
        answer = as_owner.client.post(
            "/profile/edit", data={"csrf_token": token, "avatar": (io.BytesIO(drawn()), "me.png")}
        )

    assert answer.status_code == 503
    assert named(app, owner) == before
    assert before in files(app)
    assert as_owner.get(f"/uploads/avatars/{before}").status_code == 200


def test_a_volume_that_went_away_gives_the_page_for_that(app: Application, as_owner: Browser, owner: User) -> None:
    upload(app, owner)
    app.settings.upload_folder.rename(app.settings.data_dir / "unmounted")
    app.settings.upload_folder.mkdir()

    assert send(as_owner).status_code == 503
    assert list(app.settings.upload_folder.iterdir()) == []


def test_a_picture_is_removed_by_its_own_button(app: Application, as_owner: Browser, owner: User) -> None:
    upload(app, owner)

    answer = as_owner.post("/profile/avatar/remove")

    assert (answer.status_code, answer.location) == (303, "/profile/edit")
    assert (named(app, owner), files(app), rows(app)) == (None, [], [])
    assert "avatar/remove" not in as_owner.get("/profile/edit").text


@pytest.mark.parametrize("path", ["/profile/edit", "/profile/avatar/remove"])
def test_a_stranger_changes_no_picture(stranger: Browser, path: str) -> None:
    answer = stranger.post(path)

    assert (answer.status_code, answer.location) == (303, "/login")


class TestServing:
    def test_is_for_who_is_signed_in(self, app: Application, stranger: Browser, owner: User) -> None:
        path = f"/uploads/avatars/{upload(app, owner)}"

        answer = stranger.get(path)

        assert (answer.status_code, answer.location) == (303, f"/login?next={path}")
        assert b"WEBP" not in answer.data

    def test_lets_browsers_keep_a_picture_and_run_nothing(
        self, app: Application, as_owner: Browser, owner: User
    ) -> None:
        headers = as_owner.get(f"/uploads/avatars/{upload(app, owner)}").headers

        assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Type"] == "image/webp"

    def test_answers_304_to_who_has_it(self, app: Application, as_owner: Browser, owner: User) -> None:
        path = f"/uploads/avatars/{upload(app, owner)}"
        tag = as_owner.get(path).headers["ETag"]

        again = as_owner.get(path, headers={"If-None-Match": tag})

        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert as_owner.get(path, headers={"If-None-Match": '"other"'}).status_code == 200

    @pytest.mark.parametrize(
        ("kind", "name", "told"),
        [
            ("JPEG", "avatar_7_0a1b2c3d.png", "image/jpeg"),
            ("PNG", "avatar_7_0a1b2c3d.jpg", "image/png"),
            ("GIF", "avatar_7_0a1b2c3d.jpeg", "image/gif"),
            ("WEBP", "avatar_7_0a1b2c3d.gif", "image/webp"),
        ],
    )
    def test_tells_the_type_by_the_bytes(
        self, app: Application, as_owner: Browser, kind: str, name: str, told: str
    ) -> None:
        put_by_hand(app, name, drawn(kind))

        assert as_owner.get(f"/uploads/avatars/{name}").headers["Content-Type"] == told

    @pytest.mark.parametrize(
        "data", [b"", b"<script>alert(1)</script>", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"GIF", b"\xff"]
    )
    def test_sends_nothing_that_is_no_picture(self, app: Application, as_owner: Browser, data: bytes) -> None:
        put_by_hand(app, "avatar_7_0a1b2c3d.png", data)

        assert as_owner.get("/uploads/avatars/avatar_7_0a1b2c3d.png").status_code == 404

    @pytest.mark.parametrize(
        "name",
        [
            "avatar_7_0a1b2c3d.svg",
            "avatar_7_0A1B2C3D.png",
            "avatar_7_0a1b2c3.png",
            "avatar_x_0a1b2c3d.png",
            "avatar_7_0a1b2c3d.png.html",
            "avatar_7_0a1b2c3d.png%0a",
            "avatar_7_0a1b2c3d.png%00",
            "%61vatar_7_0a1b2c3d.svg",
            "avatar_٧_0a1b2c3d.png",
            "company_logo_0a1b2c3d.png",
            ".timetracker-installation",
            ".incoming-0123456789abcdef",
            "..",
            "../.timetracker-installation",
            "..%2f.timetracker-installation",
            "%2e%2e%2f%2e%2e%2fsecret_key",
            "..%5csecret_key",
            "sub/avatar_7_0a1b2c3d.png",
            "sub%2favatar_7_0a1b2c3d.png",
            "%2fetc%2fpasswd",
            "",
        ],
    )
    def test_knows_no_name_but_those_of_pictures(self, app: Application, as_owner: Browser, name: str) -> None:
        for there in ("avatar_7_0a1b2c3d.svg", "avatar_7_0a1b2c3d.png", ".incoming-0123456789abcdef"):
            put_by_hand(app, there, drawn())
        put_by_hand(app, "company_logo_0a1b2c3d.png", drawn())

        assert as_owner.get(f"/uploads/avatars/{name}").status_code == 404

    def test_follows_no_link_and_enters_no_folder(self, app: Application, as_owner: Browser) -> None:
        real = put_by_hand(app, "real", drawn())
        real.with_name("avatar_7_00000001.png").symlink_to(real)
        real.with_name("avatar_7_00000002.png").symlink_to(app.settings.secret_key_file)
        real.with_name("avatar_7_00000003.png").mkdir()
        os.mkfifo(real.with_name("avatar_7_00000004.png"))

        statuses = [as_owner.get(f"/uploads/avatars/avatar_7_0000000{n}.png").status_code for n in range(1, 6)]

        assert statuses == [404] * 5

    def test_answers_head_and_refuses_post(self, app: Application, as_owner: Browser, owner: User) -> None:
        path = f"/uploads/avatars/{upload(app, owner)}"
        got, head = as_owner.get(path), as_owner.client.head(path)

        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Length"] == str(len(got.data))
        assert as_owner.post(path).status_code == 405

    def test_asks_the_disk_only_for_pictures_and_a_broken_one_is_no_mistake_of_ours(
        self, app: Application, as_owner: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"/uploads/avatars/{upload(app, owner)}"

        def broken(*_: object) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(LocalStore, "open", broken)

        assert as_owner.get(path).status_code == 503


class Forms(HTMLParser):
    """Which form each button sends: the one around it, or the one its `form` names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.deepest = 0
        self.actions: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.open.append(found.get("action") or "")
            self.deepest = max(self.deepest, len(self.open))
            self.actions[found.get("id") or ""] = self.open[-1]
        if tag == "button":
            form = found.get("form")
            self.buttons.append((form or "", self.actions[form] if form else self.open[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open.pop()


def test_no_form_of_the_profile_lies_in_another_and_each_button_sends_its_own(
    app: Application, as_owner: Browser, owner: User
) -> None:
    upload(app, owner)

    forms = Forms(as_owner.get("/profile/edit").text)

    assert forms.deepest == 1
    assert ("edit-profile", "/profile/edit") in forms.buttons
    assert ("", "/profile/avatar/remove") in forms.buttons
