"""Makes a backup: rows as they are at one moment, then the files they name, in one archive that is whole or absent."""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from sqlalchemy import Engine, func, select

from app import config, db, storage
from app.config import Settings
from app.errors import Conflict, Unavailable
from app.models import BackupKind, StoredFile
from app.services import installation, schema
from app.services.backup import locked as locking
from app.services.backup import records, rows
from app.services.backup.archive import (
    CHUNK,
    MANIFEST,
    Changed,
    Manifest,
    Member,
    Progress,
    Sink,
    Source,
    TableOf,
    Writer,
)
from app.storage import durable

SUFFIX = ".tar.gz"
OURS = re.compile(r"timetracker-(\d{8}T\d{6}Z)(?:-\d+)?\.tar(?:\.gz)?", re.ASCII)
STAMP = "%Y%m%dT%H%M%SZ"
HEADROOM = 16 * 1024 * 1024  # bytes that a backup leaves free
_ROWS_SHRINK = 3  # at least, when they are compressed


@dataclass(frozen=True)
class Made:
    """`size` in bytes; `damaged` names stored files that could not be kept whole, with the reason."""

    path: Path
    size: int
    manifest: Manifest

    @property
    def damaged(self) -> dict[str, str]:
        return self.manifest.damaged


def folder(settings: Settings) -> Path:
    """Where backups lie unless somebody says otherwise."""
    return settings.data_dir / "backups"


def existing(settings: Settings, *, locked: bool = True) -> list[Path]:
    """The backups that lie in their folder, the newest first; those behind a passphrase only where `locked`."""
    try:
        found = [path for path in folder(settings).iterdir() if OURS.fullmatch(path.name) and path.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [path for path in found if locked or path.name.endswith(SUFFIX)]
    return sorted(found, key=lambda path: (made_at(path), path.name), reverse=True)


def made_at(path: Path) -> datetime:
    """When a backup in their folder was made, by its name."""
    found = OURS.fullmatch(path.name)
    assert found is not None  # noqa: S101 - asked of `existing` alone
    return datetime.strptime(found[1], STAMP).replace(tzinfo=UTC)


def create(
    engine: Engine,
    settings: Settings,
    *,
    now: datetime,
    to: Path | None = None,
    passphrase: str | None = None,
    record_id: int | None = None,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Made:
    """Makes a backup at `to`, a file or a folder, else in the folder of backups.

    It is encrypted where there is a passphrase. `record_id` is that of a run that was claimed.

    Raises Conflict where a file lies already, and Unavailable where there is no room or the place takes nothing;
    then there is no backup, and nothing half.
    """
    if to is not None and os.path.lexists(to) and not to.is_dir():
        raise Conflict(f"{to} is there already; name another file.")
    with records.running(engine, BackupKind.BACKUP, record_id=record_id) as run, _sentences(to or folder(settings)):
        _refuse_another_store(engine)
        target = _target(settings, to, now, locking.SUFFIX if passphrase else SUFFIX)
        run.note(name=target.name if target.parent == folder(settings) else str(target))
        made = _written(engine, target, now, run, passphrase, progress)
        run.outcome |= {
            "size": made.size,
            "sha256": made.sha256,
            "entries": made.manifest.rows_of("time_entries"),
            "files": len(made.manifest.files),
            "problem": "\n".join(f"{key} {why}" for key, why in made.manifest.damaged.items()),
        }
    return Made(target, made.size, made.manifest)


def _refuse_another_store(engine: Engine) -> None:
    """Where the volume of files is not mounted each of them would be told as lost, and in time good backups go."""
    with db.reading(engine) as session:
        problem = installation.uploads_problem(session, storage.store())
    if problem:
        raise Unavailable(f"No backup was made: {problem}")


@contextmanager
def _sentences(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"No backup was made: {place} cannot be written ({error.strerror or error}).") from error


def _target(settings: Settings, to: Path | None, now: datetime, suffix: str) -> Path:
    """The path of the archive, in a folder that is there."""
    if to is None:
        _make_private(folder(settings))
    if to is None or to.is_dir():
        return _free_name((to or folder(settings)).absolute(), now, suffix)
    return to.absolute()


def _make_private(place: Path) -> None:
    """Backups hold hashes of passwords: they are nobody else's business."""
    if not place.is_dir():
        durable.make_folder(place)
        place.chmod(0o700)


def _free_name(place: Path, now: datetime, suffix: str) -> Path:
    stem, number = f"timetracker-{now.strftime(STAMP)}", 1
    while os.path.lexists(path := place / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}"):
        number += 1
    return path


@dataclass(frozen=True)
class _Place:
    """Where an archive is written, and what it is encrypted with."""

    path: Path
    passphrase: str | None


@dataclass(frozen=True)
class _Archived:
    size: int
    sha256: str
    manifest: Manifest


def _written(
    engine: Engine,
    target: Path,
    now: datetime,
    run: records.Run,
    passphrase: str | None,
    progress: Callable[[int, int], object],
) -> _Archived:
    temporary = durable.temporary_path(target.parent)
    _refuse_without_room(target.parent, _size_of_files(engine))
    with ExitStack() as spools:
        spooled, manifest = _snapshot(engine, target.parent, now, spools)
        files = sum(member.size for member in manifest.files)
        _refuse_without_room(target.parent, files + (manifest.size - files) // _ROWS_SHRINK)
        run.total = manifest.size

        def tell(count: int) -> None:
            run.progress(count)
            progress(run.done, run.total)

        try:
            found = _archived(_Place(temporary, passphrase), manifest, spooled, tell)
            temporary.rename(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    durable.fsync_folder(target.parent)
    return found


# Rows


def _snapshot(engine: Engine, place: Path, now: datetime, spools: ExitStack) -> tuple[dict[str, IO[bytes]], Manifest]:
    """All rows of one moment in files without a name, and the manifest they and the files they name will have.

    They are compressed only when the snapshot has ended: held for long it would let the database grow.
    """
    spooled: dict[str, IO[bytes]] = {}
    tables, members = [], []
    with db.snapshot(engine) as connection:
        revision = schema.current_revision(connection) or ""
        for table in rows.tables():
            spool = spools.enter_context(_spool(place))
            target = Hashed(spool)
            name, count = f"rows/{table.name}.jsonl", rows.write(connection, table, target)
            spooled[name] = spool
            tables.append(TableOf(table.name, rows.described(table), count))
            members.append(Member(name, target.size, target.sha256))
    files = list(_files(next(t for t in tables if t.name == "stored_files"), spooled["rows/stored_files.jsonl"]))
    created_at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return spooled, Manifest(config.VERSION, revision, created_at, tables, members + files)


def _spool(place: Path) -> IO[bytes]:
    """A file without a name, gone with whoever holds it."""
    return TemporaryFile(dir=place)


def _files(table: TableOf, spool: IO[bytes]) -> Iterator[Member]:
    spool.seek(0)
    for row in rows.read(table, spool):
        yield Member(f"files/{rows.key_of_file(row)}", row["size"], row["sha256"])


def _size_of_files(engine: Engine) -> int:
    with db.reading(engine) as session:
        return int(session.scalar(select(func.coalesce(func.sum(StoredFile.size), 0))) or 0)


def _refuse_without_room(place: Path, size: int) -> None:
    needed = size + HEADROOM
    free = shutil.disk_usage(place).free
    if free < needed:
        raise Unavailable(
            f"No backup was made: it may need {_mebibytes(needed)}, and {_mebibytes(free)} are free in {place}. "
            "Make room there, or name another place (--to)."
        )


def _mebibytes(size: int) -> str:
    return f"{-(-size // 2**20):,} MiB"


# The archive


def _archived(place: _Place, manifest: Manifest, spooled: dict[str, IO[bytes]], progress: Progress) -> _Archived:
    """Takes the files' word from their rows; where one is not as its row says, looks at all of them and begins anew."""
    try:
        return _attempted(place, manifest, spooled, progress)
    except Changed:
        place.path.unlink()
    try:
        return _attempted(place, _looked_at(manifest), spooled, progress)
    except Changed as error:
        raise Unavailable(f"No backup was made: {error} changes all the time.") from error


def _attempted(place: _Place, manifest: Manifest, spooled: dict[str, IO[bytes]], progress: Progress) -> _Archived:
    descriptor = os.open(place.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        with _sink(file, place.passphrase) as target:
            writer = Writer(target)
            _add_manifest(writer, manifest)
            for member in manifest.members:
                with _opened(member.name, spooled) as source:
                    writer.add(member, source, progress)
            writer.close()
        file.flush()
        os.fsync(file.fileno())
        return _Archived(file.seek(0, os.SEEK_END), _hash(file), manifest)


@contextmanager
def _sink(file: IO[bytes], passphrase: str | None) -> Iterator[Sink]:
    if passphrase is None:
        yield file
        return
    with locking.encrypting(file, passphrase) as target:
        yield target


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _add_manifest(writer: Writer, manifest: Manifest) -> None:
    content = manifest.as_bytes()
    writer.add(Member(MANIFEST, len(content), hashlib.sha256(content).hexdigest()), io.BytesIO(content))


@contextmanager
def _opened(name: str, spooled: dict[str, IO[bytes]]) -> Iterator[Source]:
    """The bytes of a member. Raises Changed where a stored file is not there."""
    if name in spooled:
        spooled[name].seek(0)
        yield spooled[name]
        return
    try:
        stream = storage.store().open(name.removeprefix("files/"))
    except storage.StoreRefuses as error:
        raise Unavailable(f"No backup was made: {error}") from error
    except OSError as error:
        raise Changed(name) from error
    with stream:
        yield _Stored(stream, name)


class _Stored:
    """A stored file whose errors are told apart from those of the place the archive is written to."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except storage.StoreRefuses as error:
            raise Unavailable(f"No backup was made: {error}") from error
        except OSError as error:
            raise Changed(self._name) from error


def _looked_at(manifest: Manifest) -> Manifest:
    """The same with the files as they really are; those that are not there are left out and named."""
    members = [member for member in manifest.members if not member.name.startswith("files/")]
    damaged = {}
    for told in manifest.files:
        found = _found(told.name)
        if found is None:
            damaged[told.name] = "is lost or cannot be read"
        elif found != told:
            damaged[told.name] = "is not what was stored"
        if found is not None:
            members.append(found)
    return replace(manifest, members=members, damaged=damaged)


def _found(name: str) -> Member | None:
    digest, size = hashlib.sha256(), 0
    try:
        with _opened(name, {}) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except Changed:
        return None
    return Member(name, size, digest.hexdigest())


class Hashed:
    """Hashes and counts what is written through it."""

    def __init__(self, target: Sink) -> None:
        self._target, self._digest, self.size = target, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        self.size += len(content)
        return self._target.write(content)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
