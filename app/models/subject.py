"""What time is spent on, as typed and as found."""

from dataclasses import dataclass, field

from app.models.project import Project, Tag, Task
from app.models.time_entry import TimeEntry


@dataclass(frozen=True)
class Subject:
    """`billable` None means: as the project says."""

    description: str = ""
    project: Project | None = None
    task: Task | None = None
    tags: list[Tag] = field(default_factory=list)
    billable: bool | None = None

    @property
    def is_billable(self) -> bool:
        if self.billable is not None:
            return self.billable
        return self.project is not None and self.project.billable

    @classmethod
    def of(cls, entry: TimeEntry) -> "Subject":
        return cls(entry.description, entry.project, entry.task, list(entry.tags), entry.billable)

    def put_on(self, entry: TimeEntry) -> None:
        """Changes what an entry is about."""
        entry.description, entry.billable = self.description, self.is_billable
        entry.project, entry.project_id = self.project, self.project.id if self.project else None
        entry.task, entry.task_id = self.task, self.task.id if self.task else None
        entry.tags = list(self.tags)


@dataclass(frozen=True)
class Words:
    """A subject as it was typed: `project` and `task` are an id or a name."""

    description: str = ""
    project: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    billable: bool | None = None
