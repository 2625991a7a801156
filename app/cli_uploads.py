"""`timetracker uploads move`: stored files from one place to another."""

import shlex
import sys

import click

from app.command_line import ready_database
from app.config import InvalidSetting, Settings
from app.errors import Unavailable
from app.services import installation, moving
from app.services.moving import End, Tally
from app.storage import places


@click.command("move")
@click.option("--to", "new", metavar="PLACE", help="Where the files go: an address like STORAGE_URL, or `local`.")
@click.option("--from", "old", metavar="PLACE", help="Where they come from.")
def move_command(new: str | None, old: str | None) -> None:
    """Carry all stored files from one place to another while the site runs, each compared by its hash.

    The place that is not named is the one in use. Nothing is removed from the old place, and nothing is switched:
    when all has arrived, uploads wait until STORAGE_URL is changed and TimeTracker is started again. It may be stopped
    and run again at any time.
    """
    if new is None and old is None:
        raise click.UsageError("Name the new place with --to, or the old one with --from.")
    with ready_database() as (settings, engine):
        in_use = places.name_of(settings)
        start, goal = _end(settings, old or in_use), _end(settings, new or in_use)
        try:
            tally = moving.move(engine, start, goal, in_use=in_use, progress=_show)
        except OSError as error:
            raise Unavailable(f"{error} Nothing is lost; run it again to go on.") from error
        finally:
            _show(None)
    _report(tally, start, goal, in_use)


def _end(settings: Settings, name: str) -> End:
    try:
        return End(places.named(settings, name), name)
    except InvalidSetting as error:
        raise click.UsageError(str(error)) from error


def _report(tally: Tally, old: End, new: End, in_use: str) -> None:
    click.echo(
        f"{len(tally.carried)} files carried ({tally.size} bytes), {len(tally.already)} were there; "
        f"each compared by its hash at {new.store.place}."
    )
    if tally.lost:
        for key in sorted(tally.lost):
            click.echo(f"{key}: its bytes at {old.store.place} are gone or changed.", err=True)
        click.echo("Not done: put these files back from a backup, then move again.", err=True)
        sys.exit(1)
    if new.name == in_use:
        click.echo("All files are where they are used.")
        return
    click.echo(f"Uploads wait now: {installation.how_to_switch(new.name)}")
    click.echo(f"To stay: timetracker uploads move --from {shlex.quote(new.name)}")


def _show(tally: Tally | None) -> None:
    """On a terminal, how far it is; nothing at the end."""
    if sys.stderr.isatty():
        words = f"{len(tally.seen)} files" if tally else ""
        click.echo(f"\r\033[K{words}", err=True, nl=False)
