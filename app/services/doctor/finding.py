"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"  # something is lost or changed, cannot be read or written, or the start would refuse


class Code(StrEnum):
    """Never changed, as machines and docs/operate/trouble.md know them."""

    DATA_DIR = "data_dir"
    UPLOAD_FOLDER = "upload_folder"
    OWNER = "owner"
    FREE_SPACE = "free_space"
    STORE = "store"
    VOLUME = "volume"
    DATABASE = "database"
    INTEGRITY = "integrity"
    SCHEMA = "schema"
    MARKER = "marker"
    FILES = "files"
    CHANGED_FILES = "changed_files"
    ORPHANS = "orphans"
    PICTURES = "pictures"
    TIMERS = "timers"
    CLOCK = "clock"
    BACKUP = "backup"
    DRILL = "drill"
    SECRET_KEY = "secret_key"  # noqa: S105 - the name of a check
    ADDRESS = "address"
    PROXIES = "proxies"


@dataclass(frozen=True)
class Finding:
    """`code` names the check, `why` tells what comes of it, `mend` the command or act that puts it right: lazy words.

    `names` are the files, rows or people it is about.
    """

    code: Code
    severity: Severity
    what: Any
    mend: Any = ""
    why: Any = ""
    names: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Words only, for machines."""
        words = {name: str(getattr(self, name)) for name in ("code", "severity", "what", "why", "mend")}
        return {**words, "names": list(self.names)}


def fine(code: Code, what: Any) -> Finding:
    return Finding(code, Severity.OK, what)
