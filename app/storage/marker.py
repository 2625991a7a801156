"""The hidden marker in an upload root or a bucket: the id of the installation whose files lie there (law 1).

It tells an empty, freshly mounted folder from the one that holds people's files. Writing it at every start also
proves that the place can be written. While files move from one place to another, both markers say so.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from app.storage import Store
from app.storage.durable import fsync_folder, make_folder, temporary_path

MARKER = ".timetracker-installation"


@dataclass(frozen=True)
class Mark:
    """`moved_to` and `coming_from` are places as in STORAGE_URL, or `local`; they stand there during a move only."""

    installation: str
    moved_to: str | None = None
    coming_from: str | None = None


def look(store: Store) -> Mark | None:
    """The marker of a store, or None where no readable one lies. Raises OSError where a remote store is away."""
    return _parsed(store.read_marker())


def leave(store: Store, mark: Mark) -> None:
    """Replaces the marker, durably. Raises OSError."""
    store.write_marker(json.dumps({name: value for name, value in asdict(mark).items() if value}))


def read(root: Path) -> str | None:
    """The installation's id in a folder, or None where no readable marker lies."""
    try:
        mark = _parsed(read_text(root))
    except (OSError, UnicodeDecodeError):
        return None
    return mark.installation if mark else None


def write(root: Path, installation_id: str) -> None:
    """Writes the marker durably, creating the root where it is missing. Raises OSError."""
    write_text(root, json.dumps({"installation": installation_id}))


def read_text(root: Path) -> str:
    """Raises OSError, UnicodeDecodeError."""
    return (root / MARKER).read_text(encoding="utf-8")


def write_text(root: Path, text: str) -> None:
    make_folder(root)
    temporary = temporary_path(root)
    try:
        with temporary.open("x", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        temporary.rename(root / MARKER)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(root)


def _parsed(text: str | None) -> Mark | None:
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("installation"), str):
        return None
    return Mark(found["installation"], found.get("moved_to"), found.get("coming_from"))
