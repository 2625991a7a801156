"""The folders: there, ours, writable, with room, and on something that stays."""

import io
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from flask_babel import lazy_gettext as _

from app.config import Settings
from app.errors import CannotStart
from app.services import installation
from app.services.doctor.finding import Code, Finding, Severity, fine
from app.storage import StoreRefuses, places

GIB = 1024**3
LITTLE = 0.05  # of a disk
MUCH = 10 * GIB  # however large the disk is


def examine(settings: Settings) -> Iterator[Finding]:
    for code, folder in ((Code.DATA_DIR, settings.data_dir), (Code.UPLOAD_FOLDER, settings.upload_folder)):
        yield from _folder(code, folder)
    yield from _store(settings)
    yield from _volume(settings)


def _store(settings: Settings) -> Iterator[Finding]:
    """A remote one, by writing, reading and removing; the folder is looked at with the others."""
    if settings.storage_address is None:
        return
    try:
        store = places.chosen(settings)
        key = f"doctor/{secrets.token_hex(8)}"
        store.put(key, io.BytesIO(b"?"))
        store.open(key).close()
        store.delete(key)
    except StoreRefuses as error:
        yield Finding(Code.STORE, Severity.ERROR, str(error), why=_("Nobody can see or store a file."))
    else:
        yield fine(Code.STORE, _("%(place)s can be read and written.", place=store.place))


def _folder(code: Code, folder: Path) -> Iterator[Finding]:
    if not os.path.lexists(folder):
        yield _unusable(code, _("%(folder)s is not there.", folder=folder), _run("timetracker migrate"))
    elif not folder.is_dir():
        mend = _("Set DATA_DIR or UPLOAD_FOLDER to one.")
        yield _unusable(code, _("%(folder)s is not a folder.", folder=folder), mend)
    else:
        yield _written(code, folder)
        yield from _owner(folder)
        yield from _room(folder)


def _unusable(code: Code, what: object, mend: object) -> Finding:
    return Finding(code, Severity.ERROR, what, mend, _("TimeTracker does not start without it."))


def _written(code: Code, folder: Path) -> Finding:
    """By really writing: a full disk and a read-only mount answer only to that."""
    try:
        with installation.mending_sentence(folder):
            installation.try_to_write(folder)
    except CannotStart as error:
        if isinstance(error.__cause__, PermissionError):
            mend = _run(installation.command_to_own(folder))
            return _unusable(code, _("%(folder)s cannot be written.", folder=folder), mend)
        return Finding(code, Severity.ERROR, str(error), why=_("Nothing new can be stored."))
    return fine(code, _("%(folder)s can be written.", folder=folder))


def _owner(folder: Path) -> Iterator[Finding]:
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        yield Finding(
            Code.OWNER,
            Severity.WARNING,
            _("%(folder)s belongs to user %(user)s, but this runs as root.", folder=folder, user=owner),
            _("Run TimeTracker as that user, or run `%(command)s`.", command=f"chown -R root {folder}"),
            _("What root makes there, that user cannot change."),
        )


def _room(folder: Path) -> Iterator[Finding]:
    disk = shutil.disk_usage(folder)
    if disk.free < GIB or disk.free < min(LITTLE * disk.total, MUCH):
        yield Finding(
            Code.FREE_SPACE,
            Severity.WARNING,
            _("The disk that holds %(folder)s has only %(free)s MiB free.", folder=folder, free=disk.free // 1024**2),
            _("Make room, or move the folder to a larger disk."),
            _("On a full disk nothing can be entered and no upgrade begins; nothing is lost."),
        )
    else:
        yield fine(Code.FREE_SPACE, _("The disk that holds %(folder)s has room.", folder=folder))


def _volume(settings: Settings) -> Iterator[Finding]:
    warning = installation.volume_warning(settings)
    if warning:
        yield Finding(Code.VOLUME, Severity.WARNING, warning)


def _run(command: str) -> object:
    return _("Run `%(command)s`.", command=command)
