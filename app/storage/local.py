"""Bytes in a folder of this machine, durable when `put` returns.

Links are never followed: what a link names was not put here by us.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from app.storage import Stat, Stored, is_key, marker
from app.storage.durable import TEMPORARY_PREFIX, fsync_folder, make_folder, temporary_path

CHUNK = 1024 * 1024


class LocalStore:
    """A `storage.Store` below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        return str(self.root)

    def put(self, key: str, source: BinaryIO) -> Stored:
        """Writes all of `source` under `key`: whole and fsync'd, or absent. Raises OSError (full, read-only …)."""
        target = self._path(key)
        make_folder(target.parent)
        temporary = temporary_path(target.parent)
        try:
            size, digest = _write(temporary, source)
            temporary.rename(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_folder(target.parent)
        return Stored(key, size, digest)

    def open(self, key: str) -> BinaryIO:
        """The bytes under `key`. Raises FileNotFoundError, also for a link or a folder."""
        try:
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
                raise FileNotFoundError(errno.ENOENT, "no such stored file", key) from error
            raise
        stream = os.fdopen(descriptor, "rb") if _is_regular(descriptor) else None
        if stream is None:
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "no such stored file", key)
        return stream

    def stat(self, key: str) -> Stat | None:
        try:
            with self.open(key) as stream:
                found = os.fstat(stream.fileno())
        except FileNotFoundError:
            return None
        return Stat(found.st_size, datetime.fromtimestamp(int(found.st_mtime), UTC))

    def delete(self, key: str) -> None:
        """Removes what lies under `key`; nothing there is fine."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            fsync_folder(path.parent)

    def list(self, prefix: str) -> Iterator[str]:
        """The keys in folder `prefix`, unordered, without our temporaries."""
        try:
            with os.scandir(self.root / prefix) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith(TEMPORARY_PREFIX):
                        yield f"{prefix}/{entry.name}"
        except FileNotFoundError:
            return

    def folder(self, name: str) -> Path:
        """Where files of one kind lie, for people's own scripts."""
        return self.root / name

    def read_marker(self) -> str | None:
        """A marker that cannot be read counts as none: the folder beside it can hardly be read either."""
        try:
            return marker.read_text(self.root)
        except (OSError, UnicodeDecodeError):
            return None

    def write_marker(self, text: str) -> None:
        marker.write_text(self.root, text)

    def _path(self, key: str) -> Path:
        if not is_key(key):
            raise FileNotFoundError(errno.ENOENT, "no such stored file", key)
        return self.root / key


def _is_regular(descriptor: int) -> bool:
    return S_ISREG(os.fstat(descriptor).st_mode)


def _write(path: Path, source: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        target.flush()
        os.fsync(target.fileno())
    return size, digest.hexdigest()
