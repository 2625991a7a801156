"""What a move did: one line for each file, a few sentences for people, the same as JSON for scripts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.storage.relocate.kinds import PICTURES, PICTURES_FOLDER, Kind
from app.storage.relocate.names import quoted, shown


class Outcome(StrEnum):
    MOVED = "moved"
    REPAIRED = "repaired"
    ALREADY = "already there"
    CONFLICT = "conflict"
    LEFT = "left"


STANDING = frozenset({Outcome.MOVED, Outcome.REPAIRED, Outcome.ALREADY})


@dataclass(frozen=True)
class Item:
    """One old file: its name below the tally's `to`, what became of it, and why if it was not moved."""

    name: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class Place:
    """Where old files were looked for (`-` is the stream), and whether there was anything to look into."""

    path: str
    found: bool


@dataclass(frozen=True)
class Tally:
    """What a move did, or in a dry run would do. `troubles` are sentences that concern the move as a whole."""

    to: Path
    places: tuple[Place, ...]
    items: tuple[Item, ...] = ()
    troubles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    removed: int = 0
    dry_run: bool = False
    kind: Kind = PICTURES

    @property
    def upload_root(self) -> Path:
        return self.to if self.kind.to == "." else self.to.parent

    @property
    def standing(self) -> frozenset[str]:
        """Names that now stand at the new place (in a dry run: would stand)."""
        return frozenset(item.name for item in self.items if item.outcome in STANDING)

    @property
    def pictures(self) -> frozenset[str]:
        """Names of profile pictures that now stand in their folder."""
        before = "".join(f"{part}/" for part in self.kind.prefix(PICTURES_FOLDER))
        return frozenset(name.removeprefix(before) for name in self.standing if name.startswith(before))

    @property
    def complete(self) -> bool:
        return not self.troubles and all(item.outcome in STANDING for item in self.items)

    @property
    def exit_status(self) -> int:
        return 0 if self.complete else 1

    def having(self, outcome: Outcome) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.outcome is outcome)


def report(tally: Tally, *, as_json: bool = False, warnings: Sequence[str] = ()) -> str:
    """The tally in words or as JSON. Names are written as `names.shown` writes them, in both."""
    if as_json:
        return json.dumps(_as_data(tally, warnings), indent=2)
    lines = [_headline(tally), *_more(tally), *_each(tally), *tally.notes, *tally.troubles, *warnings]
    return "\n".join(lines)


def about_database(missing: Iterable[str] | None, tally: Tally) -> list[str]:
    """What to say about pictures that only the database knows; None: there was no database to ask."""
    if missing is None:
        return ["The database was not consulted: there is none to ask."]
    nowhere = sorted(set(missing) - tally.pictures)
    if not nowhere:
        return []
    named = [f"  {quoted(name)}" for name in nowhere]
    return [f"The database names {PICTURES.count(len(nowhere))} found neither at the old nor at the new place:", *named]


def _as_data(tally: Tally, warnings: Sequence[str]) -> dict[str, object]:
    return {
        "to": shown(tally.to),
        "dry_run": tally.dry_run,
        "complete": tally.complete,
        "looked_in": [{"place": shown(place.path), "found": place.found} for place in tally.places],
        "moved": _names(tally, Outcome.MOVED),
        "repaired": _names(tally, Outcome.REPAIRED),
        "already_there": _names(tally, Outcome.ALREADY),
        "conflicts": _named_reasons(tally, Outcome.CONFLICT),
        "left": _named_reasons(tally, Outcome.LEFT),
        "removed": tally.removed,
        "troubles": list(tally.troubles),
        "warnings": [*tally.notes, *warnings],
    }


def _names(tally: Tally, outcome: Outcome) -> list[str]:
    return [shown(item.name) for item in tally.having(outcome)]


def _named_reasons(tally: Tally, outcome: Outcome) -> list[dict[str, str]]:
    return [{"name": shown(item.name), "reason": item.reason} for item in tally.having(outcome)]


def _headline(tally: Tally) -> str:
    moved, already = len(tally.having(Outcome.MOVED)), len(tally.having(Outcome.ALREADY))
    if not tally.items and not tally.troubles:
        return _nothing(tally)
    if not moved and already:
        return f"{tally.kind.count(already)} already at {shown(tally.to)}; none had to be moved."
    if not moved:
        return f"No {tally.kind.one} {'would be' if tally.dry_run else 'was'} moved to {shown(tally.to)}."
    verb = "Would move" if tally.dry_run else "Moved"
    already_there = f" ({already} {'was' if already == 1 else 'were'} already there)" if already else ""
    return f"{verb} {tally.kind.count(moved)} to {shown(tally.to)}{already_there}."


def _nothing(tally: Tally) -> str:
    looked = ", ".join(_looked_in(tally)) or "the stream"
    if any(place.found for place in tally.places):
        return f"Nothing to move: no {tally.kind.many} found. Looked in: {looked}"
    return f"Nothing to move: there is no old folder. Looked in: {looked}"


def _looked_in(tally: Tally) -> list[str]:
    """Where several folders were looked for, those around them."""
    paths = [Path(place.path) for place in tally.places if place.path != "-"]
    around = paths if len(tally.kind.folders) == 1 or len(paths) == 1 else [path.parent for path in paths]
    return [shown(path) for path in dict.fromkeys(around)]


def _more(tally: Tally) -> list[str]:
    repaired = len(tally.having(Outcome.REPAIRED))
    verb = "Would repair" if tally.dry_run else "Repaired"
    lines = [f"{verb} {repaired} cut-off {'copy' if repaired == 1 else 'copies'}."] if repaired else []
    if tally.removed:
        folders = "folder" if len(tally.kind.folders) == 1 else "folders"
        removed = f"Removed {tally.kind.count(tally.removed)} from the old {folders}"
        lines.append(f"{removed}, after checking each at the new place.")
    return lines


def _each(tally: Tally) -> list[str]:
    titles = {
        Outcome.CONFLICT: "In conflict with what stands at the new place; both are kept:",
        Outcome.LEFT: "Would be left:" if tally.dry_run else "Left where they are:",
    }
    lines: list[str] = []
    for outcome, title in titles.items():
        named = [f"  {quoted(item.name)}: {item.reason}" for item in tally.having(outcome)]
        lines += [title, *named] if named else []
    return lines
