"""On what a folder lies: whether a container would take it away with it (law 1). Standard library only."""

import os
import re
from enum import StrEnum
from pathlib import Path

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
    """Judges by the mount table (proc(5)): field 4 is the mounted root, field 5 where it is mounted."""
    if not (in_container if in_container is not None else any(mark.exists() for mark in CONTAINER_MARKS)):
        return Keeping.NO_CONTAINER
    try:
        table = mount_info if mount_info is not None else MOUNT_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Keeping.KEPT  # nothing is known, and a false alarm helps nobody
    root, place = _mount_of(os.path.realpath(folder), table)
    if place == "/":
        return Keeping.IMAGE
    return Keeping.ANONYMOUS if _ANONYMOUS.search(root) else Keeping.KEPT


def _mount_of(folder: str, table: str) -> tuple[str, str]:
    """The root and place of the deepest mount that holds `folder`; of two on one place the later covers the former."""
    found = ("/", "/")
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 5:
            continue
        root, place = _unescaped(fields[3]), _unescaped(fields[4])
        holds = place in {"/", folder} or folder.startswith(place + "/")
        if holds and len(place) >= len(found[1]):
            found = (root, place)
    return found


def _unescaped(text: str) -> str:
    """Blanks and the like stand as octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
