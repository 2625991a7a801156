"""`timetracker serve` on a fresh data root: it starts, says what to open, ends when told, and keeps all."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app import config, db, factory, server
from app.errors import CannotStart
from app.services import schema
from app.storage import relocate
from tests.services.test_installation import timetracker

COMMAND = str(Path(sys.executable).with_name("timetracker"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A server that answers, and what it said."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self.said = ""

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.status("/_ready") == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not become ready")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.said = self.process.communicate(timeout=30)[0]
        return self.process.returncode


@contextmanager
def serving(data: Path, port: int, **environment: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", str(port)],
        env={"DATA_DIR": str(data), "PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = Running(process, port)
    try:
        running.wait_until_ready()
        yield running
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the worker too, which holds the other end of what it says
            process.communicate()


def test_a_fresh_start_leads_to_the_set_up_ends_by_sigterm_and_the_next_one_keeps_all(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    with serving(data, port) as first:
        assert first.status("/_health") == 200
        assert first.status("/setup") == 200
        assert first.stop() == 0
    assert f"Data lies in {data} (DATA_DIR says so).\n" in first.said
    assert re.search(rf"Set TimeTracker up at http://localhost:{port}/setup\?token=[\w-]{{20,}}\n", first.said)
    assert "Traceback" not in first.said
    key = (data / "secret_key").read_text()
    made = subprocess.run(
        [COMMAND, "user", "create", "ada", "--role", "admin", "--password-stdin"],
        env={"DATA_DIR": str(data)},
        input="long enough",
        text=True,
        check=False,
    )
    assert made.returncode == 0

    with serving(data, port) as second:
        assert second.stop() == 0

    assert f"Open http://localhost:{port}\n" in second.said
    assert "/setup" not in second.said
    assert (data / "secret_key").read_text() == key
    assert timetracker(data, "user", "list").stdout == "ada\tadmin\t\t\n"


class TestSlowSenders:
    def test_stop_nobody(self, tmp_path: Path) -> None:
        """More of them than there are turns; granian has no deadline for a body."""
        with serving(tmp_path, free_port()) as running, slow_senders(running, db.POOL_SIZE + 36):
            assert running.status("/_health") == 200
            assert running.status("/setup") == 200
            assert running.status("/_ready") == 200

    def test_do_not_keep_a_server_that_is_told_to_end(self, tmp_path: Path) -> None:
        with serving(tmp_path, free_port()) as running, slow_senders(running, 1):
            before = time.monotonic()
            assert running.stop() == 0
        assert time.monotonic() - before < 10, "Docker would have killed it"


@contextmanager
def slow_senders(running: Running, count: int) -> Iterator[None]:
    """So many connections, each with the head of a form, one byte of its body, and nothing more."""
    port = int(running.address.rpartition(":")[2])
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with ExitStack() as stack:
        for _ in range(count):
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            sender.sendall(head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nu")
        yield


class TestAnAddress:
    def test_that_is_taken_stops_the_start_before_anything_is_made(self, tmp_path: Path) -> None:
        """Two servers on one port would each get half of the requests: granian would share it."""
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            run = timetracker(tmp_path / "data", "serve", "--port", str(port))

        assert run.returncode == 78
        assert run.stderr == (
            f"timetracker: Port {port} of 127.0.0.1 is taken by another program: "
            "stop that one, or set PORT to a free one.\n"
        )
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("host", ["192.0.2.1", "not a host"])
    def test_that_is_not_of_this_machine_is_refused(self, host: str) -> None:
        with pytest.raises(CannotStart, match="no address of this machine"):
            server._refuse_taken_address(host, free_port())

    def test_just_left_by_the_server_before_is_free(self) -> None:
        port = free_port()

        server._refuse_taken_address("127.0.0.1", port)
        server._refuse_taken_address("127.0.0.1", port)

    @pytest.mark.parametrize(
        ("host", "shown"),
        [
            ("0.0.0.0", "localhost"),
            ("::", "localhost"),
            ("127.0.0.1", "localhost"),
            ("::1", "localhost"),
            ("10.0.0.7", "10.0.0.7"),
            ("fd00::7", "[fd00::7]"),
            ("nas.local", "nas.local"),
        ],
    )
    def test_is_shown_as_one_opens_it(self, host: str, shown: str) -> None:
        assert server._shown_host(host) == shown


def test_the_base_url_is_what_to_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path), "BASE_URL": "https://time.example.org"})

    server.prepare(settings).engine.dispose()

    assert "Set TimeTracker up at https://time.example.org/setup?token=" in capsys.readouterr().out


def test_a_schema_of_a_newer_version_stops_the_start_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path)})
    server.prepare(settings).engine.dispose()
    before = (tmp_path / "timetracker.db").read_bytes()
    monkeypatch.setattr(schema, "revisions", lambda: ("19990101_0000",))

    with pytest.raises(CannotStart, match="newer version"):
        server.prepare(settings)

    assert (tmp_path / "timetracker.db").read_bytes() == before


@pytest.fixture
def old_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder beside the code where the TimeTracker of old kept pictures."""
    place = tmp_path / "app" / "static" / "uploads" / "avatars"
    place.mkdir(parents=True)
    monkeypatch.setattr(relocate, "old_places", lambda: [place])
    return place


def test_a_start_brings_pictures_from_beside_the_code_and_leaves_the_old_ones(
    tmp_path: Path, old_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old_place / "avatar_1_0123abcd.png").write_bytes(b"a face")

    server.prepare(config.load({"DATA_DIR": str(tmp_path / "data")}))

    assert (tmp_path / "data/uploads/avatars/avatar_1_0123abcd.png").read_bytes() == b"a face"
    assert (old_place / "avatar_1_0123abcd.png").exists()
    assert "1 picture" in capsys.readouterr().out


def test_a_picture_that_cannot_be_brought_is_named_and_the_start_goes_on(
    tmp_path: Path, old_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old_place / "avatar_1_0123abcd.png").symlink_to("/etc/hostname")
    (old_place / "avatar_2_0123abcd.png").write_bytes(b"a face")

    app = server.prepare(config.load({"DATA_DIR": str(tmp_path / "data")}))

    assert app.test_client().get("/_ready").status_code == 200
    assert "avatar_1_0123abcd.png" in capsys.readouterr().out


def test_what_lies_beside_the_code_is_served_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "static"
    shutil.copytree(factory.STATIC, static, ignore=shutil.ignore_patterns("uploads"))
    (static / "uploads" / "avatars").mkdir(parents=True)
    (static / "uploads" / "avatars" / "avatar_1_0123abcd.png").write_bytes(b"a face")
    monkeypatch.setattr(factory, "STATIC", static)
    app = server.prepare(config.load({"DATA_DIR": str(tmp_path / "data")}))
    prefix = app.jinja_env.from_string("{{ static('') }}").render()

    with app.test_client().get(prefix + "css/app.css") as sheet:
        assert sheet.status_code == 200
    with app.test_client().get(prefix + "uploads/avatars/avatar_1_0123abcd.png") as face:
        assert b"a face" not in face.data
