"""A running container and a browser in front of it; what the tests of containers share."""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.visitor import Visitor

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE = "timetracker-test"
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


class House(Visitor):
    """A container that is up, and one person at its pages."""

    def __init__(self, name: str) -> None:
        super().__init__("http://" + run("docker", "port", name, "8080").split()[0])
        self.name = name
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

    def set_up_by_link(self) -> None:
        link = re.search(r"/setup\?token=\S+", self.log())
        assert link
        self.set_up(link[0])
