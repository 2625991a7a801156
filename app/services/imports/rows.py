"""What a source's reader hands to the writer: rows ready to be stored, and lines it could not use."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.models.user import fold

_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose time a row is, as the file says."""

    name: str = ""
    email: str = ""

    @property
    def key(self) -> str:
        """What tells people apart: the address, or the name where there is none."""
        return fold(self.email or self.name)

    def __str__(self) -> str:
        return self.email or self.name or "nobody"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be stored. `notes` say what was doubtful in it; `billable` None means: as the project says.

    `key` is the same whenever the same row is read again; `raw` is the row as it was read (JSON).
    """

    line: int
    person: Person
    description: str
    client: str
    project: str
    task: str
    tags: tuple[str, ...]
    billable: bool | None
    start: datetime
    end: datetime
    time_zone: str
    local_date: date
    key: str
    raw: str
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A line of the file, counted from 1, that is not imported."""

    line: int
    reason: str


@dataclass(frozen=True)
class Reading:
    """A file as it was understood; `people` are all it names, also on lines that were not understood."""

    rows: Sequence[Row]
    refused: Sequence[NotTaken] = ()
    people: frozenset[Person] = frozenset()


def one_line(cell: str) -> str:
    """Trimmed, without control characters, on one line."""
    return " ".join((cell if cell.isprintable() else _INVISIBLE.sub("", cell)).split())


def identity(*parts: object) -> str:
    """64 hex digits for what identifies a row. People's databases hold them: the recipe never changes."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
