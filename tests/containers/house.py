"""A running container and a browser in front of it; what the tests of containers share."""

import io
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE = "timetracker-test"
PASSWORD = "correct horse battery"
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def run(*command: str, stdin: bytes | None = None, status: int = 0, environment: dict[str, str] | None = None) -> str:
    """What the command said, on both streams; it must end with this status."""
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        cwd=CHECKOUT,
        env=os.environ | (environment or {}),
        timeout=300,
        check=False,
    )
    assert done.returncode == status, (command, done.returncode, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode() + done.stderr.decode()


def picture(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return buffer.getvalue()


class House:
    """A container that is up, and one person at its pages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = "http://" + run("docker", "port", name, "8080").split()[0]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._await()

    @classmethod
    def started(cls, name: str, volume: str, *options: str) -> "House":
        """By `docker run`, hardened as in the compose file."""
        command = ("docker", "run", "--detach", "--name", name, "--publish", "127.0.0.1::8080", "--volume", volume)
        run(*command, *HARDENED, *options, IMAGE)
        return cls(name)

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_ready", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(self.log())

    def log(self) -> str:
        return run("docker", "logs", self.name)

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))

    def post(self, page: str, path: str, fields: dict[str, str]) -> str:
        body = urlencode({"csrf_token": self._token(page), **fields}).encode()
        with self.opener.open(self.url + path, body, timeout=30) as answer:
            return str(answer.read().decode())

    def _token(self, page: str) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page))
        assert token
        return token[1]

    def set_up(self) -> None:
        link = re.search(r"/setup\?token=\S+", self.log())
        assert link
        words = {"username": "anna", "password": PASSWORD, "password_confirm": PASSWORD}
        self.post(link[0], "/setup", words | {"company_name": "", "time_zone": "Europe/Berlin", "currency": "EUR"})

    def sign_in(self) -> None:
        self.post("/login", "/login", {"username": "anna", "password": PASSWORD})

    def record(self, description: str) -> None:
        words = {"description": description, "date": "2026-11-17", "time": "9-10"}
        self.post("/time-entries/new", "/time-entries", words)

    def entries(self) -> str:
        return self.get("/time-entries?range=all")

    def upload(self, picture: bytes) -> str:
        """The address of the face, once it is on the profile."""
        line = b"--edge\r\nContent-Disposition: form-data; name="
        body = line + b'"csrf_token"\r\n\r\n' + self._token("/profile/edit").encode() + b"\r\n"
        body += line + b'"avatar"; filename="a.png"\r\n\r\n' + picture + b"\r\n--edge--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        with self.opener.open(urllib.request.Request(f"{self.url}/profile/edit", body, kind), timeout=20) as answer:
            found = re.search(r"/uploads/avatars/[^\"]+", answer.read().decode())
        assert found
        return found[0]
