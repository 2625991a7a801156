"""An installation whose files lie in a bucket: it starts, takes and serves them, or says why not."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app, storage
from app.config import Settings
from app.db import Application
from app.errors import CannotStart, Unavailable
from app.models import FileKind, Installation, StoredFile, User
from app.routes.auth import get_avatar_upload_folder
from app.services import installation, uploads
from app.storage import StoreRefuses, marker
from app.storage.marker import Mark
from tests.conftest import NOON, Browser
from tests.routes.test_avatars import send
from tests.s3 import S3Server, Wire
from tests.services.test_avatars import named, rows, upload
from tests.services.test_installation import know_a_file
from tests.test_server import free_port, serving

PART = 5 * 2**20


@pytest.fixture
def wire(s3: S3Server) -> Wire:
    return Wire(s3)


@pytest.fixture
def environment(environment: dict[str, str], s3: S3Server, wire: Wire) -> dict[str, str]:
    return environment | s3.environment(port=wire.port)


def keys(app: Application) -> list[str]:
    return list(storage.store().list(storage.AVATARS))


class TestAPicture:
    @pytest.mark.engines
    def test_is_taken_and_served(self, app: Application, as_owner: Browser, owner: User) -> None:
        assert send(as_owner).status_code == 303

        address = f"/uploads/avatars/{named(app, owner)}"
        assert f'src="{address}"' in as_owner.get("/profile").text
        answer = as_owner.get(address)
        assert (answer.status_code, answer.content_type) == (200, "image/webp")
        assert keys(app) == [f"avatars/{named(app, owner)}"]
        assert list(app.settings.upload_folder.iterdir()) == []

    def test_replaces_the_one_before_and_is_taken_away_again(
        self, app: Application, as_owner: Browser, owner: User
    ) -> None:
        send(as_owner)
        send(as_owner)
        assert keys(app) == [f"avatars/{named(app, owner)}"]

        as_owner.post("/profile/avatar/remove")
        assert (keys(app), rows(app)) == ([], [])

    def test_has_an_address_and_no_path(self, app: Application, owner: User, session: Session) -> None:
        name = upload(app, owner)
        session.refresh(owner)

        assert (owner.get_avatar_url(), owner.has_avatar()) == (f"/uploads/avatars/{name}", True)
        assert (owner.get_avatar_path(), get_avatar_upload_folder()) == (None, None)

    def test_that_nobody_sent_is_not_found(self, as_owner: Browser) -> None:
        assert as_owner.get("/uploads/avatars/avatar_1_00000000.webp").status_code == 404


class TestAStoreThatIsAway:
    def test_refuses_uploads_serves_pages_and_works_again_when_it_is_back(
        self, app: Application, as_owner: Browser, owner: User, wire: Wire
    ) -> None:
        send(as_owner)
        before = named(app, owner)
        wire.cut()

        answer = send(as_owner)
        assert answer.status_code == 503
        assert "The file could not be stored just now. Nothing was changed" in answer.text
        assert as_owner.get(f"/uploads/avatars/{before}").status_code == 503
        assert as_owner.get("/profile").status_code == 200
        assert as_owner.get("/_ready").status_code == 503
        assert as_owner.get("/_ready").json == {
            "status": "unavailable",
            "database": "ok",
            "schema": "ok",
            "storage": "unreachable",
        }
        assert named(app, owner) == before
        assert list(app.settings.upload_folder.iterdir()) == []

        wire.mend()
        assert as_owner.get("/_ready").status_code == 200
        assert send(as_owner).status_code == 303
        assert keys(app) == [f"avatars/{named(app, owner)}"]

    def test_in_mid_upload_leaves_neither_row_nor_file(
        self, app: Application, session: Session, owner: User, wire: Wire
    ) -> None:
        class CutsTheWire(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() >= PART:
                    wire.cut()
                return super().read(size)

        def keep(source: io.BytesIO) -> None:
            said: Any = {"content_type": "image/webp", "original_name": "me.png", "uploaded_by": owner, "now": NOON}
            uploads.keep(session, FileKind.AVATAR, "avatar_1_00000000.webp", source, **said)

        with pytest.raises(Unavailable):
            keep(CutsTheWire(b"x" * 3 * PART))

        wire.mend()
        assert (keys(app), session.scalars(select(StoredFile)).all()) == ([], [])
        keep(io.BytesIO(b"x" * 3 * PART))
        assert keys(app) == ["avatars/avatar_1_00000000.webp"]

    def test_keeps_the_old_picture_when_it_goes_away_before_that_is_removed(
        self, app: Application, as_owner: Browser, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(as_owner)
        first = named(app, owner)

        def away(*_: object) -> None:
            raise StoreRefuses("away")

        monkeypatch.setattr(type(storage.store()), "delete", away)

        assert send(as_owner).status_code == 303
        assert sorted(keys(app)) == sorted([f"avatars/{first}", f"avatars/{named(app, owner)}"])


def timetracker(settings: Settings, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in settings.environment.items() if value and "(" not in value}
    keys = {"AWS_ACCESS_KEY_ID": "key-of-tests", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}
    return subprocess.run(
        [str(Path(sys.executable).with_name("timetracker")), *words],
        env={**environment, **keys, "PATH": os.environ["PATH"], **changed},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def refused(run: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a start that was refused; a server says some words before it."""
    assert run.returncode == 78, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.splitlines()[-1]


@pytest.fixture(params=["migrate", "serve"])
def words(request: pytest.FixtureRequest) -> list[str]:
    """A command that uses the store first."""
    return ["migrate"] if request.param == "migrate" else ["serve", "--port", str(free_port())]


class TestAStart:
    def test_without_the_network_is_refused(self, settings: Settings, wire: Wire, words: list[str]) -> None:
        wire.cut()

        assert "does not answer: check STORAGE_URL and AWS_ENDPOINT_URL" in refused(timetracker(settings, *words))

    def test_without_the_bucket_is_refused(self, settings: Settings, s3: S3Server, words: list[str]) -> None:
        elsewhere = s3.environment("no-such-bucket")["STORAGE_URL"]

        sentence = refused(timetracker(settings, *words, STORAGE_URL=elsewhere))

        assert "there is no bucket no-such-bucket. Make it, or correct STORAGE_URL." in sentence

    def test_with_wrong_keys_is_refused(self, settings: Settings, s3: S3Server, words: list[str]) -> None:
        with s3.letting_nobody_in():
            sentence = refused(timetracker(settings, *words))

        assert "does not let us in: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in sentence
        assert "secret-of-tests" not in sentence

    def test_without_keys_is_refused(self, settings: Settings, words: list[str]) -> None:
        sentence = refused(timetracker(settings, *words, AWS_SECRET_ACCESS_KEY=""))

        assert "STORAGE_URL begins with s3://, which needs AWS_SECRET_ACCESS_KEY, too." in sentence

    def test_in_the_bucket_of_another_installation_is_refused(
        self, app: Application, session: Session, words: list[str]
    ) -> None:
        know_a_file(session)
        marker.leave(storage.store(), Mark("another"))

        sentence = refused(timetracker(app.settings, *words))

        assert f"but the store {storage.store().place} belongs to another installation" in sentence
        assert "`timetracker uploads adopt`" in sentence


def test_a_bucket_is_adopted_on_request(app: Application, session: Session) -> None:
    know_a_file(session)
    marker.leave(storage.store(), Mark("another"))
    with pytest.raises(CannotStart):
        create_app(app.settings)

    adopted = timetracker(app.settings, "uploads", "adopt")

    assert adopted.stdout == f"{storage.store().place} now belongs to this installation.\n"
    assert marker.look(storage.store()) == Mark(Installation.this(session).installation_id)


def test_an_upload_into_a_bucket_that_became_anothers_is_refused(
    app: Application, as_owner: Browser, owner: User
) -> None:
    send(as_owner)
    marker.leave(storage.store(), Mark("another"))

    assert send(as_owner).status_code == 503
    assert marker.look(storage.store()) == Mark("another")


def test_an_upload_leaves_the_marker_of_a_move_alone(app: Application, session: Session, owner: User) -> None:
    mark = Mark(Installation.this(session).installation_id, moved_to="local")
    marker.leave(storage.store(), mark)

    with pytest.raises(CannotStart, match="remove STORAGE_URL, then start again"):
        installation.recognise_uploads(session, storage.store())
    with pytest.raises(Unavailable):
        upload(app, owner)

    assert marker.look(storage.store()) == mark


def test_the_server_uses_the_store_in_its_forked_worker(app: Application, environment: dict[str, str]) -> None:
    remote = {name: environment[name] for name in ("STORAGE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    with serving(app.settings.data_dir, free_port(), **remote) as running:  # it waits until the store is ready, too
        assert running.stop() == 0


def test_the_keys_are_hidden(settings: Settings) -> None:
    said = timetracker(settings, "config").stdout

    assert "AWS_ACCESS_KEY_ID=(hidden)\nAWS_SECRET_ACCESS_KEY=(hidden)\n" in said
    assert "-of-tests" not in said + repr(settings)
