"""Pictures that arrive as a tar stream, the way `docker cp CONTAINER:FOLDER -` writes one.

Names in a stream are a stranger's words: an absolute one, `..`, a link or a device is named and left. The folder
that wraps them (`avatars/`) is taken off; whatever the stream says about owners and rights is not looked at.
"""

import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Self

from app.storage.relocate.folders import CHUNK, NOT_PICTURES, Found, Picture, Unreadable
from app.storage.relocate.names import Parts

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


def pictures(stream: BinaryIO) -> Iterator[Picture | Found]:
    """What the stream holds, one at a time, each to be read before the next. Raises `CutOff` at the end."""
    first = stream.peek(1) if hasattr(stream, "peek") else b"?"
    if not first:
        raise CutOff("The stream is empty: whatever should have sent the pictures sent nothing.")
    try:
        with _Stream.open(fileobj=stream, mode="r|*", tarinfo=_Member, errors="surrogateescape") as tar:
            yield from _members(tar)
            if not tar.whole:
                raise CutOff("The stream ended early; what came whole was taken.")
            _drain(stream)
    except _BROKEN as error:
        raise CutOff(f"The stream is not a whole tar archive ({error}); what came whole was taken.") from error


def _members(tar: _Stream) -> Iterator[Picture | Found]:
    top: Parts | None = None
    for member in tar:
        parts = _parts(member.name)
        if top is None:
            top = _top(parts, is_folder=member.isdir())
        if not member.isdir() and parts[-1:] != () and parts[-1] not in NOT_PICTURES:
            yield _entry(tar, member, _without(top, parts))
        elif not member.isdir() and not parts:
            yield Found((member.name,), "it has no name")
        if tar.cut:
            raise tarfile.ReadError("unexpected end of data")


def _parts(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in {"", "."})


def _top(first: Parts, *, is_folder: bool) -> Parts:
    """What wraps the pictures, told by the first name: the folder itself, or the folder a file stands in."""
    if is_folder:
        return first
    folder = first[:-1]
    if "avatars" not in folder:
        return folder[:1]
    return folder[: len(folder) - folder[::-1].index("avatars")]


def _without(top: Parts, parts: Parts) -> Parts:
    return parts[len(top) :] if parts[: len(top)] == top and len(parts) > len(top) else parts


def _entry(tar: _Stream, member: tarfile.TarInfo, parts: Parts) -> Picture | Found:
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return Found((member.name,), "its name leads out of the folder")
    if oddity := _oddity(member):
        return Found(parts, oddity)
    return Picture(parts, _mtime_ns(member), _chunks(tar, member))


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
