"""What a person did and was told, and what has to be found of it after the server was killed."""

import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

from app.models import TimeEntry
from tests.crash.server import Server, Visit, drawn

COLORS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "black": (0, 0, 0)}
PICTURES = {color: drawn(color) for color in COLORS}
BY_HAND = {"date": "2024-03-05", "time": "9-10:30"}  # in Berlin
BY_HAND_FROM = int(datetime(2024, 3, 5, 8, 0, tzinfo=UTC).timestamp())
BY_HAND_TO = BY_HAND_FROM + 90 * 60
FOREVER = 1 << 40
LARGE = 300_000  # bytes: more than waits in memory until it is stored

Between = tuple[int, int]  # a moment was not before the first and not after the second (seconds since 1970)


@dataclass(frozen=True)
class Act:
    """`word` is the description of an entry or the name of a file; `answered` is FOREVER until a whole answer came."""

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


def latest(verb: str, acts: list[Act]) -> str | None:
    """The name of the last picture that was sent so, such as `17-red.png`."""
    return next((act.word for act in reversed(acts) if act.verb == verb), None)


def attachments(acts: list[Act]) -> dict[str, bool]:
    """Whether each lies in the trash, by its name, in the order in which they came."""
    made: dict[str, bool] = {}
    for act in acts:
        if act.verb == "attach":
            made |= dict.fromkeys(attached_with(act.word), False)
        if act.verb in {"delete", "undelete"}:
            made[act.word] = act.verb == "delete"
    return made


def attached_with(word: str) -> list[str]:
    """The names of one to three files that are sent at once: a picture such as `17-red.png`, and what is none."""
    names = [word, *(f"{Path(word).stem}.{kind}" for kind in ("pdf", "bin"))]
    return names[: 1 + _number(word) % len(names)]


def content_of(name: str) -> bytes:
    """What a person attaches under such a name, different for each; every fifth is a large one."""
    number, color = _number(name), Path(name).stem.partition("-")[2]
    if name.endswith(".png"):
        return PICTURES[color] + name.encode()
    head = b"%PDF-" if name.endswith(".pdf") else b""
    return head + name.encode() * (LARGE // len(name) if number % 5 == 2 else 1)


def _number(word: str) -> int:
    return int(word.partition("-")[0])


@dataclass(frozen=True)
class Found:
    """What is there of a person: entries in the order in which they were made, the name of their picture, whether
    attachments lie in the trash by their names; and the logo's name, for whoever may change it.
    """

    rows: list[TimeEntry]
    picture: str | None
    attachments: dict[str, bool]
    logo: str | None

    def is_told_by(self, acts: list[Act]) -> bool:
        return (
            (self.picture, self.logo) == (latest("upload", acts), latest("logo", acts))
            and self.attachments == attachments(acts)
            and _are_told(entries(acts), self.rows)
        )


@dataclass
class Person:
    """Somebody with a browser and a client of their own, who may be an administrator.

    `acts` were acknowledged; of `pending` nobody heard whether it was done. `ids` are those of attachments by name.
    """

    name: str
    client: int = 0
    is_admin: bool = False
    cookie: str = ""
    token: str = ""
    acts: list[Act] = field(default_factory=list)
    pending: Act | None = None
    seen: dict[int, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def sign_in(self, port: int) -> None:
        with Visit(port) as visit:
            visit.sign_in(self.name)
        self.cookie, self.token = visit.cookie, visit.token

    def visit(self, port: int) -> Visit:
        return Visit(port, self.cookie, self.token)

    def work(self, server: Server, chance: random.Random) -> None:
        """Acts until the server is killed. Whatever it answers before that is a redirect."""
        verbs = {"start": 4, "stop": 2, "enter": 1, "upload": 2, "attach": 3, "delete": 1, "undelete": 1}
        verbs |= {"logo": 2} if self.is_admin else {}
        with self.visit(server.port) as visit, suppress(ConnectionError, HTTPException):
            while True:
                (verb,) = chance.choices(list(verbs), list(verbs.values()))
                status, page = self.does(visit, verb, chance.choice(list(COLORS)))
                assert status == 303, (self.name, verb, status, page[-600:])
        assert server.has_died(), (self.name, self.pending)

    def does(self, visit: Visit, verb: str, color: str = "red") -> tuple[int, str]:
        """One act, noted when it is acknowledged. Raises ConnectionError, HTTPException before a whole answer."""
        verb, word = self._chosen(verb, color)
        if verb in {"delete", "undelete"}:
            self._look_up(visit, word)
        self.pending = Act(verb, word, int(time.time()))
        status, page = self._sent(visit, self.pending)
        if status == 303:
            self.acts.append(replace(self.pending, answered=int(time.time())))
        self.pending = None
        return status, page.decode()

    def compare(self, found: Found) -> None:
        """Of what was pending all or nothing is there; it is settled by that."""
        told = [self.acts, *([[*self.acts, self.pending]] if self.pending else [])]
        true = [acts for acts in told if found.is_told_by(acts)]
        assert true, (self.name, self.acts[-3:], self.pending, replace(found, rows=[]), list(map(_shown, found.rows)))
        self.acts, self.pending = list(true[-1]), None
        self._compare_with_what_was_seen_before(found.rows)

    def _compare_with_what_was_seen_before(self, rows: list[TimeEntry]) -> None:
        """What ended before an earlier kill has the very same times."""
        settled = {row.id: _shown(row) for row in rows if row.ended_at}
        assert self.seen.items() <= settled.items(), self.name
        self.seen = settled

    def _chosen(self, verb: str, color: str) -> tuple[str, str]:
        """The latest attachment goes into the trash, the oldest one comes back; who has none attaches something."""
        word = f"{len(self.acts)}-{color}.png"
        if verb not in {"delete", "undelete"}:
            return verb, word
        names = [name for name, deleted in attachments(self.acts).items() if deleted == (verb == "undelete")]
        if not names:
            return "attach", word
        return verb, names[-1 if verb == "delete" else 0]

    def _look_up(self, visit: Visit, name: str) -> None:
        if name not in self.ids:
            page = visit.get(f"/clients/{self.client}/attachments")[1].decode()
            found = re.search(rf"/attachments/(\d+)/{re.escape(name)}\b", page)
            assert found, (self.name, name, page)
            self.ids[name] = found[1]

    def _sent(self, visit: Visit, act: Act) -> tuple[int, bytes]:
        if act.verb in {"upload", "logo"}:
            field, path = {"upload": ("avatar", "/profile/edit"), "logo": ("logo", "/admin/upload-logo")}[act.verb]
            return visit.send(path, field, {act.word: PICTURES[Path(act.word).stem.partition("-")[2]]})
        if act.verb == "attach":
            files = {name: content_of(name) for name in attached_with(act.word)}
            return visit.send(f"/clients/{self.client}/attachments", "files", files)
        path, fields = self._form(act)
        return visit.post(path, **fields)

    def _form(self, act: Act) -> tuple[str, dict[str, str]]:
        if act.verb == "delete":
            return f"/attachments/{self.ids[act.word]}/delete", {}
        if act.verb == "undelete":
            return f"/trash/attachments/{self.ids[act.word]}/undelete", {}
        if act.verb == "start":
            return "/timer/start", {"description": act.word}
        if act.verb == "enter":
            return "/time-entries", {"description": act.word, **BY_HAND}
        return "/timer/stop", {}


def _are_told(expected: list[Expected], rows: list[TimeEntry]) -> bool:
    return len(expected) == len(rows) and all(entry.is_told_by(row) for entry, row in zip(expected, rows, strict=True))


def _shown(row: TimeEntry) -> str:
    return f"{row.description} {row.started_at} {row.ended_at} {row.deleted_at}"
