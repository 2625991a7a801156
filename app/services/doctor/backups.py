"""Backups and drills: that there are any, how old the last ones are, and what came of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.models import Backup, BackupKind, BackupState
from app.services.doctor.finding import Code, Finding, Severity, fine

BACKED_UP_WITHIN = timedelta(days=2)  # one a day, and one of them may have been missed
DRILLED_WITHIN = timedelta(days=15)  # one a week, the same


def examine(session: Session, settings: Settings, *, now: datetime) -> Iterator[Finding]:
    yield _backup(session, settings, now)
    yield _drill(session, now)


def _backup(session: Session, settings: Settings, now: datetime) -> Finding:
    last, good = _last(session, BackupKind.BACKUP)
    if good is None or good.ended_at is None:
        return _warning(Code.BACKUP, _("There is no backup yet."), _now("create", settings))
    if last is not good and last is not None:
        return _warning(Code.BACKUP, _("The last backup failed: %(problem)s", problem=last.problem), _now("create"))
    if "/" not in good.name and not (settings.data_dir / "backups" / good.name).is_file():
        return _warning(Code.BACKUP, _("The last backup is no longer where it was made."), _now("create"))
    if good.problem:
        what = _("The last backup could not hold everything: %(problem)s", problem=good.problem)
        return _warning(Code.BACKUP, what, _("Look at the findings about stored files, then back up again."))
    age = now - good.ended_at
    if age > BACKED_UP_WITHIN:
        return _warning(
            Code.BACKUP, _("The last backup is %(days)s days old.", days=age.days), _now("create", settings)
        )
    return fine(Code.BACKUP, _("The last backup was made %(hours)s hours ago.", hours=_hours(age)))


def _drill(session: Session, now: datetime) -> Finding:
    last, good = _last(session, BackupKind.DRILL)
    if last is not None and last is not good:
        what = _("The last backup that was tried out did not come back as it was: %(problem)s", problem=last.problem)
        return _warning(Code.DRILL, what, _now("drill"))
    if good is None or good.ended_at is None:
        return _warning(Code.DRILL, _("No backup was tried out yet."), _now("drill"))
    age = now - good.ended_at
    if age > DRILLED_WITHIN:
        return _warning(Code.DRILL, _("The last trial of a backup is %(days)s days old.", days=age.days), _now("drill"))
    return fine(
        Code.DRILL, _("A backup was tried out %(hours)s hours ago, and came back as it was.", hours=_hours(age))
    )


def _last(session: Session, kind: BackupKind) -> tuple[Backup | None, Backup | None]:
    """The last one that ended, and the last one that ended well."""
    ended = select(Backup).where(Backup.kind == kind, Backup.ended_at.is_not(None))
    newest = (Backup.began_at.desc(), Backup.id.desc())
    last = session.scalar(ended.order_by(*newest).limit(1))
    good = session.scalar(ended.where(Backup.state == BackupState.DONE).order_by(*newest).limit(1))
    return last, good


def _warning(code: Code, what: Any, mend: Any) -> Finding:
    return Finding(code, Severity.WARNING, what, mend, _WHY[code])


_WHY = {
    Code.BACKUP: _("Should the disk fail, what was entered since is lost."),
    Code.DRILL: _("A backup nobody has restored is a hope."),
}


def _now(act: str, settings: Settings | None = None) -> Any:
    if settings is not None and settings.backup_time is None:
        return _("Set BACKUP_TIME, and run `%(command)s`.", command=f"timetracker backup {act}")
    return _("Run `%(command)s`.", command=f"timetracker backup {act}")


def _hours(age: timedelta) -> int:
    return max(0, int(age.total_seconds() // 3600))
