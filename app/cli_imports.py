"""`timetracker import`: bringing time along from elsewhere, and taking an import back."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Engine

from app import clock, db
from app.command_line import ready_database
from app.errors import Refused
from app.models import Source, User
from app.services.imports import people, runs, time_entries, toggl
from app.services.imports.rows import Reading
from app.services.imports.subjects import Kind
from app.services.imports.time_entries import Origin, Outcome, Progress


@click.group("import")
def import_group() -> None:
    """Bring time along from another program."""


def _zone(_context: click.Context, _parameter: click.Parameter, name: str | None) -> ZoneInfo | None:
    try:
        return clock.zone(name) if name else None
    except clock.UnknownZone as error:
        raise click.BadParameter(str(error)) from error


@import_group.command("toggl")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--user", "username", required=True, help="User name of the person whose time it becomes.")
@click.option("--timezone", "zone", callback=_zone, help="Zone of the file's times (default: the person's).")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--all-people-as-me", is_flag=True, help="Take other people's rows in the file, too.")
def import_toggl(file: Path, username: str, zone: ZoneInfo | None, dry_run: bool, all_people_as_me: bool) -> None:
    """Bring the detailed report of Toggl Track (CSV) along.

    A row is imported once, however often it is run. Exit status 1 says that some rows were left out.
    """
    data = _content(file)
    with ready_database() as (_settings, engine):
        with db.reading(engine) as session:
            user = User.named(session, username)
        reading = toggl.read(data, zone or user.zone)
        if not all_people_as_me:
            reading = people.only(user, reading)
        outcome = _import(engine, reading, Origin(user.id, Source.TOGGL, _shown(file)), dry_run=dry_run)
    _report(reading, outcome, dry_run=dry_run)
    sys.exit(1 if reading.refused else 0)


@import_group.command("list")
def list_imports() -> None:
    """List all imports: number, when, whose, source, file, entries."""
    with ready_database() as (_settings, engine), db.reading(engine) as session:
        for run in runs.all_runs(session):
            state = "" if run.undone_at is None else f"\tundone {run.undone_at:%Y-%m-%d %H:%M}"
            when = f"{run.created_at:%Y-%m-%d %H:%M}"
            click.echo(f"{run.id}\t{when}\t{run.username}\t{run.source}\t{run.file_name}\t{run.entries}{state}")


@import_group.command("undo")
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
def undo_import(number: int) -> None:
    """Delete what an import brought; it can be brought again."""
    with ready_database() as (_settings, engine):
        undone = runs.undo(engine, number, now=clock.now())
    click.echo(f"Import {number} is undone: {_counted(undone, 'entry', 'entries')} deleted.")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{_shown(file)} cannot be read: {error.strerror}.") from error


def _shown(file: Path) -> str:
    """The file's name, also where it is no text."""
    return os.fsencode(file.name).decode(errors="replace")


def _import(engine: Engine, reading: Reading, origin: Origin, *, dry_run: bool) -> Outcome:
    with _progress(len(reading.rows)) as progress:
        if dry_run:
            return time_entries.preview(engine, reading.rows, origin.user_id, progress=progress)
        return time_entries.write(engine, reading.rows, origin, now=clock.now(), progress=progress)


@contextmanager
def _progress(rows: int) -> Iterator[Progress]:
    with click.progressbar(length=rows, label="Rows", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _report(reading: Reading, outcome: Outcome, *, dry_run: bool) -> None:
    for line, sentence in sorted(_named(reading, outcome)):
        click.echo(f"line {line}: {sentence}", err=True)
    if dry_run:
        click.echo("A dry run: nothing was written. Otherwise this is what would have been done.")
    doubtful = sum(bool(row.notes) for row in outcome.taken)
    click.echo(
        f"{len(outcome.taken)} imported ({doubtful} doubtful), {outcome.already_there} already there, "
        f"{len(reading.refused)} not imported."
    )
    click.echo(f"Hours imported: {clock.hours_minutes_seconds(outcome.seconds)}")
    click.echo(f"Made: {', '.join(_made(outcome))}")
    if outcome.run_id is not None:
        click.echo(f"To take it back: timetracker import undo {outcome.run_id}")


def _named(reading: Reading, outcome: Outcome) -> Iterable[tuple[int, str]]:
    yield from ((row.line, f"not imported: {row.reason}") for row in reading.refused)
    yield from ((row.line, f"doubtful: {note}") for row in outcome.taken for note in row.notes)


def _made(outcome: Outcome) -> Iterable[str]:
    return (_counted(outcome.made[kind], kind, f"{kind}s") for kind in Kind)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
