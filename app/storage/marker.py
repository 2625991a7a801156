"""The hidden marker in an upload root: the id of the installation whose files lie there (law 1).

It tells an empty, freshly mounted folder from the one that holds people's files. Writing it at every start also
proves that the folder can be written.
"""

import json
import os
from pathlib import Path

from app.storage.durable import fsync_folder, make_folder, temporary_path

MARKER = ".timetracker-installation"


def read(root: Path) -> str | None:
    """The installation's id, or None where no readable marker lies."""
    try:
        found = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("installation") if isinstance(found, dict) else None


def write(root: Path, installation_id: str) -> None:
    """Writes the marker durably, creating the root where it is missing. Raises OSError."""
    make_folder(root)
    temporary = temporary_path(root)
    try:
        with temporary.open("x", encoding="utf-8") as target:
            json.dump({"installation": installation_id}, target)
            target.flush()
            os.fsync(target.fileno())
        temporary.rename(root / MARKER)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(root)
