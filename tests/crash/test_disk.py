"""A disk that is full or read-only, files that cannot be opened: clear answers, and all is well without a restart."""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from app.storage.durable import TEMPORARY_PREFIX
from tests.conftest import PASSWORD
from tests.crash.commands import run
from tests.crash.conftest import House
from tests.crash.ledger import Person
from tests.crash.server import Server, Visit, injected, running, strace

PAGES = ("/", "/time-entries", "/time-entries.csv", "/projects", "/profile", "/timer")
WRITING = "pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,unlink,mkdir"
ALONE = ("unshare", "--map-root-user", "--mount")
SOMEBODY = 12345
LITTLE = 2 * 2**20  # bytes
VERY_LARGE = b"x" * 8 * 2**20  # more than fits between the two ends of a connection
ON_A_SMALL_DISK = (
    'mount -t tmpfs -o size=40m none "$DATA_DIR" && cp -a "$DATA_DIR.seed/." "$DATA_DIR" && exec "$0" "$@"'
)


@pytest.fixture
def person(house: House) -> Person:
    """An administrator with a picture, an attachment and a logo, whose timer runs and whose "last seen" is due."""
    owner = house.people[0]
    with running(house.environment, house.log) as server:
        house.sign_in(server.port)
        with owner.visit(server.port) as visit:
            for verb in ("upload", "attach", "logo", "start"):
                assert owner.does(visit, verb)[0] == 303
    make_last_seen_due(house)
    return owner


def make_last_seen_due(house: House) -> None:
    assert house.settings.sqlite_file
    with closing(sqlite3.connect(house.settings.sqlite_file)) as connection, connection:
        connection.execute("UPDATE user_sessions SET last_seen_at = last_seen_at - 3600")


def test_a_full_disk(house: House, person: Person) -> None:
    with on_a_small_disk(house) as server, person.visit(server.port) as visit:
        data = Path(f"/proc/{server.worker}/root{house.settings.data_dir}")
        ballast = data / "ballast"
        fill(ballast)

        assert_all_can_be_read(visit)
        before = picture_of(visit)
        assert_nothing_can_be_written(person, visit)
        assert_all_can_be_read(visit)
        assert picture_of(visit) == before
        inside = seeing_what_it_sees(server)
        assert_no_backup(house, r"The disk that holds \S+ is full: make room", before=inside)
        assert left_of_backups(data) + halves(data) == []

        with ballast.open("r+b") as filled:
            filled.truncate(filled.seek(0, os.SEEK_END) - LITTLE)
        assert_no_backup(house, r"No backup was made: it may need \d+ MiB, and \d MiB are free", before=inside)
        assert left_of_backups(data) + halves(data) == []

        ballast.unlink()
        assert_it_works_again(person, visit)
        assert run(house.environment, "backup create", before=inside).returncode == 0
    assert '"last seen" could not be written' in server.log.read_text()


@pytest.mark.parametrize("error", ["EROFS", "EIO"])
def test_a_disk_that_takes_no_writes(house: House, person: Person, error: str) -> None:
    with running(house.environment, house.log) as server, person.visit(server.port) as visit:
        before = picture_of(visit)
        make_last_seen_due(house)
        with injected(server.worker, WRITING, f"error={error}"):
            assert_all_can_be_read(visit)
            assert_nothing_can_be_written(person, visit)
            assert_all_can_be_read(visit)
            assert picture_of(visit) == before
        assert_no_backup(house, "cannot be used|cannot be written|mounted read-only", before=refusing(error))
        assert left_of_backups(house.settings.data_dir) == []

        house.examine(server.port)
        assert_it_works_again(person, visit)
        house.examine(server.port)
    assert '"last seen" could not be written' in server.log.read_text()


def test_folders_mounted_read_only(house: House, person: Person) -> None:
    """The database can be written: time goes on, files wait."""
    uploads, backups = house.settings.upload_folder, house.settings.data_dir / "backups"
    backups.mkdir()
    with on_a_small_disk(house) as server, person.visit(server.port) as visit:
        inside, before = seeing_what_it_sees(server), picture_of(visit)
        for folder in (uploads, backups):
            script = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
            subprocess.run([*inside, "sh", "-c", script], check=True)

        assert_no_file_can_be_stored(person, visit)
        assert person.does(visit, "start")[0] == 303
        assert picture_of(visit) == before
        assert_no_backup(house, r"uploads is mounted read-only: mount it writable", before=inside)

        subprocess.run([*inside, "umount", uploads], check=True)
        assert_no_backup(house, r"No backup was made: \S+ cannot be written .Read-only file system.", before=inside)
        data = Path(f"/proc/{server.worker}/root{house.settings.data_dir}")
        assert left_of_backups(data) + halves(data) == []

        subprocess.run([*inside, "umount", backups], check=True)
        assert_it_works_again(person, visit)
        assert run(house.environment, "backup create", before=inside).returncode == 0


def test_folders_of_another_owner(house: House, person: Person) -> None:
    """The database can be written: time goes on, files wait."""
    folders = [house.settings.upload_folder / name for name in ("avatars", "attachments", "thumbnails", "logos")]
    backups = house.settings.data_dir / "backups"
    backups.mkdir()
    refusable = without_privileges()
    with running(house.environment, house.log, before=refusable) as server, person.visit(server.port) as visit:
        for folder in (*folders, backups):
            give_away(folder)
        before = picture_of(visit)
        assert_no_file_can_be_stored(person, visit)
        assert person.does(visit, "start")[0] == 303
        assert picture_of(visit) == before
        assert_no_backup(house, r"No backup was made: \S+ cannot be written .Permission denied.", before=refusable)

        assert left_of_backups(house.settings.data_dir) + halves(house.settings.data_dir) == []

        for folder in (*folders, backups):
            take_back(folder)
        house.examine(server.port)
        assert_it_works_again(person, visit)
        house.examine(server.port)
    assert run(house.environment, "backup create", before=refusable).returncode == 0


@pytest.mark.parametrize("warm", [False, True], ids=["before any page was shown", "after all pages were shown"])
def test_too_many_open_files(house: House, person: Person, warm: bool) -> None:
    with running(house.environment, house.log) as server, ExitStack() as stack:
        visits = [stack.enter_context(someone.visit(server.port)) for someone in house.people]
        for path in PAGES if warm else ["/_health"]:
            assert {visit.get(path)[0] for visit in visits} == {200}
        server.allow_open_files(server.open_files())

        with ThreadPoolExecutor(len(visits)) as pool:
            answers = [answer for found in pool.map(everything, house.people, visits) for answer in found]
        assert {status for status, _page in answers} <= {200, 303, 503}
        refusals = [page for status, page in answers if status == 503]
        assert refusals
        assert all("othing was changed" in page for page in refusals)
        with pytest.raises(TimeoutError), Visit(server.port, patience=0.5) as late:
            late.get("/_health")

        server.allow_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        for someone, visit in zip(house.people, visits, strict=True):
            assert_it_works_again(someone, visit)
        house.examine(server.port)


def everything(person: Person, visit: Visit) -> list[tuple[int, str]]:
    """All pages and acts, one after the other."""
    shown = [visit.get(path) for path in PAGES]
    done = [person.does(visit, verb) for verb in ("start", "upload", "enter", "stop")]
    return [*((status, page.decode()) for status, page in shown), *done]


def assert_all_can_be_read(visit: Visit) -> None:
    for path in PAGES:
        status, page = visit.get(path)
        assert status == 200, (path, page)
    assert visit.get(picture_of(visit))[0] == 200


def assert_nothing_can_be_written(person: Person, visit: Visit) -> None:
    answers = [person.does(visit, verb) for verb in ("start", "stop", "enter", "delete")]
    assert_no_file_can_be_stored(person, visit)
    with Visit(visit.connection.port) as stranger:
        stranger.token = stranger.token_on("/login")
        signing_in, page = stranger.post("/login", username="writer1", password=PASSWORD)
    for answer in [*answers, (signing_in, page.decode())]:
        assert_not_now(answer)


def assert_no_file_can_be_stored(person: Person, visit: Visit) -> None:
    """One that waits on the disk until it is stored fails while it is sent, and is answered alike."""
    for verb in ("upload", "attach", "logo"):
        assert_not_now(person.does(visit, verb))
    status, page = visit.send(f"/clients/{person.client}/attachments", "files", {"large.bin": VERY_LARGE})
    assert_not_now((status, page.decode()))


def assert_not_now(answer: tuple[int, str]) -> None:
    status, text = answer
    assert status == 503, text
    assert "Not just now" in text
    assert "othing was changed" in text


def assert_no_backup(house: House, sentence: str, *, before: tuple[str, ...]) -> None:
    done = run(house.environment, "backup create", before=before)
    assert done.returncode > 0, done.stdout
    assert re.search(sentence, done.stderr), done.stderr


def left_of_backups(data: Path) -> list[Path]:
    return list(data.glob("backups/*"))


def halves(data: Path) -> list[Path]:
    return list(data.rglob(f"{TEMPORARY_PREFIX}*"))


def without_privileges() -> tuple[str, ...]:
    """Before a command: root would be refused nothing otherwise."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and root is refused nothing")
    return ("setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override")


def give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, SOMEBODY, SOMEBODY)
    else:
        folder.chmod(0o555)


def take_back(folder: Path) -> None:
    os.chown(folder, os.geteuid(), os.getegid())
    folder.chmod(0o755)


def refusing(error: str) -> tuple[str, ...]:
    return tuple(strace(WRITING, f"error={error}"))


def assert_it_works_again(person: Person, visit: Visit) -> None:
    for verb in ("start", "stop", "enter", "start"):
        assert person.does(visit, verb)[0] == 303
    assert f"{len(person.acts) - 1}-red.png" in visit.get("/timer")[1].decode()
    for verb in ("upload", "attach", "delete", "undelete", *(["logo"] if person.is_admin else [])):
        assert person.does(visit, verb, "blue")[0] == 303
    assert_all_can_be_read(visit)
    with Visit(visit.connection.port) as machine:
        assert machine.get("/_ready")[0] == 200


def picture_of(visit: Visit) -> str:
    found = re.search(r'src="(/uploads/avatars/[^"]+)"', visit.get("/profile")[1].decode())
    assert found
    return found[1]


@contextmanager
def on_a_small_disk(house: House) -> Iterator[Server]:
    """A server that alone sees its data root: a small one, gone with it."""
    if shutil.which(ALONE[0]) is None:
        pytest.skip(f"{ALONE[0]} is not installed")
    tried = subprocess.run([*ALONE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"nothing may be mounted here: {tried.stderr.decode().strip()}")
    data = house.settings.data_dir
    data.rename(f"{data}.seed")
    data.mkdir()
    with running(house.environment, house.log, before=(*ALONE, "sh", "-c", ON_A_SMALL_DISK)) as server:
        yield server


def seeing_what_it_sees(server: Server) -> tuple[str, ...]:
    """Before a command: it finds the server's disks where the server does."""
    return ("nsenter", "--target", str(server.worker), "--user", "--mount")


def fill(ballast: Path) -> None:
    """To the last byte."""
    with ballast.open("wb", buffering=0) as target:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while target.write(b"\0" * size):
                    pass
