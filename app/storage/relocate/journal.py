"""What lets a later run clear away the unfinished file of a run that was killed, and of no other.

A run that writes has a random token. Its unfinished file is `.moving-{token}` in a target folder, and while it
runs, a note `.moving-avatars-{token}` lies locked in the upload root (whatever is moved: the name is older than the
other kinds). The lock goes with the process, however that ends; so a note that can be locked belongs to a dead run. A
picture that by chance is named like an unfinished file has no note and is safe. Where locks or notes are impossible,
nothing is cleared, and moving goes on.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.storage.relocate.folders import InTheWay, beneath, open_folder, walk

_NOTE = ".moving-avatars-"


@dataclass(frozen=True)
class Run:
    """A run that writes. `note` is None where the upload root takes none."""

    token: str
    note: Path | None = None
    descriptor: int = -1

    @property
    def temporary(self) -> str:
        return _temporary(self.token)


class Journal:
    """The one run of a move, however many folders it fills; it begins with the first file that is written."""

    def __init__(self, upload_root: Path) -> None:
        self.upload_root = upload_root
        self._run: Run | None = None

    def run(self) -> Run:
        self._run = self._run or begin(self.upload_root)
        return self._run

    def close(self) -> None:
        if self._run:
            end(self._run)


@contextmanager
def kept(upload_root: Path, targets: Sequence[Path]) -> Iterator[Journal]:
    """Clears away what killed runs left in the folders `targets`, and at the end its own note."""
    clear_dead_runs(upload_root, targets)
    journal = Journal(upload_root)
    try:
        yield journal
    finally:
        journal.close()


def begin(upload_root: Path) -> Run:
    while True:
        token = secrets.token_hex(8)
        note = upload_root / f"{_NOTE}{token}"
        try:
            descriptor = os.open(note, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return Run(token)
        lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return Run(token, note, descriptor)
        os.close(descriptor)  # another run came before the lock, and took this one for dead


def end(run: Run) -> None:
    if run.note is None:
        return
    with suppress(OSError):
        run.note.unlink()
    os.close(run.descriptor)


def clear_dead_runs(upload_root: Path, targets: Sequence[Path]) -> None:
    """Removes what killed runs left in the folders `targets`, of which any may be missing."""
    with suppress(OSError):
        for note in upload_root.iterdir():
            if re.fullmatch(re.escape(_NOTE) + "[0-9a-f]{16}", note.name):
                _clear(note, targets, note.name.removeprefix(_NOTE))


def lock(descriptor: int) -> None:
    """Waits for the lock; where locks are unknown, goes on without."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _clear(note: Path, targets: Sequence[Path], token: str) -> None:
    with suppress(OSError):  # locked by a live run, gone meanwhile, or not ours to touch
        descriptor = os.open(note, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for target in targets:
                _remove_temporaries(target, _temporary(token))
            note.unlink()
        finally:
            os.close(descriptor)


def _remove_temporaries(target: Path, temporary: str) -> None:
    try:
        root = open_folder(target)
    except OSError:  # not made yet, or no folder, which the move will tell
        return
    try:
        for found in walk(root):
            if found.parts[-1:] != (temporary,) or found.oddity:
                continue
            with suppress(FileNotFoundError, InTheWay), beneath(root, found.parts[:-1]) as folder:
                os.unlink(temporary, dir_fd=folder)
    finally:
        os.close(root)


def _temporary(token: str) -> str:
    return f".moving-{token}"
