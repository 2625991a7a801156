"""The doctor names what is wrong and what mends it, and touches nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app import config, db
from app.config import Settings
from app.db import Application
from app.services import doctor
from app.services.doctor import Finding, Severity
from app.storage import marker
from tests.services.test_installation import WITHOUT_RIGHTS, know_a_file, timetracker


def found(settings: Settings, code: str) -> Finding:
    """The last word on one thing."""
    return [finding for finding in doctor.examine(settings) if finding.code == code][-1]


@pytest.mark.engines
def test_a_sound_installation_has_no_errors(app: Application) -> None:
    findings = doctor.examine(app.settings)

    assert {finding.severity for finding in findings} == {Severity.OK}
    assert [finding.code for finding in findings] == [
        "data_dir",
        "upload_folder",
        "database",
        "schema",
        "marker",
        "secret_key",
    ]
    assert not doctor.has_errors(findings)


def test_an_empty_data_root_is_reported_and_stays_as_it_is(tmp_path: Path) -> None:
    findings = doctor.examine(config.load({"DATA_DIR": str(tmp_path / "data")}))

    assert [(finding.code, finding.severity) for finding in findings] == [
        ("data_dir", Severity.ERROR),
        ("upload_folder", Severity.ERROR),
        ("database", Severity.ERROR),
        ("secret_key", Severity.WARNING),
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
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != app.settings.upload_folder)

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
        "mend": "",
    }
