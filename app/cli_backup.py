"""`timetracker backup`: everything in one file, and back."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app import clock
from app.command_line import ready_database
from app.config import Settings
from app.services.backup import drill as drilling
from app.services.backup import locked
from app.services.backup.archive import Manifest, Unusable
from app.services.backup.create import Made, create, existing
from app.services.backup.opening import opened
from app.services.backup.restore import restore
from app.services.backup.verify import verify

FILE = click.Path(path_type=Path, dir_okay=True)

with_passphrase = click.option(
    "--passphrase-file",
    "passphrase",
    type=FILE,
    callback=lambda _context, _parameter, file: locked.passphrase_in(file) if file else None,
    help="A file whose first line encrypts the backup.",
)


@click.group("backup")
def backup_group() -> None:
    """Everything people entered, in one file, and back."""


@backup_group.command("create")
@click.option("--to", type=FILE, help="A file or folder (default: backups/ in DATA_DIR).")
@with_passphrase
def create_backup(to: Path | None, passphrase: str | None) -> None:
    """Make a backup, while the site runs, and print its path."""
    with ready_database() as (settings, engine), _progress("Backing up") as progress:
        made = create(engine, settings, now=clock.now(), to=to, passphrase=passphrase, progress=progress)
    _tell_of_damage(made)
    click.echo(made.path)


@backup_group.command("verify")
@click.argument("file", type=FILE)
@with_passphrase
def verify_backup(file: Path, passphrase: str | None) -> None:
    """Read all of a backup and say whether it is whole. Nothing is written."""
    click.echo(f"{file} is whole: {_counted(verify(file, passphrase=passphrase))}.")


@backup_group.command("restore")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Replace what is here, after a backup of it.")
@with_passphrase
def restore_backup(file: Path, replace: bool, passphrase: str | None) -> None:
    """Put a backup back, into an installation without people, time entries and stored files.

    Everybody signs in anew. The site must not run meanwhile.
    """
    with ready_database() as (settings, engine), _progress("Restoring") as progress:
        restored = restore(
            engine, settings, file, now=clock.now(), replace=replace, passphrase=passphrase, progress=progress
        )
    if restored.before is not None:
        click.echo(f"What was here before is in {restored.before.path}")
    click.echo(f"Restored: {_counted(restored.manifest)}.")


@backup_group.command("drill")
@with_passphrase
def drill(passphrase: str | None) -> None:
    """Restore the newest backup into a scratch folder, compare, and forget that folder."""
    with ready_database() as (settings, engine), _progress("Trying out") as progress:
        path, manifest = drilling.drill(engine, settings, progress, passphrase=passphrase)
    click.echo(f"{path} comes back as it was: {_counted(manifest)}.")


@backup_group.command("list")
def list_backups() -> None:
    """List the backups in DATA_DIR, the newest first."""
    with ready_database() as (settings, _engine):
        _list(settings)


def _list(settings: Settings) -> None:
    for path in existing(settings):
        try:
            with opened(path) as found:
                told = f"{found.manifest.created_at}\t{_counted(found.manifest)}"
        except locked.Needed:
            told = "encrypted"
        except Unusable as error:
            told = str(error)
        click.echo(f"{path}\t{path.stat().st_size:,} bytes\t{told}")


def _tell_of_damage(made: Made) -> None:
    for name, why in made.damaged.items():
        click.echo(f"Attention: {name.removeprefix('files/')} {why}.", err=True)
    if made.damaged:
        click.echo("The backup holds all the rest. `timetracker doctor` tells more.", err=True)


def _counted(manifest: Manifest) -> str:
    people, entries, files = manifest.rows_of("users"), manifest.rows_of("time_entries"), len(manifest.files)
    return f"people: {people:,}, time entries: {entries:,}, files: {files:,}"


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Per cent on a terminal."""
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total if total else 100
        if percent != shown:
            shown = percent
            click.echo(f"\r{label}: {percent} %", err=True, nl=False)

    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    try:
        yield tell
    finally:
        click.echo(err=True)
