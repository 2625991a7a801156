"""A profile picture is replaced and removed without ever losing one (journey "Upload an avatar", laws 2 and 3)."""

import errno
import hashlib
import io
import os
import re
import secrets
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import db, storage
from app.db import Application
from app.errors import Refused, Unavailable
from app.models import FileKind, StoredFile, User
from app.routes.auth import get_avatar_upload_folder
from app.services import avatars, pictures
from app.storage import marker
from app.storage.local import LocalStore
from tests.conftest import NOON

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "pictures"


def drawn(kind: str = "PNG", size: tuple[int, int] = (300, 200), color: str = "teal") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def upload(app: Application, user: User, data: bytes = b"", name: str = "me.png") -> str:
    """The name of the picture that `user` has after the upload is committed."""
    with db.transaction(app.engine) as session:
        person = session.get_one(User, user.id)
        avatars.replace(session, person, io.BytesIO(data or drawn()), name, NOON)
    assert person.avatar_filename
    return person.avatar_filename


def files(app: Application) -> list[str]:
    folder = app.settings.upload_folder / "avatars"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def rows(app: Application) -> list[StoredFile]:
    with Session(app.engine) as session:
        return list(session.scalars(select(StoredFile)))


def named(app: Application, user: User) -> str | None:
    with Session(app.engine) as session:
        return session.get_one(User, user.id).avatar_filename


@pytest.mark.engines
class TestAnUpload:
    def test_is_kept_under_a_name_of_ours_with_a_row_that_tells_the_truth(self, app: Application, owner: User) -> None:
        name = upload(app, owner, name="Me at the sea.PNG")

        assert re.fullmatch(rf"avatar_{owner.id}_[0-9a-f]{{8}}\.webp", name)
        data = (app.settings.upload_folder / "avatars" / name).read_bytes()
        (row,) = rows(app)
        assert (row.kind, row.name, row.size, row.sha256) == (
            FileKind.AVATAR,
            name,
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
        assert (row.content_type, row.original_name) == ("image/webp", "Me at the sea.PNG")
        assert (row.uploaded_by_id, row.uploaded_at) == (owner.id, NOON)
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.format, picture.size) == ("WEBP", (200, 200))

    def test_replaces_the_one_before(self, app: Application, owner: User) -> None:
        first = upload(app, owner)
        second = upload(app, owner, drawn(color="red"))

        assert first != second
        assert files(app) == [second]
        assert [row.name for row in rows(app)] == [second]
        assert named(app, owner) == second

    def test_leaves_the_one_before_until_the_commit(self, app: Application, owner: User) -> None:
        first = upload(app, owner)
        with Session(app.engine) as session:
            avatars.replace(session, session.get_one(User, owner.id), io.BytesIO(drawn()), "me.png", NOON)
            assert first in files(app)
            session.rollback()

        assert named(app, owner) == first
        assert first in files(app)
        assert [row.name for row in rows(app)] == [first]

    def test_by_one_person_leaves_anothers_picture_alone(self, app: Application, owner: User, colleague: User) -> None:
        theirs, mine = upload(app, colleague), upload(app, owner)

        assert files(app) == sorted([theirs, mine])

    def test_that_comes_twice_at_once_leaves_one_picture(self, app: Application, owner: User) -> None:
        upload(app, owner)
        together = threading.Barrier(4)

        def at_once(color: str) -> None:
            together.wait()
            upload(app, owner, drawn(color=color))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(at_once, ["red", "green", "blue", "white"]))

        assert files(app) == [named(app, owner)]
        assert [row.name for row in rows(app)] == files(app)

    def test_is_taken_away_again(self, app: Application, owner: User) -> None:
        upload(app, owner)

        for _ in range(2):  # the second time there is none, which is fine
            with db.transaction(app.engine) as session:
                avatars.remove(session, session.get_one(User, owner.id))

        assert (files(app), rows(app), named(app, owner)) == ([], [], None)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample pictures are not here")
@pytest.mark.parametrize(
    "name",
    ["hopper.jpg", "hopper.png", "hopper.webp", "hopper.gif", "exif_gps.jpg", "pil_sample_cmyk.jpg", "copyleft.png"],
)
def test_a_real_picture_becomes_a_square_without_metadata(app: Application, owner: User, name: str) -> None:
    kept = upload(app, owner, (SAMPLES / name).read_bytes(), name)

    with Image.open(app.settings.upload_folder / "avatars" / kept) as picture:
        assert picture.format == "WEBP"
        assert picture.width == picture.height <= avatars.SIDE
        assert not picture.getexif()


def huge() -> bytes:
    """A PNG that says of itself that it has a little more than 50 megapixels."""
    small = drawn()
    header = small[12:16] + struct.pack(">II", 10_000, 5_001) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


def refusals() -> list[tuple[str, bytes, str]]:
    return [
        ("me.png", b"", "empty"),
        ("me.png", b"Dear diary", "not a picture"),
        ("me.txt", drawn(), "PNG, JPEG, GIF or WebP"),
        ("me", drawn(), "PNG, JPEG, GIF or WebP"),
        ("me.png", drawn()[:-30], "cut off"),
        ("me.jpg", drawn("JPEG")[:200], "cut off"),
        ("me.heic", b"\0\0\0\x18ftypheic" + b"\0" * 50, "HEIC"),
        ("me.png", huge(), "50 megapixels"),
        ("me.png", b"x" * (pictures.MAX_BYTES + 1), "16 MiB"),
    ]


@pytest.mark.parametrize(("name", "data", "words"), refusals(), ids=lambda value: str(value)[:20])
def test_what_is_no_picture_is_refused_and_the_old_one_stays(
    app: Application, owner: User, name: str, data: bytes, words: str
) -> None:
    before = upload(app, owner)

    with Session(app.engine) as session, pytest.raises(Refused, match=words) as refused:
        avatars.replace(session, session.get_one(User, owner.id), io.BytesIO(data), name, NOON)

    assert refused.value.field == "avatar"
    assert (named(app, owner), files(app)) == (before, [before])


def test_every_reason_to_refuse_has_a_sentence() -> None:
    only_drawings = {pictures.Reason.ACTIVE}
    assert set(avatars._SENTENCES) == set(pictures.Reason) - only_drawings


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_store_that_takes_nothing_changes_nothing(
    app: Application, owner: User, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = upload(app, owner)

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(LocalStore, "put", full)
    with pytest.raises(Unavailable):
        upload(app, owner)

    assert (named(app, owner), files(app)) == (before, [before])


def test_a_volume_that_went_away_is_noticed_and_nothing_is_written_beside(app: Application, owner: User) -> None:
    upload(app, owner)
    app.settings.upload_folder.rename(app.settings.data_dir / "unmounted")
    app.settings.upload_folder.mkdir()

    with pytest.raises(Unavailable):
        upload(app, owner)

    assert list(app.settings.upload_folder.iterdir()) == []


def test_the_first_upload_marks_its_root(app: Application, owner: User) -> None:
    (app.settings.upload_folder / marker.MARKER).unlink()

    upload(app, owner)

    assert marker.read(app.settings.upload_folder)


def test_an_old_file_that_cannot_be_removed_stays_as_an_orphan(
    app: Application, owner: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = upload(app, owner)

    def closed(*_: object) -> None:
        raise PermissionError(errno.EACCES, "closed")

    monkeypatch.setattr(LocalStore, "delete", closed)
    second = upload(app, owner)

    assert named(app, owner) == second
    assert files(app) == sorted([first, second])
    assert f"avatars/{first} could not be removed" in caplog.text


def test_a_name_is_never_used_twice(app: Application, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_lots = iter(["00000000", "00000000", "11111111"])
    upload_name = f"avatar_{owner.id}_00000000.webp"
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: next(drawn_lots))
    storage.store().put(f"avatars/{upload_name}", io.BytesIO(b"taken"))

    assert avatars._fresh_name(owner) == f"avatar_{owner.id}_11111111.webp"


class TestAPersonsPicture:
    def test_is_asked_for_in_three_ways(self, app: Application, owner: User, session: Session) -> None:
        name = upload(app, owner)
        session.refresh(owner)

        assert owner.get_avatar_url() == f"/uploads/avatars/{name}"
        assert owner.get_avatar_path() == str(app.settings.upload_folder / "avatars" / name)
        assert owner.has_avatar()

    def test_that_is_not_there_is_none(self, owner: User) -> None:
        assert (owner.get_avatar_url(), owner.get_avatar_path(), owner.has_avatar()) == (None, None, False)

    def test_whose_file_is_gone_is_named_but_not_had(self, app: Application, owner: User, session: Session) -> None:
        (app.settings.upload_folder / "avatars" / upload(app, owner)).unlink()
        session.refresh(owner)

        assert owner.get_avatar_url()
        assert not owner.has_avatar()

    def test_lies_in_the_folder_that_the_guide_for_moving_names(self, app: Application) -> None:
        assert get_avatar_upload_folder() == str(app.settings.upload_folder / "avatars")
