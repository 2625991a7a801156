"""What a person did and was told, and what has to be found of it after the server was killed."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import HTTPException

from app.models import TimeEntry
from tests.crash.server import Server, Visit, drawn

COLORS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "black": (0, 0, 0)}
PICTURES = {color: drawn(color) for color in COLORS}
BY_HAND = {"date": "2024-03-05", "time": "9-10:30"}  # in Berlin
BY_HAND_FROM = int(datetime(2024, 3, 5, 8, 0, tzinfo=UTC).timestamp())
BY_HAND_TO = BY_HAND_FROM + 90 * 60
FOREVER = 1 << 40

Between = tuple[int, int]  # a moment was not before the first and not after the second (seconds since 1970)


@dataclass(frozen=True)
class Act:
    """`word` is the description of an entry or names a picture; `answered` is FOREVER until a whole answer came."""

    verb: str
    word: str
    sent: int
    answered: int = FOREVER

    @property
    def when(self) -> Between:
        return self.sent, self.answered


@dataclass(frozen=True)
class Expected:
    description: str
    started: Between
    ended: Between | None

    def is_told_by(self, row: TimeEntry) -> bool:
        return (
            row.description == self.description
            and row.deleted_at is None
            and _is_within(row.started_at, self.started)
            and _is_within(row.ended_at, self.ended)
        )


def _is_within(moment: datetime | None, between: Between | None) -> bool:
    if moment is None or between is None:
        return moment is None and between is None
    return between[0] <= moment.timestamp() <= between[1]


def entries(acts: list[Act]) -> list[Expected]:
    """What the acts left, in the order in which it was made."""
    made: list[Expected] = []
    for act in acts:
        if act.verb in {"start", "stop"}:
            made = [entry if entry.ended else replace(entry, ended=act.when) for entry in made]
        if act.verb == "start":
            made.append(Expected(act.word, act.when, None))
        if act.verb == "enter":
            made.append(Expected(act.word, (BY_HAND_FROM, BY_HAND_FROM), (BY_HAND_TO, BY_HAND_TO)))
    return made


def picture(acts: list[Act]) -> str | None:
    """The name of the last upload, such as `17-red.png`."""
    return next((act.word for act in reversed(acts) if act.verb == "upload"), None)


@dataclass
class Person:
    """Somebody with a browser. `acts` were acknowledged; of `pending` nobody heard whether it was done."""

    name: str
    cookie: str = ""
    token: str = ""
    acts: list[Act] = field(default_factory=list)
    pending: Act | None = None
    seen: dict[int, str] = field(default_factory=dict)

    def sign_in(self, port: int) -> None:
        with Visit(port) as visit:
            visit.sign_in(self.name)
        self.cookie, self.token = visit.cookie, visit.token

    def visit(self, port: int) -> Visit:
        return Visit(port, self.cookie, self.token)

    def work(self, server: Server, chance: random.Random) -> None:
        """Acts until the server is killed. Whatever it answers before that is a redirect."""
        with self.visit(server.port) as visit, suppress(ConnectionError, HTTPException):
            while True:
                verb = chance.choices(["start", "stop", "enter", "upload"], [4, 2, 1, 3])[0]
                status, page = self.does(visit, verb, chance.choice(list(COLORS)))
                assert status == 303, (self.name, verb, status, page[-600:])
        assert server.has_died(), (self.name, self.pending)

    def does(self, visit: Visit, verb: str, color: str = "red") -> tuple[int, str]:
        """One act, noted when it is acknowledged. Raises ConnectionError, HTTPException before a whole answer."""
        self.pending = Act(verb, f"{len(self.acts)}-{color}.png", int(time.time()))
        status, page = _sent(visit, self.pending)
        if status == 303:
            self.acts.append(replace(self.pending, answered=int(time.time())))
        self.pending = None
        return status, page.decode()

    def compare(self, rows: list[TimeEntry], picture_of_row: str | None) -> None:
        """Of what was pending all or nothing is there; it is settled by that."""
        told = [self.acts, *([[*self.acts, self.pending]] if self.pending else [])]
        true = [acts for acts in told if picture(acts) == picture_of_row and _are_told(entries(acts), rows)]
        assert true, (self.name, self.acts[-3:], self.pending, picture_of_row, [_shown(row) for row in rows[-3:]])
        self.acts, self.pending = list(true[-1]), None
        self._compare_with_what_was_seen_before(rows)

    def _compare_with_what_was_seen_before(self, rows: list[TimeEntry]) -> None:
        """What ended before an earlier kill has the very same times."""
        settled = {row.id: _shown(row) for row in rows if row.ended_at}
        assert self.seen.items() <= settled.items(), self.name
        self.seen = settled


def _sent(visit: Visit, act: Act) -> tuple[int, bytes]:
    if act.verb == "upload":
        return visit.upload(act.word, PICTURES[act.word.partition("-")[2].removesuffix(".png")])
    if act.verb == "start":
        return visit.post("/timer/start", description=act.word)
    if act.verb == "enter":
        return visit.post("/time-entries", description=act.word, **BY_HAND)
    return visit.post("/timer/stop")


def _are_told(expected: list[Expected], rows: list[TimeEntry]) -> bool:
    return len(expected) == len(rows) and all(entry.is_told_by(row) for entry, row in zip(expected, rows, strict=True))


def _shown(row: TimeEntry) -> str:
    return f"{row.description} {row.started_at} {row.ended_at} {row.deleted_at}"
