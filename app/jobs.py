"""What runs by the clock, beside the requests, in the worker of a server.

Of several servers each does it: no job here does harm when it is done twice.
"""

import logging
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

from app import clock
from app.db import Application
from app.services import trash

if TYPE_CHECKING:
    from apscheduler.schedulers.blocking import BlockingScheduler

log = logging.getLogger(__name__)

SETTLES = timedelta(minutes=1)  # a start has better things to do


def start(app: Application) -> Thread:
    """Ticks in a thread that ends with the process; nobody waits for it, not even for its import."""
    thread = Thread(target=lambda: scheduler(app).start(), name="jobs", daemon=True)
    thread.start()
    return thread


def scheduler(app: Application) -> "BlockingScheduler":
    """All jobs with their times, not started yet."""
    from apscheduler.schedulers.blocking import BlockingScheduler  # noqa: PLC0415 - heavy; a start does not wait for it

    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    ticking = BlockingScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    ticking.add_job(empty_trash, "interval", [app], id="empty_trash", hours=1, next_run_time=clock.now() + SETTLES)
    return ticking


def empty_trash(app: Application) -> None:
    removed = trash.empty(app.engine, now=clock.now())
    if removed:
        log.info("The trash was emptied of %d rows that had rested 30 days.", removed)
