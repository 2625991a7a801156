"""`timetracker demo`: a company to try TimeTracker on, and taking it away."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine

from app import clock, db, storage
from app.command_line import ready_database
from app.models import User
from app.services import demo, installation
from app.services.demo.plan import Progress
from app.services.demo.words import LANGUAGES


@click.command("demo")
@click.option("--users", type=click.IntRange(1, demo.MOST_USERS), default=demo.Plan.users, show_default=True)
@click.option("--projects", type=click.IntRange(1, demo.MOST_PROJECTS), default=demo.Plan.projects, show_default=True)
@click.option("--entries", type=click.IntRange(0), help="Time entries (default: as people have them, about 8,000).")
@click.option("--years", type=click.IntRange(1, demo.MOST_YEARS), default=demo.Plan.years, show_default=True)
@click.option("--seed", type=int, default=demo.Plan.seed, show_default=True, help="Another number, another company.")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default=demo.Plan.language, show_default=True)
@click.option("--remove", is_flag=True, help="Take the demo away again, and nothing else.")
def demo_command(
    users: int, projects: int, entries: int | None, years: int, seed: int, language: str, remove: bool
) -> None:
    """Make a company with people, projects and time, to try TimeTracker on.

    Only where nobody has entered time yet. What it makes is marked, and --remove takes all of it away.
    """
    with ready_database() as (_settings, engine):
        with db.reading(engine) as session:
            installation.claim_uploads(session, storage.store())
        if remove:
            _remove(engine)
        else:
            _add(engine, demo.Plan(users, projects, entries, years, seed, language))


def _add(engine: Engine, plan: demo.Plan) -> None:
    with _progress("Making") as progress:
        made = demo.add(engine, plan, now=clock.now(), progress=progress)
    click.echo(
        f"Made: {_counted(made.people, 'person', 'people')}, {_counted(made.clients, 'client')}, "
        f"{_counted(made.projects, 'project')}, {_counted(made.tasks, 'task')}, {_counted(made.tags, 'tag')}, "
        f"{_counted(made.entries, 'time entry', 'time entries')}."
    )
    click.echo(f"Sign in as {made.username} ({made.full_name}) with the password {made.password}")
    with db.reading(engine) as session:
        if not User.admin_exists(session):
            click.echo("Before that, set TimeTracker up: it has no administrator yet.")
    click.echo("To take all of it away: timetracker demo --remove")


def _remove(engine: Engine) -> None:
    with _progress("Removing") as progress:
        gone = demo.remove(engine, now=clock.now(), progress=progress)
    if not gone.people:
        click.echo("There is no demo.")
        return
    click.echo(
        f"Removed: {_counted(gone.people, 'person', 'people')}, {_counted(gone.clients, 'client')}, "
        f"{_counted(gone.projects, 'project')}, {_counted(gone.tasks, 'task')}, {_counted(gone.tags, 'tag')}, "
        f"{_counted(gone.entries, 'time entry', 'time entries')}. What somebody else uses stays."
    )


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """Counts entries on a terminal; how many there will be is not known before."""
    done = 0

    def count(entries: int) -> None:
        nonlocal done
        done += entries
        click.echo(f"\r{label}: {done:,} entries", err=True, nl=False)

    shown = sys.stderr.isatty()
    yield count if shown else lambda _entries: None
    if shown:
        click.echo(err=True)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
