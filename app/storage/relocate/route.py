"""Tells of each name in a stream which old folder it lies in; the stream itself says it nowhere.

`docker cp CONTAINER:FOLDER -` sends names below the last part of FOLDER, tar on a host whatever it was called with. So
the first name tells what wraps all others, and is taken off.
"""

from dataclasses import dataclass, field

from app.storage.relocate.kinds import OLD_NAMES, Folder, Kind
from app.storage.relocate.names import Parts


@dataclass
class Route:
    """`strays` are first parts of names that lie in no old folder we know."""

    kind: Kind
    strays: set[str] = field(default_factory=set)
    _top: Parts | None = None

    def begin(self, first: Parts, *, is_folder: bool) -> None:
        """Must be told each name, but listens only once."""
        if self._top is None:
            self._top = _around_folder(first, self.kind) if is_folder else _around_file(first, self.kind)

    def of(self, parts: Parts) -> tuple[Folder | None, Parts]:
        """The folder a file is to be moved from and its name there; None where it is not to be moved.

        The name is empty for what stands in the place of a folder.
        """
        below = _without(self._top or (), parts)
        if self.kind.itself:
            return self.kind.folders[0], below
        if below[0] in OLD_NAMES:
            return self.kind.having(below[0]), below[1:]
        if len(self.kind.folders) == 1 and not self.kind.folders[0].refuses(below):
            return self.kind.folders[0], below
        self.strays.add(below[0])
        return None, below


def _around_folder(first: Parts, kind: Kind) -> Parts:
    is_known = first[-1:] != () and first[-1] in OLD_NAMES
    return first[:-1] if is_known and not kind.itself else first


def _around_file(first: Parts, kind: Kind) -> Parts:
    """Up to the last folder with a name we know; that folder too, where the kind is one folder itself."""
    folder = first[:-1]
    known = {kind.folders[0].name} if kind.itself else OLD_NAMES
    found = [index for index, part in enumerate(folder) if part in known]
    if not found:
        return folder[:1]
    return folder[: found[-1] + 1] if kind.itself else folder[: found[-1]]


def _without(top: Parts, parts: Parts) -> Parts:
    return parts[len(top) :] if parts[: len(top)] == top and len(parts) > len(top) else parts
