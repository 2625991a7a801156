"""Many at once: browsers on connections of their own, and senders that take their time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from random import Random

from bench.browser import Wire
from bench.pages import Ground

SLOW_SENDERS = 40
SECONDS_A_BYTE = 1.5


@dataclass
class Tally:
    """Milliseconds of each answered request, and how many got an error of the server, a refusal, or no answer."""

    walls: list[float] = field(default_factory=list)
    server_errors: int = 0
    refused: int = 0
    broken: int = 0

    def add(self, other: "Tally") -> None:
        self.walls += other.walls
        self.server_errors += other.server_errors
        self.refused += other.refused
        self.broken += other.broken


def mixed(first: Wire, ground: Ground, connections: int, seconds: float) -> Tally:
    """Everybody asks again as soon as they have an answer, mostly reading."""
    tallies = [Tally() for _ in range(connections)]
    ends = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_ask, args=(first.another(), ground, Random(number), ends, tally))
        for number, tally in enumerate(tallies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Tally()
    for tally in tallies:
        together.add(tally)
    return together


def _ask(browser: Wire, ground: Ground, random: Random, ends: float, tally: Tally) -> None:
    acts = _acts(browser, ground)
    weights = [weight for weight, _ in acts]
    while time.perf_counter() < ends:
        [(_, act)] = random.choices(acts, weights)
        began = time.perf_counter()
        try:
            status = act()
        except (OSError, HTTPException):
            tally.broken += 1
            browser.connection.close()  # the next request opens it again
            continue
        tally.walls.append(1000 * (time.perf_counter() - began))
        tally.server_errors += status >= 500
        tally.refused += 400 <= status < 500


def _acts(browser: Wire, ground: Ground) -> list[tuple[int, Callable[[], int]]]:
    """With weights: an open page asks for the pulse every few seconds, a verb leads back to a page."""

    def get(path: str, headers: dict[str, str] | None = None) -> Callable[[], int]:
        return lambda: browser.request("GET", path, headers=headers).status

    def post(path: str, fields: dict[str, str]) -> Callable[[], int]:
        return lambda: browser.post(path, fields)

    by_hand = {"description": "load", "date": ground.today.isoformat(), "time": "9-10:30"}
    return [
        (30, get("/pulse", {"If-None-Match": ground.etag, "X-Background": "1"})),
        (28, get("/")),
        (16, get("/time-entries")),
        (4, get(f"/time-entries/{ground.entry_id}")),
        (3, get("/time-entries/new")),
        (3, get(f"/reports?year={ground.today.year}")),
        (3, get("/projects")),
        (3, get(ground.picture)),
        (3, post("/timer/start", {"description": "load"})),
        (3, post("/timer/stop", {})),
        (2, post("/time-entries", by_hand)),
        (2, post(f"/time-entries/{ground.entry_id}", by_hand)),
    ]


@contextmanager
def slow_senders(browser: Wire) -> Iterator[Callable[[], int]]:
    """Meanwhile so many connections send the body of a form byte by byte; yields how many of them still do."""
    senders = [_slow_sender(browser) for _ in range(SLOW_SENDERS)]
    done = threading.Event()
    thread = threading.Thread(target=_drip, args=(senders, done))
    thread.start()
    try:
        yield lambda: sum(map(_is_waited_for, senders))
    finally:
        done.set()
        thread.join()
        for sender in senders:
            sender.close()


def _slow_sender(browser: Wire) -> socket.socket:
    sender = socket.create_connection(("127.0.0.1", browser.port))
    head = [
        "POST /timer/stop HTTP/1.1",
        f"Host: 127.0.0.1:{browser.port}",
        f"Cookie: {browser.cookie}",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 100000",
    ]
    sender.sendall("\r\n".join([*head, "", "csrf_token="]).encode())
    return sender


def _drip(senders: list[socket.socket], done: threading.Event) -> None:
    while not done.wait(SECONDS_A_BYTE):
        for sender in senders:
            try:
                sender.sendall(b"a")
            except OSError:  # the server has had enough of this one; _is_waited_for counts it
                continue


def _is_waited_for(sender: socket.socket) -> bool:
    """Whether the server still reads: it has neither answered nor hung up."""
    try:
        sender.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
