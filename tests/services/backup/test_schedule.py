"""Backups by the clock: one a day, by one process of many, kept as long as is said; and a drill each week."""

import os
import time as clockwork
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app import db
from app.config import Settings
from app.db import Application
from app.errors import NotFound, Unavailable
from app.models import Backup, BackupKind, BackupState, Installation
from app.services.backup import drill, restore, schedule
from app.services.backup.archive import Unusable
from app.services.backup.create import STAMP, create, existing, folder
from tests.conftest import NOON
from tests.services.backup.hostile import Change, rewritten

DAY = timedelta(days=1)
THREE = datetime(2026, 11, 17, 2, 0, tzinfo=UTC)  # 03:00 in Berlin


@pytest.fixture
def at() -> Iterator[Callable[[datetime], object]]:
    """Moves the clock, which stands still otherwise."""
    with time_machine.travel(THREE, tick=False) as traveller:
        yield traveller.move_to


@pytest.fixture
def old(app: Application) -> Application:
    """An installation of some days ago."""
    with db.transaction(app.engine) as session:
        session.execute(update(Installation).values(created_at=NOON - 9 * DAY))
    return app


def runs(session: Session, kind: BackupKind = BackupKind.BACKUP) -> list[str]:
    session.rollback()
    return list(session.scalars(select(Backup.state).where(Backup.kind == kind).order_by(Backup.id)))


def test_the_time_is_that_of_the_zone(settings: Settings) -> None:
    assert schedule.last_due(settings, THREE) == THREE
    assert schedule.last_due(settings, THREE - timedelta(seconds=1)) == THREE - DAY
    assert schedule.last_due(replace(settings, backup_time=None), THREE) is None
    summer = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert schedule.last_due(settings, summer) == datetime(2026, 7, 1, 1, 0, tzinfo=UTC)
    skipped = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)  # clocks went from 02:00 to 03:00
    at_half_past = replace(settings, backup_time=time(2, 30))
    assert schedule.last_due(at_half_past, skipped) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.engines
def test_one_is_made_each_day(old: Application, session: Session, at: Callable[[datetime], object]) -> None:
    made = []
    for minutes in (0, 1, 60 * 23, 60 * 24, 60 * 24 + 1):
        now = THREE + timedelta(minutes=minutes)
        at(now)
        made.append(schedule.back_up_if_due(old.engine, old.settings, now=now))

    assert made == [True, False, False, True, False]
    assert runs(session) == ["done", "done"]
    assert len(existing(old.settings)) == 2


def test_none_is_made_of_an_installation_younger_than_the_night(app: Application, session: Session) -> None:
    with db.transaction(app.engine) as writing:
        writing.execute(update(Installation).values(created_at=NOON))

    assert not schedule.back_up_if_due(app.engine, app.settings, now=NOON + timedelta(hours=1))
    assert runs(session) == []


@pytest.mark.engines
def test_of_many_processes_one_makes_it(old: Application, session: Session, at: Callable[[datetime], object]) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: schedule.back_up_if_due(old.engine, old.settings, now=THREE), range(6)))

    assert sorted(made) == [False] * 5 + [True]
    assert runs(session) == ["done"]


def test_one_that_failed_is_tried_again_after_an_hour(
    old: Application, session: Session, at: Callable[[datetime], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("no room")

    monkeypatch.setattr("app.services.backup.create._refuse_without_room", fail)
    with pytest.raises(Unavailable):
        schedule.back_up_if_due(old.engine, old.settings, now=THREE)
    monkeypatch.undo()

    assert not schedule.back_up_if_due(old.engine, old.settings, now=THREE + timedelta(minutes=59))
    at(THREE + timedelta(minutes=61))
    assert schedule.back_up_if_due(old.engine, old.settings, now=THREE + timedelta(minutes=61))
    assert runs(session) == [BackupState.FAILED, BackupState.DONE]


def ended(kind: str, state: str, name: str, **more: Any) -> Backup:
    return Backup(kind=kind, state=state, name=name, began_at=NOON, beat_at=NOON, ended_at=NOON, **more)


class TestOldBackups:
    def lay(self, settings: Settings, *ages_in_days: int) -> list[Path]:
        folder(settings).mkdir(exist_ok=True)
        paths = [folder(settings) / f"timetracker-{(NOON - age * DAY).strftime(STAMP)}.tar.gz" for age in ages_in_days]
        for path in paths:
            path.write_bytes(b"x")
        return paths

    def test_go_after_their_time(self, app: Application) -> None:
        new, _almost, _old, _oldest = self.lay(app.settings, 1, 30, 31, 400)
        mine = folder(app.settings) / "before-the-move.tar.gz"
        mine.write_bytes(b"x")

        gone = schedule.clear(app.engine, app.settings, now=NOON)

        assert gone == [_old, _oldest]
        assert existing(app.settings) == [new, _almost]
        assert mine.exists()

    def test_stay_where_newer_ones_could_not_hold_every_file(self, app: Application, session: Session) -> None:
        damaged, whole, _older = self.lay(app.settings, 1, 50, 60)
        session.add(ended("backup", "done", damaged.name, problem="avatars/x is lost or cannot be read"))
        session.commit()

        schedule.clear(app.engine, app.settings, now=NOON)

        assert existing(app.settings) == [damaged, whole]

    def test_stay_where_all_are_bad_at_least_one(self, app: Application, session: Session) -> None:
        newest, older = self.lay(app.settings, 40, 50)
        session.add_all(ended("drill", "failed", path.name) for path in (newest, older))
        session.commit()

        schedule.clear(app.engine, app.settings, now=NOON)

        assert existing(app.settings) == [newest]

    def test_are_good_when_the_last_drill_says_so(self, app: Application, session: Session) -> None:
        good, older = self.lay(app.settings, 40, 50)
        session.add_all(ended("drill", state, good.name) for state in ("failed", "done"))
        session.commit()

        assert schedule.clear(app.engine, app.settings, now=NOON) == [older]

    def test_stay_where_there_is_no_newer_good_one(self, app: Application, session: Session) -> None:
        bad, good, _older = self.lay(app.settings, 40, 50, 60)
        session.add(Backup(kind="drill", state="failed", name=bad.name, began_at=NOON, beat_at=NOON, ended_at=NOON))
        session.commit()

        schedule.clear(app.engine, app.settings, now=NOON)

        assert existing(app.settings) == [good]

    def test_what_killed_runs_left_goes_when_nobody_writes_it_any_more(self, app: Application) -> None:
        self.lay(app.settings)
        left, fresh = (folder(app.settings) / name for name in (".incoming-1", ".incoming-2"))
        scratch = folder(app.settings) / ".drill-x"
        scratch.mkdir()
        for path in (left, fresh):
            path.write_bytes(b"x")
        long_ago = clockwork.time() - schedule.LEFTOVER_AFTER_SECONDS - 1
        for path in (left, scratch):
            os.utime(path, (long_ago, long_ago))

        schedule.clear(app.engine, app.settings, now=NOON)

        assert list(folder(app.settings).iterdir()) == [fresh]


class TestADrill:
    @pytest.mark.engines
    def test_says_that_what_went_in_comes_out(self, company: Application, backup: Path, session: Session) -> None:
        path, manifest = drill.drill(company.engine, company.settings)

        assert (path, manifest.rows_of("time_entries")) == (backup, 60)
        assert runs(session, BackupKind.DRILL) == ["done"]
        assert list(folder(company.settings).iterdir()) == [backup]

    def test_needs_a_backup(self, company: Application) -> None:
        with pytest.raises(NotFound, match="timetracker backup create"):
            drill.drill(company.engine, company.settings)

    def test_finds_what_comes_out_otherwise(
        self, company: Application, backup: Path, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        into = restore.into

        def lose_a_word(engine: Engine, *arguments: Any, **named: Any) -> None:
            into(engine, *arguments, **named)
            with db.transaction(engine) as writing:
                writing.execute(update(Installation).values(company_name="?"))

        monkeypatch.setattr(restore, "into", lose_a_word)
        with pytest.raises(Unusable, match=r"rows/installations\.jsonl came out otherwise"):
            drill.drill(company.engine, company.settings)

        assert runs(session, BackupKind.DRILL) == ["failed"]
        assert list(folder(company.settings).iterdir()) == [backup]

    def test_of_a_damaged_backup_fails(self, company: Application, backup: Path, session: Session) -> None:
        change: Change = lambda _manifest, members: members.popitem()  # noqa: E731
        rewritten(backup, backup, change, honest=False)

        with pytest.raises(Unusable, match="is missing"):
            drill.drill(company.engine, company.settings)

        assert runs(session, BackupKind.DRILL) == ["failed"]

    def test_is_done_each_week(self, old: Application, session: Session, at: Callable[[datetime], object]) -> None:
        assert not schedule.drill_if_due(old.engine, old.settings, now=THREE)
        create(old.engine, old.settings, now=THREE)
        made = []
        for days in (0, 1, 6, 7):
            at(THREE + days * DAY)
            made.append(schedule.drill_if_due(old.engine, old.settings, now=THREE + days * DAY))

        assert made == [True, False, False, False]
        at(THREE + 7 * DAY + timedelta(seconds=1))
        assert schedule.drill_if_due(old.engine, old.settings, now=THREE + 7 * DAY + timedelta(seconds=1))
