"""What runs by the clock, beside the requests, in the worker of a server.

Of several servers each runs these: what does harm when it is done twice is claimed by one of them in the database.
"""

import logging
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

from app import clock
from app.db import Application
from app.errors import DomainError
from app.services import serving, trash, uploads
from app.services.backup import schedule

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

    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each minute in which a backup still runs
    ticking = BlockingScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    ticking.add_job(empty_trash, "interval", [app], id="empty_trash", hours=1, next_run_time=clock.now() + SETTLES)
    ticking.add_job(remove_files, "interval", [app], id="remove_files", hours=1, next_run_time=clock.now() + SETTLES)
    ticking.add_job(say_running, "interval", [app], id="say_running", minutes=1, next_run_time=clock.now())
    for job in (back_up, drill):
        ticking.add_job(job, "interval", [app], id=job.__name__, minutes=1)
    return ticking


def empty_trash(app: Application) -> None:
    removed = trash.empty(app.engine, now=clock.now())
    if removed:
        log.info("The trash was emptied of %d rows that had rested 30 days.", removed)


def remove_files(app: Application) -> None:
    """Those that waited for the end of a backup that died."""
    removed = uploads.remove_what_waits(app.engine)
    if removed:
        log.info("%d files that had waited for the end of a backup were removed.", removed)


def say_running(app: Application) -> None:
    serving.hold_database(app.engine)


def back_up(app: Application) -> None:
    """What is refused is written down in its record, too, and tried again."""
    try:
        schedule.back_up_if_due(app.engine, app.settings, now=clock.now())
    except DomainError as error:
        log.error("The backup of the day: %s", error)  # noqa: TRY400 - the sentence says it all


def drill(app: Application) -> None:
    try:
        schedule.drill_if_due(app.engine, app.settings, now=clock.now())
    except DomainError as error:
        log.error("The restore drill: %s", error)  # noqa: TRY400 - the sentence says it all
