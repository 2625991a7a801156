"""A real server on a folder of its own and a real browser in front of it."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

COMMAND = str(Path(sys.executable).parent / "timetracker")
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
WIDE = {"width": 1280, "height": 800}
USUAL = (
    "the server responded with a status of 4",
    "net::ERR_CONNECTION_REFUSED",  # an open page goes on asking a server that a test has ended
)
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@dataclass
class Site:
    """A running server: where it answers, what it printed, and its data."""

    url: str
    data: Path
    log: Path

    @property
    def set_up_link(self) -> str:
        found = re.search(r"(http://\S+/setup\?token=\S+)", self.log.read_text())
        assert found, self.log.read_text()
        return found[1]


@contextmanager
def served(data: Path, **environment: str) -> Iterator[Site]:
    """`timetracker serve` on `data`, until it answers; ended as an operator would."""
    port, log = _free_port(), data.parent / "serve.log"
    data.parent.mkdir(parents=True, exist_ok=True)
    command = [COMMAND, "serve", "--port", str(port)]
    clean = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=clean | {"DATA_DIR": str(data), "TZ": "Europe/Berlin"} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(f"http://127.0.0.1:{port}/_ready", process, log)
        yield Site(f"http://localhost:{port}", data, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    quiet = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, *quiet])
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own. What its console complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def opened(**options: Any) -> Page:
            context = chromium.new_context(**{"viewport": WIDE, "locale": "en-GB", **options})
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.set_default_timeout(10_000)
            return page

        yield opened
    assert not [text for text in complaints if not any(usual in text for usual in USUAL)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path / "data") as running:
        yield running
