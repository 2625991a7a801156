"""An installation starts on a data root that is its own and can be written, or says how to mend it (laws 1 and 11)."""

import errno
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app import config, create_app, storage
from app.config import Settings
from app.db import Application
from app.errors import CannotStart
from app.models import FileKind, Installation, Role, StoredFile
from app.services import installation
from app.storage import marker, mounts
from tests.conftest import NOON, Browser, add_person


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """Settings of a data root that is not there yet."""
    return config.load({"DATA_DIR": str(tmp_path / "data")})


def sentence_of(act: Callable[[], object]) -> str:
    with pytest.raises(CannotStart) as refused:
        act()
    assert refused.value.exit_status == 78
    assert "\n" not in str(refused.value)
    return str(refused.value)


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


class TestTheDataRoot:
    def test_is_made_with_its_upload_folder_and_nothing_else(self, bare: Settings) -> None:
        installation.prepare_data_root(bare)

        assert [path.relative_to(bare.data_dir) for path in bare.data_dir.rglob("*")] == [Path("uploads")]

    def test_keeps_what_lies_there(self, bare: Settings) -> None:
        bare.upload_folder.mkdir(parents=True)
        (bare.upload_folder / "face").write_bytes(b"x")

        installation.prepare_data_root(bare)

        assert (bare.upload_folder / "face").read_bytes() == b"x"

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.EROFS, "is mounted read-only"),
            (errno.ENOSPC, "is full"),
            (errno.EDQUOT, "is full"),
            (errno.EIO, "cannot be used (Input/output error)"),
            (errno.EACCES, "cannot be written: run `sudo "),
        ],
    )
    def test_that_takes_no_write_is_told_apart(
        self, bare: Settings, monkeypatch: pytest.MonkeyPatch, number: int, words: str
    ) -> None:
        monkeypatch.setattr(os, "fsync", failing(number))

        sentence = sentence_of(lambda: installation.prepare_data_root(bare))

        assert words in sentence
        assert str(bare.data_dir) in sentence

    def test_leaves_no_probe_behind_when_it_takes_no_write(
        self, bare: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bare.upload_folder.mkdir(parents=True)
        monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))

        sentence_of(lambda: installation.prepare_data_root(bare))

        assert list(bare.data_dir.iterdir()) == [bare.upload_folder]

    def test_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        below = config.load({"DATA_DIR": str(tmp_path / "file" / "data")})

        assert "set DATA_DIR" in sentence_of(lambda: installation.prepare_data_root(below))

    def test_counts_the_folder_of_a_database_that_lies_elsewhere(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/rows/tt.db"
        settings = config.load({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": url})

        installation.prepare_data_root(settings)

        assert (tmp_path / "rows").is_dir()

    def test_with_a_folder_in_the_place_of_the_database_is_refused(self, bare: Settings) -> None:
        assert bare.sqlite_file is not None
        bare.sqlite_file.mkdir(parents=True)

        assert str(bare.sqlite_file) in sentence_of(lambda: installation.prepare_data_root(bare))


class TestTheMendingCommand:
    """Each is run as root, and mends; none reaches beyond the path that it is for."""

    def test_of_a_missing_folder_makes_that_and_leaves_its_parents_alone(self, tmp_path: Path) -> None:
        missing = tmp_path / "a" / "my data"

        command = installation.command_to_own(missing)
        subprocess.run(shlex.split(command.removeprefix("sudo ")), check=True)

        assert command == f"sudo install -d -o {os.geteuid()} -g {os.getegid()} '{missing}'"
        assert missing.is_dir()

    def test_never_names_the_root_of_the_disk(self) -> None:
        assert not installation.command_to_own(Path("/data-of-nobody")).endswith(" /")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_of_another_ones_folder_takes_it_over(self, tmp_path: Path) -> None:
        os.chown(tmp_path, 65534, 65534)

        command = installation.command_to_own(tmp_path)
        subprocess.run(shlex.split(command.removeprefix("sudo ")), check=True)

        assert command == f"sudo chown -R 0:0 {tmp_path}"
        assert tmp_path.stat().st_uid == 0

    def test_of_ones_own_closed_folder_opens_it(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)

        subprocess.run(shlex.split(installation.command_to_own(closed).removeprefix("sudo ")), check=True)

        assert stat.S_IMODE(closed.stat().st_mode) == 0o700

    def test_of_a_folder_below_a_closed_one_opens_that_for_passing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = tmp_path / "closed"
        (closed / "data").mkdir(parents=True)
        monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != closed)

        assert installation.command_to_own(closed / "data") == f"sudo chmod a+x {closed}"


# Root may write everywhere; without its capabilities the modes of files hold for it as for everybody.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
needs_setpriv = pytest.mark.skipif(
    bool(WITHOUT_RIGHTS) and shutil.which("setpriv") is None, reason="running as root, and there is no setpriv"
)
CAN_MOUNT = (
    os.geteuid() == 0
    and shutil.which("unshare") is not None
    and (subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0)
)
needs_mount = pytest.mark.skipif(not CAN_MOUNT, reason="needs the right to mount in a namespace of its own")


def timetracker(data: Path, *words: str, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(before or []), str(Path(sys.executable).with_name("timetracker")), *words],
        env={"DATA_DIR": str(data), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def refused(run: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a start that was refused."""
    assert run.returncode == 78, run.stderr
    assert run.stderr.count("\n") == 1
    return run.stderr


@needs_setpriv
class TestAStartWithoutTheRightToWrite:
    @pytest.mark.parametrize("command", ["migrate", "serve"])
    def test_says_what_mends_it_and_that_mends_it(self, tmp_path: Path, command: str) -> None:
        data = tmp_path / "my data"
        data.mkdir(mode=0o555)

        sentence = refused(timetracker(data, command, before=WITHOUT_RIGHTS))
        found = re.search("`sudo (.+)`", sentence)
        assert found
        subprocess.run(shlex.split(found[1]), check=True)

        assert timetracker(data, "migrate", before=WITHOUT_RIGHTS).returncode == 0

    def test_to_a_folder_that_is_not_there_yet(self, tmp_path: Path) -> None:
        parent = tmp_path / "parent"
        parent.mkdir(mode=0o555)

        sentence = refused(timetracker(parent / "data", "migrate", before=WITHOUT_RIGHTS))

        assert f"`sudo install -d -o {os.geteuid()} -g {os.getegid()} {parent}/data`" in sentence

    def test_to_enter_the_parent(self, tmp_path: Path) -> None:
        parent = tmp_path / "parent"
        parent.mkdir(mode=0o000)

        sentence = refused(timetracker(parent / "data", "migrate", before=WITHOUT_RIGHTS))

        assert f"`sudo chmod a+x {parent}`" in sentence

    def test_the_database(self, tmp_path: Path) -> None:
        timetracker(tmp_path, "migrate")
        (tmp_path / "timetracker.db").chmod(0o444)

        sentence = refused(timetracker(tmp_path, "migrate", before=WITHOUT_RIGHTS))

        assert f"{tmp_path}/timetracker.db cannot be written" in sentence


@needs_mount
class TestAStartOnARealDisk:
    def on(self, options: str, data: Path, fill: str = "true") -> subprocess.CompletedProcess[str]:
        data.mkdir()
        script = f'mount -t tmpfs -o {options} none "$0" && {fill} && exec "$@"'
        return timetracker(data, "migrate", before=["unshare", "-m", "sh", "-c", script, str(data)])

    def test_that_is_read_only_says_so(self, tmp_path: Path) -> None:
        assert "is mounted read-only" in refused(self.on("ro", tmp_path / "data"))

    def test_that_is_full_says_so(self, tmp_path: Path) -> None:
        fill = 'head -c 65536 /dev/zero > "$0/filling"'

        assert "is full: make room" in refused(self.on("size=64k", tmp_path / "data", fill))

    def test_that_fills_up_meanwhile_says_so_in_one_sentence(self, tmp_path: Path) -> None:
        run = self.on("size=64k", tmp_path / "data")

        assert run.returncode == 1
        assert run.stderr.count("\n") == 1
        assert "full" in run.stderr


class TestTheSecretKey:
    def test_is_made_once_and_for_nobody_else(self, bare: Settings) -> None:
        installation.prepare_data_root(bare)

        first, second = installation.secret_key(bare), installation.secret_key(bare)

        assert re.fullmatch("[0-9a-f]{64}", first)
        assert first == second
        assert stat.S_IMODE(bare.secret_key_file.stat().st_mode) == 0o600
        assert sorted(path.name for path in bare.data_dir.iterdir()) == ["secret_key", "uploads"]

    def test_that_is_given_is_taken_and_none_is_made(self, tmp_path: Path) -> None:
        settings = config.load({"DATA_DIR": str(tmp_path), "SECRET_KEY": "g" * 40})

        assert installation.secret_key(settings) == "g" * 40
        assert not settings.secret_key_file.exists()

    def test_is_the_same_for_all_who_start_at_once(self, bare: Settings) -> None:
        installation.prepare_data_root(bare)

        with ThreadPoolExecutor(16) as pool:
            keys = set(pool.map(installation.secret_key, [bare] * 64))

        assert len(keys) == 1
        assert sorted(path.name for path in bare.data_dir.iterdir()) == ["secret_key", "uploads"]

    def test_is_the_first_ones_when_another_was_quicker(self, bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        installation.prepare_data_root(bare)
        link = os.link

        def late(source: Path, target: Path) -> None:
            target.write_text("f" * 64)
            link(source, target)

        monkeypatch.setattr(os, "link", late)

        assert installation.secret_key(bare) == "f" * 64
        assert sorted(path.name for path in bare.data_dir.iterdir()) == ["secret_key", "uploads"]

    @pytest.mark.parametrize("content", [b"", b"\n", b"a" * 31, b"\xff" * 64, b"\0" * 10])
    def test_that_is_cut_off_is_refused_and_kept(self, bare: Settings, content: bytes) -> None:
        installation.prepare_data_root(bare)
        bare.secret_key_file.write_bytes(content)

        sentence = sentence_of(lambda: installation.secret_key(bare))

        assert f"{bare.secret_key_file} holds no whole secret key. Remove it" in sentence
        assert bare.secret_key_file.read_bytes() == content

    def test_is_not_half_there_when_the_disk_is_full(self, bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        installation.prepare_data_root(bare)
        monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))

        assert "is full" in sentence_of(lambda: installation.secret_key(bare))
        assert list(bare.data_dir.iterdir()) == [bare.upload_folder]


def know_a_file(session: Session) -> None:
    session.add(
        StoredFile(
            kind=FileKind.AVATAR,
            name="avatar_1_00000000.webp",
            sha256="0" * 64,
            size=1,
            content_type="image/webp",
            original_name="me.png",
            uploaded_at=NOON,
        )
    )
    session.commit()


@pytest.mark.engines
class TestTheUploadRoot:
    @pytest.fixture
    def root(self, app: Application) -> Path:
        return app.settings.upload_folder

    def test_is_marked_by_the_start(self, session: Session, root: Path) -> None:
        assert marker.read(root) == Installation.this(session).installation_id

    @pytest.mark.parametrize("found", [None, "another"])
    def test_of_a_database_that_knows_no_files_is_simply_marked(
        self, session: Session, root: Path, found: str | None
    ) -> None:
        (root / marker.MARKER).unlink()
        if found:
            marker.write(root, found)

        installation.claim_uploads(session, root)

        assert marker.read(root) == Installation.this(session).installation_id

    @pytest.mark.parametrize(
        ("found", "words"),
        [(None, "is not marked as this installation's"), ("another", "belongs to another installation")],
    )
    def test_that_is_not_ours_is_refused_once_files_are_known_and_adopted_on_request(
        self, session: Session, root: Path, found: str | None, words: str
    ) -> None:
        know_a_file(session)
        (root / marker.MARKER).unlink()
        if found:
            marker.write(root, found)

        sentence = sentence_of(lambda: installation.claim_uploads(session, root))

        assert words in sentence
        assert "`timetracker uploads adopt`" in sentence
        assert marker.read(root) == found
        installation.adopt_uploads(session, root)
        installation.claim_uploads(session, root)

    def test_of_ours_is_marked_anew_at_each_start(self, session: Session, root: Path) -> None:
        know_a_file(session)
        before = (root / marker.MARKER).stat().st_ino

        installation.claim_uploads(session, root)

        assert (root / marker.MARKER).stat().st_ino != before

    def test_that_cannot_be_marked_is_refused(
        self, session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "fsync", failing(errno.EROFS))

        assert "read-only" in sentence_of(lambda: installation.claim_uploads(session, root))


def test_the_refused_start_names_adopt_which_mends_it(app: Application, session: Session) -> None:
    know_a_file(session)
    (app.settings.upload_folder / marker.MARKER).unlink()

    sentence = refused(timetracker(app.settings.data_dir, "migrate"))
    adopted = timetracker(app.settings.data_dir, "uploads", "adopt")

    assert "`timetracker uploads adopt`" in sentence
    assert adopted.returncode == 0
    assert timetracker(app.settings.data_dir, "migrate").returncode == 0


def test_the_store_in_use_is_the_one_of_the_settings(app: Application) -> None:
    assert storage.store().folder(storage.AVATARS) == app.settings.upload_folder / "avatars"


def test_an_administrator_is_told_in_the_page_that_the_container_would_take_the_data_along(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "CONTAINER_MARKS", (settings.data_dir,))
    monkeypatch.setattr(mounts, "MOUNT_INFO", settings.data_dir / "mountinfo")
    mounts.MOUNT_INFO.write_text("574 480 0:77 / / rw,relatime - overlay overlay rw\n")
    app = create_app(settings)
    with Session(app.engine) as session:
        add_person(session, "administrator", Role.ADMIN)
        add_person(session, "owner")
    people = {name: Browser(app.test_client()) for name in ("administrator", "owner")}
    for name, person in people.items():
        person.sign_in(name)

    assert "lies inside the container" in people["administrator"].get("/").text
    assert "lies inside the container" not in people["owner"].get("/").text
