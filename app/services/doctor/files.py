"""Stored files and their rows: each has the other, and the bytes are those that were stored.

Looked at while people upload: bytes come before their row and go after it (law 2). So the folders are listed before
the rows are read, and what then seems lost is asked for once more.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, storage
from app.config import Settings
from app.models import FileKind, StoredFile, User, WaitingRemoval
from app.models.stored_file import FOLDERS
from app.services.doctor.finding import Code, Finding, Severity, fine
from app.storage import places
from app.storage.durable import TEMPORARY_PREFIX

CHUNK = 1024 * 1024
AN_HOUR = timedelta(seconds=clock.HOUR)  # however slow an upload is, its row has come by then
_FOLDERS: dict[str, str] = {kind.value: folder for kind, folder in FOLDERS.items()}


class Row(NamedTuple):
    size: int
    sha256: str


def examine(session: Session, settings: Settings, *, thorough: bool, now: datetime) -> Iterator[Finding]:
    try:
        store = places.chosen(settings)
        there = listed(store)
        rows, pictures = known(session)
        yield from _lost(session, store, rows, there)
        if thorough:
            yield from _changed(store, rows)
        yield from _orphans(orphans(session, store, there, rows, pictures, now))
        yield from _pictures(rows, pictures, there)
    except OSError as error:
        yield _unreadable(error)


def _unreadable(error: OSError) -> Finding:
    why = _("Nobody can be shown them.")
    if isinstance(error, storage.StoreRefuses):
        return Finding(Code.FILES, Severity.ERROR, str(error), why=why)
    what = _("Stored files cannot be read: %(error)s.", error=error)
    return Finding(Code.FILES, Severity.ERROR, what, _("See to the rights of the folder, then look again."), why)


def listed(store: storage.Store) -> set[str]:
    """The keys of what lies in folders of ours; whatever else is in the upload folder is nobody's business here."""
    return {key for folder in FOLDERS.values() for key in store.list(folder)}


def known(session: Session) -> tuple[dict[str, Row], dict[str, str]]:
    """Rows of files by key, and the names of people by the key of their picture."""
    files = session.execute(select(StoredFile.kind, StoredFile.name, StoredFile.size, StoredFile.sha256)).all()
    people = session.execute(select(User.avatar_filename, User.username).where(User.avatar_filename.is_not(None))).all()
    rows = {_key(kind, name): Row(size, digest) for kind, name, size, digest in files}
    return rows, {_key(FileKind.AVATAR, picture): name for picture, name in people if picture}


def orphans(
    session: Session,
    store: storage.Store,
    there: set[str],
    rows: dict[str, Row],
    pictures: dict[str, str],
    now: datetime,
) -> list[str]:
    """What no row names, and halves that a kill left; but not what waits for the end of a backup to be removed."""
    waiting = set(session.scalars(select(WaitingRemoval.key)))
    return sorted([*(there - rows.keys() - pictures.keys() - waiting), *_halves(store, now)])


def _halves(store: storage.Store, now: datetime) -> Iterator[str]:
    """In a folder only: a remote store shows what is whole, and nothing else."""
    for name in FOLDERS.values():
        folder = store.folder(name)
        for half in folder.glob(f"{TEMPORARY_PREFIX}*") if folder else ():
            if age(half, now) > AN_HOUR.total_seconds():
                yield f"{name}/{half.name}"


def age(file: Path, now: datetime) -> float:
    """Seconds since it was written to; none where it has just become whole, or is gone."""
    try:
        return now.timestamp() - file.stat().st_mtime
    except FileNotFoundError:
        return 0


def _key(kind: str, name: str) -> str:
    return f"{_FOLDERS.get(kind, kind)}/{name}"


def _lost(session: Session, store: storage.Store, rows: dict[str, Row], there: set[str]) -> Iterator[Finding]:
    missing = [key for key in rows.keys() - there if store.stat(key) is None]
    lost = sorted(_still_known(session, missing))
    if lost:
        yield Finding(
            Code.FILES,
            Severity.ERROR,
            _("Stored files are lost."),
            _("Bring them back from a backup, or have them uploaded anew."),
            _("The database names them, and they are not there."),
            tuple(lost),
        )
    else:
        yield fine(Code.FILES, _("Each stored file is there."))


def _changed(store: storage.Store, rows: dict[str, Row]) -> Iterator[Finding]:
    changed = sorted(key for key, row in rows.items() if not _is_as_stored(store, key, row))
    if changed:
        yield Finding(
            Code.CHANGED_FILES,
            Severity.ERROR,
            _("Stored files are not what was stored."),
            _("Bring them back from a backup, and look after the disk."),
            _("Their bytes have changed, by a failing disk or by hand."),
            tuple(changed),
        )
    else:
        yield fine(Code.CHANGED_FILES, _("Each stored file has the bytes that were stored."))


def _is_as_stored(store: storage.Store, key: str, row: Row) -> bool:
    """One that is not there is another finding's."""
    try:
        stream = store.open(key)
    except FileNotFoundError:
        return True
    digest, size = hashlib.sha256(), 0
    try:
        with stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except storage.StoreRefuses:
        raise
    except OSError:  # a failing disk gives no bytes, which are not those that were stored
        return False
    return (size, digest.hexdigest()) == row


def _still_known(session: Session, keys: list[str]) -> set[str]:
    """Removed meanwhile, row first, is not lost."""
    return known(session)[0].keys() & set(keys) if keys else set()


def _orphans(found: list[str]) -> Iterator[Finding]:
    if found:
        yield Finding(
            Code.ORPHANS,
            Severity.WARNING,
            _("Files lie in the upload folder that no row names."),
            _("Run `%(command)s`: what is older than an hour goes to quarantine.", command="timetracker doctor --fix"),
            _("They take room; a kill in the middle of an upload leaves one."),
            tuple(found),
        )
    else:
        yield fine(Code.ORPHANS, _("No file lies there without a row."))


def _pictures(rows: dict[str, Row], pictures: dict[str, str], there: set[str]) -> Iterator[Finding]:
    without = [(key, name) for key, name in sorted(pictures.items()) if key not in rows]
    if without:
        yield Finding(
            Code.PICTURES,
            Severity.WARNING if all(key in there for key, _name in without) else Severity.ERROR,
            _("Profile pictures are named that were never stored here."),
            _("Run `timetracker uploads migrate` if they lie elsewhere, or have them uploaded anew."),
            _("They cannot be checked, and those that are not there are not shown."),
            tuple(f"{key} ({name})" for key, name in without),
        )
    else:
        yield fine(Code.PICTURES, _("Each profile picture is a stored file."))
