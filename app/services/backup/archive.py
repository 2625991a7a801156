"""A `.tar.gz` of plain files, written and read in constant memory.

The same members are the same bytes wherever and whenever they are written: no times, no owners, no folders. Each member
is compressed by itself (a gzip file may have several parts), what is compressed already is only stored. Reading takes
nothing but what is written here: a manifest first, then exactly the members it tells of, in its order.
"""

import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from tarfile import BLOCKSIZE, NUL, REGTYPE, USTAR_FORMAT, HeaderError, TarInfo
from typing import Any, BinaryIO, Protocol

from app.errors import DomainError

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1024 * 1024
LEVEL = 5  # of compression, 0 to 9

_GZIP = 31  # what zlib calls its widest window, with gzip's head and tail
_PEEK = 64 * 1024
_WORTH_IT = 0.9  # of its size, or compressing again is only stored
_MANIFEST_LEAST = 1024 * 1024  # bytes of a manifest that are always read; beyond that it may grow with the archive
_MANIFEST_RATIO = 20
_NAME = re.compile(r"rows/[a-z][a-z0-9_]*\.jsonl|files/[a-z][a-z0-9_-]*/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)

Progress = Callable[[int], object]  # is told how many bytes of members were written or read


class Unusable(DomainError):
    """The archive is not whole, not ours, or not harmless; the message names what. Nothing was changed."""

    status = 422


class Changed(Exception):
    """A member did not have the bytes it was announced with."""


@dataclass(frozen=True)
class Member:
    """`size` is in bytes, `sha256` 64 hex digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TableOf:
    """A table as it was: its columns with what they hold (see rows.py), and how many rows there are."""

    name: str
    columns: dict[str, str]
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What an archive tells of itself. `damaged` are stored files that could not be kept whole, with the reason."""

    version: str
    schema: str
    created_at: str
    tables: list[TableOf]
    members: list[Member]
    damaged: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Of all members, in bytes."""
        return sum(member.size for member in self.members)

    @property
    def files(self) -> list[Member]:
        return [member for member in self.members if member.name.startswith("files/")]

    def rows_of(self, table: str) -> int:
        return next((found.rows for found in self.tables if found.name == table), 0)

    def as_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def of_bytes(cls, content: bytes) -> "Manifest":
        """Raises Unusable."""
        try:
            return cls._of(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unusable("Its manifest cannot be read.") from error

    @classmethod
    def _of(cls, told: dict[str, Any]) -> "Manifest":
        if told["format"] != FORMAT:
            raise Unusable("It was written by a newer version of TimeTracker than this one: install that version.")
        members = [Member(_text(m["name"]), _number(m["size"]), _text(m["sha256"])) for m in told["members"]]
        names = {member.name for member in members}
        _insist(len(names) == len(members))
        for member in members:
            if not _NAME.fullmatch(member.name):
                raise Unusable(f"Its manifest names {member.name!r:.200}, which is no name of a backup's member.")
            _insist(_HASH.fullmatch(member.sha256) is not None)
        tables = [
            TableOf(_text(t["name"]), {_text(c): _text(k) for c, k in t["columns"].items()}, _number(t["rows"]))
            for t in told["tables"]
        ]
        _insist({f"rows/{table.name}.jsonl" for table in tables} == {n for n in names if n.startswith("rows/")})
        damaged = {_text(name): _text(why) for name, why in told["damaged"].items()}
        return cls(
            version=_text(told["version"]),
            schema=_text(told["schema"]),
            created_at=_text(told["created_at"]),
            tables=tables,
            members=members,
            damaged=damaged,
        )


class Source(Protocol):
    """Whatever bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """Whatever bytes are written to."""

    def write(self, content: bytes, /) -> int: ...


class Lines(Protocol):
    """Whatever is read by the line."""

    def readline(self, size: int, /) -> bytes: ...


# Writing


class Writer:
    """Writes members to `target`; `close` ends the archive, not the target."""

    def __init__(self, target: Sink) -> None:
        self._target = target

    def add(self, member: Member, source: Source, progress: Progress = lambda _bytes: None) -> None:
        """Raises Changed when the source has not exactly the bytes announced; the archive is then of no use."""
        first = source.read(min(member.size, CHUNK))
        compressor = zlib.compressobj(_level_for(first), zlib.DEFLATED, _GZIP)
        put = self._target.write
        put(compressor.compress(_header(member)))
        digest, left, chunk = hashlib.sha256(), member.size, first
        while chunk:
            digest.update(chunk)
            put(compressor.compress(chunk))
            left -= len(chunk)
            progress(len(chunk))
            chunk = source.read(min(left, CHUNK))
        if left or digest.hexdigest() != member.sha256 or source.read(1):
            raise Changed(member.name)
        put(compressor.compress(NUL * (-member.size % BLOCKSIZE)))
        put(compressor.flush())

    def close(self) -> None:
        compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._target.write(compressor.compress(NUL * 2 * BLOCKSIZE) + compressor.flush())


def _header(member: Member) -> bytes:
    info = TarInfo(member.name)
    info.size, info.mode = member.size, 0o600
    return info.tobuf(USTAR_FORMAT)


def _level_for(beginning: bytes) -> int:
    peek = beginning[:_PEEK]
    return LEVEL if len(zlib.compress(peek, 1)) <= len(peek) * _WORTH_IT else 0


# Reading


class Archive:
    """An open archive whose manifest is read. Its members are read once, in order, each checked as it ends."""

    def __init__(self, source: Source, size: int) -> None:
        """`size` is that of the archive in bytes. Raises Unusable."""
        self._tar = _Tar(source)
        self.manifest = self._read_manifest(_MANIFEST_LEAST + _MANIFEST_RATIO * size)

    def members(self, progress: Progress = lambda _bytes: None) -> Iterator[tuple[Member, BinaryIO]]:
        """Each member with its bytes, which may be left unread: they are checked nevertheless. Raises Unusable."""
        known = {member.name for member in self.manifest.members}
        for member in self.manifest.members:
            self._tar.expect(member.name, member.size, known)
            content = _Content(self._tar, member.size, progress)
            yield member, io.BufferedReader(content, CHUNK)
            content.exhaust()
            if content.digest.hexdigest() != member.sha256:
                raise Unusable(f"{member.name} is damaged: its bytes are not those that were backed up.")
        self._tar.expect_end()

    def _read_manifest(self, most: int) -> Manifest:
        name, size = self._tar.next_member()
        if name != MANIFEST:
            raise Unusable("It does not begin with a manifest, so it is no backup of TimeTracker.")
        if size > most:
            raise Unusable("Its manifest is too large to be true.")
        content = _Content(self._tar, size, lambda _bytes: None)
        told = io.BufferedReader(content).read()
        content.exhaust()
        return Manifest.of_bytes(told)


class _Tar:
    """Heads and contents of the plain files in a gzipped tar."""

    def __init__(self, source: Source) -> None:
        self._bytes = _Inflated(source)

    def next_member(self) -> tuple[str, int]:
        """Name and size of what comes next; an empty name at the end."""
        block = self._exactly(BLOCKSIZE)
        if block == NUL * BLOCKSIZE:
            return "", 0
        try:
            info = TarInfo.frombuf(block, "utf-8", "strict")
        except (HeaderError, ValueError) as error:
            raise Unusable("It is damaged: something stands in it that is no member.") from error
        if info.type != REGTYPE or info.linkname:
            raise Unusable(f"It holds {info.name!r:.200}, which is no plain file.")
        if info.size < 0:
            raise Unusable("It is damaged: a member has an impossible size.")
        return info.name, info.size

    def expect(self, name: str, size: int, known: set[str]) -> None:
        found, found_size = self.next_member()
        if found != name and found not in known:
            beyond = f"It holds {found!r:.200}, of which its manifest does not tell."
            raise Unusable(beyond if found else f"{name} is missing.")
        if found != name:
            raise Unusable(f"{name} is missing: {found} stands in its place.")
        if found_size != size:
            raise Unusable(f"{name} has {found_size} bytes and not the {size} that its manifest tells.")

    def expect_end(self) -> None:
        name, _size = self.next_member()
        if name:
            raise Unusable(f"It holds {name!r:.200}, of which its manifest does not tell.")
        if self._exactly(BLOCKSIZE) != NUL * BLOCKSIZE or self._bytes.read(1):
            raise Unusable("It does not end where it should: something stands behind its last member.")

    def read(self, most: int) -> bytes:
        """At least one byte."""
        found = self._bytes.read(most)
        if not found:
            raise Unusable("It is cut off.")
        return found

    def skip_padding(self, size: int) -> None:
        if self._exactly(-size % BLOCKSIZE).strip(NUL):
            raise Unusable("It is damaged: something stands between two members.")

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += self.read(size - len(found))
        return found


class _Content(io.RawIOBase):
    """The bytes of one member, hashed as they are read."""

    def __init__(self, tar: _Tar, size: int, progress: Progress) -> None:
        super().__init__()
        self._tar, self._size, self._left, self._progress = tar, size, size, progress
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            return 0
        found = self._tar.read(min(self._left, len(buffer)))
        buffer[: len(found)] = found
        self.digest.update(found)
        self._left -= len(found)
        self._progress(len(found))
        return len(found)

    def exhaust(self) -> None:
        """Reads past what was left unread, and past the padding."""
        buffer = bytearray(min(self._left, CHUNK))
        while self._left:
            self.readinto(memoryview(buffer))
        self._tar.skip_padding(self._size)


class _Inflated:
    """What gzip's parts hold, one after the other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._part: Any = None
        self._compressed = b""

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; none at the end. Raises Unusable."""
        while True:
            if self._part is None:
                self._compressed = self._compressed or self._source.read(_PEEK)
                if not self._compressed:
                    return b""
                self._part = zlib.decompressobj(_GZIP)
            found = self._inflated(most)
            if found:
                return found

    def _inflated(self, most: int) -> bytes:
        try:
            found: bytes = self._part.decompress(self._compressed, most)
        except zlib.error as error:
            raise Unusable("It is damaged: it cannot be unpacked.") from error
        self._compressed = self._part.unconsumed_tail or self._part.unused_data
        if self._part.eof:
            self._part = None
        elif not found and not self._compressed:
            self._compressed = self._source.read(_PEEK)
            if not self._compressed:
                raise Unusable("It is cut off.")
        return found


def _insist(true: bool) -> None:
    if not true:
        raise ValueError


def _text(value: Any) -> str:
    _insist(isinstance(value, str))
    return str(value)


def _number(value: Any) -> int:
    _insist(isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    return int(value)
