"""Requests whose bodies are on their way leave their turn to others, and are refused where too many wait."""

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from app.errors import Unavailable
from app.slow_senders import Turns
from tests.conftest import Browser


class Sender:
    """The body of a request: nothing comes until `send` is called."""

    def __init__(self) -> None:
        self.asked: Future[int] = Future()
        self.body: Future[bytes] = Future()

    def send(self, body: bytes) -> None:
        self.body.set_result(body)

    def read(self, size: int) -> bytes:
        self.asked.set_result(size)
        return self.body.result(10)


def read_all(environ: dict[str, Any], _start_response: Any) -> list[bytes]:
    """Reads as much as the length says, as a form is read."""
    return [environ["wsgi.input"].read(environ["length"])]


def ask(turns: Turns, sender: Any, length: int) -> bytes:
    return b"".join(turns({"wsgi.input": sender, "length": length}, lambda *_: None))


def test_who_waits_for_a_body_leaves_the_only_turn_to_others() -> None:
    turns, slow = Turns(read_all, at_work=1, waiting=2), Sender()
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(ask, turns, slow, 5)
        assert slow.asked.result(10) == 5

        assert threads.submit(ask, turns, io.BytesIO(b"quick"), 5).result(10) == b"quick"

        slow.send(b"slow.")
        assert waiting.result(10) == b"slow."


def test_whoever_sends_a_body_is_refused_where_too_many_wait_and_served_once_they_are_done() -> None:
    turns, slow = Turns(read_all, at_work=1, waiting=1), Sender()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, turns, slow, 5)
        slow.asked.result(10)

        with pytest.raises(Unavailable):
            ask(turns, io.BytesIO(b"quick"), 5)

        slow.send(b"slow.")
        waiting.result(10)
    assert ask(turns, io.BytesIO(b"quick"), 5) == b"quick"


def test_a_sender_who_goes_away_gives_everything_back() -> None:
    class Gone:
        def read(self, _size: int) -> bytes:
            raise OSError("the connection is closed")

    turns = Turns(read_all, at_work=1, waiting=1)
    for _ in range(2):
        with pytest.raises(OSError, match="closed"):
            ask(turns, Gone(), 5)


def test_a_body_that_ends_early_is_what_came() -> None:
    turns = Turns(read_all, at_work=1, waiting=1)

    assert ask(turns, io.BytesIO(b"half"), 9) == b"half"


def test_a_refused_sender_sees_a_page_and_everybody_else_reads_on(stranger: Browser) -> None:
    app = stranger.client.application
    app.wsgi_app = Turns(app.wsgi_app, at_work=1, waiting=0)  # type: ignore[method-assign]

    refused = stranger.client.post("/login", data={"username": "owner"})

    assert refused.status_code == 503
    assert "<h1" in refused.text
    assert stranger.get("/login").status_code == 200
