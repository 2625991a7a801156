"""A company that never was: its people with their habits, and what they work on. Plain data, nothing is stored."""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count, islice
from random import Random

from app.models.client import COLORS
from app.services.demo.faces import Look
from app.services.demo.habits import Habit
from app.services.demo.words import GIVEN_NAMES, LANGUAGES, SURNAMES, Words

_WEEK = frozenset(range(5))
_FROM_TUESDAY = frozenset(range(1, 6))
_SHORT_WEEK = frozenset(range(4))

_EARLY = Habit(_WEEK, ((8 * 60 + 20, 12 * 60), (12 * 60 + 45, 17 * 60)), by_hand=0.1)
_LATE = Habit(_WEEK, ((9 * 60 + 30, 13 * 60), (13 * 60 + 45, 18 * 60 + 15)), by_hand=0.3)
_PART_TIME = Habit(_SHORT_WEEK, ((8 * 60, 11 * 60), (11 * 60 + 40, 13 * 60 + 30)), by_hand=0.2)
_NIGHT_OWL = Habit(_WEEK, ((14 * 60, 18 * 60 + 30), (21 * 60 + 15, 25 * 60)), by_hand=0.05)
_OFFICE = Habit(_WEEK, ((9 * 60, 12 * 60 + 30), (13 * 60 + 30, 17 * 60 + 30)), by_hand=0.15)
_SATURDAYS = Habit(_FROM_TUESDAY, ((7 * 60, 11 * 60 + 30), (12 * 60 + 15, 15 * 60 + 30)), by_hand=0.9)


@dataclass(frozen=True)
class Person:
    """`is_elsewhere` is for who lives in another time zone; `look` is None for who has no picture."""

    full_name: str
    habit: Habit
    look: Look | None = None
    is_elsewhere: bool = False

    @property
    def username(self) -> str:
        """Such as mia.berger."""
        plain = unicodedata.normalize("NFKD", self.full_name).encode("ascii", "ignore").decode()
        return plain.lower().replace(" ", ".")


@dataclass(frozen=True)
class Task:
    name: str
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """Worked on from the day it `opens` until it `closes`; it is archived where it closes. `client` is "" for none."""

    name: str
    client: str
    color: int
    billable: bool
    opens: date
    closes: date | None
    tasks: tuple[Task, ...]

    def is_open(self, day: date) -> bool:
        return self.opens <= day and (self.closes is None or day < self.closes)


@dataclass(frozen=True)
class Company:
    people: Sequence[Person]
    clients: Sequence[str]
    projects: Sequence[Project]
    words: Words = field(repr=False)


# The first may sign in.
_TEAM = (
    Person("Mia Berger", _EARLY, Look(skin=1, hair=3, cut="bob", shirt=0)),
    Person("Jonas Weber", _LATE, Look(skin=0, hair=4, cut="short", shirt=3, glasses=True, beard=True)),
    Person("Aylin Demir", _PART_TIME, Look(skin=2, hair=0, cut="long", shirt=5)),
    Person("Tom Okafor", _NIGHT_OWL, Look(skin=5, hair=0, cut="curls", shirt=2)),
    Person("Priya Raman", _OFFICE, Look(skin=3, hair=1, cut="bun", shirt=4, glasses=True), is_elsewhere=True),
    Person("Lukas Novák", _SATURDAYS),
)


def found(
    users: int, projects: int, *, first: date, today: date, seed: int, language: str, taken: Collection[str]
) -> Company:
    """A company of that size, always the same for the same arguments; no client has a name that is `taken`."""
    random = Random(f"{seed} company")  # noqa: S311 - chance that can be repeated
    words = LANGUAGES[language]
    names = (name for name in _endless(words.clients) if name not in taken)
    clients = list(islice(names, max(1, round(projects * 0.4))))
    work = [_internal(words, n, first) for n in range(max(1, projects // 10))]
    work += islice(_for_clients(random, words, clients, first, today), projects - len(work))
    return Company(list(islice(_people(random), users)), clients, work, words)


def _people(random: Random) -> Iterator[Person]:
    yield from _TEAM
    names = [f"{given} {surname}" for given in GIVEN_NAMES for surname in SURNAMES]
    random.shuffle(names)
    for number, name in enumerate(names):
        yield Person(name, _TEAM[number % len(_TEAM)].habit, Look.drawn(random) if number % 4 else None)


def _internal(words: Words, number: int, first: date) -> Project:
    name, tasks = next(islice(_endless_pairs(words.internal), number, None))
    return Project(
        name,
        "",
        number % COLORS,
        billable=False,
        opens=first,
        closes=None,
        tasks=_tasks(words, tasks, has_client=False),
    )


def _for_clients(random: Random, words: Words, clients: Sequence[str], first: date, today: date) -> Iterator[Project]:
    """One project after the other, each client in turn; of seven one is finished, of nine one is a favour."""
    kinds = list(islice(_endless_pairs(words.projects), 500))
    days = (today - first).days
    for number in count():
        round_, nth = divmod(number, len(clients))
        name, tasks = kinds[
            (nth * 5 + round_) % len(words.projects) + round_ // len(words.projects) * len(words.projects)
        ]
        opens = first + timedelta(days=0 if number % 3 else int(days * random.uniform(0, 0.6)))
        closes = first + timedelta(days=int(days * random.uniform(0.65, 0.9))) if number % 7 == 2 else None
        billable, color = number % 9 != 4, (number + 3) % COLORS
        yield Project(name, clients[nth], color, billable, opens, closes, _tasks(words, tasks))


def _tasks(words: Words, names: Sequence[str], *, has_client: bool = True) -> tuple[Task, ...]:
    return tuple(
        Task(name, tuple(phrase for phrase in words.phrases[name] if has_client or "{client}" not in phrase))
        for name in names
    )


def _endless(names: Sequence[str]) -> Iterator[str]:
    """The names, then the same with a number."""
    return (f"{name} {round_}" if round_ > 1 else name for round_ in count(1) for name in names)


def _endless_pairs(kinds: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    names = _endless([name for name, _tasks in kinds])
    return ((name, kinds[number % len(kinds)][1]) for number, name in enumerate(names))
