"""What is asked for, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

MOST_USERS = 100
MOST_PROJECTS = 500
MOST_YEARS = 20

Progress = Callable[[int], object]  # is told how many time entries were written or removed


@dataclass(frozen=True)
class Plan:
    """`entries` None means as many as such people would enter, about 8,000 for six people in two years."""

    users: int = 6
    projects: int = 24
    entries: int | None = None
    years: int = 2
    seed: int = 1
    language: str = "en"


@dataclass(frozen=True)
class Made:
    """How many of each there are, and the one person who can sign in."""

    people: int
    clients: int
    projects: int
    tasks: int
    tags: int
    entries: int
    username: str
    full_name: str
    password: str


@dataclass(frozen=True)
class Removed:
    """How many of each are gone; `left` counts entries and people still to be removed by calling again."""

    entries: int = 0
    clients: int = 0
    projects: int = 0
    tasks: int = 0
    tags: int = 0
    people: int = 0
    left: int = 0
