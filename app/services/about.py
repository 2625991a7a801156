"""What this installation is: versions, where its data lies, how much it is, and what is wrong with it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.config import VERSION, Settings
from app.models import StoredFile, TimeEntry, User
from app.services import demo, doctor, schema
from app.services.doctor import Finding, Severity
from app.storage import mounts

_GRAVEST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.OK)


@dataclass(frozen=True)
class About:
    """Sizes are bytes; `free` is what the data root's disk still takes, None where it cannot be asked."""

    version: str
    schema: str
    engine: str
    data_dir: Path
    keeping: mounts.Keeping
    file_system: str
    free: int | None
    database_size: int | None
    files: int
    files_size: int
    people: int
    entries: int
    has_demo: bool
    findings: list[Finding]


def about(session: Session, settings: Settings) -> About:
    files, size = session.execute(select(func.count(), func.sum(StoredFile.size)).select_from(StoredFile)).one()
    return About(
        version=VERSION,
        schema=schema.head(),
        engine=_engine(session),
        data_dir=settings.data_dir,
        keeping=mounts.keeping(settings.data_dir),
        file_system=mounts.file_system(settings.data_dir),
        free=_free(settings.data_dir),
        database_size=_database_size(session, settings),
        files=files,
        files_size=int(size or 0),
        people=session.scalar(select(func.count()).select_from(User)) or 0,
        entries=session.scalar(select(func.count()).where(TimeEntry.deleted_at.is_(None))) or 0,
        has_demo=demo.is_there(session),
        findings=sorted(doctor.examine(settings), key=lambda finding: _GRAVEST_FIRST.index(finding.severity)),
    )


def _engine(session: Session) -> str:
    if session.get_bind().dialect.name == "postgresql":
        return f"PostgreSQL {session.scalar(text('SHOW server_version'))}"
    return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"


def _database_size(session: Session, settings: Settings) -> int | None:
    """With the write-ahead log, as that is on the disk, too."""
    if settings.sqlite_file is None:
        return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    parts = [settings.sqlite_file, settings.sqlite_file.with_name(f"{settings.sqlite_file.name}-wal")]
    return sum(os.stat(part).st_size for part in parts if part.exists())  # noqa: PTH116


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
