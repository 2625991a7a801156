"""Whether anything changed that a person's open pages show."""

from flask import Blueprint, Response, jsonify, request

from app.routes import answers

blueprint = Blueprint("pulse", __name__)


@blueprint.get("/pulse")
def pulse() -> Response:
    """304 while nothing changed since the stamp in If-None-Match; asked every few seconds, it reads nothing more."""
    response = jsonify(stamp=answers.stamp())
    response.set_etag(answers.stamp())
    response.make_conditional(request)
    return response
