"""What every command needs first."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine

from app import config, db, storage
from app.config import Settings
from app.services import installation, schema
from app.storage import places


@contextmanager
def ready_database() -> Iterator[tuple[Settings, Engine]]:
    """The data root prepared, the schema up to date, the store chosen. Raises CannotStart."""
    settings = config.load()
    installation.prepare_data_root(settings)
    engine = db.make_engine(settings)
    try:
        schema.migrate(engine, settings, waiting=lambda: click.echo("Another process migrates; waiting.", err=True))
        storage.use(places.chosen(settings))
        yield settings, engine
    finally:
        engine.dispose()
