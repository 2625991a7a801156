"""On what a folder lies: whether a container would take it away with it (law 1). Standard library only."""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

MOUNT_INFO = Path("/proc/self/mountinfo")
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_ANONYMOUS = re.compile(r"/volumes/[0-9a-f]{64}/_data(/|$)")


class Keeping(StrEnum):
    """What becomes of a folder when its container is removed."""

    NO_CONTAINER = "no_container"
    KEPT = "kept"  # a named volume or a bind mount
    ANONYMOUS = "anonymous"  # a volume without a name, which the next container does not get
    IMAGE = "image"  # the container's own layer


def keeping(folder: Path, *, mount_info: str | None = None, in_container: bool | None = None) -> Keeping:
    """Judges by the mount table (proc(5)): field 4 is the mounted root, 5 where it is mounted."""
    if not (in_container if in_container is not None else any(mark.exists() for mark in CONTAINER_MARKS)):
        return Keeping.NO_CONTAINER
    table = _table(mount_info)
    if table is None:
        return Keeping.KEPT  # nothing is known, and a false alarm helps nobody
    mount = _mount_of(os.path.realpath(folder), table)
    if mount.place == "/":
        return Keeping.IMAGE
    return Keeping.ANONYMOUS if _ANONYMOUS.search(mount.root) else Keeping.KEPT


def file_system(folder: Path, *, mount_info: str | None = None) -> str:
    """The type of the file system that holds the folder, such as ext4 or nfs4; empty where nothing is known."""
    table = _table(mount_info)
    return _mount_of(os.path.realpath(folder), table).kind if table is not None else ""


class _Mount(NamedTuple):
    root: str = "/"
    place: str = "/"
    kind: str = ""


def _table(mount_info: str | None) -> str | None:
    try:
        return mount_info if mount_info is not None else MOUNT_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _mount_of(folder: str, table: str) -> _Mount:
    """The deepest mount that holds `folder`; of two on one place the later covers the former."""
    found = _Mount()
    for line in table.splitlines():
        fields, _, about = line.partition(" - ")
        words = fields.split()
        if len(words) < 5:
            continue
        mount = _Mount(_unescaped(words[3]), _unescaped(words[4]), about.partition(" ")[0])
        holds = mount.place in {"/", folder} or folder.startswith(mount.place + "/")
        if holds and len(mount.place) >= len(found.place):
            found = mount
    return found


def _unescaped(text: str) -> str:
    """Blanks and the like stand as octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
