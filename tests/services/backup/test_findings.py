"""What the doctor says of backups."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Application
from app.models import Backup, BackupKind, BackupState
from app.services import doctor
from app.services.backup.create import create
from app.services.doctor import Code, Finding, Severity
from tests.conftest import NOON

DAY = timedelta(days=1)
Ran = Callable[[BackupKind, BackupState, datetime], None]


@pytest.fixture
def ran(session: Session) -> Ran:
    def record(kind: BackupKind, state: BackupState, at: datetime) -> None:
        problem = "Disk full." if state == BackupState.FAILED else ""
        times = {"began_at": at, "beat_at": at, "ended_at": at}
        session.add(Backup(kind=kind, name="/mnt/x", state=state, problem=problem, **times))
        session.commit()

    return record


def told(app: Application, code: Code) -> Finding:
    return next(finding for finding in doctor.examine(app.settings, now=NOON) if finding.code == code)


@pytest.mark.parametrize(
    ("code", "act"), [(Code.BACKUP, "timetracker backup create"), (Code.DRILL, "timetracker backup drill")]
)
def test_what_was_never_done_is_a_warning_with_its_command(app: Application, code: Code, act: str) -> None:
    found = told(app, code)

    assert (found.severity, act in str(found.mend)) == (Severity.WARNING, True)
    assert found.why


@pytest.mark.engines
@pytest.mark.parametrize(
    ("code", "kind", "within"), [(Code.BACKUP, BackupKind.BACKUP, 2), (Code.DRILL, BackupKind.DRILL, 15)]
)
def test_it_is_good_for_so_many_days(app: Application, ran: Ran, code: Code, kind: BackupKind, within: int) -> None:
    ran(kind, BackupState.DONE, NOON - within * DAY - timedelta(seconds=1))
    assert told(app, code).severity is Severity.WARNING
    assert str(within) in told(app, code).what

    ran(kind, BackupState.DONE, NOON - within * DAY)
    assert told(app, code).severity is Severity.OK


@pytest.mark.parametrize(("code", "kind"), [(Code.BACKUP, BackupKind.BACKUP), (Code.DRILL, BackupKind.DRILL)])
def test_a_failure_is_quoted_until_it_is_done_again(app: Application, ran: Ran, code: Code, kind: BackupKind) -> None:
    ran(kind, BackupState.DONE, NOON - DAY)
    ran(kind, BackupState.FAILED, NOON - DAY / 2)
    assert told(app, code).severity is Severity.WARNING
    assert "Disk full." in told(app, code).what

    ran(kind, BackupState.DONE, NOON)
    assert told(app, code).severity is Severity.OK


def test_where_none_are_made_by_the_clock_that_is_said(app: Application) -> None:
    findings = doctor.examine(replace(app.settings, backup_time=None), now=NOON)

    assert any("BACKUP_TIME" in str(found.mend) for found in findings if found.code is Code.BACKUP)


def test_one_that_is_gone_or_holds_not_everything_is_a_warning(app: Application, session: Session) -> None:
    made = create(app.engine, app.settings, now=NOON)
    assert told(app, Code.BACKUP).severity is Severity.OK

    record = session.scalars(select(Backup)).one()
    record.problem = "avatars/x is lost"
    session.commit()
    assert "avatars/x is lost" in str(told(app, Code.BACKUP).what)

    made.path.unlink()
    assert "no longer where it was made" in str(told(app, Code.BACKUP).what)
