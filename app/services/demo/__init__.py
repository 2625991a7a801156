"""A company that never was, to try TimeTracker on: made as a whole, marked, and taken away as a whole."""

from app.services.demo.adding import add, is_there
from app.services.demo.plan import MOST_PROJECTS, MOST_USERS, MOST_YEARS, Made, Plan, Removed
from app.services.demo.removal import remove
from app.services.demo.words import LANGUAGES

__all__ = [
    "LANGUAGES",
    "MOST_PROJECTS",
    "MOST_USERS",
    "MOST_YEARS",
    "Made",
    "Plan",
    "Removed",
    "add",
    "is_there",
    "remove",
]
