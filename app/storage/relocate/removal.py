"""Removes old files, each only after a fresh look at both: the new one whole on the disk, the old one unchanged."""

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from app.storage.relocate.folders import InTheWay, beneath, mark_of, open_folder, why
from app.storage.relocate.names import Parts, quoted, shown
from app.storage.relocate.new_place import NewPlace, Placed
from app.storage.relocate.publish import digest_of

_REMOVED = ""
_GONE = None  # another run was quicker, which is as well


def remove_old(old: Path, placed: Sequence[Placed], new_place: NewPlace) -> tuple[int, list[str]]:
    """Removes from `old` what stands at the new place; answers how many, and a sentence for each that is kept."""
    root = open_folder(old)
    try:
        results = [(one.parts, _try(root, one, new_place)) for one in placed]
        removed = [parts for parts, trouble in results if trouble == _REMOVED]
        for folder in {parts[:-1] for parts in removed}:
            _settle(root, folder)
    finally:
        os.close(root)
    return len(removed), [_sentence(new_place.name(parts), trouble) for parts, trouble in results if trouble]


def foresee(old: Path, placed: Sequence[Placed], _new_place: NewPlace) -> tuple[int, list[str]]:
    """What a dry run can say: nothing is removed, and a folder that lets nothing go is named."""
    folders = sorted({old.joinpath(*one.parts[:-1]) for one in placed})
    locked = [folder for folder in folders if not os.access(folder, os.W_OK | os.X_OK)]
    return 0, [f"Nothing could be removed from {shown(folder)}: it cannot be written." for folder in locked]


def _try(root: int, placed: Placed, new_place: NewPlace) -> str | None:
    try:
        return _remove(root, placed, new_place)
    except OSError as error:
        return why(error)
    except InTheWay as error:
        return str(error)


def _remove(root: int, placed: Placed, new_place: NewPlace) -> str | None:
    *folder, name = placed.parts
    with beneath(root, tuple(folder)) as here, new_place.folder(tuple(folder)) as there:
        if os.path.samestat(os.fstat(here), os.fstat(there)):
            return "its folder is also the new one"
        os.fsync(there)
        if not _stands(placed, new_place):
            return "the file at the new place has changed"
        try:
            if mark_of(os.stat(name, dir_fd=here, follow_symlinks=False)) != placed.mark:
                return "it changed after it was copied"
            os.unlink(name, dir_fd=here)
        except FileNotFoundError:
            return _GONE
        return _REMOVED


def _stands(placed: Placed, new_place: NewPlace) -> bool:
    standing = new_place.open(placed.parts)
    if standing is None:
        return False
    with closing(standing):
        os.fsync(standing.fileno())  # one that was there already may never have been put on the disk
        return digest_of(standing) == placed.digest


def _settle(root: int, folder: Parts) -> None:
    with suppress(OSError, InTheWay), beneath(root, folder) as here:  # what comes back at a power cut is moved again
        os.fsync(here)


def _sentence(name: str, trouble: str) -> str:
    return f"{quoted(name)} was not removed from the old folder: {trouble}."
