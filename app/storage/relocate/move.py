"""Moves old files to the new place: from old folders or from a stream, without deleting unless told to."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.storage.relocate import journal, stream
from app.storage.relocate.folders import Found, Unreadable, open_folder, opened, walk, why
from app.storage.relocate.kinds import FOLDERS, OLD_NAMES, PICTURES, Folder, Kind
from app.storage.relocate.names import joined, quoted, shown
from app.storage.relocate.new_place import NewPlace, Placed
from app.storage.relocate.rehearsal import Rehearsal
from app.storage.relocate.removal import foresee, remove_old
from app.storage.relocate.route import Route
from app.storage.relocate.tally import STANDING, Item, Outcome, Place, Tally

CHECKOUT = Path(__file__).resolve().parents[3]
STREAM = "-"

Progress = Callable[[int, int | None], None]
Moved = tuple[Path, NewPlace, list[Placed]]
Removal = Callable[[Path, Sequence[Placed], NewPlace], tuple[int, list[str]]]


@dataclass(frozen=True)
class Move:
    """What to move where. `stream`, where given, is read instead of the `old` folders.

    Where a kind has several folders, the name of an old one tells which it is (see `places_in`).
    """

    upload_root: Path
    old: tuple[Path, ...] = ()
    stream: BinaryIO | None = None
    dry_run: bool = False
    remove_old: bool = False
    kind: Kind = PICTURES


@dataclass
class _Course:
    """What happened so far."""

    places: list[Place] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: int = 0


def old_places(kind: Kind = PICTURES) -> list[Path]:
    """Where the TimeTracker of old kept such files, each real folder once."""
    roots = (CHECKOUT, Path("/app"), Path("/"))
    candidates = [root / place for folder in kind.folders for place in folder.places for root in roots]
    return list({os.path.realpath(path): path for path in reversed(candidates)}.values())[::-1]


def places_in(given: Path, kind: Kind) -> list[Path]:
    """The old folders meant by one that a person names: those in it, or itself."""
    if kind.itself or kind.having(given.name):
        return [given]
    is_around = any(os.path.lexists(given / name) for name in OLD_NAMES)
    if len(kind.folders) == 1 and not is_around:
        return [given]
    return [given / folder.name for folder in kind.folders]


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
    """Does what `move` says and prints nothing. A file that fails does not stop the others."""
    course = _Course()
    with _new_places(move) as new_places:
        if move.stream:
            _from_stream(move.stream, Route(move.kind), new_places, course, progress)
        moved: list[Moved] = []
        for old in move.old:
            new_place = new_places[move.kind.of(old)]
            moved.append((old, new_place, _from_folder(old, new_place, course, progress)))
        course.troubles += [trouble for new_place in new_places.values() for trouble in new_place.settle()]
        if move.remove_old:
            _remove(moved, foresee if move.dry_run else remove_old, course)
    return Tally(
        to=move.upload_root / move.kind.to,
        places=tuple(course.places),
        items=tuple(course.items),
        troubles=tuple(course.troubles),
        notes=tuple(course.notes),
        removed=course.removed,
        dry_run=move.dry_run,
        kind=move.kind,
    )


@contextmanager
def _new_places(move: Move) -> Iterator[dict[Folder, NewPlace]]:
    places = {
        folder: (move.upload_root / folder.target, folder, move.kind.prefix(folder)) for folder in move.kind.folders
    }
    if move.dry_run:
        needed: Counter[int] = Counter()
        yield {folder: Rehearsal(*place, needed) for folder, place in places.items()}
        return
    with journal.kept(move.upload_root, [move.upload_root / folder.target for folder in FOLDERS]) as kept:
        yield {folder: NewPlace(*place, kept) for folder, place in places.items()}


def _from_stream(
    file: BinaryIO, route: Route, new_places: Mapping[Folder, NewPlace], course: _Course, progress: Progress
) -> None:
    course.places.append(Place(STREAM, found=True))
    try:
        for done, entry in enumerate(stream.entries(file, route), start=1):
            course.items.append(_item(entry, new_places))
            progress(done, None)
    except stream.CutOff as error:
        course.troubles.append(str(error))
    if route.strays:
        named = ", ".join(quoted(name) for name in sorted(route.strays))
        course.notes.append(f"The stream also holds what lies in none of the old folders, and is left: {named}.")
    progress(len(course.items), len(course.items))


def _item(entry: stream.Entry, new_places: Mapping[Folder, NewPlace]) -> Item:
    if isinstance(entry, Found):
        return Item(joined(entry.parts), Outcome.LEFT, entry.oddity)
    folder, old = entry
    if isinstance(old, Found):
        return Item(new_places[folder].name(old.parts), Outcome.LEFT, old.oddity)
    return new_places[folder].item(new_places[folder].place(old))


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
            course.items.append(new_place.item(placed))
            if placed.outcome in STANDING:
                yield placed
        progress(done, len(entries))


def _placed(root: int, found: Found, new_place: NewPlace) -> Placed:
    if found.oddity:
        return Placed(found.parts, Outcome.LEFT, found.oddity)
    try:
        with opened(root, found.parts) as old:
            return new_place.place(old)
    except Unreadable as error:
        return Placed(found.parts, Outcome.LEFT, str(error))


def _remove(moved: Iterable[Moved], remove: Removal, course: _Course) -> None:
    for old, new_place, placed in moved:
        if not placed:
            continue
        removed, troubles = remove(old, placed, new_place)
        course.removed += removed
        course.troubles += troubles
