"""Old files that arrive as a tar stream, the way `docker cp CONTAINER:FOLDER -` writes one.

Names in a stream are a stranger's words: an absolute one, `..`, a link or a device is named and left. What wraps them
is taken off (`app.storage.relocate.route`); whatever the stream says about owners and rights is not looked at.
"""

import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Self

from app.storage.relocate.folders import CHUNK, MARKS_OF_SYSTEMS, Found, OldFile, Unreadable
from app.storage.relocate.kinds import Folder
from app.storage.relocate.names import Parts
from app.storage.relocate.route import Route

_BROKEN = (tarfile.TarError, EOFError, OSError)


class CutOff(Exception):
    """The stream as a whole is not what was promised; the message is a sentence."""


class _Stream(tarfile.TarFile):
    whole = False  # tarfile itself takes a stream cut between two files for a whole one
    cut = False  # and would look for the rest of a cut file for as long as the file claims to be


class _Member(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except _END:
            tarfile.whole = True  # type: ignore[attr-defined]
            raise


_END: type[Exception] = tarfile.EOFHeaderError  # type: ignore[attr-defined]


Entry = Found | tuple[Folder, OldFile | Found]


def entries(stream: BinaryIO, route: Route) -> Iterator[Entry]:
    """What the stream holds, one at a time, each to be read before the next. Raises `CutOff` at the end.

    With each comes the old folder it lies in, unless its name cannot be trusted to tell.
    """
    first = stream.peek(1) if hasattr(stream, "peek") else b"?"
    if not first:
        raise CutOff(f"The stream is empty: whatever should have sent the {route.kind.many} sent nothing.")
    try:
        with _Stream.open(fileobj=stream, mode="r|*", tarinfo=_Member, errors="surrogateescape") as tar:
            yield from _members(tar, route)
            if not tar.whole:
                raise CutOff("The stream ended early; what came whole was taken.")
            _drain(stream)
    except _BROKEN as error:
        raise CutOff(f"The stream is not a whole tar archive ({error}); what came whole was taken.") from error


def _members(tar: _Stream, route: Route) -> Iterator[Entry]:
    for member in tar:
        parts = _parts(member.name)
        route.begin(parts, is_folder=member.isdir())
        chunks = _chunks(tar, member)
        if not member.isdir() and parts[-1:] and parts[-1] not in MARKS_OF_SYSTEMS:
            yield from _entry(member, parts, chunks, route)
        elif not member.isdir() and not parts:
            yield Found((member.name,), "it has no name")
        _pass_over(member, chunks)
        if tar.cut:
            raise tarfile.ReadError("unexpected end of data")


def _parts(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in {"", "."})


def _entry(member: tarfile.TarInfo, parts: Parts, chunks: Iterator[bytes], route: Route) -> Iterator[Entry]:
    if member.name.startswith("/") or ".." in member.name.split("/"):
        yield Found((member.name,), "its name leads out of the folder")
        return
    folder, parts = route.of(parts)
    if folder is None:
        return
    if oddity := _oddity(member) or ("" if parts else "it is a file and not a folder"):
        yield folder, Found(parts, oddity)
    else:
        yield folder, OldFile(parts, _mtime_ns(member), chunks)


def _pass_over(member: tarfile.TarInfo, chunks: Iterator[bytes]) -> None:
    """Reads what nobody wanted; tarfile would look for the rest of a cut file here, too."""
    if member.isreg() or member.type not in tarfile.SUPPORTED_TYPES:
        with suppress(Unreadable):
            for _ in chunks:
                pass


def _oddity(member: tarfile.TarInfo) -> str:
    if member.issym():
        return "it is a link, and links are not followed"
    if member.islnk():
        return "it is a second name of another file, which a stream cannot carry; use --from with a folder"
    return "" if member.isreg() else "it is not a file"


def _mtime_ns(member: tarfile.TarInfo) -> int:
    with suppress(ValueError, OverflowError):
        return round(member.mtime * 1_000_000_000)
    return 0


def _chunks(tar: _Stream, member: tarfile.TarInfo) -> Iterator[bytes]:
    taken = 0
    try:
        file = tar.extractfile(member)
        while file and (chunk := file.read(CHUNK)):
            taken += len(chunk)
            yield chunk
    except _BROKEN:
        taken = -1
    if taken != member.size:
        tar.cut = True
        raise Unreadable("the stream ended within it")


def _drain(stream: BinaryIO) -> None:
    """Reads the padding after the end, so that the sender is not cut off while writing it."""
    while stream.read(CHUNK):
        pass
