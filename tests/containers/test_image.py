"""The image in a real engine: what people entrust to it survives every rebuild, and old pictures come along.

Not part of `make test`: `make test-containers` runs it where `docker info` answers.
"""

import io
import os
import re
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE = "timetracker-test"
PASSWORD = "correct horse battery"
OLD_PLACE = "/app/app/static/uploads/avatars"


def run(*command: str, stdin: bytes | None = None, status: int = 0, **environment: str) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, cwd=CHECKOUT, env=os.environ | environment, timeout=300, check=False
    )
    assert done.returncode == status, (command, done.returncode, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode() + done.stderr.decode()


@pytest.fixture(scope="session")
def image() -> str:
    """Built once; a rebuild with a changed label stands for an update."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no container engine answers")
    run("docker", "build", "--quiet", "--tag", IMAGE, ".")
    return IMAGE


@pytest.fixture
def name(image: str) -> Iterator[str]:
    """A name for one test's containers and volumes, removed with all they held."""
    name = f"tt-{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run(["docker", "rm", "--force", "--volumes", name, f"{name}-old"], capture_output=True, check=False)
    subprocess.run(["docker", "volume", "rm", "--force", name], capture_output=True, check=False)


class House:
    """A running container, and a browser in front of it."""

    def __init__(self, name: str, volume: str, *options: str, image: str = IMAGE) -> None:
        self.name = name
        hardened = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
        command = ("docker", "run", "--detach", "--name", name, "--publish", "127.0.0.1::8080", "--volume", volume)
        run(*command, *hardened, *options, image)
        self.url = "http://" + run("docker", "port", name, "8080").split()[0]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_ready", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(run("docker", "logs", self.name))

    def remove(self) -> None:
        run("docker", "stop", self.name)
        run("docker", "rm", self.name)

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))

    def post(self, page: str, path: str, fields: dict[str, str]) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page))
        assert token
        body = urlencode({"csrf_token": token[1], **fields}).encode()
        with self.opener.open(self.url + path, body, timeout=10) as answer:
            return str(answer.read().decode())

    def set_up(self) -> None:
        link = re.search(r"/setup\?token=\S+", run("docker", "logs", self.name))
        assert link
        words = {"username": "anna", "password": PASSWORD, "password_confirm": PASSWORD}
        self.post(link[0], "/setup", words | {"company_name": "", "time_zone": "Europe/Berlin", "currency": "EUR"})

    def sign_in(self) -> None:
        self.post("/login", "/login", {"username": "anna", "password": PASSWORD})

    def upload(self, picture: bytes) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/profile/edit"))
        assert token
        line = b"--edge\r\nContent-Disposition: form-data; name="
        body = line + b'"csrf_token"\r\n\r\n' + token[1].encode() + b"\r\n"
        body += line + b'"avatar"; filename="a.png"\r\n\r\n' + picture + b"\r\n--edge--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        with self.opener.open(urllib.request.Request(f"{self.url}/profile/edit", body, kind), timeout=20) as answer:
            found = re.search(r"/uploads/avatars/[^\"]+", answer.read().decode())
        assert found
        return found[0]


def picture(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_face_and_an_hour_survive_an_update_and_go_only_with_the_volume(name: str) -> None:
    house = House(name, f"{name}:/data")
    house.set_up()
    face = house.upload(picture())
    words = {"description": "an hour", "date": "2026-11-17", "time": "9-10"}
    house.post("/time-entries/new", "/time-entries", words)
    house.remove()

    run("docker", "build", "--quiet", "--tag", f"{IMAGE}-next", "--label", f"update={name}", ".")
    house = House(name, f"{name}:/data", image=f"{IMAGE}-next")
    house.sign_in()
    assert house.get(face)
    assert "an hour" in house.get("/time-entries?range=all")
    house.remove()

    run("docker", "volume", "rm", name)
    house = House(name, f"{name}:/data")
    assert "Set TimeTracker up" in run("docker", "logs", name)


def test_the_container_says_that_it_is_healthy_and_doctor_finds_nothing(name: str) -> None:
    House(name, f"{name}:/data", "--health-interval", "1s")
    deadline = time.monotonic() + 30
    while run("docker", "inspect", "--format", "{{.State.Health.Status}}", name).strip() != "healthy":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "warning" not in run("docker", "exec", name, "timetracker", "doctor")


def test_any_user_of_group_0_may_run_it(name: str) -> None:
    House(name, f"{name}:/data", "--user", "12345:0")


def test_without_a_named_volume_it_starts_and_says_so_loudly(name: str) -> None:
    House(name, "/data")
    assert "lies on a volume without a name" in run("docker", "logs", name)


def old_container(name: str) -> None:
    """A container of the old layout, stopped: pictures in its own layer, beside the code."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in (1, 2):
            member = tarfile.TarInfo(f"avatars/avatar_{number}_0123abcd.png")
            member.size = len(picture())
            archive.addfile(member, io.BytesIO(picture()))
    run("docker", "create", "--name", f"{name}-old", "--entrypoint", "true", IMAGE)
    run("docker", "cp", "-", f"{name}-old:/app/app/static/", stdin=_below("uploads", buffer.getvalue()))


def _below(folder: str, archive: bytes) -> bytes:
    """The same members one folder deeper, with the folders named."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for path in (folder, f"{folder}/avatars"):
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            new.addfile(member)
        for member in old.getmembers():
            content = old.extractfile(member)
            member.name = f"{folder}/{member.name}"
            new.addfile(member, content)
    return made.getvalue()


def migrate(name: str, stream: bytes, *, status: int = 0) -> str:
    script = ("python", "/app/docker/migrate-avatar-storage.py", "--from", "-")
    command = ("docker", "run", "--rm", "--interactive", "--volume", f"{name}:/data", IMAGE, *script)
    return run(*command, stdin=stream, status=status)


def test_old_pictures_move_out_of_a_container_that_still_exists(name: str) -> None:
    old_container(name)
    copied = subprocess.run(["docker", "cp", f"{name}-old:{OLD_PLACE}", "-"], capture_output=True, check=True)

    said = migrate(name, copied.stdout)

    assert "2 pictures" in said
    listed = run("docker", "run", "--rm", "--volume", f"{name}:/data", IMAGE, "ls", "-A", "/data/uploads/avatars")
    assert listed.split() == ["avatar_1_0123abcd.png", "avatar_2_0123abcd.png"]


def test_once_the_old_container_is_removed_there_is_nothing_left_to_move(name: str) -> None:
    old_container(name)
    run("docker", "rm", f"{name}-old")
    gone = subprocess.run(["docker", "cp", f"{name}-old:{OLD_PLACE}", "-"], capture_output=True, check=False)

    assert gone.returncode != 0
    migrate(name, gone.stdout, status=1)


def test_a_volume_that_belongs_to_somebody_else_is_refused_with_what_mends_it(name: str) -> None:
    own = ("docker", "run", "--rm", "--user", "0", "--volume", f"{name}:/data", "--entrypoint", "sh", IMAGE, "-c")
    run(*own, "chown -R 4711:4711 /data && chmod -R 0700 /data")

    said = run("docker", "run", "--rm", "--volume", f"{name}:/data", IMAGE, status=78)

    assert "chown" in said
    assert "/data" in said


def test_a_read_only_volume_is_refused_with_what_mends_it(name: str) -> None:
    said = run("docker", "run", "--rm", "--volume", f"{name}:/data:ro", IMAGE, status=78)
    assert "read-only" in said
