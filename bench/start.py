"""A start, a first visit, a large picture."""

import re
import sys
import tempfile
from statistics import median

from bench.browser import Wire
from bench.figures import Start
from bench.pages import jpeg
from bench.seed import NAME, PASSWORD
from bench.server import BIN, free_port, started

STARTS = 7


def measure(environment: dict[str, str]) -> Start:
    one_file, ratio = _cold_start(environment)
    port = free_port()
    with started([str(BIN / "timetracker"), "serve", "--port", str(port)], port, environment) as server:
        first_visit = _first_visit(port)
        browser = Wire(port)
        browser.sign_in(NAME, PASSWORD)
        assert browser.upload(jpeg(6000, 4000)) == 303
        return Start(ratio, one_file, first_visit, server.peak_mib())


def _cold_start(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the one-file yardstick, and how many times as long ours takes, started in turn with it."""
    ours, yardstick = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(STARTS):
            port = free_port()
            with started([str(BIN / "timetracker"), "serve", "--port", str(port)], port, environment) as server:
                ours.append(server.started_in)
            port = free_port()
            command = [sys.executable, "-m", "bench.one_file", f"{folder}/notes.db", str(port)]
            with started(command, port, {}) as server:
                yardstick.append(server.started_in)
    return median(yardstick), median(a / b for a, b in zip(ours, yardstick, strict=True))


def _first_visit(port: int) -> float:
    """KB of the sign-in page and all it loads, as a browser that knows brotli gets them; none of it from elsewhere."""
    visitor = Wire(port)
    page = visitor.get("/login").decode()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "the page loads something from elsewhere"
    total = len(page)
    for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page))):
        answer = visitor.request("GET", path, headers={"Accept-Encoding": "br, gzip"})
        assert answer.status == 200, path
        total += len(answer.body)
    return total / 1024
