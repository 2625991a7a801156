"""Stored files move from one place to another while people work, and none falls between."""

import io
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app import create_app, db, storage
from app.config import Settings
from app.db import Application
from app.errors import CannotStart, Conflict, Unavailable
from app.models import Installation, User
from app.services import avatars, moving
from app.services.moving import End, Tally
from app.storage import Store, StoreRefuses, marker, places
from app.storage.local import LocalStore
from app.storage.marker import Mark
from tests.conftest import add_person
from tests.s3 import KEYS, S3Server
from tests.services.test_avatars import drawn, named, upload
from tests.test_cli import Shell


@pytest.fixture(params=["to s3", "to local"])
def ends(request: pytest.FixtureRequest, s3: S3Server) -> tuple[str, str]:
    """Old and new place by name."""
    remote = s3.environment()["STORAGE_URL"]
    return (places.LOCAL, remote) if request.param == "to s3" else (remote, places.LOCAL)


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The installation is set up on the old place."""
    old = request.getfixturevalue("ends")[0] if "ends" in request.fixturenames else places.LOCAL
    return environment | KEYS | {"STORAGE_URL": "" if old == places.LOCAL else old}


@pytest.fixture
def old(ends: tuple[str, str], app: Application) -> End:
    return End(places.named(app.settings, ends[0]), ends[0])


@pytest.fixture
def new(ends: tuple[str, str], app: Application) -> End:
    return End(places.named(app.settings, ends[1]), ends[1])


@pytest.fixture
def people(app: Application, session: Session) -> list[User]:
    """Five with a picture each."""
    people = [add_person(session, f"person{number}") for number in range(5)]
    for person in people:
        upload(app, person)
    return people


def move(app: Application, old: End, new: End, progress: Callable[[Tally], object] = lambda _tally: None) -> Tally:
    return moving.move(app.engine, old, new, in_use=places.name_of(app.settings), progress=progress)


def contents(store: Store) -> dict[str, bytes]:
    found = {}
    for key in store.list(storage.AVATARS):
        with store.open(key) as stream:
            found[key] = stream.read()
    return found


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Callable[[Application, End], Application]:
    """Starts the installation anew on a place. Raises CannotStart."""

    def start(app: Application, place: End) -> Application:
        there = create_app(app.settings.storing_at(None if place.name == places.LOCAL else place.name))
        request.addfinalizer(there.engine.dispose)
        return there

    return start


Started = Callable[[Application, End], Application]


def this(app: Application) -> str:
    with Session(app.engine) as session:
        return Installation.this(session).installation_id


class TestAMove:
    @pytest.mark.engines
    def test_carries_everything_and_the_site_goes_on_there(
        self, app: Application, old: End, new: End, people: list[User], started: Started
    ) -> None:
        before = contents(old.store)

        tally = move(app, old, new)

        assert (tally.carried, tally.already, tally.lost) == (set(before), set(), set())
        assert tally.size == sum(map(len, before.values()))
        assert contents(new.store) == contents(old.store) == before
        there = started(app, new)
        assert marker.look(new.store) == Mark(this(app))
        assert f"avatars/{upload(there, people[0])}" in contents(new.store)
        assert len(contents(old.store)) == len(before)

    def test_carries_files_without_a_row_too(self, app: Application, old: End, new: End, people: list[User]) -> None:
        old.store.put("avatars/orphan", io.BytesIO(b"x"))

        move(app, old, new)

        assert contents(new.store)["avatars/orphan"] == b"x"

    def test_refuses_uploads_from_its_end_until_the_switch(
        self, app: Application, old: End, new: End, people: list[User]
    ) -> None:
        move(app, old, new)
        before = contents(old.store)

        with pytest.raises(Unavailable):
            upload(app, people[0])
        with pytest.raises(CannotStart, match="were moved from"):
            create_app(app.settings)

        assert contents(old.store) == before

    def test_carries_what_comes_meanwhile(self, app: Application, old: End, new: End, people: list[User]) -> None:
        """An upload, one that replaces a carried picture, and a removal, each after a file is carried."""
        acts: Iterator[Callable[[], object]] = iter(
            [
                lambda: upload(app, people[0]),
                lambda: upload(app, people[1]),
                lambda: upload(app, people[1]),
                lambda: taken_away(app, people[2]),
            ]
        )

        move(app, old, new, lambda _tally: next(acts, lambda: None)())

        rows = {f"avatars/{name}" for person in people if (name := named(app, person))}
        assert set(contents(new.store)) == set(contents(old.store)) == rows
        assert len(rows) == 4

    @pytest.mark.parametrize("after", [1, 3, 5])
    def test_that_is_stopped_goes_on_where_it_was(
        self, app: Application, old: End, new: End, people: list[User], after: int, started: Started
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            move(app, old, new, lambda tally: stop_at(tally, after))
        upload(app, people[0])  # the old place is still in use

        tally = move(app, old, new)

        assert after - 1 <= len(tally.already) <= after  # one of them may have been replaced
        assert contents(old.store).items() <= contents(new.store).items()
        started(app, new)

    def test_that_is_not_at_its_end_does_not_let_the_new_place_start(
        self, app: Application, old: End, new: End, people: list[User], started: Started
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            move(app, old, new, lambda tally: stop_at(tally, 2))

        with pytest.raises(CannotStart, match=r"3 stored files have not arrived at .* uploads move --from"):
            started(app, new)

        move(app, old, new)
        started(app, new)

    def test_sends_again_what_did_not_arrive_whole(
        self, app: Application, old: End, new: End, people: list[User]
    ) -> None:
        (key, *_) = sorted(contents(old.store))
        marker.leave(new.store, Mark(this(app), coming_from=old.name))
        new.store.put(key, io.BytesIO(b"half"))

        move(app, old, new)

        assert contents(new.store) == contents(old.store)

    def test_does_not_trust_a_place_that_gives_back_other_bytes(
        self, app: Application, old: End, new: End, people: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = type(new.store).open
        monkeypatch.setattr(
            type(new.store),
            "open",
            lambda store, key: io.BytesIO(b"other") if store is new.store else real(store, key),
        )

        with pytest.raises(StoreRefuses, match="gave back other bytes"):
            move(app, old, new)

        assert marker.look(old.store) == Mark(this(app))

    @pytest.mark.parametrize("how", ["gone", "changed"])
    def test_names_what_is_lost_and_leaves_the_old_place_open(
        self, app: Application, old: End, new: End, people: list[User], how: str
    ) -> None:
        key = f"avatars/{named(app, people[0])}"
        old.store.delete(key)
        if how == "changed":
            old.store.put(key, io.BytesIO(b"other"))

        tally = move(app, old, new)

        assert tally.lost == {key}
        assert key not in contents(new.store)
        assert len(contents(new.store)) == 4
        assert upload(app, people[1])


def taken_away(app: Application, person: User) -> None:
    with db.transaction(app.engine) as session:
        avatars.remove(session, session.get_one(User, person.id))


def stop_at(tally: Tally, number: int) -> None:
    if len(tally.seen) >= number:
        raise KeyboardInterrupt


class TestAStraggler:
    """An upload that had begun before the end of the move and was committed after it."""

    @pytest.fixture
    def late(self, app: Application, old: End, new: End, people: list[User], monkeypatch: pytest.MonkeyPatch) -> str:
        real = storage.store().put

        def slow(key: str, source: io.BytesIO) -> storage.Stored:
            move(app, old, new)
            return real(key, source)

        with monkeypatch.context() as patched:
            patched.setattr(storage.store(), "put", slow)
            return f"avatars/{upload(app, people[0], drawn())}"

    def test_keeps_the_new_place_from_starting_until_it_is_carried(
        self, app: Application, old: End, new: End, late: str, started: Started
    ) -> None:
        with pytest.raises(CannotStart, match=f"1 stored files have not arrived at .*{late}"):
            started(app, new)

        moving.move(app.engine, old, new, in_use=new.name, progress=lambda _tally: None)

        assert late in contents(new.store)
        assert marker.look(new.store) == Mark(this(app))
        started(app, new)


class TestAPlaceThatIsNotOurs:
    def test_is_not_moved_to(self, app: Application, old: End, new: End, people: list[User]) -> None:
        marker.leave(new.store, Mark("another"))

        with pytest.raises(Conflict, match="belongs to another installation"):
            move(app, old, new)

        assert (marker.look(new.store), contents(new.store)) == (Mark("another"), {})

    def test_is_not_moved_to_without_a_marker_but_with_files(
        self, app: Application, old: End, new: End, people: list[User]
    ) -> None:
        new.store.put("avatars/theirs", io.BytesIO(b"x"))

        with pytest.raises(Conflict, match="holds files that are not this installation's"):
            move(app, old, new)

        assert marker.look(new.store) is None

    def test_is_not_moved_from(self, app: Application, old: End, new: End, people: list[User]) -> None:
        marker.leave(old.store, Mark("another"))

        with pytest.raises(Conflict, match="belongs to another installation"):
            move(app, old, new)

    def test_may_be_a_folder_that_was_never_used(
        self, app: Application, new: End, people: list[User], tmp_path: Path
    ) -> None:
        found = End(LocalStore(tmp_path / "found"), str(tmp_path / "found"))
        found.store.put("avatars/found", io.BytesIO(b"x"))

        tally = moving.move(app.engine, found, new, in_use=new.name, progress=lambda _tally: None)

        assert (tally.carried, len(tally.lost)) == ({"avatars/found"}, 5)
        assert marker.look(found.store) is None

    def test_is_not_the_same_place(self, app: Application, old: End) -> None:
        with pytest.raises(Conflict, match="already"):
            move(app, old, old)


def test_a_move_back_brings_what_is_newer(
    app: Application, old: End, new: End, people: list[User], started: Started
) -> None:
    move(app, old, new)
    there = started(app, new)
    newer = upload(there, people[0])

    moving.move(there.engine, new, old, in_use=new.name, progress=lambda _tally: None)

    back = started(app, old)
    assert f"avatars/{newer}" in contents(old.store)
    assert marker.look(old.store) == Mark(this(back))


@pytest.fixture
def shell(settings: Settings) -> Shell:
    shell = Shell(settings)
    shell.environment |= KEYS
    return shell


class TestTheCommand:
    def test_says_what_to_change(self, app: Application, shell: Shell, people: list[User], s3: S3Server) -> None:
        place = s3.environment()["STORAGE_URL"]

        result = shell(f"uploads move --to {place}")

        assert result.exit_code == 0, result.output
        size = sum(map(len, contents(LocalStore(app.settings.upload_folder)).values()))
        assert result.stdout == (
            f"5 files carried ({size} bytes), 0 were there; each compared by its hash at {place.partition('?')[0]}.\n"
            f"Uploads wait now: set STORAGE_URL={place}, then start again.\n"
            f"To stay: timetracker uploads move --from {shlex.quote(place)}\n"
        )
        assert shell("migrate").exit_code == 78
        assert shell("migrate", STORAGE_URL=place).exit_code == 0
        assert shell(f"uploads move --from {places.LOCAL}", STORAGE_URL=place).stdout.endswith(
            "All files are where they are used.\n"
        )

    def test_takes_it_back(self, app: Application, shell: Shell, people: list[User], s3: S3Server) -> None:
        place = s3.environment()["STORAGE_URL"]
        shell(f"uploads move --to {place}")

        result = shell(f"uploads move --from {place}")

        assert result.stdout.startswith("0 files carried (0 bytes), 5 were there;")
        assert shell("migrate").exit_code == 0
        assert upload(app, people[0])

    def test_names_what_is_lost_and_fails(
        self, app: Application, shell: Shell, people: list[User], s3: S3Server
    ) -> None:
        name = named(app, people[0])
        (app.settings.upload_folder / "avatars" / str(name)).unlink()

        result = shell(f"uploads move --to {s3.environment()['STORAGE_URL']}")

        assert result.exit_code == 1
        assert f"avatars/{name}: its bytes at {app.settings.upload_folder} are gone or changed.\n" in result.stderr
        assert shell("migrate").exit_code == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("", "Name the new place"),
            ("--to ftp://x/y", "must look like s3://bucket"),
            ("--to gs://bucket", "needs GOOGLE"),
        ],
    )
    def test_used_wrongly_says_so(self, app: Application, shell: Shell, options: str, words: str) -> None:
        result = shell(f"uploads move {options}")

        assert result.exit_code == 2
        assert words in result.stderr

    def test_to_a_store_that_is_away_changes_nothing(self, app: Application, shell: Shell, people: list[User]) -> None:
        result = shell("uploads move --to s3://bucket?endpoint=http://127.0.0.1:1")

        assert result.exit_code == 1
        assert "s3://bucket does not answer" in result.stderr
        assert upload(app, people[0])
