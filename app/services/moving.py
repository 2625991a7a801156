"""All stored files from one store to another, while the site runs.

Round after round carries what is new, until a round finds nothing. Then the marker of the old place says where the
files went, which refuses every later upload there, and a last round carries what came before that. The marker of the
new place says until the first start there that files were coming: that start compares them with the rows, and refuses
where one is missing (`installation.uploads_problem`). So nothing is switched by itself, and no file falls between.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy import Engine, select

from app import db
from app.errors import Conflict
from app.models import Installation, StoredFile, WaitingRemoval
from app.models.stored_file import FOLDERS
from app.storage import Store, StoreRefuses, marker
from app.storage.marker import Mark

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class End:
    """One end of a move. `name` is how an operator writes it: `local`, or an address as in STORAGE_URL."""

    store: Store
    name: str


@dataclass
class Tally:
    """What a run did with each key. `size` is what was carried, in bytes.

    `already` lay there with the right bytes; of `lost` ones the old place has not the bytes their rows tell of.
    """

    carried: set[str] = field(default_factory=set)
    already: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    size: int = 0

    @property
    def seen(self) -> set[str]:
        return self.carried | self.already | self.lost


def move(engine: Engine, old: End, new: End, *, in_use: str, progress: Callable[[Tally], object]) -> Tally:
    """Carries everything and compares each file by its hash; what a former run carried is only compared.

    `in_use` is the name of the store the settings mean. The old place stays open for uploads when a file is lost.
    Raises Conflict where one of the two is not this installation's, OSError where one does not take part.
    """
    with db.reading(engine) as session:
        this = Installation.this(session).installation_id
    _refuse_foreign_old_place(old, this)
    _open_new_place(new, old, this, in_use)
    tally = Tally()
    _carry_until_nothing_is_new(engine, old.store, new.store, tally, progress)
    if tally.lost:
        return tally
    marker.leave(old.store, Mark(this, moved_to=new.name))
    _carry_until_nothing_is_new(engine, old.store, new.store, tally, progress)
    _remove_what_people_removed(engine, old.store, new.store, tally)
    if marker.look(old.store) != Mark(this, moved_to=new.name):
        raise Conflict(f"{old.store.place} was marked anew while its files were moved; move again.")
    if new.name == in_use and not tally.lost:
        marker.leave(new.store, Mark(this))
    return tally


def _refuse_foreign_old_place(old: End, this: str) -> None:
    """One without a marker is fine: should it be the wrong one, the files that are missing there will tell."""
    mark = marker.look(old.store)
    if mark is not None and mark.installation != this:
        raise Conflict(f"{old.store.place} belongs to another installation; name the place the files come from.")


def _open_new_place(new: End, old: End, this: str, in_use: str) -> None:
    if new.store.place == old.store.place:
        raise Conflict(f"The stored files lie at {new.store.place} already.")
    mark = marker.look(new.store)
    if mark is not None and mark.installation != this:
        raise Conflict(f"{new.store.place} belongs to another installation; choose another prefix or folder.")
    if mark is None and next(_keys_at(new.store), None) is not None:
        raise Conflict(f"{new.store.place} holds files that are not this installation's; choose another place.")
    if mark == Mark(this) and new.name == in_use:
        return  # people work with it
    marker.leave(new.store, Mark(this, coming_from=old.name))


def _carry_until_nothing_is_new(
    engine: Engine, old: Store, new: Store, tally: Tally, progress: Callable[[Tally], object]
) -> None:
    while _carry_what_is_new(engine, old, new, tally, progress):
        pass


def _carry_what_is_new(
    engine: Engine, old: Store, new: Store, tally: Tally, progress: Callable[[Tally], object]
) -> bool:
    """One round over every row, and over files without one: whatever they are, the old place had them."""
    hashes = _hashes(engine)
    there = set(_keys_at(new))
    missing: list[str] = []
    fresh = [key for key in dict.fromkeys(chain(hashes, _keys_at(old))) if key not in tally.seen]
    for key in fresh:
        wanted = hashes.get(key) or _hash_at(old, key)
        if wanted is None:
            continue  # removed since it was listed
        if key in there and _hash_at(new, key) == wanted:
            tally.already.add(key)
        elif _carry(old, new, key, wanted, tally):
            tally.carried.add(key)
        else:
            missing.append(key)
        progress(tally)
    if missing:
        tally.lost.update(_hashes(engine).keys() & set(missing))  # the others were removed meanwhile
    return bool(tally.seen.intersection(fresh))


def _carry(old: Store, new: Store, key: str, wanted: str, tally: Tally) -> bool:
    """Whether the bytes that were wanted lie in the new place now, read back from there."""
    try:
        source = old.open(key)
    except FileNotFoundError:
        return False
    with source:
        stored = new.put(key, source)
    if stored.sha256 != wanted:
        new.delete(key)
        return False
    if _hash_at(new, key) != wanted:
        raise StoreRefuses(f"{new.place} gave back other bytes for {key} than it was given.")
    tally.size += stored.size
    return True


def _remove_what_people_removed(engine: Engine, old: Store, new: Store, tally: Tally) -> None:
    """A picture that somebody took away during the move must not live on in the new place."""
    with db.reading(engine) as session:
        waiting = set(session.scalars(select(WaitingRemoval.key)))  # for the end of a backup, which reads the old place
    still_there = set(_keys_at(old)) - waiting
    for key in (tally.carried | tally.already) - still_there - _hashes(engine).keys():
        new.delete(key)


def _hashes(engine: Engine) -> dict[str, str]:
    """Key → SHA-256 of every row."""
    with db.reading(engine) as session:
        return {row.key: row.sha256 for row in session.scalars(select(StoredFile))}


def _keys_at(store: Store) -> Iterator[str]:
    return chain.from_iterable(store.list(folder) for folder in FOLDERS.values())


def _hash_at(store: Store, key: str) -> str | None:
    """The SHA-256 of what lies there, None for nothing."""
    digest = hashlib.sha256()
    try:
        with store.open(key) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
