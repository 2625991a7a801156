"""What the doctor mends by itself: nothing that could lose anything.

No repair acts on the word of an empty or failing query (law 2): files are moved aside only where the database answers,
knows of files, and is the one whose files lie there.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import db
from app.config import Settings
from app.models import Installation, StoredFile
from app.services import installation, schema, serving
from app.services.doctor import files
from app.storage import Store, marker, places
from app.storage.durable import fsync_folder, make_folder, temporary_path
from app.storage.marker import Mark

PRIVATE = 0o600


def mend(settings: Settings, now: datetime) -> list[str]:
    """Says what was done, in English. Raises CannotStart where a folder can neither be made nor written."""
    done = list(_folders(settings))
    with serving.hold(settings):  # nobody replaces the database meanwhile
        done += _key(settings)
        done += _files(settings, now)
    return done


def _folders(settings: Settings) -> Iterator[str]:
    missing = [folder for folder in (settings.data_dir, settings.upload_folder) if not os.path.lexists(folder)]
    installation.prepare_data_root(settings)
    for folder in missing:
        yield f"{folder} was made."


def _key(settings: Settings) -> Iterator[str]:
    file = settings.secret_key_file
    if not settings.secret_key and file.is_file() and file.stat().st_mode & 0o077:
        file.chmod(PRIVATE)
        yield f"{file} can be read by its owner only."


def _files(settings: Settings, now: datetime) -> Iterator[str]:
    if settings.sqlite_file is not None and not settings.sqlite_file.is_file():
        return
    engine = db.make_engine(settings)
    try:
        if _is_current(engine):
            with db.reading(engine) as session:
                yield from _marker(session, settings)
                yield from _orphans(session, settings, now)
    except SQLAlchemyError:
        return  # the finding tells of it
    finally:
        engine.dispose()


def _is_current(engine: Engine) -> bool:
    with engine.connect() as connection:
        return schema.state(connection) is schema.State.CURRENT


def _marker(session: Session, settings: Settings) -> Iterator[str]:
    store = places.chosen(settings)
    if marker.look(store) is None and not StoredFile.any_exist(session):
        installation.adopt_uploads(session, store)
        yield f"{store.place} was marked as this installation's."


def _orphans(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    store = places.chosen(settings)
    if marker.look(store) != Mark(Installation.this(session).installation_id):
        return  # another's, or its files are being moved just now
    there = files.listed(store)
    rows, pictures = files.known(session)
    if not rows:
        return
    quarantine = settings.data_dir / "quarantine" / now.strftime("%Y%m%dt%H%M%Sz")
    for key in files.orphans(session, store, there, rows, pictures, now):
        if _is_old(store, key, now):
            _put_aside(store, key, quarantine / key)
            yield f"{key} went to {quarantine}."


def _is_old(store: Store, key: str, now: datetime) -> bool:
    folder = _folder_of(store, key)
    if folder is not None:
        return files.age(folder / Path(key).name, now) > files.AN_HOUR.total_seconds()
    found = store.stat(key)
    return found is not None and now - found.changed_at > files.AN_HOUR


def _put_aside(store: Store, key: str, target: Path) -> None:
    folder = _folder_of(store, key)
    if folder is not None:
        _move(folder / target.name, target)
        return
    make_folder(target.parent)
    with store.open(key) as source:
        _write(source, target)
    store.delete(key)


def _folder_of(store: Store, key: str) -> Path | None:
    return store.folder(key.partition("/")[0])


def _move(source: Path, target: Path) -> None:
    """At any moment it lies in one of the two places, or in both."""
    make_folder(target.parent)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with source.open("rb") as opened:
            _write(opened, target)
        source.unlink()
    fsync_folder(target.parent)
    fsync_folder(source.parent)


def _write(source: BinaryIO, target: Path) -> None:
    """To another disk, whole and durable before the first one goes."""
    temporary = temporary_path(target.parent)
    try:
        with temporary.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(target.parent)
