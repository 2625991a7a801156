"""For machines that watch: is the process alive, can it work. Neither reads a cookie nor writes one."""

import os
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from app import db, storage
from app.services import installation, schema

blueprint = Blueprint("health", __name__)


@blueprint.get("/_health")
def health() -> Response:
    return jsonify(status="ok")


@blueprint.get("/_ready")
def ready() -> tuple[Response, int]:
    """200 when database, schema and storage are fit for work, else 503 with the part that is not."""
    parts: dict[str, Any] = _database() | {"storage": _storage()}
    fit = all(part == "ok" for part in parts.values())
    return jsonify(status="ok" if fit else "unavailable", **parts), 200 if fit else 503


def _database() -> dict[str, str]:
    try:
        with db.application().engine.connect() as connection:
            found = schema.state(connection)
    except SQLAlchemyError:
        return {"database": "unreachable", "schema": "unknown"}
    return {"database": "ok", "schema": "ok" if found is schema.State.CURRENT else found.value}


def _storage() -> str:
    folder = storage.store().folder(".")
    if folder and not os.access(folder, os.W_OK):
        return "not writable"
    try:
        with db.reading(db.application().engine) as session:
            return "not ours" if installation.uploads_problem(session, storage.store()) else "ok"
    except OSError:
        return "unreachable"
    except SQLAlchemyError:
        return "unknown"
