"""Every stored byte. Callers say what (a kind and a name of ours), never where.

A key is `{folder}/{name}`, such as `avatars/avatar_7_0a1b2c3d.webp`. The store in use is chosen once, by the
factory or a command (`use`), and asked for with `store()`. This file imports the standard library alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

AVATARS = "avatars"


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
    """A place for bytes. `put` is whole-or-absent and durable when it returns (law 2)."""

    def put(self, key: str, source: BinaryIO) -> Stored: ...
    def open(self, key: str) -> BinaryIO: ...
    def stat(self, key: str) -> Stat | None: ...
    def delete(self, key: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def folder(self, name: str) -> Path: ...


_current: Store | None = None


def use(chosen: Store) -> None:
    """Makes `chosen` the store of this process."""
    global _current  # noqa: PLW0603 - one process keeps its bytes in one place
    _current = chosen


def store() -> Store:
    if _current is None:
        raise RuntimeError("no store was chosen: create_app() or a command calls storage.use() first")
    return _current
