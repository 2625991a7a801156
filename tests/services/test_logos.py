"""The company's logo is replaced and removed without ever losing one."""

import hashlib
import io
import re

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy.orm import Session

from app import db
from app.db import Application
from app.errors import Refused, Unavailable
from app.models import FileKind, Installation, User
from app.services import logos, pictures
from tests.conftest import NOON
from tests.services.test_avatars import drawn, rows
from tests.services.test_vector_pictures import svg


def upload(app: Application, user: User, data: bytes = b"", name: str = "logo.png") -> str:
    with db.transaction(app.engine) as session:
        logos.replace(session, session.get_one(User, user.id), io.BytesIO(data or drawn()), name, NOON)
    with Session(app.engine) as session:
        return Installation.this(session).logo_filename or pytest.fail("no logo")


def files(app: Application) -> list[str]:
    folder = app.settings.upload_folder / "logos"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def shown(app: Application, name: str) -> Image.Image:
    with Image.open(app.settings.upload_folder / "logos" / name) as picture:
        picture.load()
        return picture


@pytest.mark.engines
class TestALogo:
    def test_is_kept_under_a_name_of_ours_with_a_row_that_tells_the_truth(self, app: Application, owner: User) -> None:
        name = upload(app, owner, name="Our\nLogo.PNG")
        assert re.fullmatch(r"company_logo_[0-9a-f]{8}\.png", name)
        data = (app.settings.upload_folder / "logos" / name).read_bytes()
        (row,) = rows(app)
        assert (row.kind, row.name, row.size, row.content_type) == (FileKind.LOGO, name, len(data), "image/png")
        assert (row.sha256, row.original_name) == (hashlib.sha256(data).hexdigest(), "OurLogo.PNG")

    def test_replaces_the_one_before_after_the_commit(self, app: Application, owner: User) -> None:
        first = upload(app, owner)
        with Session(app.engine) as session:
            logos.replace(session, session.get_one(User, owner.id), io.BytesIO(drawn()), "a.png", NOON)
            session.rollback()
        assert first in files(app)
        with Session(app.engine) as session:
            assert Installation.this(session).logo_filename == first
        for orphan in set(files(app)) - {first}:
            (app.settings.upload_folder / "logos" / orphan).unlink()
        second = upload(app, owner)
        assert files(app) == [second]
        assert [row.name for row in rows(app)] == [second]

    def test_is_removed_and_none_is_fine(self, app: Application, owner: User) -> None:
        upload(app, owner)
        for _ in range(2):
            with db.transaction(app.engine) as session:
                logos.remove(session)
            assert (files(app), rows(app)) == ([], [])


@pytest.mark.parametrize(
    ("data", "name", "size"),
    [
        (drawn(size=(1200, 1000)), "a.png", (240, 200)),
        (drawn("JPEG", size=(6000, 100)), "a.jpg", (600, 10)),
        (drawn(size=(60, 20)), "a.PNG", (60, 20)),
        (drawn("WEBP", size=(601, 30)), "a.webp", (600, 30)),
        (drawn("GIF", size=(3, 5000)), "a.gif", (1, 200)),
        (svg(), "a.svg", (600, 200)),
    ],
)
def test_it_keeps_its_proportions_and_is_never_enlarged(
    app: Application, owner: User, data: bytes, name: str, size: tuple[int, int]
) -> None:
    assert shown(app, upload(app, owner, data, name)).size == size


def test_it_keeps_what_is_seen_through_and_nothing_that_is_not_seen(app: Application, owner: User) -> None:
    picture, out, told = Image.new("RGBA", (40, 20), (0, 128, 128, 0)), io.BytesIO(), PngInfo()
    told.add_text("Comment", "secret")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret"
    picture.save(out, "PNG", pnginfo=told, exif=exif)
    name = upload(app, owner, out.getvalue())
    kept = shown(app, name)
    assert (kept.size, kept.mode) == ((20, 40), "RGBA")  # turned upright
    assert kept.getpixel((5, 5))[3] == 0  # type: ignore[index]
    assert b"secret" not in (app.settings.upload_folder / "logos" / name).read_bytes()
    assert not kept.info


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "a.png", "is empty"),
        (drawn(), "a.txt", "Choose a PNG"),
        (drawn(), "a.heic", "Choose a PNG"),
        (b"nothing", "a.png", "not a picture"),
        (drawn()[:100], "a.png", "cut off"),
        (bytes(pictures.MAX_BYTES + 1), "a.png", "too large"),
        (svg("<text>x</text>"), "a.svg", "must not"),
        (svg(size='viewBox="0 0 1 1000"'), "a.svg", "too long"),
        (svg(), "a.png", "not a picture"),
        (drawn(), "a.svg", "not a picture"),
    ],
)
def test_what_is_refused_changes_nothing(app: Application, owner: User, data: bytes, name: str, words: str) -> None:
    before = upload(app, owner)
    with db.transaction(app.engine) as session, pytest.raises(Refused, match=words) as refused:
        logos.replace(session, session.get_one(User, owner.id), io.BytesIO(data), name, NOON)
    assert refused.value.field == "logo"
    assert files(app) == [before]


def test_it_waits_for_no_crowd_of_pictures(app: Application, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logos, "_LONGEST_WAIT_SECONDS", 0)
    with pictures.one_at_a_time, pytest.raises(Unavailable):
        upload(app, owner)
