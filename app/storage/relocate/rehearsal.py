"""A dry run: looks at everything a move would look at, writes nothing, and foresees what would stop it."""

import errno
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.storage.relocate.folders import InTheWay, OldFile
from app.storage.relocate.journal import Journal
from app.storage.relocate.kinds import Folder
from app.storage.relocate.names import Parts, shown
from app.storage.relocate.new_place import NewPlace, Reading
from app.storage.relocate.tally import Outcome


class Rehearsal(NewPlace):
    """Takes files like a `NewPlace`, but only in its mind."""

    def __init__(self, path: Path, folder: Folder, prefix: Parts, needed: Counter[int]) -> None:
        """`needed` are the bytes to come on each disk, counted by all rehearsals together."""
        super().__init__(path, folder, prefix, Journal(path))
        self._taken: dict[Parts, str] = {}
        self._needed = needed
        self._disk = -1

    def settle(self) -> list[str]:
        """A sentence where the disk has no room for all that is to come; once for each disk."""
        needed, room = self._needed.pop(self._disk, 0), _room(_nearest(self.path))
        if needed <= room:
            return []
        return [f"There is not enough room at {shown(self.path)}: {needed} bytes are needed, {room} are free."]

    def _take(self, old: OldFile, reading: Reading, whole: Iterable[bytes]) -> Outcome:
        for _ in whole:
            pass
        digest = reading.digest.hexdigest()
        if old.parts in self._taken:  # two old places may hold the same name
            return self._again(old.parts, digest)
        self._check_writable(old.parts[:-1])
        self._taken[old.parts] = digest
        self._disk = _nearest(self.path).stat().st_dev
        self._needed[self._disk] += reading.size
        return self._first(old.parts)

    def _again(self, parts: Parts, digest: str) -> Outcome:
        if self._taken[parts] != digest:
            raise InTheWay("another old folder has a different file of this name")
        return Outcome.ALREADY

    def _first(self, parts: Parts) -> Outcome:
        standing = self.open(parts)
        if standing is None:
            return Outcome.MOVED
        standing.close()
        return Outcome.REPAIRED

    def _check_writable(self, parts: Parts) -> None:
        """Raises an error where the nearest folder that exists would refuse a new name."""
        try:
            with self.folder(parts) as folder:
                _check_access(".", folder)
        except FileNotFoundError:
            if parts:
                self._check_writable(parts[:-1])
            else:
                _check_access(_nearest(self.path))


def _check_access(folder: Path | str, at: int | None = None) -> None:
    if not os.access(folder, os.W_OK | os.X_OK, dir_fd=at):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if not stat.S_ISDIR(os.stat(folder, dir_fd=at).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _nearest(path: Path) -> Path:
    return path if os.path.lexists(path) or path == path.parent else _nearest(path.parent)


def _room(folder: Path) -> int:
    """Bytes that may still be written; where the file system cannot tell, as many as anybody needs."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return sys.maxsize
    free = status.f_bfree if os.geteuid() == 0 else status.f_bavail
    return free * status.f_frsize
