"""The doctor of an installation whose files lie in a bucket."""

import io
from datetime import timedelta

import pytest

from app import clock, storage
from app.config import Settings
from app.db import Application
from app.models import User
from app.services import doctor
from app.services.doctor import Code, Finding, Severity
from tests.s3 import S3Server, Wire
from tests.services.test_avatars import named, upload

ORPHAN = "avatars/avatar_9_0a1b2c3d.webp"


@pytest.fixture
def wire(s3: S3Server) -> Wire:
    return Wire(s3)


@pytest.fixture
def environment(environment: dict[str, str], s3: S3Server, wire: Wire) -> dict[str, str]:
    return environment | s3.environment(port=wire.port)


def told(settings: Settings, code: Code) -> Finding:
    return next(finding for finding in doctor.examine(settings, thorough=True) if finding.code == code)


def test_a_store_in_order_is_tried_and_left_as_it_was(app: Application, owner: User) -> None:
    upload(app, owner)
    before = list(storage.store().list(storage.AVATARS))

    for code in (Code.STORE, Code.MARKER, Code.FILES, Code.CHANGED_FILES, Code.ORPHANS):
        assert told(app.settings, code).severity is Severity.OK, code
    assert list(storage.store().list(storage.AVATARS)) == before
    assert list(storage.store().list("doctor")) == []


def test_a_store_that_is_away_is_an_error_with_its_sentence(app: Application, owner: User, wire: Wire) -> None:
    upload(app, owner)
    wire.cut()

    found = told(app.settings, Code.STORE)
    assert found.severity is Severity.ERROR
    assert "does not answer" in found.what
    assert told(app.settings, Code.MARKER).severity is Severity.WARNING
    assert told(app.settings, Code.FILES).severity is Severity.ERROR


def test_lost_and_changed_bytes_are_named(app: Application, owner: User, colleague: User) -> None:
    upload(app, owner)
    upload(app, colleague)
    lost, changed = f"avatars/{named(app, owner)}", f"avatars/{named(app, colleague)}"
    storage.store().delete(lost)
    storage.store().put(changed, io.BytesIO(b"other bytes"))

    assert told(app.settings, Code.FILES).names == (lost,)
    assert told(app.settings, Code.CHANGED_FILES).names == (changed,)


def test_an_old_orphan_goes_to_quarantine_whole_and_a_young_one_stays(app: Application, owner: User) -> None:
    upload(app, owner)
    storage.store().put(ORPHAN, io.BytesIO(b"nobody's"))
    assert told(app.settings, Code.ORPHANS).names == (ORPHAN,)

    assert doctor.mend(app.settings, clock.now()) == []

    later = clock.now() + timedelta(hours=2)
    (said,) = doctor.mend(app.settings, later)
    folder = app.settings.data_dir / "quarantine" / later.strftime("%Y%m%dt%H%M%Sz")
    assert said == f"{ORPHAN} went to {folder}."
    assert (folder / ORPHAN).read_bytes() == b"nobody's"
    assert list(storage.store().list(storage.AVATARS)) == [f"avatars/{named(app, owner)}"]
