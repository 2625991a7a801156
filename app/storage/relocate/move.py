"""Moves old profile pictures to the new place: from old folders or from a stream, without deleting unless told to."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.storage import AVATARS
from app.storage.relocate import stream
from app.storage.relocate.folders import Found, Picture, Unreadable, open_folder, opened, walk, why
from app.storage.relocate.names import joined, shown
from app.storage.relocate.new_place import NewPlace, Placed
from app.storage.relocate.rehearsal import Rehearsal
from app.storage.relocate.removal import foresee, remove_old
from app.storage.relocate.tally import STANDING, Item, Outcome, Place, Tally

CHECKOUT = Path(__file__).resolve().parents[3]
STREAM = "-"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Move:
    """What to move where. `stream`, where given, is read instead of the `old` folders."""

    upload_root: Path
    old: tuple[Path, ...] = ()
    stream: BinaryIO | None = None
    dry_run: bool = False
    remove_old: bool = False


@dataclass
class _Course:
    """What happened so far."""

    places: list[Place] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: int = 0


def old_places() -> list[Path]:
    """Where the TimeTracker of old kept pictures beside its code, each real folder once."""
    beside = Path("app/static/uploads") / AVATARS
    candidates = [CHECKOUT / beside, Path("/app") / beside, Path("/") / beside]
    return list({os.path.realpath(path): path for path in reversed(candidates)}.values())[::-1]


def holds_pictures(folder: Path) -> bool:
    try:
        root = open_folder(folder)
    except OSError:
        return False
    try:
        return any(not found.oddity for found in walk(root))
    finally:
        os.close(root)


def run(move: Move, *, progress: Progress = lambda _done, _total: None) -> Tally:
    """Does what `move` says and prints nothing. A picture that fails does not stop the others."""
    course = _Course()
    with (Rehearsal if move.dry_run else NewPlace)(move.upload_root) as new_place:
        if move.stream:
            _from_stream(move.stream, new_place, course, progress)
        moved = {old: _from_folder(old, new_place, course, progress) for old in move.old}
        course.troubles += new_place.settle()
        if move.remove_old:
            _remove(moved, move, new_place, course)
    return Tally(
        to=new_place.path,
        places=tuple(course.places),
        items=tuple(course.items),
        troubles=tuple(course.troubles),
        notes=tuple(course.notes),
        removed=course.removed,
        dry_run=move.dry_run,
    )


def _from_stream(file: BinaryIO, new_place: NewPlace, course: _Course, progress: Progress) -> None:
    course.places.append(Place(STREAM, found=True))
    try:
        for done, entry in enumerate(stream.pictures(file), start=1):
            course.items.append(_item(entry, new_place))
            progress(done, None)
    except stream.CutOff as error:
        course.troubles.append(str(error))
    progress(len(course.items), len(course.items))


def _item(entry: Picture | Found, new_place: NewPlace) -> Item:
    if isinstance(entry, Found):
        return Item(joined(entry.parts), Outcome.LEFT, entry.oddity)
    return new_place.place(entry).item


def _from_folder(old: Path, new_place: NewPlace, course: _Course, progress: Progress) -> list[Placed]:
    """Moves what `old` holds; answers what stands at the new place now."""
    try:
        root = open_folder(old)
    except OSError as error:
        _without_folder(old, error, course)
        return []
    try:
        course.places.append(Place(str(old), found=True))
        if _apart(old, new_place.path, course):
            return list(_each(root, new_place, course, progress))
        return []
    finally:
        os.close(root)


def _without_folder(old: Path, error: OSError, course: _Course) -> None:
    found = os.path.lexists(old) or not isinstance(error, FileNotFoundError | NotADirectoryError)
    course.places.append(Place(str(old), found=found))
    if found:
        course.troubles.append(f"{shown(old)} cannot be read as a folder: {why(error)}.")


def _apart(old: Path, new: Path, course: _Course) -> bool:
    """Whether the two are different folders, neither within the other."""
    here, there = Path(os.path.realpath(old)), Path(os.path.realpath(new))
    if here == there or (there.exists() and here.samefile(there)):
        course.notes.append(f"{shown(old)} is the new place itself; nothing to move.")
        return False
    if here.is_relative_to(there) or there.is_relative_to(here):
        course.troubles.append(f"{shown(old)} and {shown(new)} lie one within the other; nothing was moved.")
        return False
    return True


def _each(root: int, new_place: NewPlace, course: _Course, progress: Progress) -> Iterator[Placed]:
    entries = list(walk(root))
    for done, found in enumerate(entries, start=1):
        with suppress(FileNotFoundError):  # another run has moved and removed it meanwhile
            placed = _placed(root, found, new_place)
            course.items.append(placed.item)
            if placed.outcome in STANDING:
                yield placed
        progress(done, len(entries))


def _placed(root: int, found: Found, new_place: NewPlace) -> Placed:
    if found.oddity:
        return Placed(found.parts, Outcome.LEFT, found.oddity)
    try:
        with opened(root, found.parts) as picture:
            return new_place.place(picture)
    except Unreadable as error:
        return Placed(found.parts, Outcome.LEFT, str(error))


def _remove(moved: Mapping[Path, list[Placed]], move: Move, new_place: NewPlace, course: _Course) -> None:
    for old, placed in moved.items():
        if not placed:
            continue
        removed, troubles = (foresee if move.dry_run else remove_old)(old, placed, new_place)
        course.removed += removed
        course.troubles += troubles
