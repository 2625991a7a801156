"""The command line of the move, shared by `timetracker uploads migrate` and `docker/migrate-avatar-storage.py`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from app.storage.relocate.kinds import KINDS, PICTURES, PICTURES_FOLDER, Kind
from app.storage.relocate.move import STREAM, Move, old_places, places_in, run
from app.storage.relocate.tally import Tally, report

INTERRUPTED = "Stopped before the end. Nothing is lost; run it again to move the rest."
BAR = 30


def main(
    argv: Sequence[str] | None,
    *,
    default_upload_folder: Callable[[], Path],
    after: Callable[[Tally], Sequence[str]] | None = None,
    prog: str | None = None,
) -> int:
    """Parses `argv`, moves, prints; answers the exit status. Ends the process with 2 for a wrong usage.

    `default_upload_folder` is asked only without --to and may raise `ValueError` with a sentence. `after` is told
    the tally of a move that concerned pictures and answers further lines for the report, which do not change the exit
    status.
    """
    _never_fail_to_print()
    words = parser(prog)
    options = words.parse_args(argv)
    move = _move(words, options, default_upload_folder)
    try:
        tally = run(move, progress=_progress(move.kind))
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)  # noqa: T201 - a command speaks
        return 1
    warnings = after(tally) if after and PICTURES_FOLDER in move.kind.folders else ()
    print(report(tally, as_json=options.json, warnings=warnings))  # noqa: T201 - a command speaks
    return tally.exit_status


def parser(prog: str | None = None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog=prog,
        allow_abbrev=False,
        description="Copies the profile pictures, logos or attachments of an older TimeTracker to the upload folder.",
        epilog="Exit status: 0 every file is at the new place, or there was none; 1 some are not, each is named; "
        "2 wrong usage.",
    )
    words.add_argument(
        "--kind",
        choices=KINDS,
        default=PICTURES.name,
        help="avatars go to avatars/, logos to logos/, attachments, receipts and images in texts to legacy/ "
        "(default: avatars)",
    )
    words.add_argument(
        "--from",
        dest="old",
        metavar="FOLDER",
        help="the old folder (of avatars itself, of others also the uploads folder around it), or - for a tar stream "
        "(default: the old places beside the code)",
    )
    words.add_argument(
        "--to", metavar="FOLDER", help="the upload folder, with avatars/, logos/ and legacy/ (default: yours)"
    )
    words.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    words.add_argument("--remove-old", action="store_true", help="remove each old file after checking the new one")
    words.add_argument("--json", action="store_true", help="print the result as JSON")
    return words


def _move(words: argparse.ArgumentParser, options: argparse.Namespace, default: Callable[[], Path]) -> Move:
    """Ends the process with status 2 and a sentence for options that make no sense."""
    if options.old == "" or options.to == "":
        words.error("--from and --to need a folder, but an empty name was given")
    if options.old == STREAM and options.remove_old:
        words.error("--remove-old needs a folder to remove from; a stream has none")
    kind = KINDS[options.kind]
    return Move(
        upload_root=Path(options.to).absolute() if options.to else _default(words, default),
        old=_old(options.old, kind),
        stream=_standard_input(words) if options.old == STREAM else None,
        dry_run=options.dry_run,
        remove_old=options.remove_old,
        kind=kind,
    )


def _old(option: str | None, kind: Kind) -> tuple[Path, ...]:
    if option is None:
        return tuple(old_places(kind))
    return () if option == STREAM else tuple(places_in(Path(option).absolute(), kind))


def _default(words: argparse.ArgumentParser, default: Callable[[], Path]) -> Path:
    try:
        return default()
    except ValueError as error:
        words.exit(2, f"{error}\n")


def _standard_input(words: argparse.ArgumentParser) -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        words.error("--from - reads a tar stream, but nothing is piped in")
    return sys.stdin.buffer


def _progress(kind: Kind) -> Callable[[int, int | None], None]:
    if not sys.stderr.isatty():
        return lambda _done, _total: None
    last = -1.0

    def draw(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total:
            sys.stderr.write("\r" + " " * 60 + "\r")
        elif now - last >= 0.1:
            last = now
            sys.stderr.write(f"\r{_bar(done, total, kind)}")
        sys.stderr.flush()

    return draw


def _bar(done: int, total: int | None, kind: Kind) -> str:
    if not total:
        return kind.count(done)
    filled = BAR * done // total
    return f"[{'#' * filled}{'-' * (BAR - filled)}] {done} of {total}"


def _never_fail_to_print() -> None:
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
