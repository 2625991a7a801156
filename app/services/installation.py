"""The start of an installation: its data root, its secret key, its marker beside the stored files (laws 1 and 11)."""

import errno
import os
import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.errors import CannotStart
from app.models import Installation, StoredFile
from app.models.stored_file import FOLDERS
from app.storage import Store, StoreRefuses, marker, mounts, places
from app.storage.durable import fsync_folder, make_folder, temporary_path
from app.storage.local import LocalStore


def prepare_data_root(settings: Settings) -> None:
    """Makes sure that everything which must survive can be written. Raises CannotStart."""
    database = settings.sqlite_file
    folders = [settings.data_dir, settings.upload_folder, *([database.parent] if database else [])]
    for folder in dict.fromkeys(folders):
        with mending_sentence(folder):
            make_folder(folder)
            try_to_write(folder)
    if database is not None and database.exists():
        with mending_sentence(database):
            os.close(os.open(database, os.O_RDWR))


def secret_key(settings: Settings) -> str:
    """The key that signs cookies: the one given, else the one made once in the data root (0600). Raises CannotStart."""
    if settings.secret_key:
        return settings.secret_key
    file = settings.secret_key_file
    with mending_sentence(file if file.exists() else file.parent):
        if not file.exists():
            _make_key(file)
        key = file.read_text(encoding="ascii", errors="replace").strip()
    if len(key) < 32 or not key.isascii():
        raise CannotStart(
            f"{file} holds no whole secret key. Remove it, and a new one is made at the next start "
            "(everybody signs in anew; nothing else is lost)."
        )
    return key


def claim_uploads(session: Session, place: Store | Path) -> None:
    """Checks whose files lie in the store and writes the marker anew: at each start. Raises CannotStart.

    Only a database that knows of no files may claim a store without looking: everything else would start on an
    empty, freshly mounted folder as if the files had never been. A path stands for the folder at that path.
    """
    recognise_uploads(session, place)
    adopt_uploads(session, place)


def recognise_uploads(session: Session, place: Store | Path) -> None:
    """Checks whose files lie in the store; marks it where nothing is marked: before each upload. Raises CannotStart.

    A marker that is there is left alone: a move may write another one at this moment.
    """
    store = _store(place)
    with mending_sentence(store):
        mark = marker.look(store)
        problem = _problem(session, store, mark)
    if problem:
        raise CannotStart(problem)
    if mark is None:
        adopt_uploads(session, store)


def volume_warning(settings: Settings) -> Any:
    """The sentence (lazy) for an operator whose data would go with the container, or None."""
    found = mounts.keeping(settings.data_dir)
    if found is mounts.Keeping.IMAGE:
        return _(
            "%(folder)s lies inside the container: everything in it is lost when the container is replaced. Mount a "
            "named volume or a folder there, such as app_data:%(folder)s.",
            folder=settings.data_dir,
        )
    if found is mounts.Keeping.ANONYMOUS:
        return _(
            "%(folder)s lies on a volume without a name: everything in it is lost when the container is replaced. "
            "Mount a named volume or a folder there, such as app_data:%(folder)s.",
            folder=settings.data_dir,
        )
    return None


def uploads_problem(session: Session, place: Store | Path) -> str | None:
    """The sentence to refuse the start with, or None where the store is this installation's.

    Raises StoreRefuses where a remote store cannot be asked.
    """
    store = _store(place)
    return _problem(session, store, marker.look(store))


def adopt_uploads(session: Session, place: Store | Path) -> None:
    """Declares the store to be this installation's. Raises CannotStart where it cannot be written."""
    store = _store(place)
    with mending_sentence(store):
        marker.leave(store, marker.Mark(Installation.this(session).installation_id))


def _store(place: Store | Path) -> Store:
    return LocalStore(place) if isinstance(place, Path) else place


def _problem(session: Session, store: Store, mark: marker.Mark | None) -> str | None:
    if mark is None or mark.installation != Installation.this(session).installation_id:
        return _not_ours(session, store, mark)
    if mark.moved_to:
        return (
            f"The stored files were moved from {store.place} to {mark.moved_to}: {how_to_switch(mark.moved_to)} "
            f"To stay here instead, bring back what is newer there: `timetracker uploads move --from "
            f"'{mark.moved_to}'`."
        )
    return _not_yet_here(session, store, mark.coming_from) if mark.coming_from else None


def how_to_switch(place: str) -> str:
    """What an operator does to use a store from now on; `place` as in STORAGE_URL, or `local`."""
    change = "remove STORAGE_URL" if place == places.LOCAL else f"set STORAGE_URL={place}"
    return f"{change}, then start again."


def _not_ours(session: Session, store: Store, mark: marker.Mark | None) -> str | None:
    if not StoredFile.any_exist(session):
        return None
    whose = "belongs to another installation" if mark else "is not marked as this installation's"
    if isinstance(store, LocalStore):
        what, right = f"the upload folder {store.place}", "is the right volume mounted? If this is the right folder"
    else:
        what, right = f"the store {store.place}", "does STORAGE_URL name the right one? If it does"
    return (
        f"The database knows of stored files, but {what} {whose}: {right}, run `timetracker uploads adopt`, "
        "then start again."
    )


def _not_yet_here(session: Session, store: Store, coming_from: str) -> str | None:
    """A move that has not ended, or files uploaded to the old place after it had."""
    there = {key for folder in FOLDERS.values() for key in store.list(folder)}
    missing = [row for row in session.scalars(select(StoredFile)) if row.key not in there]
    if not missing:
        return None
    return (
        f"{len(missing)} stored files have not arrived at {store.place} yet, {missing[0].key} among them: run "
        f"`timetracker uploads move --from '{coming_from}'`, then start again."
    )


def try_to_write(folder: Path) -> None:
    """Asking for permissions is not enough: a full disk or a read-only mount answers only to a write.

    Raises OSError.
    """
    probe = temporary_path(folder)
    try:
        with probe.open("xb") as target:
            target.write(b"\0" * 4096)
            target.flush()
            os.fsync(target.fileno())
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def mending_sentence(place: Store | Path) -> Iterator[None]:
    """Turns what the system or a store answers about `place` into CannotStart with what mends it."""
    try:
        yield
    except StoreRefuses as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        path = place if isinstance(place, Path) else Path(place.place)
        raise CannotStart(_how_to_mend(path, error)) from error


def _how_to_mend(path: Path, error: OSError) -> str:
    if error.errno == errno.EROFS:
        return f"{path} is mounted read-only: mount it writable, then start again. Nothing was changed."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk that holds {path} is full: make room, then start again. Nothing was lost."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{path} cannot be written: run `{command_to_own(path)}`, then start again."
    return f"{path} cannot be used ({error.strerror}): set DATA_DIR or UPLOAD_FOLDER to a folder that can be written."


def command_to_own(path: Path) -> str:
    """What makes `path` writable for this process, and nothing beside it."""
    user, group, quoted = os.geteuid(), os.getegid(), shlex.quote(str(path))
    closed = next((p for p in reversed(path.parents) if p.is_dir() and not os.access(p, os.X_OK)), None)
    if closed is not None:
        return f"sudo chmod a+x {shlex.quote(str(closed))}"
    if not path.exists():
        return f"sudo install -d -o {user} -g {group} {quoted}"
    if path.stat().st_uid == user:
        return f"sudo chmod -R u+rwX {quoted}"
    return f"sudo chown -R {user}:{group} {quoted}"


def _make_key(file: Path) -> None:
    """Two processes may start at once: the first link wins, and both read the same key."""
    temporary = temporary_path(file.parent)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(secrets.token_hex(32))
            target.flush()
            os.fsync(target.fileno())
        try:
            os.link(temporary, file)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(file.parent)
