"""Backups killed at any moment: no archive is half, and an installation is the former or the restored one.

Commands die before a system call or at a random moment; each time a later run comes to its end.
"""

import os
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from app import clock, config, db, storage
from app.config import Settings
from app.db import Application
from app.models import Attachment, StoredFile, TimeEntry, User
from app.models.backup import DEAD_AFTER
from app.services import demo, doctor
from app.services.backup import schedule
from app.services.backup.create import create, existing, folder
from app.services.backup.verify import verify
from app.storage.local import LocalStore
from tests.crash.commands import kill, kill_at_some_moment, run
from tests.crash.conftest import House, examine_files
from tests.crash.ledger import attachments, entries
from tests.crash.server import Server
from tests.services.backup.conftest import Place, add_company, files, told

PLANS = (
    demo.Plan(users=2, projects=4, entries=40, years=1),
    demo.Plan(users=3, projects=3, entries=30, years=1, seed=2),
)

# What a command does on SQLite and how often at most.
CREATE = {"pwrite64": 20, "write": 24, "fsync": 5, "rename": 1, "unlink": 4}
RESTORE = {"pwrite64": 240, "write": 32, "fdatasync": 8, "fsync": 20, "rename": 9, "fcntl": 108, "unlink": 6}
DRILL = {"pwrite64": 478, "fdatasync": 20, "fsync": 19, "rename": 6, "mkdir": 6, "unlinkat": 12, "rmdir": 1}
ON_A_SERVER = {"sendto": 250, "recvfrom": 250, "fsync": 20, "rename": 9}

LEAST_FOR_BOTH = 50
AT_A_MOMENT = 0.3  # of the kills; the others come at system calls

Die = Callable[[str, dict[str, int]], None]


@pytest.fixture
def die(app: Application, environment: dict[str, str], seed: int) -> Die:
    """Runs a command that is killed, and looks whether the doctor finds an error in what it left."""
    chance = random.Random(seed)

    def run_and_kill(line: str, calls: dict[str, int]) -> None:
        if chance.random() < AT_A_MOMENT:
            kill_at_some_moment(environment, line, chance)
        else:
            kill(environment, line, calls, chance)
        findings = doctor.examine(app.settings)
        assert not doctor.has_errors(findings), findings

    return run_and_kill


def test_a_backup_is_whole_or_absent(app: Application, environment: dict[str, str], die: Die, kills: int) -> None:
    add_company(app.engine, PLANS[0])
    before, whole = seen(app), set[Path]()
    for _ in range(max(2, kills // 5)):
        die("backup create", CREATE)

        whole |= verified(app, but=whole)
        assert seen(app) == before

    done = run(environment, "backup create")
    assert verified(app, but=whole) == {Path(done.stdout.strip())}
    assert what_a_clear_leaves(app) == {*whole, Path(done.stdout.strip())}


@pytest.mark.engines
def test_a_restore_leaves_the_former_installation_or_the_restored_one(
    app: Application, environment: dict[str, str], tmp_path: Path, die: Die, kills: int, engine_name: str
) -> None:
    first, second = (archive_of(plan, tmp_path) for plan in PLANS)
    storage.use(LocalStore(app.settings.upload_folder))
    there, calls = seen(app), RESTORE if engine_name == "sqlite" else ON_A_SERVER
    for _ in range(max(2, kills // 5 if engine_name == "sqlite" else kills // 10)):
        wanted = second if there == first.state else first
        die(f"backup restore {wanted.path} --replace", calls)

        now = seen(app)
        assert now in (there, wanted.state)
        there = now
        for before in verified(app):
            before.unlink()

    for archive in (first, second):
        assert run(environment, f"backup restore {archive.path} --replace").returncode == 0
        assert seen(app) == archive.state


def test_a_drill_leaves_the_installation_alone_and_at_most_a_folder_that_is_cleared_away(
    app: Application, environment: dict[str, str], die: Die, kills: int
) -> None:
    add_company(app.engine, PLANS[0])
    archive = create(app.engine, app.settings, now=clock.now()).path
    before, content = seen(app), archive.read_bytes()
    for _ in range(max(2, kills // 10)):
        die("backup drill", DRILL)

        assert (seen(app), archive.read_bytes()) == (before, content)

    assert run(environment, "backup drill").returncode == 0
    assert what_a_clear_leaves(app) == {archive}


@pytest.mark.engines
def test_a_backup_made_while_people_work_holds_all_they_were_told_before(
    house: House, tmp_path: Path, kills: int, seed: int, engine_name: str
) -> None:
    """And nothing that refers to what is not there; those that were killed meanwhile are whole or absent, too."""
    if engine_name == "postgresql" and kills < LEAST_FOR_BOTH:
        pytest.skip("half a minute more: make test-crash")
    chance = random.Random(seed)
    for number in range(max(1, kills // 50)):
        made = BackedUp(house, chance)
        house.live(chance, made.end)

        assert made.acts_meanwhile > 0
        assert not verify(made.path).damaged
        restored = {"DATA_DIR": str(tmp_path / f"restored{number}"), "TZ": "Europe/Berlin"}
        assert run(restored, f"backup restore {made.path}").returncode == 0
        made.assert_in(config.load(restored))
    for path in existing(house.settings):
        verify(path)
    house.wake()


class BackedUp:
    """A backup while people work, after one that was killed, and what they were told before it began."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self._house, self._chance = house, chance
        self.path, self.acts_meanwhile = Path(), 0

    def end(self, _server: Server) -> None:
        kill(self._house.environment, "backup create", CREATE, self._chance)
        self._told = [list(person.acts) for person in self._house.people]
        began = time.monotonic()
        done = run(self._house.environment, "backup create")
        assert done.returncode == 0, done.stderr
        self.path = Path(done.stdout.strip())
        self.acts_meanwhile = sum(len(person.acts) for person in self._house.people) - sum(map(len, self._told))
        print(f"{self.acts_meanwhile / (time.monotonic() - began):.0f} acts a second meanwhile")  # noqa: T201

    def assert_in(self, settings: Settings) -> None:
        engine = db.make_engine(settings)
        with db.reading(engine) as session:
            examine_files(session, LocalStore(settings.upload_folder))
            for person, acts in zip(self._house.people, self._told, strict=True):
                theirs = TimeEntry.user_id == select(User.id).where(User.username == person.name).scalar_subquery()
                words = session.scalars(select(TimeEntry.description).where(theirs)).all()
                assert {entry.description for entry in entries(acts)} <= set(words)
                of_client = select(StoredFile.original_name).join(
                    Attachment, Attachment.stored_file_id == StoredFile.id
                )
                names = session.scalars(of_client.where(Attachment.client_id == person.client)).all()
                assert attachments(acts).keys() <= set(names)
        engine.dispose()


@dataclass(frozen=True)
class State:
    """Tables as a backup tells them, and the files they name, by key."""

    rows: dict[str, bytes]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Archive:
    path: Path
    state: State


def seen(app: Application | Place) -> State:
    """What is there now, after a look that every row's file is; a killed command may leave files without a row."""
    store = LocalStore(app.settings.upload_folder)
    with db.reading(app.engine) as session:
        examine_files(session, store)
        named = {row.key for row in session.scalars(select(StoredFile))}
    found = State(told(app.engine), {key: data for key, data in files(store).items() if key in named})
    app.engine.dispose()  # a restore has made the tables anew
    return found


def archive_of(plan: demo.Plan, folder: Path) -> Archive:
    """Of an installation of its own."""
    settings = config.load({"DATA_DIR": str(folder / f"company{plan.seed}"), "TZ": "Europe/Berlin"})
    place = Place(settings).use()
    add_company(place.engine, plan)
    return Archive(create(place.engine, settings, now=clock.now()).path, seen(place))


def verified(app: Application, but: Collection[Path] = ()) -> set[Path]:
    """The archives that are there, all of them whole."""
    found = set(existing(app.settings)) - set(but)
    for path in found:
        verify(path)
    return found


def what_a_clear_leaves(app: Application) -> set[Path]:
    """The clear before the scheduled backup takes away what killed runs left, when it is an hour old and not before."""
    place = folder(app.settings)
    before = set(place.iterdir())
    schedule.clear(app.engine, app.settings, now=clock.now() + 2 * DEAD_AFTER)
    assert set(place.iterdir()) == before
    for left in before:
        os.utime(left, (0, 0))
    schedule.clear(app.engine, app.settings, now=clock.now() + 2 * DEAD_AFTER)
    return set(place.iterdir())
