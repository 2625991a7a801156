"""Folders and files reached step by step through descriptors: no link is followed, and no path can be too long."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.storage.relocate.names import Parts

CHUNK = 256 * 1024
MARKS_OF_SYSTEMS = frozenset({".gitkeep", ".DS_Store", "Thumbs.db"})

# A look must not touch the time of last access either; without the right to that, it is an ordinary look.
_NO_ACCESS_TIME = getattr(os, "O_NOATIME", 0)
_KINDS = (
    (stat.S_ISLNK, "it is a link, and links are not followed"),
    (stat.S_ISFIFO, "it is a named pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)

Mark = tuple[int, ...]


class Unreadable(Exception):
    """An old file cannot be read to its end; the message says why."""


class InTheWay(Exception):
    """Something that is no file or folder of ours stands at the new place; the message says what."""


@dataclass(frozen=True)
class Found:
    """An entry of an old folder; `oddity` says why it is nothing to move, and is empty for a file."""

    parts: Parts
    oddity: str = ""


@dataclass(frozen=True)
class OldFile:
    """An old file, opened. `chunks` can be read once; `mark` tells whether the file changed since."""

    parts: Parts
    mtime_ns: int
    chunks: Iterator[bytes]
    mark: Mark | None = None


def oddity(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    return next((text for is_kind, text in _KINDS if is_kind(mode)), "it is not a file")


def why(error: OSError) -> str:
    return error.strerror or str(error)


def mark_of(status: os.stat_result) -> Mark:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def open_folder(path: Path) -> int:
    """The folder at `path`, which itself may be a link to a folder."""
    return _open(path, os.O_DIRECTORY)


@contextmanager
def beneath(root: int, parts: Parts, *, make: bool = False) -> Iterator[int]:
    """The sub-folder `parts` of the open folder `root`, never through a link; `make` creates what is missing."""
    descriptor = _open(".", os.O_DIRECTORY, root)
    try:
        for part in parts:
            inner = _step(descriptor, part, make=make)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(folder: int, name: str) -> BinaryIO:
    """The regular file `name` of `folder`. Raises `InTheWay` for anything else, without waiting for a pipe."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if oddity(mode):
        raise InTheWay(oddity(mode))
    descriptor = _open(name, os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it changed since the look above
        os.close(descriptor)
        raise InTheWay("it is not a file")
    return os.fdopen(descriptor, "rb")


def walk(root: int) -> Iterator[Found]:
    """Every entry below `root` but folders and the marks that systems leave, sub-folder by sub-folder, by name."""
    waiting: list[Parts] = [()]
    while waiting:
        folder = waiting.pop()
        try:
            entries = _entries(root, folder)
        except FileNotFoundError:
            continue
        except (OSError, InTheWay) as error:
            yield Found(folder, f"this folder cannot be read: {why(error) if isinstance(error, OSError) else error}")
            continue
        waiting += [(*folder, name) for name, mode in reversed(entries) if stat.S_ISDIR(mode)]
        yield from (Found((*folder, name), oddity(mode)) for name, mode in entries if _counts(name, mode))


@contextmanager
def opened(root: int, parts: Parts) -> Iterator[OldFile]:
    """The file `parts` below `root`. Raises `Unreadable`, and `FileNotFoundError` where it has gone meanwhile."""
    try:
        with beneath(root, parts[:-1]) as folder:
            file = open_file(folder, parts[-1])
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"it cannot be read: {why(error)}") from error
    except InTheWay as error:
        raise Unreadable(str(error)) from error
    with file:
        status = os.fstat(file.fileno())
        yield OldFile(parts, status.st_mtime_ns, _chunks(file, mark_of(status)), mark_of(status))


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _open(name: str | Path, flags: int, folder: int | None = None) -> int:
    try:
        return os.open(name, flags | _NO_ACCESS_TIME, dir_fd=folder)
    except PermissionError:
        return os.open(name, flags, dir_fd=folder)


def _step(folder: int, part: str, *, make: bool) -> int:
    if make:
        _make(folder, part)
    if not stat.S_ISDIR(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
        raise InTheWay("a link or a file stands where its folder must be")
    return _open(part, os.O_DIRECTORY | os.O_NOFOLLOW, folder)


def _make(folder: int, part: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=folder)
        os.fsync(folder)


def _entries(root: int, parts: Parts) -> list[tuple[str, int]]:
    with beneath(root, parts) as folder, os.scandir(folder) as entries:
        return sorted((entry.name, _mode(entry)) for entry in entries)


def _mode(entry: os.DirEntry[str]) -> int:
    """The kind of an entry; without its bits where a look at the entry itself is needed and refused."""
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    try:
        return entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return 0


def _counts(name: str, mode: int) -> bool:
    return not stat.S_ISDIR(mode) and name not in MARKS_OF_SYSTEMS


def _chunks(file: BinaryIO, mark: Mark) -> Iterator[bytes]:
    try:
        yield from chunks_of(file)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {why(error)}") from error
    if mark_of(os.fstat(file.fileno())) != mark:
        raise Unreadable("it changed while it was read")
