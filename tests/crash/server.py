"""`timetracker serve` as a process that may be killed, strace on it, and visitors in front of it."""

import io
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from PIL import Image

from tests.conftest import PASSWORD
from tests.test_server import COMMAND, free_port

LONGEST_START_SECONDS = 60


class EndedEarly(AssertionError):
    """The server ended before it answered; the message is what it wrote."""


class Server:
    """A server that answers on `port`, in a process group of its own; `log` is the file it writes to."""

    def __init__(self, environment: dict[str, str], log: Path, *, before: tuple[str, ...] = ()) -> None:
        self.port, self.log = free_port(), log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*before, COMMAND, "serve", "--port", str(self.port)],
                env={"PATH": os.environ["PATH"]} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
            self.worker = self._child()
            self.end_of_worker = os.pidfd_open(self.worker)
        except BaseException:
            self._kill_group()
            raise

    def kill(self) -> None:
        """SIGKILL to the whole group at once; returns when nothing of it runs any more."""
        self._kill_group()
        assert self.has_died()

    def has_died(self) -> bool:
        """Whether the process that answers is dead; it is given time to, as its connections go before it."""
        return bool(select.select([self.end_of_worker], [], [], 20)[0])

    def allow_open_files(self, most: int) -> None:
        _soft, hard = resource.prlimit(self.worker, resource.RLIMIT_NOFILE)
        resource.prlimit(self.worker, resource.RLIMIT_NOFILE, (most, hard))

    def open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.worker}/fd").iterdir())

    def _kill_group(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with Visit(self.port) as visit:
                    if visit.get("/_ready")[0] == 200:
                        return
            except (OSError, HTTPException):
                time.sleep(0.02)
        raise EndedEarly(self.log.read_text())

    def _child(self) -> int:
        """The process that answers: the one child of the one that watches over it."""
        pid = self.process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)


@contextmanager
def running(environment: dict[str, str], log: Path, *, before: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server for as long as the block lasts; whatever is left of it then is killed."""
    server = Server(environment, log, before=before)
    try:
        yield server
    finally:
        server.kill()
        os.close(server.end_of_worker)


def strace(calls: str, what: str) -> list[str]:
    """The command that does `what` (strace's own words) at the system `calls` of a program and all its threads."""
    return [*_strace(calls, Path(os.devnull)), "-e", f"inject={calls}:{what}"]


@contextmanager
def injected(pid: int, calls: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """The same for a process that runs already, until the block ends."""
    with _attached(strace(calls, what), pid) as tracer:
        yield tracer


@contextmanager
def watched(pid: int, calls: str, log: Path) -> Iterator[None]:
    """Writes down which of the system `calls` a process makes in the block, with the paths they are about."""
    with _attached([*_strace(calls, log), "-y"], pid):
        yield


def _strace(calls: str, log: Path) -> list[str]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not look at processes here")
    return ["strace", "-f", "-o", str(log), "-e", f"trace={calls}"]


@contextmanager
def _attached(command: list[str], pid: int) -> Iterator[subprocess.Popen[str]]:
    tracer = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    try:
        said = tracer.stderr.readline()
        assert "attached" in said, said
        yield tracer
    finally:
        tracer.terminate()  # it lets go of the process, which runs on
        tracer.communicate()


class Visit:
    """One connection to the server, with the cookie of whoever came."""

    def __init__(self, port: int, cookie: str = "", token: str = "", *, patience: float = 30) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=patience)
        self.cookie, self.token = cookie, token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        return self._answer("GET", path)

    def post(self, path: str, **fields: str) -> tuple[int, bytes]:
        body = urlencode({"csrf_token": self.token, **fields}).encode()
        return self._answer("POST", path, body, "application/x-www-form-urlencoded")

    def send(self, path: str, field: str, files: dict[str, bytes]) -> tuple[int, bytes]:
        """A form with files by their names, all in one field."""
        mark = uuid4().hex
        part = f'--{mark}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n'
        body = (part.format("csrf_token", "") + self.token + "\r\n").encode()
        for name, content in files.items():
            kind = f'; filename="{name}"\r\nContent-Type: application/octet-stream'
            body += part.format(field, kind).encode() + content + b"\r\n"
        body += f"--{mark}--\r\n".encode()
        return self._answer("POST", path, body, f"multipart/form-data; boundary={mark}")

    def sign_in(self, name: str) -> None:
        self.token = self.token_on("/login")
        assert self.post("/login", username=name, password=PASSWORD)[0] == 303
        self.token = self.token_on("/profile/password")

    def token_on(self, path: str) -> str:
        found = re.search(rb'name="csrf_token" value="([^"]+)"', self.get(path)[1])
        assert found, path
        return found[1].decode()

    def _answer(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        """The status and the whole body. Raises OSError, HTTPException when the connection ends before that."""
        headers = {"Cookie": self.cookie} | ({"Content-Type": kind} if kind else {})
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        session = re.search(r"\b(session=[^;]+)", ";".join(response.headers.get_all("Set-Cookie") or []))
        if session and (method == "GET" or path == "/login"):  # not the notices, which would pile up
            self.cookie = session[1]
        return response.status, content


def drawn(color: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 300), color).save(out, "PNG")
    return out.getvalue()
