#!/usr/bin/env python3
"""Moves pictures and other files of an older TimeTracker to the upload folder: docs/operate/moving-avatars.md.

Runs on a bare Python. With TimeTracker's dependencies it also names pictures that only the database knows.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is ever written beside the code
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import config  # noqa: E402 - found only with the path above
from app.storage import relocate  # noqa: E402 - found only with the path above

BARE = "The database was not consulted: this Python does not have TimeTracker's dependencies."


def upload_folder() -> Path:
    return config.load().upload_folder


def database(tally: relocate.Tally) -> Sequence[str]:
    try:
        from app.services import uploads  # noqa: PLC0415 - needs the dependencies, which may be missing
    except ImportError:
        return [BARE]
    try:
        settings = config.load()
    except config.InvalidSetting as error:
        return [f"The database was not consulted: {error}"]
    return relocate.about_database(uploads.pictures_only_the_database_knows(settings, tally.upload_root), tally)


if __name__ == "__main__":
    sys.exit(relocate.main(None, default_upload_folder=upload_folder, after=database))
