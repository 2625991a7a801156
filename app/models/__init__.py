"""Each table, and what one record can do by itself."""

from app.models.attachment import Attachment
from app.models.backup import Backup, BackupKind, BackupState, WaitingRemoval
from app.models.client import Client
from app.models.installation import Installation
from app.models.project import Project, Tag, Task
from app.models.stored_file import FileKind, StoredFile
from app.models.time_entry import ImportRun, Source, TimeEntry, time_entry_tags
from app.models.time_entry_change import TimeEntryChange
from app.models.user import Role, Theme, User
from app.models.user_session import OneTimeLink, SignInAttempt, UserDevice, UserSession

__all__ = [
    "Attachment",
    "Backup",
    "BackupKind",
    "BackupState",
    "Client",
    "FileKind",
    "ImportRun",
    "Installation",
    "OneTimeLink",
    "Project",
    "Role",
    "SignInAttempt",
    "Source",
    "StoredFile",
    "Tag",
    "Task",
    "Theme",
    "TimeEntry",
    "TimeEntryChange",
    "User",
    "UserDevice",
    "UserSession",
    "WaitingRemoval",
    "time_entry_tags",
]
