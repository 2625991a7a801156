"""What can be moved: which old folders, what their files may be called, and where below the upload folder they go."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.storage import AVATARS
from app.storage.relocate.names import Parts

LEGACY = "legacy"  # below the upload folder: what waits for the import of the old database

_OLD_UPLOADS = "app/static/uploads"
_ELSEWHERE = {  # old folders that lay in another place too, or only there
    "project_attachments": "uploads",
    "receipts": "data/uploads",
}
_LOGO = re.compile(r"company_logo_[A-Za-z0-9._-]*\.(png|jpg|jpeg|gif|webp)", re.ASCII)


@dataclass(frozen=True)
class Folder:
    """An old folder: its name, and the path below the upload folder where its files go.

    `refuses` answers why a file of this name stays behind, or nothing.
    """

    name: str
    target: str
    refuses: Callable[[Parts], str]

    @property
    def places(self) -> list[Path]:
        """Where it lay, relative to the old program's folder or to the root of its container."""
        uploads = [_OLD_UPLOADS, *([_ELSEWHERE[self.name]] if self.name in _ELSEWHERE else [])]
        return [Path(place, self.name) for place in uploads]


@dataclass(frozen=True)
class Kind:
    """What one run moves. `to` is the path below the upload folder that names in a report start from.

    `itself`: whoever names a folder means the old folder of this kind itself, never the one around it.
    """

    name: str
    folders: tuple[Folder, ...]
    to: str
    one: str
    many: str
    itself: bool = False

    def count(self, number: int) -> str:
        return f"1 {self.one}" if number == 1 else f"{number} {self.many}"

    def prefix(self, folder: Folder) -> Parts:
        """What stands before a file's name in a report."""
        return PurePosixPath(folder.target).relative_to(self.to).parts

    def of(self, place: Path) -> Folder:
        """The folder that lies at `place`. Raises LookupError where none of this kind has its name."""
        if len(self.folders) == 1:
            return self.folders[0]
        if (folder := self.having(place.name)) is None:
            raise LookupError(f"{place} is no old folder of the kind {self.name}")
        return folder

    def having(self, name: str) -> Folder | None:
        """The folder of this name, where it is of this kind."""
        return next((folder for folder in self.folders if folder.name == name), None)


def _nothing(_parts: Parts) -> str:
    return ""


def _no_logo(parts: Parts) -> str:
    if len(parts) == 1 and _LOGO.fullmatch(parts[0]):
        return ""
    return "it is not named as a company logo: company_logo_*.png, .jpg, .jpeg, .gif or .webp"


def _unsafe(parts: Parts) -> str:
    if any(part.startswith(".") for part in parts):
        return "it is hidden, and hidden files are not moved"
    if any("\\" in part or not part.isprintable() for part in parts):
        return "its name is not safe: it has a backslash, a control character or bytes that are no text"
    return ""


PICTURES_FOLDER = Folder(AVATARS, AVATARS, _nothing)
LOGOS_FOLDER = Folder("logos", "logos", _no_logo)
LEGACY_FOLDERS = tuple(
    Folder(name, f"{LEGACY}/{name}", _unsafe)
    for name in (
        "project_attachments",
        "client_attachments",
        "comment_attachments",
        "quote_attachments",
        "quote_images",
        "invoice_images",
        "editor",
        "template_images",
        "portal_customization",
        "chat_attachments",
        "receipts",
    )
)
FOLDERS = (PICTURES_FOLDER, LOGOS_FOLDER, *LEGACY_FOLDERS)
OLD_NAMES = frozenset(folder.name for folder in FOLDERS)

PICTURES = Kind("avatars", (PICTURES_FOLDER,), AVATARS, "picture", "pictures", itself=True)
LOGOS = Kind("logos", (LOGOS_FOLDER,), "logos", "logo", "logos")
ATTACHMENTS = Kind("attachments", LEGACY_FOLDERS, LEGACY, "attachment", "attachments")
ALL = Kind("all", FOLDERS, ".", "file", "files")
KINDS = {kind.name: kind for kind in (PICTURES, LOGOS, ATTACHMENTS, ALL)}
