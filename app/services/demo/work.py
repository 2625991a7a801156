"""What a person is at: favourite projects, a few of them in each shift, and words as people leave them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import NamedTuple

from app.services.demo.company import Project
from app.services.demo.words import Words

_FAVOURITES = 8
_WITHOUT_PROJECT, _WITHOUT_TASK, _WITHOUT_TEXT = 0.02, 0.15, 0.04
_AS_A_FAVOUR = 0.04  # of billable time
_TAGGED, _TAGGED_TWICE = 0.22, 0.03


class Task(NamedTuple):
    """A stored task and what people write of it."""

    id: int
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """A project with its id and tasks, as stored."""

    id: int
    project: Project
    tasks: Sequence[Task]


class Item(NamedTuple):
    """What a time entry is about."""

    project_id: int | None
    task_id: int | None
    description: str
    billable: bool
    tag_ids: Sequence[int]


class Desk:
    """One person's work. It draws from `random` alone, so the same questions get the same answers."""

    def __init__(self, place: int, people: int, projects: Sequence[Stored], tags: Sequence[int], words: Words) -> None:
        """`place` is the person's among `people`; together they look after every project."""
        self._tags, self._words = tags, words
        common = [stored for stored in projects if not stored.project.client]
        paid = [stored for stored in projects if stored.project.client]
        own = paid[place::people]
        self._favourites = own + [one for one in Random(place).sample(paid, len(paid)) if one not in own]  # noqa: S311 - chance that can be repeated
        self._favourites = self._favourites[: max(_FAVOURITES, len(own))] + common

    def of(self, day: date, number: int, random: Random) -> list[Stored]:
        """The projects of a shift with that number of entries, the more favoured more often."""
        open_ = [stored for stored in self._favourites if stored.project.is_open(day)]
        if not open_:
            return []
        weights = [1 / (2 + place) for place in range(len(open_))]
        return random.choices(open_, weights, k=min(3, number))

    def item(self, projects: Sequence[Stored], random: Random) -> Item:
        """The next piece of work."""
        tags = self._some_tags(random)
        if not projects or random.random() < _WITHOUT_PROJECT:
            return Item(None, None, random.choice(self._words.loose), billable=False, tag_ids=tags)
        stored = random.choice(projects)
        task = random.choice(stored.tasks)
        billable = stored.project.billable and random.random() >= _AS_A_FAVOUR
        task_id = task.id if random.random() >= _WITHOUT_TASK else None
        return Item(stored.id, task_id, self._text(stored.project, task, random), billable, tags)

    def _text(self, project: Project, task: Task, random: Random) -> str:
        if random.random() < _WITHOUT_TEXT:
            return ""
        phrase, thing = random.choice(task.phrases), random.choice(self._words.things)
        said = phrase.replace("{client}", project.client).replace("{thing}", thing)
        return said[0].upper() + said[1:]

    def _some_tags(self, random: Random) -> Sequence[int]:
        drawn = random.random()
        if drawn >= _TAGGED or not self._tags:
            return ()
        return random.sample(self._tags, 2 if drawn < _TAGGED_TWICE and len(self._tags) > 1 else 1)
