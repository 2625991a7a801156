"""What runs by the clock."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock, jobs
from app.db import Application
from app.models import TimeEntry, User
from app.models.shared import RESTS
from app.models.subject import Subject
from app.services import time_entries
from app.services.time_entries import Span


def test_the_trash_is_emptied_every_hour_of_what_rested_long_enough(
    app: Application, session: Session, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    now = clock.now()
    for deleted in (now - RESTS - timedelta(hours=1), now - RESTS + timedelta(hours=1)):
        entry = time_entries.add(session, owner, Subject(), Span(now, now, owner.zone), now=now)
        time_entries.delete(session, owner, entry, now=deleted)
    session.commit()
    [job] = [job for job in jobs.scheduler(app).get_jobs() if job.id == "empty_trash"]

    job.func(*job.args)

    assert job.trigger.interval == timedelta(hours=1)
    assert session.scalar(select(func.count()).select_from(TimeEntry)) == 1
    assert "The trash was emptied" in caplog.text
