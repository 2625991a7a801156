"""The doctor names what is wrong and what mends it, and touches nothing."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import clock, config, db
from app.config import Settings
from app.db import Application
from app.errors import CannotStart
from app.models import FileKind, User
from app.models.subject import Subject
from app.services import doctor, installation, serving, timer, uploads
from app.services.doctor import Code, Finding, Severity, files, places
from app.storage import marker
from tests.conftest import NOON
from tests.services.test_installation import WITHOUT_RIGHTS, failing, know_a_file, timetracker


def found(settings: Settings, code: str) -> Finding:
    """The last word on one thing."""
    return [finding for finding in doctor.examine(settings) if finding.code == code][-1]


@pytest.mark.engines
def test_a_sound_installation_has_no_errors(app: Application) -> None:
    findings = doctor.examine(app.settings)

    not_done_yet = {"address", "backup", "drill"}
    assert {finding.severity for finding in findings if finding.code not in not_done_yet} == {Severity.OK}
    assert [finding.code for finding in findings] == [
        "data_dir",
        "free_space",
        "upload_folder",
        "free_space",
        "database",
        "schema",
        "marker",
        "files",
        "orphans",
        "pictures",
        "timers",
        "clock",
        "backup",
        "drill",
        "secret_key",
        "address",
    ]
    assert not doctor.has_errors(findings)


def test_an_empty_data_root_is_reported_and_stays_as_it_is(tmp_path: Path) -> None:
    findings = doctor.examine(config.load({"DATA_DIR": str(tmp_path / "data")}))

    assert [(finding.code, finding.severity) for finding in findings] == [
        ("data_dir", Severity.ERROR),
        ("upload_folder", Severity.ERROR),
        ("database", Severity.ERROR),
        ("secret_key", Severity.WARNING),
        ("address", Severity.WARNING),
    ]
    assert all(finding.mend == "Run `timetracker migrate`." for finding in findings[:3])
    assert not (tmp_path / "data").exists()


def remove_uploads(settings: Settings) -> None:
    shutil.rmtree(settings.upload_folder)


def file_for_uploads(settings: Settings) -> None:
    shutil.rmtree(settings.upload_folder)
    settings.upload_folder.write_bytes(b"")


def remove_database(settings: Settings) -> None:
    assert settings.sqlite_file is not None
    settings.sqlite_file.unlink()


def overwrite_database(settings: Settings) -> None:
    assert settings.sqlite_file is not None
    settings.sqlite_file.write_bytes(b"not a database at all" * 100)


def stamp(revision: str) -> Callable[[Settings], None]:
    def newer(settings: Settings) -> None:
        engine = db.make_engine(settings)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        engine.dispose()

    return newer


def lose_the_marker(settings: Settings) -> None:
    engine = db.make_engine(settings)
    with db.reading(engine) as session:
        know_a_file(session)
    engine.dispose()
    (settings.upload_folder / marker.MARKER).unlink()


def forget_all_files(settings: Settings) -> None:
    run(settings, "DELETE FROM stored_files")


def another_marker(settings: Settings) -> None:
    marker.write(settings.upload_folder, "another installation")


def no_marker(settings: Settings) -> None:
    (settings.upload_folder / marker.MARKER).unlink()


def run(settings: Settings, statement: str) -> None:
    engine = db.make_engine(settings)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def cut_the_key(settings: Settings) -> None:
    settings.secret_key_file.write_text("half")


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (remove_uploads, "upload_folder", "is not there. Run `timetracker migrate`."),
        (file_for_uploads, "upload_folder", "is not a folder."),
        (remove_database, "database", "There is no database yet."),
        (overwrite_database, "database", "file is not a database. Check DATABASE_URL"),
        (stamp("29990101_0000"), "schema", "The schema is of a newer version"),
        (lose_the_marker, "marker", "`timetracker uploads adopt`"),
        (cut_the_key, "secret_key", "holds no whole secret key"),
    ],
)
def test_each_damage_is_named_with_what_mends_it(
    app: Application, damage: Callable[[Settings], None], code: str, words: str
) -> None:
    app.engine.dispose()
    damage(app.settings)

    finding = found(app.settings, code)

    assert finding.severity is Severity.ERROR
    assert words in f"{finding.what} {finding.mend}"


def test_a_key_others_may_read_is_a_warning(app: Application) -> None:
    app.settings.secret_key_file.chmod(0o644)

    finding = found(app.settings, "secret_key")

    assert finding.severity is Severity.WARNING
    assert finding.mend == f"Run `chmod 600 {app.settings.secret_key_file}`."


def test_a_folder_that_cannot_be_written_is_an_error(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "try_to_write", failing(errno.EACCES))

    finding = found(app.settings, "upload_folder")

    assert finding.severity is Severity.ERROR
    assert finding.mend.startswith("Run `sudo ch")


@pytest.mark.skipif(bool(WITHOUT_RIGHTS) and shutil.which("setpriv") is None, reason="there is no setpriv")
def test_a_data_root_that_cannot_be_entered_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "closed" / "data").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o000)

    run = timetracker(tmp_path / "closed" / "data", "doctor", before=WITHOUT_RIGHTS)

    assert (run.returncode, run.stderr) == (1, "")


def test_an_unreachable_server_is_told_in_one_line_without_its_password(tmp_path: Path) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/tt"})

    finding = found(settings, "database")

    assert finding.severity is Severity.ERROR
    assert finding.what.startswith("The database does not answer: ")
    assert "\n" not in finding.what
    assert "hunter2" not in finding.what


@pytest.mark.parametrize(("words", "told"), [("full", "full."), ("away.\nIs it on?", "away.")])
def test_the_database_is_quoted_with_its_first_line(words: str, told: str) -> None:
    error = OperationalError("SELECT 1", {}, Exception(words))

    assert doctor.what_the_database_says(error) == f"The database does not answer: {told}"


def test_a_finding_for_machines_holds_words_only(app: Application) -> None:
    assert found(app.settings, "schema").as_dict() == {
        "code": "schema",
        "severity": "ok",
        "what": "The schema is up to date.",
        "why": "",
        "mend": "",
        "names": [],
    }


@pytest.fixture(autouse=True)
def _roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever tests run, the disk has room."""
    have_free(monkeypatch, 500 * places.GIB)


def have_free(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 1000 * places.GIB) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(total, total - free, free))


class TestTheDisk:
    @pytest.mark.parametrize(
        ("free", "total", "severity"),
        [
            (1000, 1000, Severity.OK),
            (49, 1000, Severity.OK),  # a large disk has room long before a twentieth is free
            (9, 1000, Severity.WARNING),
            (4, 100, Severity.WARNING),
            (6, 100, Severity.OK),
            (0.5, 1, Severity.WARNING),
        ],
    )
    def test_with_little_room_is_a_warning(
        self, app: Application, monkeypatch: pytest.MonkeyPatch, free: float, total: int, severity: Severity
    ) -> None:
        have_free(monkeypatch, int(free * places.GIB), total * places.GIB)

        assert found(app.settings, "free_space").severity is severity

    @pytest.mark.parametrize(
        ("number", "words"), [(errno.ENOSPC, "is full: make room"), (errno.EROFS, "mounted read-only")]
    )
    def test_that_takes_no_write_is_an_error(
        self, app: Application, monkeypatch: pytest.MonkeyPatch, number: int, words: str
    ) -> None:
        monkeypatch.setattr(installation, "try_to_write", failing(number))

        finding = found(app.settings, "data_dir")

        assert finding.severity is Severity.ERROR
        assert words in finding.what

    def test_is_left_as_it_was(self, app: Application) -> None:
        before = sorted(app.settings.data_dir.rglob("*"))

        doctor.examine(app.settings, thorough=True)

        assert sorted(
            path for path in app.settings.data_dir.rglob("*") if path.suffix not in {".db-shm", ".db-wal"}
        ) == [path for path in before if path.suffix not in {".db-shm", ".db-wal"}]


def store(app: Application, session: Session, person: User, name: str, data: bytes = b"a face") -> Path:
    """A file with its row, as an upload leaves it."""
    uploads.keep(
        session,
        FileKind.AVATAR,
        name,
        BytesIO(data),
        content_type="image/webp",
        original_name="me.png",
        uploaded_by=person,
        now=NOON,
    )
    session.commit()
    return app.settings.upload_folder / "avatars" / name


def thoroughly(settings: Settings, code: str) -> Finding:
    return [finding for finding in doctor.examine(settings, thorough=True) if finding.code == code][-1]


class TestStoredFiles:
    def test_that_are_gone_are_named_as_errors(self, app: Application, session: Session, owner: User) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        store(app, session, owner, "avatar_2_00000002.webp").unlink()

        finding = found(app.settings, "files")

        assert (finding.severity, finding.names) == (Severity.ERROR, ("avatars/avatar_2_00000002.webp",))

    @pytest.mark.parametrize("data", [b"b face", b"a fac", b""])
    def test_whose_bytes_changed_are_named_by_a_thorough_look(
        self, app: Application, session: Session, owner: User, data: bytes
    ) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        store(app, session, owner, "avatar_2_00000002.webp").write_bytes(data)

        finding = thoroughly(app.settings, "changed_files")

        assert (finding.severity, finding.names) == (Severity.ERROR, ("avatars/avatar_2_00000002.webp",))
        assert "changed_files" not in {finding.code for finding in doctor.examine(app.settings)}

    def test_that_are_as_they_were_are_well(self, app: Application, session: Session, owner: User) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")

        assert thoroughly(app.settings, "changed_files").severity is Severity.OK
        assert thoroughly(app.settings, "files").severity is Severity.OK

    def test_without_a_row_are_named_as_a_warning(self, app: Application, session: Session, owner: User) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        (app.settings.upload_folder / "avatars" / "stray.png").write_bytes(b"x")

        finding = found(app.settings, "orphans")

        assert (finding.severity, finding.names) == (Severity.WARNING, ("avatars/stray.png",))

    def test_of_old_that_wait_for_the_import_are_nobodys_business(
        self, app: Application, session: Session, owner: User
    ) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        waiting = app.settings.upload_folder / "legacy" / "receipts" / "1.pdf"
        waiting.parent.mkdir(parents=True)
        waiting.write_bytes(b"x")
        os.utime(waiting, (0, 0))

        doctor.mend(app.settings, clock.now())

        assert found(app.settings, "orphans").severity is Severity.OK
        assert waiting.read_bytes() == b"x"

    def test_that_are_being_written_are_no_orphans_until_an_hour_has_passed(
        self, app: Application, session: Session, owner: User
    ) -> None:
        half = store(app, session, owner, "avatar_2_00000001.webp").with_name(".incoming-0123")
        half.write_bytes(b"half")

        assert found(app.settings, "orphans").severity is Severity.OK
        os.utime(half, (0, 0))
        assert found(app.settings, "orphans").names == ("avatars/.incoming-0123",)

    def test_of_pictures_that_no_row_knows_are_told_with_whose_they_are(
        self, app: Application, session: Session, owner: User, colleague: User
    ) -> None:
        owner.avatar_filename = "avatar_2_0123abcd.png"
        session.commit()
        folder = app.settings.upload_folder / "avatars"
        folder.mkdir()
        (folder / "avatar_2_0123abcd.png").write_bytes(b"a face of old")

        assert found(app.settings, "pictures").severity is Severity.WARNING
        assert found(app.settings, "orphans").severity is Severity.OK

        (folder / "avatar_2_0123abcd.png").unlink()
        finding = found(app.settings, "pictures")
        assert (finding.severity, finding.names) == (Severity.ERROR, ("avatars/avatar_2_0123abcd.png (owner)",))

    def test_removed_while_the_doctor_looks_are_not_lost(
        self, app: Application, session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        known = files.known
        monkeypatch.setattr(files, "listed", lambda _store: set())  # it was uploaded after that

        def removed_after_the_rows_were_read(reading: Session) -> Any:
            rows = known(reading)
            with db.transaction(app.engine) as other:
                uploads.remove(other, FileKind.AVATAR, "avatar_2_00000001.webp")
            return rows

        monkeypatch.setattr(files, "known", removed_after_the_rows_were_read)

        assert thoroughly(app.settings, "files").severity is Severity.OK

    @pytest.mark.skipif(bool(WITHOUT_RIGHTS), reason="root may read everything")
    def test_that_cannot_be_read_are_an_error(self, app: Application, session: Session, owner: User) -> None:
        store(app, session, owner, "avatar_2_00000001.webp").parent.chmod(0o000)

        assert found(app.settings, "files").severity is Severity.ERROR


class TestTheDatabase:
    def test_that_is_damaged_is_told_by_a_thorough_look(self, app: Application, owner: User) -> None:
        with app.engine.connect() as connection:
            page = connection.scalar(text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_users_email_key'"))
            size = connection.scalar(text("PRAGMA page_size"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        app.engine.dispose()
        assert page
        assert size
        assert app.settings.sqlite_file
        with app.settings.sqlite_file.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\x0a" + bytes(size - 1))

        finding = thoroughly(app.settings, "integrity")

        assert finding.severity is Severity.ERROR
        assert finding.names

    def test_with_a_reference_to_nothing_is_damaged(self, app: Application) -> None:
        with app.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("INSERT INTO user_devices (user_id, device_hash, created_at) VALUES (9, 'x', 0)")
            connection.commit()
        app.engine.dispose()

        assert thoroughly(app.settings, "integrity").names == ("user_devices 1 names a row of users that is not there",)

    @pytest.mark.engines
    def test_where_somebody_runs_two_timers_is_a_warning_unless_several_are_allowed(
        self, app: Application, session: Session, owner: User, colleague: User
    ) -> None:
        several = replace(app.settings, single_active_timer=False)
        for _ in range(2):
            timer.start(session, owner, Subject(), read_now=lambda: NOON, single=False)
        timer.start(session, colleague, Subject(), read_now=lambda: NOON, single=True)
        session.commit()

        finding = found(app.settings, "timers")

        assert (finding.severity, finding.names) == (Severity.WARNING, ("owner",))
        assert "timers" not in {finding.code for finding in doctor.examine(several)}

    @pytest.mark.engines
    def test_that_was_changed_in_the_future_tells_a_wrong_clock(
        self, app: Application, session: Session, owner: User
    ) -> None:
        timer.start(session, owner, Subject(), read_now=lambda: NOON, single=True)
        session.commit()

        (finding,) = [
            finding
            for finding in doctor.examine(app.settings, now=NOON - timedelta(hours=1))
            if finding.code == "clock"
        ]

        assert finding.severity is Severity.WARNING


class TestTheAddress:
    @pytest.mark.parametrize(
        ("base_url", "proxies", "codes"),
        [
            ("", "", ["address"]),
            ("http://nas.local:8080", "", []),
            ("https://time.example.org", "", ["proxies"]),
            ("https://time.example.org", "10.0.0.1", []),
            ("https://time.example.org", "0.0.0.0/0", ["proxies"]),
        ],
    )
    def test_and_the_proxies_are_looked_at(self, tmp_path: Path, base_url: str, proxies: str, codes: list[str]) -> None:
        settings = config.load({"DATA_DIR": str(tmp_path), "BASE_URL": base_url, "TRUSTED_PROXIES": proxies})

        warnings = [finding for finding in doctor.examine(settings) if finding.severity is Severity.WARNING]

        assert [finding.code for finding in warnings if finding.code in {"address", "proxies"}] == codes


AGES = NOON + timedelta(days=1000)


class TestMending:
    @pytest.fixture(autouse=True)
    def _stray(self, app: Application, session: Session, owner: User) -> None:
        store(app, session, owner, "avatar_2_00000001.webp")
        self.stray = app.settings.upload_folder / "avatars" / "stray.png"
        self.stray.write_bytes(b"a stray")
        app.engine.dispose()

    def test_puts_files_without_a_row_into_quarantine_and_leaves_all_others(self, app: Application) -> None:
        doctor.mend(app.settings, AGES)

        assert not self.stray.exists()
        (found,) = (app.settings.data_dir / "quarantine").glob("*/avatars/*")
        assert (found.name, found.read_bytes()) == ("stray.png", b"a stray")
        assert self.stray.with_name("avatar_2_00000001.webp").exists()

    def test_works_where_the_quarantine_is_on_another_disk(
        self, app: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = Path.rename

        def only_within_a_folder(path: Path, target: Path) -> Path:
            if path.parent != target.parent:
                raise OSError(errno.EXDEV, "another disk")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", only_within_a_folder)

        self.test_puts_files_without_a_row_into_quarantine_and_leaves_all_others(app)

    def test_leaves_what_may_be_an_upload_on_its_way(self, app: Application) -> None:
        assert doctor.mend(app.settings, clock.now()) == []

        assert self.stray.exists()

    def test_leaves_pictures_that_only_their_people_name(self, app: Application, session: Session, owner: User) -> None:
        owner.avatar_filename = self.stray.name
        session.commit()

        doctor.mend(app.settings, AGES)

        assert self.stray.exists()

    @pytest.mark.parametrize(
        "damage",
        [forget_all_files, another_marker, no_marker, remove_database, overwrite_database, stamp("20261122_1300")],
    )
    def test_moves_nothing_on_the_word_of_a_database_that_may_be_the_wrong_one(
        self, app: Application, damage: Callable[[Settings], None]
    ) -> None:
        damage(app.settings)

        doctor.mend(app.settings, AGES)

        assert self.stray.exists()

    def test_closes_the_key_for_others(self, app: Application) -> None:
        app.settings.secret_key_file.chmod(0o644)

        doctor.mend(app.settings, AGES)

        assert found(app.settings, "secret_key").severity is Severity.OK

    def test_makes_missing_folders_but_claims_none_that_files_should_lie_in(self, app: Application) -> None:
        shutil.rmtree(app.settings.upload_folder)

        doctor.mend(app.settings, AGES)

        assert found(app.settings, "upload_folder").severity is Severity.OK
        assert found(app.settings, "marker").severity is Severity.ERROR
        assert found(app.settings, "files").names == ("avatars/avatar_2_00000001.webp",)

    def test_waits_for_nobody_who_replaces_the_database(self, app: Application) -> None:
        with serving.refuse_while_serving(app.settings), pytest.raises(CannotStart, match="being replaced"):
            doctor.mend(app.settings, AGES)

        assert self.stray.exists()


def test_every_finding_has_its_place_in_the_manual() -> None:
    page = (config.CHECKOUT / "docs" / "operate" / "trouble.md").read_text("utf-8")

    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [code.value for code in Code]
