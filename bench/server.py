"""The real server as a process, and what the kernel says of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

TICKS = os.sysconf("SC_CLK_TCK")
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A started process tree that answers on `port`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started_in: float) -> None:
        self.process, self.port, self.started_in = process, port, started_in

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def cpu_ms(self) -> float:
        """User and system time of the tree so far."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return 1000 * total / TICKS

    def pss_mib(self) -> float:
        """Proportional memory of the tree: what is shared counts once."""
        return sum(self._kib(pid, "smaps_rollup", "Pss") for pid in self.pids()) / 1024

    def peak_mib(self) -> float:
        """The most any one process of the tree ever held."""
        return max(self._kib(pid, "status", "VmHWM") for pid in self.pids()) / 1024

    def _kib(self, pid: int, file: str, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0


@contextmanager
def started(command: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """Runs until /_health answers 200; `started_in` is in seconds of the wall clock."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(f"http://127.0.0.1:{port}/_health", process)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise RuntimeError("the server ended before it answered")


class Client:
    """One signed-in browser on one kept connection. It reads answers whole and follows nothing."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port)
        self.cookies: dict[str, str] = {}
        self.token = ""

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, path, body, {"Cookie": cookie, **(headers or {})})
        response = self.connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return response.status, response.read(), {k.lower(): v for k, v in response.headers.items()}

    def get(self, path: str) -> bytes:
        status, body, _headers = self.request("GET", path)
        assert status == 200, f"{path}: {status}"
        return body

    def post(self, path: str, fields: dict[str, str]) -> int:
        data = urlencode({"csrf_token": self.token, **fields}).encode()
        status, _body, _headers = self.request(
            "POST", path, data, {"Content-Type": "application/x-www-form-urlencoded"}
        )
        return status

    def sign_in(self, name: str, password: str) -> None:
        self.token = self._token("/login")
        assert self.post("/login", {"username": name, "password": password}) == 303
        self.token = self._token("/profile/password")

    def _token(self, path: str) -> str:
        found = re.search(rb'name="csrf_token" value="([^"]+)"', self.get(path))
        assert found
        return found[1].decode()
