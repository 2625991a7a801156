"""Moves the profile pictures of an older TimeTracker, which lay inside its program folder, to `UPLOAD_FOLDER/avatars`.

`main` is the command line; `run` moves without printing; `old_places` and `holds_pictures` tell whether there is
anything to move. Standard library only, so that it runs on a bare Python.
"""

from app.storage.relocate.command import main, parser
from app.storage.relocate.move import Move, holds_pictures, old_places, run
from app.storage.relocate.names import shown
from app.storage.relocate.tally import Item, Outcome, Place, Tally, about_database, report

__all__ = [
    "Item",
    "Move",
    "Outcome",
    "Place",
    "Tally",
    "about_database",
    "holds_pictures",
    "main",
    "old_places",
    "parser",
    "report",
    "run",
    "shown",
]
