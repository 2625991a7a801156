"""A backup is whole or absent, of one moment, and does not mind what people do meanwhile."""

import errno
import hashlib
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, db, storage
from app.db import Application
from app.errors import Conflict, Unavailable
from app.models import Backup, BackupKind, BackupState, FileKind, StoredFile, User, WaitingRemoval
from app.services import uploads
from app.services.backup import create as creating
from app.services.backup import records, rows
from app.services.backup.archive import Writer
from app.services.backup.create import create, existing, folder
from app.services.backup.verify import verify
from app.storage.local import LocalStore
from tests.conftest import NOON
from tests.services.backup.conftest import FILES, told
from tests.services.backup.hostile import members_of

NOW = NOON


def left_in(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


class TestTheArchive:
    def test_lies_in_the_folder_of_backups_for_nobody_else_to_read(self, company: Application) -> None:
        made = create(company.engine, company.settings, now=NOW)

        assert made.path == folder(company.settings) / "timetracker-20261117T110000Z.tar.gz"
        assert made.path.stat().st_mode & 0o777 == 0o600
        assert folder(company.settings).stat().st_mode & 0o777 == 0o700
        assert made.size == made.path.stat().st_size

    def test_of_the_same_second_gets_another_name(self, company: Application) -> None:
        first, second = (create(company.engine, company.settings, now=NOW).path for _ in range(2))

        assert second.name == "timetracker-20261117T110000Z-2.tar.gz"
        assert existing(company.settings) == [first, second]

    def test_goes_where_it_is_told_and_overwrites_nothing(self, company: Application, tmp_path: Path) -> None:
        wanted = tmp_path / "mine.tgz"
        assert create(company.engine, company.settings, now=NOW, to=wanted).path == wanted
        before = wanted.read_bytes()

        with pytest.raises(Conflict, match="is there already"):
            create(company.engine, company.settings, now=NOW, to=wanted)

        assert wanted.read_bytes() == before
        assert create(company.engine, company.settings, now=NOW, to=tmp_path).path.parent == tmp_path
        assert existing(company.settings) == []

    def test_is_the_same_bytes_for_the_same_rows_and_files(self, company: Application) -> None:
        first, second = (create(company.engine, company.settings, now=NOW).path for _ in range(2))

        assert first.read_bytes() == second.read_bytes()

    def test_never_holds_earlier_backups_sessions_or_links(self, backup: Path, company: Application) -> None:
        again = create(company.engine, company.settings, now=NOW)

        assert set(members_of(again.path)) == set(members_of(backup))
        assert not [name for name in members_of(again.path) if "session" in name or "link" in name or "backup" in name]

    def test_is_recorded(self, backup: Path, session: Session) -> None:
        record = session.scalars(select(Backup)).one()

        assert (record.name, record.state, record.percent) == (backup.name, BackupState.DONE, 100)
        assert (record.size, record.entries, record.files) == (backup.stat().st_size, 60, FILES)
        assert record.sha256 == hashlib.sha256(backup.read_bytes()).hexdigest()
        assert not record.is_alive(clock.now())


class TestAFileThatIs:
    def test_lost_or_changed_does_not_keep_the_rest_from_being_backed_up(self, company: Application) -> None:
        lost, changed, _whole = sorted((company.settings.upload_folder / "avatars").iterdir())
        lost.unlink()
        changed.write_bytes(b"somebody was here")

        made = create(company.engine, company.settings, now=NOW)

        assert made.damaged == {
            f"files/avatars/{lost.name}": "is lost or cannot be read",
            f"files/avatars/{changed.name}": "is not what was stored",
        }
        assert verify(made.path).damaged == made.damaged
        assert members_of(made.path)[f"files/avatars/{changed.name}"] == b"somebody was here"

    def test_of_another_size_while_it_is_read_gives_no_backup(
        self, company: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture = min((company.settings.upload_folder / "avatars").iterdir())
        opened = LocalStore.open

        def grow(store: LocalStore, key: str) -> Any:
            with picture.open("ab") as more:
                more.write(b"x")
            return opened(store, key)

        monkeypatch.setattr(LocalStore, "open", grow)
        with pytest.raises(Unavailable, match="changes all the time"):
            create(company.engine, company.settings, now=NOW)

        assert left_in(folder(company.settings)) == []


class TestAPlace:
    def test_that_runs_full_is_told_of_and_keeps_nothing_half(
        self, company: Application, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Writer, "close", full)
        with pytest.raises(Unavailable, match=r"No backup was made: .* cannot be written .No space left on device"):
            create(company.engine, company.settings, now=NOW)

        assert left_in(folder(company.settings)) == []
        assert session.scalars(select(Backup)).one().state == BackupState.FAILED

    def test_with_too_little_room_is_told_before(self, company: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 2**20}))

        with pytest.raises(Unavailable, match="it may need 17 MiB, and 1 MiB are free"):
            create(company.engine, company.settings, now=NOW)

    def test_that_is_not_there_is_told_of(self, company: Application, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="No such file"):
            create(company.engine, company.settings, now=NOW, to=tmp_path / "no" / "x.tar.gz")


@pytest.mark.engines
class TestMeanwhile:
    def test_what_is_written_after_the_beginning_is_not_in_it_and_does_not_wait(
        self, company: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = rows.write

        def while_somebody_writes(connection: Any, table: Any, target: Any) -> int:
            written: int = write(connection, table, target)
            with db.transaction(company.engine) as session:
                for user in session.scalars(select(User)):
                    user.full_name += "!"
            return written

        before = told(company.engine)
        monkeypatch.setattr(rows, "write", while_somebody_writes)
        made = create(company.engine, company.settings, now=NOW)
        monkeypatch.undo()

        members = members_of(made.path)
        assert {name: members[f"rows/{name}.jsonl"] for name in before} == before
        assert told(company.engine) != before

    def test_a_file_that_is_removed_waits_for_its_end(
        self, company: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archived = creating._archived

        def remove_a_file(*arguments: Any) -> Any:
            with db.transaction(company.engine) as session:
                user = session.scalars(select(User)).first()
                assert user
                assert user.avatar_filename
                uploads.remove(session, FileKind.AVATAR, user.avatar_filename)
                user.avatar_filename = None
            assert len(list(storage.store().list(storage.AVATARS))) == 3
            return archived(*arguments)

        monkeypatch.setattr(creating, "_archived", remove_a_file)
        made = create(company.engine, company.settings, now=NOW)

        assert made.damaged == {}
        assert len(verify(made.path).files) == FILES
        assert len(list(storage.store().list(storage.AVATARS))) == 2
        with db.reading(company.engine) as session:
            assert session.scalars(select(WaitingRemoval)).all() == []

    def test_a_store_that_is_not_ours_is_not_taken_for_one_whose_files_are_lost(
        self, company: Application, tmp_path: Path
    ) -> None:
        storage.use(LocalStore(tmp_path / "another"))

        with pytest.raises(Unavailable, match=r"No backup was made: .* is not marked as this installation's"):
            create(company.engine, company.settings, now=NOW)

        assert existing(company.settings) == []

    def test_a_dead_one_holds_nothing(self, company: Application, session: Session) -> None:
        long_ago = clock.now() - timedelta(seconds=61)
        session.add(Backup(kind="backup", name="x", began_at=long_ago, beat_at=long_ago))
        session.commit()
        name = session.scalars(select(StoredFile.name)).first()
        assert name

        with db.transaction(company.engine) as writing:
            uploads.remove(writing, FileKind.AVATAR, name)

        assert f"avatars/{name}" not in set(storage.store().list(storage.AVATARS))

    def test_a_file_that_a_row_names_again_is_not_removed(self, company: Application, session: Session) -> None:
        """A restore brought it back while its removal waited."""
        key = min(storage.store().list(storage.AVATARS))
        session.add(WaitingRemoval(key=key, at=NOW))
        session.commit()

        uploads.remove_what_waits(company.engine)

        assert storage.store().stat(key) is not None
        session.rollback()
        assert session.scalars(select(WaitingRemoval)).all() == []


def test_a_run_gives_signs_of_life(company: Application, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BEATS_EVERY_SECONDS", 0.01)
    beaten = threading.Event()
    note = records.Run.note

    def noted(run: records.Run, **values: object) -> None:
        note(run, **values)
        if values == {"percent": 50}:
            beaten.set()

    monkeypatch.setattr(records.Run, "note", noted)
    with records.running(company.engine, BackupKind.BACKUP) as run:
        run.total, run.done = 10, 5
        assert beaten.wait(20)

    assert session.scalars(select(Backup)).one().percent == 100


def test_progress_ends_at_everything(company: Application) -> None:
    seen: list[tuple[int, int]] = []

    create(company.engine, company.settings, now=NOW, progress=lambda done, total: seen.append((done, total)))

    assert seen[-1][0] == seen[-1][1] > 0
