"""What makes a written file survive a power cut. Standard library only."""

import os
import secrets
from pathlib import Path

TEMPORARY_PREFIX = ".incoming-"


def fsync_folder(folder: Path) -> None:
    """Makes names created, replaced or removed in `folder` durable (a file's own fsync does not)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Creates `folder` and its missing parents, each durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    fsync_folder(folder.parent)


def temporary_path(folder: Path) -> Path:
    """A fresh hidden name in `folder`, for bytes that are not yet whole."""
    return folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
