"""The page of backups, for administrators."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.db import Application
from app.models import Backup, BackupState
from app.services.backup import shelf
from app.services.backup.create import create, existing, folder
from tests.conftest import NOON, Browser

PAGE = "/admin/backups"


@pytest.fixture
def backup(app: Application, as_administrator: Browser) -> Path:
    return create(app.engine, app.settings, now=NOON).path


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread would do is done when it is started."""

    class Thread:
        def __init__(self, target: Callable[[], None], **_: object) -> None:
            self.start = target

    monkeypatch.setattr(shelf, "Thread", Thread)


@pytest.mark.usefixtures("at_once")
def test_a_click_makes_a_backup(app: Application, as_administrator: Browser, session: Session) -> None:
    assert "There is no backup yet" in as_administrator.get(PAGE).text

    answer = as_administrator.post(PAGE)

    assert (answer.status_code, answer.location) == (303, PAGE)
    [path] = existing(app.settings)
    page = as_administrator.get(PAGE)
    assert path.name in page.text
    assert "time entries: 0, files: 0" in page.text
    assert "Refresh" not in page.headers
    assert session.scalars(select(Backup.state)).all() == [BackupState.DONE]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("kind", "words"),
    [("backup", "is being made"), ("verification", "is being read"), ("drill", "is being tried out")],
)
def test_one_at_a_time_with_its_progress(
    app: Application, as_administrator: Browser, session: Session, kind: str, words: str
) -> None:
    now = clock.now()
    session.add(Backup(kind=kind, name="x", began_at=now, beat_at=now, percent=42))
    session.commit()

    page = as_administrator.get(PAGE)
    assert f"A backup {words}: 42 %" in page.text
    assert page.headers["Refresh"] == "2"
    assert "Back up now" not in page.text
    assert as_administrator.post(PAGE).status_code == 409
    assert existing(app.settings) == []


@pytest.mark.usefixtures("at_once")
def test_one_that_failed_is_told_with_the_reason(
    app: Application, as_administrator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(app.settings).parent.joinpath("backups").write_bytes(b"in the way")

    as_administrator.post(PAGE)

    page = as_administrator.get(PAGE).text
    assert "The last backup failed." in page
    assert "No backup was made" in page


def test_it_is_downloaded_as_it_is(as_administrator: Browser, backup: Path) -> None:
    answer = as_administrator.get(f"{PAGE}/{backup.name}", buffered=True)

    assert answer.data == backup.read_bytes()
    assert answer.headers["Content-Disposition"] == f"attachment; filename={backup.name}"
    assert answer.mimetype == "application/gzip"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("at_once")
def test_it_is_verified(as_administrator: Browser, backup: Path) -> None:
    address = f"{PAGE}/{backup.name}/verify"
    as_administrator.post(address)
    assert "Read and found whole:" in as_administrator.get(PAGE).text

    backup.write_bytes(backup.read_bytes()[:-9])
    as_administrator.post(address)
    assert re.search(r"cannot be used as a backup\. It is cut off", as_administrator.get(PAGE).text)


def test_one_that_was_copied_here_tells_of_itself(
    app: Application, as_administrator: Browser, backup: Path, session: Session
) -> None:
    backup.rename(backup.with_name("timetracker-20200101T000000Z.tar.gz"))
    backup.with_name("timetracker-20200102T000000Z.tar.gz").write_bytes(b"x")

    page = as_administrator.get(PAGE).text

    assert "time entries: 0, files: 0" in page
    assert "cannot be read" in page


def test_nothing_else_is_found_there(app: Application, as_administrator: Browser, backup: Path) -> None:
    (folder(app.settings) / "other.tar.gz").write_bytes(b"x")
    for name in ("other.tar.gz", "..%2fsecret_key", "timetracker-20990101T000000Z.tar.gz"):
        assert as_administrator.get(f"{PAGE}/{name}").status_code == 404
        assert as_administrator.post(f"{PAGE}/{name}/verify").status_code == 404


def test_members_and_strangers_get_none(as_owner: Browser, stranger: Browser, backup: Path) -> None:
    for address in (PAGE, f"{PAGE}/{backup.name}"):
        assert as_owner.get(address).status_code == 403
        assert stranger.get(address).location.startswith("/login")
    assert as_owner.post(PAGE).status_code == 403
    assert as_owner.post(f"{PAGE}/{backup.name}/verify").status_code == 403
