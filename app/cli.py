"""The `timetracker` command: thin callers of services. Exit status 0 is done, 1 not done, 2 usage, 78 not startable."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from app import clock, config, db, storage
from app.cli_backup import backup_group
from app.cli_demo import demo_command
from app.cli_doctor import doctor_command
from app.cli_imports import import_group
from app.cli_rollback import rollback_command
from app.cli_uploads import move_command
from app.command_line import ready_database
from app.config import InvalidSetting
from app.errors import CannotStart, DomainError
from app.models import Role, User
from app.services import accounts, doctor, installation, uploads
from app.storage import relocate


class Sentences(click.Group):
    """Turns what we raise on purpose into one sentence on standard error and a truthful exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CannotStart as error:
            _say_error(str(error))
            ctx.exit(error.exit_status)
        except InvalidSetting as error:
            _say_error(str(error))
            ctx.exit(CannotStart.exit_status)
        except DomainError as error:
            _say_error(str(error))
            ctx.exit(1)
        except DBAPIError as error:  # away, full, read-only: what was begun is rolled back
            said = doctor.what_the_database_says(error)
            _say_error(f"{said} Nothing was changed; `timetracker doctor` tells more.")
            ctx.exit(1)


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(config.VERSION, prog_name="TimeTracker")
def main() -> None:
    """Time tracking that never loses what you entrust to it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command()
@click.option("--host", help="Address to listen on (default: HOST, 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (default: PORT, 8080).")
def serve(host: str | None, port: int | None) -> None:
    """Check, migrate and serve."""
    from app import server  # noqa: PLC0415 - the other commands need neither Flask nor the server

    server.serve(config.load(), host=host, port=port)


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    with ready_database() as (settings, engine):
        click.echo(f"Data lies in {settings.data_dir} ({settings.data_dir_reason}).")
        with db.reading(engine) as session:
            installation.claim_uploads(session, storage.store())
        click.echo("The database is up to date.")


@main.command("config")
def show_config() -> None:
    """Print the settings in effect, secrets hidden."""
    settings = config.load()
    for name, value in settings.environment.items():
        click.echo(f"{name}={value}")
    click.echo(f"# DATA_DIR: {settings.data_dir_reason}", err=True)


@main.group("user")
def user_group() -> None:
    """People who sign in."""


@user_group.command("create")
@click.argument("name")
@click.option("--email", default="", help="E-mail address.")
@click.option("--full-name", default="", help="Name as it is shown.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.MEMBER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(name: str, email: str, full_name: str, role: str, password_stdin: bool) -> None:
    """Add a person."""
    password = _password(password_stdin)
    with ready_database() as (_settings, engine), db.transaction(engine) as session:
        accounts.create(
            session, name, now=clock.now(), password=password, email=email, full_name=full_name, role=Role(role)
        )
    click.echo(f"{name} can sign in now.")


@user_group.command("list")
def list_users() -> None:
    """List everybody."""
    with ready_database() as (_settings, engine), db.reading(engine) as session:
        for person in session.query(User).order_by(User.username_key):
            state = "" if person.is_active else "\tdisabled"
            click.echo(f"{person.username}\t{person.role}\t{person.email or ''}\t{person.full_name}{state}")


@user_group.command("reset-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
def reset_password(name: str, password_stdin: bool) -> None:
    """Give a person a new password; their sessions end."""
    password = _password(password_stdin)
    with ready_database() as (_settings, engine), db.transaction(engine) as session:
        accounts.set_password(session, User.named(session, name), password)
    click.echo(f"{name} has a new password and is signed out everywhere.")


@user_group.command("disable")
@click.argument("name")
def disable_user(name: str) -> None:
    """Keep a person out; what they entered stays."""
    with ready_database() as (_settings, engine), db.transaction(engine) as session:
        accounts.disable(session, User.named(session, name), clock.now())
    click.echo(f"{name} can no longer sign in.")


@user_group.command("enable")
@click.argument("name")
def enable_user(name: str) -> None:
    """Let a person in again."""
    with ready_database() as (_settings, engine), db.transaction(engine) as session:
        accounts.enable(User.named(session, name))
    click.echo(f"{name} can sign in again.")


@main.group("uploads")
def uploads_group() -> None:
    """Stored files."""


@uploads_group.command("adopt")
def adopt() -> None:
    """Declare the upload folder or store to be this installation's, after a look that it is the right one."""
    with ready_database() as (_settings, engine), db.reading(engine) as session:
        installation.adopt_uploads(session, storage.store())
        click.echo(f"{storage.store().place} now belongs to this installation.")


@uploads_group.command(
    "migrate",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def migrate_uploads(options: tuple[str, ...]) -> None:
    """Copy the pictures and other files of an older TimeTracker to the upload folder (--help tells its options)."""
    status = relocate.main(
        options,
        default_upload_folder=lambda: config.load().upload_folder,
        after=_what_only_the_database_knows,
        prog="timetracker uploads migrate",
    )
    sys.exit(status)


uploads_group.add_command(move_command)
main.add_command(import_group)
main.add_command(backup_group)
main.add_command(demo_command)
main.add_command(rollback_command)
main.add_command(doctor_command)


def _what_only_the_database_knows(tally: relocate.Tally) -> Sequence[str]:
    missing = uploads.pictures_only_the_database_knows(config.load(), tally.upload_root)
    return relocate.about_database(missing, tally)


def _password(from_stdin: bool) -> str:
    """One line end is stripped, and nothing else: a password may begin and end with spaces."""
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError("The password on standard input is not UTF-8 text.") from error
    password = text.removesuffix("\n").removesuffix("\r")
    if "\n" in password or "\r" in password:
        raise click.UsageError("The password on standard input has several lines; a sign-in page takes one.")
    return password


def _say_error(sentence: str) -> None:
    click.echo(f"timetracker: {sentence}", err=True)
