"""The company's name and logo: set by administrators, seen by everybody."""

import io
import re
from typing import Any

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.db import Application
from app.models import Installation
from tests.conftest import Browser
from tests.services.test_avatars import drawn
from tests.services.test_logos import files
from tests.services.test_vector_pictures import svg


def send(browser: Browser, data: bytes | None = None, name: str = "logo.png") -> TestResponse:
    fields: dict[str, Any] = {"logo": (io.BytesIO(drawn() if data is None else data), name)}
    return browser.post("/admin/upload-logo", fields, content_type="multipart/form-data")


def logo_in(page: str) -> str | None:
    found = re.search(r'<img class="company-logo" src="(/uploads/logos/[^"]+)" alt="([^"]*)"', page)
    return found and found[1]


@pytest.mark.engines
def test_a_logo_stands_in_the_place_of_our_mark_and_on_the_sign_in_page(
    as_administrator: Browser, stranger: Browser
) -> None:
    as_administrator.post("/admin/settings", {"company_name": 'Ink & "Paper"'})
    answer = send(as_administrator)
    assert (answer.status_code, answer.location) == (303, "/admin/settings")

    page = stranger.get("/login").text
    address = logo_in(page)
    assert address
    assert address == logo_in(as_administrator.get("/").text)
    assert 'alt="Ink &amp; &#34;Paper&#34;"' in page
    shown = stranger.get(address)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/png")
    assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "sandbox" in shown.headers["Content-Security-Policy"]


def test_a_drawing_is_served_as_pixels(as_administrator: Browser, stranger: Browser) -> None:
    assert send(as_administrator, svg(), "logo.svg").status_code == 303
    shown = stranger.get(logo_in(stranger.get("/login").text) or "")
    assert (shown.mimetype, shown.data[:4]) == ("image/png", b"\x89PNG")


def test_it_is_removed_with_its_file(app: Application, as_administrator: Browser, stranger: Browser) -> None:
    send(as_administrator)
    address = logo_in(stranger.get("/login").text) or ""
    assert as_administrator.post("/admin/remove-logo").status_code == 303
    assert as_administrator.post("/admin/remove-logo").status_code == 303
    assert logo_in(stranger.get("/login").text) is None
    assert stranger.get(address).status_code == 404
    assert files(app) == []


@pytest.mark.parametrize(
    ("who", "status"), [("stranger", 303), ("as_owner", 403), ("as_colleague", 403), ("as_administrator", 303)]
)
def test_only_an_administrator_changes_it(
    app: Application, session: Session, who: str, status: int, request: pytest.FixtureRequest
) -> None:
    browser: Browser = request.getfixturevalue(who)
    page = {"stranger": 303, "as_administrator": 200}.get(who, 403)
    assert browser.get("/admin/settings").status_code == page
    assert send(browser).status_code == status
    assert len(files(app)) == (who == "as_administrator")
    assert browser.post("/admin/settings", {"company_name": "Mine"}).status_code == status
    assert (Installation.this(session).company_name == "Mine") == (who == "as_administrator")
    assert browser.post("/admin/remove-logo").status_code == status


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "", "Choose a picture."),
        (b"", "a.png", "is empty"),
        (b"<script>", "a.png", "not a picture"),
        (svg("<script>alert(1)</script>"), "a.svg", "must not"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_field(
    app: Application, as_administrator: Browser, data: bytes, name: str, words: str
) -> None:
    as_administrator.post("/admin/settings", {"company_name": "Kept <b>"})
    answer = send(as_administrator, data, name)
    assert answer.status_code == 422
    assert words in answer.text.split('id="logo-error"')[1].split("</div>")[0]
    assert 'value="Kept &lt;b&gt;"' in answer.text
    assert files(app) == []


def test_a_name_is_at_most_200_characters(as_administrator: Browser) -> None:
    answer = as_administrator.post("/admin/settings", {"company_name": "x" * 201})
    assert (answer.status_code, "invalid-feedback" in answer.text) == (422, True)
    assert as_administrator.post("/admin/settings", {"company_name": ""}).status_code == 303


@pytest.mark.parametrize(
    "name",
    ["company_logo_00000000.png", "company_logo_0.png", "..%2f..%2fsecret_key", "company_logo_00000000.svg", "x.html"],
)
def test_no_other_name_is_served(stranger: Browser, name: str) -> None:
    assert stranger.get(f"/uploads/logos/{name}").status_code == 404


def test_what_is_no_picture_is_not_served_whatever_its_name(app: Application, stranger: Browser) -> None:
    folder = app.settings.upload_folder / "logos"
    folder.mkdir()
    (folder / "company_logo_00000000.png").write_bytes(b"<script>alert(1)</script>")
    assert stranger.get("/uploads/logos/company_logo_00000000.png").status_code == 404
