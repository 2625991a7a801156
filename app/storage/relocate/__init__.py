"""Moves the files of an older TimeTracker, which lay inside its program folder, to the upload folder.

Unless told otherwise these are profile pictures, which go to `UPLOAD_FOLDER/avatars`; `KINDS` has the others. `main` is
the command line; `run` moves without printing; `old_places` and `holds_pictures` tell whether there is anything to
move. Standard library only, so that it runs on a bare Python.
"""

from app.storage.relocate.command import main, parser
from app.storage.relocate.kinds import ALL, ATTACHMENTS, KINDS, LOGOS, PICTURES, Kind
from app.storage.relocate.move import Move, holds_pictures, old_places, places_in, run
from app.storage.relocate.names import shown
from app.storage.relocate.tally import Item, Outcome, Place, Tally, about_database, report

__all__ = [
    "ALL",
    "ATTACHMENTS",
    "KINDS",
    "LOGOS",
    "PICTURES",
    "Item",
    "Kind",
    "Move",
    "Outcome",
    "Place",
    "Tally",
    "about_database",
    "holds_pictures",
    "main",
    "old_places",
    "parser",
    "places_in",
    "report",
    "run",
    "shown",
]
