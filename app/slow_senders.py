"""Whoever sends slowly stops nobody: a request that waits for its own body does not count among those at work.

Granian hands a request over when its head is whole and knows no deadline for the body, so a phone that leaves the
network in the middle of a picture holds a thread until its connection dies. Therefore there are more threads than
turns: as many requests as there are database connections are at work at once, and while one of them waits for bytes,
its turn is somebody else's. Where the threads for waiting are taken as well, whoever sends a body is refused (503),
and everybody else goes on.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from app.errors import Unavailable

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Turns:
    """A WSGI application: `at_work` requests are in `app` at once, and `waiting` more may wait for their bodies."""

    def __init__(self, app: WSGI, *, at_work: int, waiting: int) -> None:
        self.app = app
        self.at_work = BoundedSemaphore(at_work)
        self.waiting = BoundedSemaphore(waiting)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"] = _Body(environ["wsgi.input"], self)
        with self.at_work:
            return self.app(environ, start_response)

    @contextmanager
    def left_to_others(self) -> Iterator[None]:
        """Lets somebody else work meanwhile. Raises Unavailable where too many wait already."""
        if not self.waiting.acquire(blocking=False):
            raise Unavailable
        self.at_work.release()
        try:
            yield
        finally:
            self.at_work.acquire()
            self.waiting.release()


class _Body(io.RawIOBase):
    """The body of a request, each read of which may last as long as the sender pleases."""

    def __init__(self, source: Any, turns: Turns) -> None:
        self._source = source
        self._turns = turns

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._turns.left_to_others():
            data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
