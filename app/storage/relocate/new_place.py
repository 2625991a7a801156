"""A folder below the upload root: takes old files durably, under their old names, and never over another one.

A file is written under a hidden name, put on the disk, read back, and only then named: at any moment, what has a
file's name is the whole file.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

from app.storage.durable import make_folder
from app.storage.relocate.folders import (
    InTheWay,
    Mark,
    OldFile,
    Unreadable,
    beneath,
    chunks_of,
    open_file,
    open_folder,
    why,
)
from app.storage.relocate.journal import Journal
from app.storage.relocate.kinds import Folder
from app.storage.relocate.names import Parts, joined, shown
from app.storage.relocate.publish import Comparison, Renamed, Verdict, compare, digest_of, publish
from app.storage.relocate.tally import Item, Outcome


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass
class Reading:
    """The bytes of a file on their way, counted and hashed as they pass."""

    chunks: Iterator[bytes]
    size: int = 0
    digest: Digest = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.size += len(chunk)
            self.digest.update(chunk)
            yield chunk

    def drain(self) -> None:
        for _ in self:
            pass


@dataclass(frozen=True)
class Placed:
    """An old file that was tried: what became of it, and what a removal of the old one has to look at again."""

    parts: Parts
    outcome: Outcome
    reason: str = ""
    digest: str = ""
    mark: Mark | None = None


class NewPlace:
    """The target of one old folder, `path`. `prefix` stands before a file's name where people read it."""

    def __init__(self, path: Path, folder: Folder, prefix: Parts, journal: Journal) -> None:
        self.path = path
        self.old_folder = folder
        self._prefix = prefix
        self._journal = journal
        self._changed: set[Parts] = set()

    def name(self, parts: Parts) -> str:
        return joined((*self._prefix, *parts))

    def item(self, placed: Placed) -> Item:
        return Item(self.name(placed.parts), placed.outcome, placed.reason)

    def place(self, old: OldFile) -> Placed:
        """Makes `old` stand here, unless something else has its name."""
        if refusal := self.old_folder.refuses(old.parts):
            return Placed(old.parts, Outcome.LEFT, refusal)
        reading = Reading(old.chunks)
        try:
            outcome, reason = self._try(old, reading)
        except Unreadable as error:
            return Placed(old.parts, Outcome.LEFT, str(error))
        except InTheWay as error:
            return Placed(old.parts, Outcome.CONFLICT, str(error))
        except OSError as error:
            return Placed(old.parts, Outcome.LEFT, f"the new place does not take it: {why(error)}")
        return Placed(old.parts, outcome, reason, reading.digest.hexdigest(), old.mark)

    def settle(self) -> list[str]:
        """Puts the names given so far on the disk; answers a sentence for each folder where that failed."""
        return [trouble for parts in sorted(self._changed) if (trouble := self._settled(parts))]

    @contextmanager
    def folder(self, parts: Parts, *, make: bool = False) -> Iterator[int]:
        if make:
            make_folder(self.path)
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise InTheWay(f"{shown(self.path)} is not a folder")
        root = open_folder(self.path)
        try:
            with beneath(root, parts, make=make) as folder:
                yield folder
        finally:
            os.close(root)

    def open(self, parts: Parts) -> BinaryIO | None:
        """What has this name here, or None. Raises `InTheWay` where that is not a file."""
        try:
            with self.folder(parts[:-1]) as folder:
                return _standing(folder, parts[-1])
        except FileNotFoundError:
            return None

    def _try(self, old: OldFile, reading: Reading) -> tuple[Outcome, str]:
        standing = self.open(old.parts)
        with closing(standing) if standing else nullcontext():
            comparison = compare(reading, standing)
            if comparison.verdict is Verdict.SAME:
                return Outcome.ALREADY, ""
            if standing and comparison.verdict is Verdict.DIFFERENT:
                return Outcome.CONFLICT, _difference(reading, standing)
            return self._take(old, reading, _whole(reading, comparison, standing)), ""

    def _take(self, old: OldFile, reading: Reading, whole: Iterable[bytes]) -> Outcome:
        temporary = self._begin()
        with self.folder(old.parts[:-1], make=True) as folder:
            self._changed.add(old.parts[:-1])
            try:
                _write(folder, temporary, whole, reading, old.mtime_ns)
                renamed = publish(folder, temporary, old.parts[-1])
            finally:
                with suppress(OSError):  # it has its name by now, or an error is on its way already
                    os.unlink(temporary, dir_fd=folder)
            if renamed is Renamed.DIFFERENT:
                raise InTheWay("a different file of this name has just come there")
            return _OUTCOMES[renamed]

    def _begin(self) -> str:
        """The hidden name for what is not yet whole."""
        make_folder(self.path)
        return self._journal.run().temporary

    def _settled(self, parts: Parts) -> str:
        try:
            with self.folder(parts) as folder:
                os.fsync(folder)
        except (OSError, InTheWay) as error:
            return f"{shown(self.path.joinpath(*parts))} could not be put safely on the disk: {error}."
        return ""


_OUTCOMES = {Renamed.FIRST: Outcome.MOVED, Renamed.SAME: Outcome.ALREADY, Renamed.REPAIRED: Outcome.REPAIRED}


def _standing(folder: int, name: str) -> BinaryIO:
    try:
        return open_file(folder, name)
    except InTheWay as error:
        raise InTheWay(f"its name is taken at the new place: {error}") from error


def _whole(reading: Reading, comparison: Comparison, standing: BinaryIO | None) -> Iterator[bytes]:
    """The file from its beginning. A stream is not read twice: what was compared already comes from `standing`."""
    if standing:
        standing.seek(0)
        yield from _first(standing, comparison.matched)
    yield from chain([comparison.pending], reading)


def _first(file: BinaryIO, count: int) -> Iterator[bytes]:
    for chunk in chunks_of(file):
        yield chunk[:count]
        count -= len(chunk)
        if count <= 0:
            return


def _write(folder: int, name: str, whole: Iterable[bytes], reading: Reading, mtime_ns: int) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "w+b") as file:
        for chunk in whole:
            file.write(chunk)
        file.flush()
        if digest_of(file) != reading.digest.hexdigest():
            raise Unreadable("what was written did not read back the same")
        with suppress(OSError, OverflowError):  # some network folders know neither rights nor such times
            os.fchmod(descriptor, 0o644)
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        os.fsync(descriptor)


def _difference(reading: Reading, standing: BinaryIO) -> str:
    reading.drain()
    there = digest_of(standing)
    old = f"{reading.size} bytes, SHA-256 {reading.digest.hexdigest()[:12]}…"
    new = f"{os.fstat(standing.fileno()).st_size} bytes, SHA-256 {there[:12]}…"
    return f"the files differ (old: {old}; new: {new})"
