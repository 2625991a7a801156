"""A server holds its data root, and whoever replaces the database finds that out."""

import pytest

from app.config import Settings
from app.errors import CannotStart, Conflict
from app.services import serving


def test_servers_hold_off_whoever_replaces_the_database_until_the_last_of_them_ended(settings: Settings) -> None:
    replaced = serving.refuse_while_serving(settings)
    with serving.hold(settings), serving.hold(settings), pytest.raises(Conflict, match=r"A server runs on .*: stop it"):
        replaced.__enter__()

    with serving.refuse_while_serving(settings):
        pass


def test_no_server_starts_while_the_database_is_replaced(settings: Settings) -> None:
    held = serving.hold(settings)
    with serving.refuse_while_serving(settings), pytest.raises(CannotStart, match="is being replaced"):
        held.__enter__()

    with serving.hold(settings):
        pass
