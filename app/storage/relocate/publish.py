"""A finished file gets its name, and whatever already has that name is never overwritten, but for a cut-off copy."""

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from app.storage.relocate.folders import chunks_of, open_file
from app.storage.relocate.journal import lock

_WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class Verdict(StrEnum):
    SAME = "same"
    CUT_OFF = "cut off"
    DIFFERENT = "different"
    ABSENT = "absent"


@dataclass(frozen=True)
class Comparison:
    """How what stands relates to what comes. `matched` bytes were equal; `pending` was read beyond them."""

    verdict: Verdict
    matched: int = 0
    pending: bytes = b""


class Renamed(StrEnum):
    FIRST = "first"
    SAME = "same"
    REPAIRED = "repaired"
    DIFFERENT = "different"


def compare(coming: Iterable[bytes], standing: BinaryIO | None) -> Comparison:
    """Reads both side by side, and stops where they part. Of an absent file nothing is read."""
    if standing is None:
        return Comparison(Verdict.ABSENT)
    matched = 0
    for chunk in coming:
        there = standing.read(len(chunk))
        if there != chunk:
            verdict = Verdict.CUT_OFF if chunk.startswith(there) else Verdict.DIFFERENT
            return Comparison(verdict, matched + len(there), chunk[len(there) :])
        matched += len(chunk)
    return Comparison(Verdict.DIFFERENT if standing.read(1) else Verdict.SAME)


def publish(folder: int, temporary: str, name: str) -> Renamed:
    """Names the finished file `temporary` of `folder` `name`. Raises `InTheWay` where no file has that name."""
    while True:
        try:
            _name_first(folder, temporary, name)
        except FileExistsError:
            renamed = _name_beside(folder, temporary, name)
        else:
            return Renamed.FIRST
        if renamed:
            return renamed


def digest_of(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    for chunk in chunks_of(file):
        digest.update(chunk)
    return digest.hexdigest()


def _name_first(folder: int, temporary: str, name: str) -> None:
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        _name_without_links(folder, temporary, name)


def _name_without_links(folder: int, temporary: str, name: str) -> None:
    """Takes the name with an empty file first. Killed before the rename, that is a cut-off copy, and mended so."""
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
    try:
        lock(descriptor)
        if not _is_still(folder, name, descriptor):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        _replace(folder, temporary, name)
    finally:
        os.close(descriptor)


def _name_beside(folder: int, temporary: str, name: str) -> Renamed | None:
    """Judges what has the name already; None when it was replaced meanwhile, so that it has to be judged anew."""
    with suppress(FileNotFoundError), open_file(folder, name) as standing:
        lock(standing.fileno())
        if not _is_still(folder, name, standing.fileno()):
            return None
        with open_file(folder, temporary) as finished:
            verdict = compare(chunks_of(finished), standing).verdict
        if verdict is Verdict.CUT_OFF:
            _replace(folder, temporary, name)
            return Renamed.REPAIRED
        return Renamed.SAME if verdict is Verdict.SAME else Renamed.DIFFERENT
    return None


def _replace(folder: int, temporary: str, name: str) -> None:
    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _is_still(folder: int, name: str, descriptor: int) -> bool:
    mine = os.fstat(descriptor)
    with suppress(FileNotFoundError):
        return os.path.samestat(mine, os.stat(name, dir_fd=folder, follow_symlinks=False))
    return False
