"""Every stored byte. Callers say what (a kind and a name of ours), never where.

A key is `{folder}/{name}`, such as `avatars/avatar_7_0a1b2c3d.webp`. The store in use is chosen once, by the
factory or a command (`use`), and asked for with `store()`. This file imports the standard library alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

AVATARS = "avatars"

_KEY = re.compile(r"[a-z][a-z0-9_-]*/[A-Za-z0-9_][A-Za-z0-9._-]{0,254}", re.ASCII)


class StoreRefuses(OSError):
    """A remote store is away, does not let us in, or broke off. Says why and what to look at, in one sentence."""


@dataclass(frozen=True)
class Stored:
    """What lies under a key: size in bytes, SHA-256 as 64 hex digits."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Stat:
    """What a look at a key tells without reading it: size in bytes, last change in UTC."""

    size: int
    changed_at: datetime


class Store(Protocol):
    """A place for bytes. `put` is whole-or-absent and durable when it returns (law 2); what fails raises OSError.

    `place` is how an operator writes it: the path of a folder, or an address as in STORAGE_URL.
    """

    @property
    def place(self) -> str: ...
    def put(self, key: str, source: BinaryIO) -> Stored: ...
    def open(self, key: str) -> BinaryIO: ...
    def stat(self, key: str) -> Stat | None: ...
    def delete(self, key: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...

    def folder(self, name: str) -> Path | None:
        """Where files of one kind lie on this machine, for people's own scripts; None where they do not."""

    def read_marker(self) -> str | None:
        """What the hidden marker beside the folders holds (see `app.storage.marker`), None where there is none."""

    def write_marker(self, text: str) -> None:
        """Replaces the marker, durably."""


def is_key(text: str) -> bool:
    """Whether it has the form of a key of ours, and so leads nowhere else."""
    return _KEY.fullmatch(text) is not None


_current: Store | None = None


def use(chosen: Store) -> None:
    """Makes `chosen` the store of this process."""
    global _current  # noqa: PLW0603 - one process keeps its bytes in one place
    _current = chosen


def store() -> Store:
    if _current is None:
        raise RuntimeError("no store was chosen: create_app() or a command calls storage.use() first")
    return _current
