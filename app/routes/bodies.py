"""How large a request may be, and where the files in it wait until they are stored."""

from contextlib import suppress
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, cast

import flask
from flask import Response, request

from app import db
from app.errors import Unavailable
from app.routes import access
from app.services import attachments
from app.storage.durable import TEMPORARY_PREFIX

IN_MEMORY = 256 * 1024  # bytes of a file; what is larger waits on the disk
ATTACHMENTS_AT_MOST = attachments.AT_ONCE * attachments.MAX_BYTES
_FRAME = 64 * 1024  # what stands around the files of a form
_READ_AWAY_AT_MOST = 2**30
_READ_AWAY_OF_STRANGERS = 2**26
_CHUNK = 2**20
_MAY_LEAVE_A_REST = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.SERVICE_UNAVAILABLE})
_LARGE = frozenset({"attachments.add"})


class Request(flask.Request):
    """Files wait in the data folder, which has the room: /tmp is the memory of many a container."""

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - the names Werkzeug calls
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        folder = str(db.application().settings.data_dir)
        return cast("IO[bytes]", SpooledTemporaryFile(IN_MEMORY, prefix=TEMPORARY_PREFIX, dir=folder))


def allow_large_ones() -> None:
    """Before a form is read, and for people who are signed in only: nobody else may fill the disk."""
    if request.endpoint in _LARGE and access.is_signed_in():
        request.max_content_length = max(ATTACHMENTS_AT_MOST + _FRAME, request.max_content_length or 0)


def read_away(response: Response) -> Response:
    """What was too large, or found a full disk, is taken in and forgotten.

    Browsers and proxies read no answer before all is sent. Where too many wait for bodies already, nobody waits here.
    """
    if response.status_code in _MAY_LEAVE_A_REST:
        most = _READ_AWAY_AT_MOST if access.is_signed_in() else _READ_AWAY_OF_STRANGERS
        body, left = request.environ["wsgi.input"], min(request.content_length or 0, most)
        with suppress(Unavailable):
            while left > 0 and (chunk := body.read(min(left, _CHUNK))):
                left -= len(chunk)
    return response
