"""What is wrong with this installation, and how to mend it: the checks of a start, without starting."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app import db
from app.config import Settings
from app.errors import CannotStart
from app.services import installation, schema


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """`code` names the check for machines; `mend` is the command or act that puts it right. Both are lazy words."""

    code: str
    severity: Severity
    what: Any
    mend: Any = ""

    def as_dict(self) -> dict[str, str]:
        return {name: str(value) for name, value in vars(self).items()}


def has_errors(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def examine(settings: Settings) -> list[Finding]:
    """Looks at everything a start needs. Nothing is created or changed that was not there."""
    return [*_data_root(settings), *_volume(settings), *_database(settings), *_secret(settings)]


def _data_root(settings: Settings) -> Iterator[Finding]:
    for code, folder in (("data_dir", settings.data_dir), ("upload_folder", settings.upload_folder)):
        if not os.path.lexists(folder):
            yield Finding(
                code,
                Severity.ERROR,
                _("%(folder)s is not there.", folder=folder),
                _("Run `%(command)s`.", command="timetracker migrate"),
            )
        elif not folder.is_dir():
            yield Finding(
                code,
                Severity.ERROR,
                _("%(folder)s is not a folder.", folder=folder),
                _("Set DATA_DIR or UPLOAD_FOLDER to one."),
            )
        elif not os.access(folder, os.W_OK | os.X_OK):
            mend = _("Run `%(command)s`.", command=installation.command_to_own(folder))
            yield Finding(code, Severity.ERROR, _("%(folder)s cannot be written.", folder=folder), mend)
        else:
            yield Finding(code, Severity.OK, _("%(folder)s can be written.", folder=folder))


def _volume(settings: Settings) -> Iterator[Finding]:
    warning = installation.volume_warning(settings)
    if warning:
        yield Finding("volume", Severity.WARNING, warning)


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.sqlite_file is not None and not os.path.isfile(settings.sqlite_file):  # noqa: PTH113 - below a closed folder Path.is_file raises
        yield Finding(
            "database",
            Severity.ERROR,
            _("There is no database yet."),
            _("Run `%(command)s`.", command="timetracker migrate"),
        )
        return
    engine = db.make_engine(settings)
    try:
        yield from _schema(engine)
        yield _uploads(engine, settings)
    except SQLAlchemyError as error:
        yield Finding(
            "database", Severity.ERROR, what_the_database_says(error), _("Check DATABASE_URL and the server.")
        )
    finally:
        engine.dispose()


def what_the_database_says(error: SQLAlchemyError) -> str:
    """Why it could not be asked, as one sentence."""
    words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"The database does not answer: {words.rstrip('.')}."


def _schema(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        found = schema.state(connection)
    yield Finding("database", Severity.OK, _("The database answers."))
    if found is schema.State.CURRENT:
        yield Finding("schema", Severity.OK, _("The schema is up to date."))
    elif found is schema.State.NEWER:
        mend = _("Install that version again.")
        yield Finding("schema", Severity.ERROR, _("The schema is of a newer version than this one."), mend)
    elif found is schema.State.FOREIGN:
        yield Finding("schema", Severity.ERROR, schema.FOREIGN)
    else:
        yield Finding(
            "schema",
            Severity.ERROR,
            _("The schema is not up to date."),
            _("Run `%(command)s`.", command="timetracker migrate"),
        )


def _uploads(engine: Engine, settings: Settings) -> Finding:
    try:
        with db.reading(engine) as session:
            problem = installation.uploads_problem(session, settings.upload_folder)
    except SQLAlchemyError:
        return Finding("marker", Severity.WARNING, _("The marker could not be compared: the schema comes first."))
    if problem:
        return Finding("marker", Severity.ERROR, problem)
    return Finding("marker", Severity.OK, _("The upload folder is this installation's."))


def _secret(settings: Settings) -> Iterator[Finding]:
    file = settings.secret_key_file
    if settings.secret_key:
        yield Finding("secret_key", Severity.OK, _("A secret key is set."))
    elif not os.path.lexists(file):
        yield Finding("secret_key", Severity.WARNING, _("No secret key was made yet; the first start makes one."))
    else:
        yield _key_file(settings)


def _key_file(settings: Settings) -> Finding:
    file = settings.secret_key_file
    try:
        installation.secret_key(settings)
    except CannotStart as error:
        return Finding("secret_key", Severity.ERROR, str(error))
    if file.stat().st_mode & 0o077:
        return Finding(
            "secret_key",
            Severity.WARNING,
            _("%(file)s can be read by others.", file=file),
            _("Run `%(command)s`.", command=f"chmod 600 {file}"),
        )
    return Finding("secret_key", Severity.OK, _("The secret key is safe."))
