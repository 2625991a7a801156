"""Measures what we promise and writes docs/operate/performance.md. `make bench`; exit 1 when a limit is broken.

CPU is the server's own, over many requests, in rounds of which the median counts; a start is compared with the
one-file yardstick started in turn with it.
"""

import io
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

from PIL import Image
from sqlalchemy import event

from app import config, create_app
from bench.seed import NAME, PASSWORD, seed
from bench.server import BIN, Client, Server, free_port, started

ENTRIES = 100_000
ROUNDS = 7
REQUESTS = 40
STARTS = 7
REPORT = Path(__file__).parent.parent / "docs" / "operate" / "performance.md"


@dataclass(frozen=True)
class Figure:
    """A measured value and the most it may be."""

    what: str
    value: float
    most: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.value <= self.most

    def row(self) -> str:
        holds = "yes" if self.holds else "NO"
        return f"| {self.what} | {self.value:.2f} {self.unit} | {self.most:.2f} {self.unit} | {holds} |"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = {"DATA_DIR": folder, "TZ": "Europe/Berlin"}
        print(f"Seeding {ENTRIES:,} entries.", flush=True)
        seed(config.load(environment), ENTRIES)
        figures = [*_from_inside(environment), *_cold_start(environment), *_from_outside(environment)]
    _write(figures)
    return 0 if all(figure.holds for figure in figures) else 1


def _from_inside(environment: dict[str, str]) -> list[Figure]:
    """Statements and bytes of the dashboard."""
    app = create_app(config.load(environment))
    browser = app.test_client()
    page = browser.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    browser.post("/login", data={"csrf_token": token[1], "username": NAME, "password": PASSWORD})
    sent: list[str] = []
    event.listen(app.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    page = browser.get("/").text
    app.engine.dispose()
    return [
        Figure("dashboard: SQL statements", len(sent), 10, ""),
        Figure("dashboard: HTML", len(page.encode()) / 1024, 60, "KB"),
    ]


def _cold_start(environment: dict[str, str]) -> list[Figure]:
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
    ratio = median(a / b for a, b in zip(ours, yardstick, strict=True))
    return [
        Figure(f"cold start against a one-file application ({median(yardstick):.2f} s)", ratio, 2, "×"),
    ]


def _from_outside(environment: dict[str, str]) -> list[Figure]:
    port = free_port()
    with started([str(BIN / "timetracker"), "serve", "--port", str(port)], port, environment) as server:
        client = Client(port)
        client.sign_in(NAME, PASSWORD)
        figures = _pages(server, client)
        figures.append(Figure("memory of the process tree (PSS)", server.pss_mib(), 130, "MiB"))
        figures.append(_first_visit(port))
        figures.append(_large_picture(server, client))
    return figures


def _pages(server: Server, client: Client) -> list[Figure]:
    picture = _face(client)

    def start_and_stop() -> None:
        assert client.post("/timer/start", {"description": "bench"}) == 303
        assert client.post("/timer/stop", {}) == 303

    acts: dict[str, Callable[[], object]] = {
        "empty": lambda: client.get("/profile"),
        "dashboard": lambda: client.get("/"),
        "picture": lambda: client.get(picture),
        "timer": start_and_stop,
    }
    cpu = _cpu_each(server, acts)
    return [
        Figure("dashboard: server CPU", cpu["dashboard"], 10, "ms"),
        Figure("start and stop: server CPU of the two posts", cpu["timer"], 10, "ms"),
        Figure(
            f"a picture: server CPU (an empty page: {cpu['empty']:.2f} ms)", cpu["picture"], cpu["empty"] + 0.7, "ms"
        ),
    ]


def _cpu_each(server: Server, acts: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of server CPU for one act: the median of rounds in which all take turns."""
    rounds: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(ROUNDS + 1):
        for name, act in acts.items():
            before = server.cpu_ms()
            for _ in range(REQUESTS):
                act()
            if number:  # the first round warms up
                rounds[name].append((server.cpu_ms() - before) / REQUESTS)
    return {name: median(values) for name, values in rounds.items()}


def _face(client: Client) -> str:
    assert _upload(client, _jpeg(512, 512)) == 303
    found = re.search(rb"/uploads/avatars/[^\"]+", client.get("/profile"))
    assert found
    return found[0].decode()


def _large_picture(server: Server, client: Client) -> Figure:
    assert _upload(client, _jpeg(6000, 4000)) == 303
    return Figure("a 24-megapixel JPEG uploaded: peak of the largest process", server.peak_mib(), 250, "MiB")


def _jpeg(width: int, height: int) -> bytes:
    small = Image.frombytes("RGB", (width // 40, height // 40), Random(3).randbytes(width // 40 * (height // 40) * 3))
    buffer = io.BytesIO()
    small.resize((width, height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _upload(client: Client, picture: bytes) -> int:
    line = b"--edge\r\nContent-Disposition: form-data; name="
    body = line + b'"csrf_token"\r\n\r\n' + client.token.encode() + b"\r\n"
    body += line + b'"avatar"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture + b"\r\n--edge--\r\n"
    status, _body, _headers = client.request(
        "POST", "/profile/edit", body, {"Content-Type": "multipart/form-data; boundary=edge"}
    )
    return status


def _first_visit(port: int) -> Figure:
    """The sign-in page and all it loads, as a browser that knows brotli gets them; none of it from elsewhere."""
    visitor = Client(port)
    page = visitor.get("/login").decode()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "the page loads something from elsewhere"
    total = len(page)
    for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page))):
        status, body, _headers = visitor.request("GET", path, headers={"Accept-Encoding": "br, gzip"})
        assert status == 200, path
        total += len(body)
    return Figure("first visit over the wire", total / 1024, 350, "KB")


def _write(figures: list[Figure]) -> None:
    table = "\n".join(["| what | measured | at most | holds |", "|---|---|---|---|", *(f.row() for f in figures)])
    print(table)
    day = datetime.now(UTC).date().isoformat()
    REPORT.write_text(
        f"# Performance\n\nMeasured by `make bench` on {day}: SQLite, {ENTRIES:,} entries of one person, the real "
        "server. "
        "Medians; CPU is the server's own; the cold start is compared with a one-file Flask and SQLAlchemy application "
        f"started in turn with it.\n\n{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
