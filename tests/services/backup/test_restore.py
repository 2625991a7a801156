"""What went in comes out, row by row and byte by byte, whatever the database; and a restore happens whole or not."""

import errno
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app import db
from app.db import Application
from app.errors import Conflict, Unavailable
from app.models import Backup, Client, Installation, StoredFile, TimeEntry, User, UserSession
from app.services import schema, serving
from app.services.backup import archive
from app.services.backup import restore as restoring
from app.services.backup.archive import Unusable
from app.services.backup.create import create, existing
from app.services.backup.restore import restore
from app.storage import marker
from app.storage.local import LocalStore
from tests.conftest import NOON
from tests.services.backup.conftest import FILES, Place, files, told
from tests.services.backup.hostile import members_of, rewritten

LATER = NOON + timedelta(hours=1)


def store_of(app: Application) -> LocalStore:
    return LocalStore(app.settings.upload_folder)


@pytest.mark.engines
class TestARestore:
    @pytest.mark.parametrize("into", ["sqlite", "postgresql"])
    def test_brings_back_every_row_and_file(
        self, company: Application, backup: Path, place: Callable[..., Place], into: str
    ) -> None:
        rows_before, files_before = told(company.engine), files(store_of(company))
        target = place(into).use()
        with db.reading(target.engine) as session:
            own = Installation.this(session).installation_id

        restore(target.engine, target.settings, backup, now=LATER)

        assert told(target.engine) == rows_before
        assert files(target.store) == files_before
        assert len(files_before) == FILES
        with db.reading(target.engine) as session:
            assert Installation.this(session).installation_id == own
        assert marker.read(target.settings.upload_folder) == own

    def test_backed_up_again_has_the_same_members(
        self, company: Application, backup: Path, place: Callable[..., Place], engine_name: str
    ) -> None:
        target = place({"sqlite": "postgresql", "postgresql": "sqlite"}[engine_name]).use()
        restore(target.engine, target.settings, backup, now=LATER)

        again = create(target.engine, target.settings, now=LATER).path

        first, second = members_of(backup), members_of(again)
        assert first.pop(archive.MANIFEST) != second.pop(archive.MANIFEST)
        assert first == second

    def test_of_a_damaged_backup_takes_nothing_away_that_its_rows_name(
        self, company: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One file could not be read while it was backed up, another had changed; both lie here."""
        unreadable, changed = sorted(files(store_of(company)))[:2]
        store = store_of(company)
        opened = LocalStore.open
        store.put(changed, BytesIO(b"other bytes"))

        def failing(self: LocalStore, key: str) -> BinaryIO:
            if key == unreadable:
                raise OSError(errno.EIO, "Input/output error")
            return opened(self, key)

        monkeypatch.setattr(LocalStore, "open", failing)
        made = create(company.engine, company.settings, now=NOON)
        monkeypatch.undo()
        assert set(made.damaged) == {f"files/{unreadable}", f"files/{changed}"}
        before = files(store)

        restore(company.engine, company.settings, made.path, now=LATER, replace=True)

        assert files(store) == before

    def test_is_worked_on_with(self, backup: Path, place: Callable[..., Place], engine_name: str) -> None:
        """New rows get ids of their own: PostgreSQL would count from 1 again."""
        target = place(engine_name).use()
        restore(target.engine, target.settings, backup, now=LATER)

        with db.transaction(target.engine) as session:
            highest = session.scalar(select(func.max(Client.id))) or 0
            session.add(Client(name="The next", created_at=NOON))
        with db.reading(target.engine) as session:
            assert session.scalar(select(Client.id).where(Client.name == "The next")) == highest + 1
        with target.engine.connect() as connection:
            assert schema.state(connection) is schema.State.CURRENT

    def test_replaces_only_when_told_and_after_a_backup(
        self, company: Application, backup: Path, session: Session
    ) -> None:
        before = told(company.engine)
        with db.transaction(company.engine) as writing:
            writing.execute(delete(TimeEntry))
            user = writing.scalars(select(User)).first()
            assert user
            user.full_name = "Somebody Else"
        changed = told(company.engine)
        with pytest.raises(Conflict, match=r"People: 3, time entries: 0, stored files: 7 are here already.*--replace"):
            restore(company.engine, company.settings, backup, now=LATER)
        assert told(company.engine) == changed

        restored = restore(company.engine, company.settings, backup, now=LATER, replace=True)

        assert told(company.engine) == before
        assert restored.before is not None
        assert existing(company.settings) == [restored.before.path, backup]
        assert sorted(session.scalars(select(Backup.name))) == sorted([backup.name, restored.before.path.name])
        session.rollback()
        restore(company.engine, company.settings, restored.before.path, now=LATER, replace=True)
        assert told(company.engine) == changed

    def test_that_replaces_removes_the_files_that_nothing_names_any_more(
        self, company: Application, backup: Path, place: Callable[..., Place], engine_name: str
    ) -> None:
        target = place(engine_name).use()
        empty = create(target.engine, target.settings, now=NOON).path
        restore(target.engine, target.settings, backup, now=LATER)
        assert len(files(target.store)) == FILES

        restore(target.engine, target.settings, empty, now=LATER, replace=True)

        assert files(target.store) == {}

    def test_signs_everybody_out(self, company: Application, backup: Path, session: Session) -> None:
        user = session.scalars(select(User)).first()
        assert user
        session.add(
            UserSession(
                sid_hash="x",
                user_id=user.id,
                stay_signed_in=True,
                created_at=NOON,
                last_seen_at=NOON,
                expires_at=NOON + timedelta(days=1),
            )
        )
        session.commit()

        restore(company.engine, company.settings, backup, now=LATER, replace=True)

        assert session.scalar(select(func.count()).select_from(UserSession)) == 0

    def test_beside_a_server_is_refused(self, backup: Path, place: Callable[..., Place], engine_name: str) -> None:
        target = place(engine_name).use()

        with serving.hold(target.settings), pytest.raises(Conflict, match="A server runs"):
            restore(target.engine, target.settings, backup, now=LATER)

        with db.reading(target.engine) as session:
            assert not StoredFile.any_exist(session)


class TestKilledHalfWay:
    """A failure at each stage stands for a kill there: what it leaves is the same."""

    @pytest.mark.engines
    @pytest.mark.parametrize("stage", ["_drop_all", "_refuse_broken_references", "_fill", "_put", "_count_on"])
    def test_the_former_installation_is_there_as_it_was_and_a_second_run_completes(
        self, company: Application, backup: Path, monkeypatch: pytest.MonkeyPatch, stage: str
    ) -> None:
        restored = told(company.engine)
        with db.transaction(company.engine) as session:
            session.execute(delete(TimeEntry).where(TimeEntry.id % 2 == 0))
        before, files_before = told(company.engine), files(store_of(company))
        act = getattr(restoring, stage)

        def break_off(*arguments: Any) -> None:
            act(*arguments)
            raise KeyboardInterrupt(stage)

        monkeypatch.setattr(restoring, stage, break_off)
        with pytest.raises(KeyboardInterrupt, match=stage):
            restore(company.engine, company.settings, backup, now=LATER, replace=True)
        monkeypatch.undo()

        assert told(company.engine) == before
        assert files(store_of(company)) == files_before
        restore(company.engine, company.settings, backup, now=LATER, replace=True)
        assert told(company.engine) == restored

    def test_a_full_disk_is_told_and_changes_nothing(
        self, backup: Path, place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = place().use()
        before = told(target.engine)

        def full(self: LocalStore, key: str, source: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(LocalStore, "put", full)
        with pytest.raises(Unavailable, match=r"could not be stored .No space left on device.. Nothing was changed"):
            restore(target.engine, target.settings, backup, now=LATER)

        assert told(target.engine) == before

    def test_too_little_room_is_told_before(
        self, backup: Path, place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = place().use()
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1000}))

        with pytest.raises(Unavailable, match="Its files need 16 MiB, and 0 MiB are free"):
            restore(target.engine, target.settings, backup, now=LATER)

    def test_a_file_of_the_same_name_with_other_bytes_is_not_overwritten(
        self, company: Application, backup: Path
    ) -> None:
        with db.transaction(company.engine) as session:
            row = session.scalars(select(StoredFile)).first()
            assert row
            row.sha256 = "0" * 64
        before = files(store_of(company))

        with pytest.raises(Conflict, match="is another file here"):
            restoring.into(company.engine, store_of(company), backup)

        assert files(store_of(company)) == before


class TestAnOtherSchema:
    @pytest.mark.engines
    def test_an_older_one_is_restored_and_then_migrated(
        self, company: Application, place: Callable[..., Place], backup: Path, tmp_path: Path, engine_name: str
    ) -> None:
        """As 20261122_1712 would have told it: before people of the demo were marked, attachments and the logo."""
        older = rewritten(backup, tmp_path / "older.tar.gz", older_by_is_demo)
        target = place(engine_name).use()

        restore(target.engine, target.settings, older, now=LATER)

        marked = re.compile(rb'"is_demo":(true|false)')
        logo = re.compile(rb'"logo_filename":"[^"]+"')
        expected = {
            name: logo.sub(b'"logo_filename":null', marked.sub(b'"is_demo":false', lines))
            for name, lines in told(company.engine).items()
        } | {"attachments": b""}
        assert told(target.engine) == expected
        with target.engine.connect() as connection:
            assert schema.state(connection) is schema.State.CURRENT

    def test_a_newer_one_is_refused(self, place: Callable[..., Place], backup: Path, tmp_path: Path) -> None:
        def newer(manifest: dict[str, Any], _members: dict[str, bytes]) -> None:
            manifest["schema"], manifest["version"] = "29990101_0000", "9.9"

        target = place().use()
        before = told(target.engine)

        with pytest.raises(Unusable, match=r"TimeTracker 9\.9, whose schema this version does not know"):
            restore(target.engine, target.settings, rewritten(backup, tmp_path / "newer.tar.gz", newer), now=LATER)

        assert told(target.engine) == before


def older_by_is_demo(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    manifest["schema"] = "20261122_1712"
    users = next(table for table in manifest["tables"] if table["name"] == "users")
    del users["columns"]["is_demo"]
    members["rows/users.jsonl"] = re.sub(rb',"is_demo":(true|false)', b"", members["rows/users.jsonl"])
    installations = next(table for table in manifest["tables"] if table["name"] == "installations")
    del installations["columns"]["logo_filename"]
    of_house = members["rows/installations.jsonl"]
    members["rows/installations.jsonl"] = re.sub(rb',"logo_filename":"[^"]+"', b"", of_house)
    manifest["tables"] = [table for table in manifest["tables"] if table["name"] != "attachments"]
    del members["rows/attachments.jsonl"]


def test_a_reference_to_a_row_that_is_not_held_is_refused(
    place: Callable[..., Place], backup: Path, tmp_path: Path
) -> None:
    def without_tags(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        members["rows/tags.jsonl"] = b""
        next(table for table in manifest["tables"] if table["name"] == "tags")["rows"] = 0

    target = place().use()
    before = told(target.engine)

    with pytest.raises(Unusable, match="time_entry_tags refers to one of tags"):
        restore(target.engine, target.settings, rewritten(backup, tmp_path / "x.tar.gz", without_tags), now=LATER)

    assert told(target.engine) == before
    with target.engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
