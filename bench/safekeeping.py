"""Measures what we promise of stored files: backups, the doctor, large attachments. `make bench-files`.

One installation of 100,000 entries and 10,000 files of together 1 GiB, whose bytes cannot be compressed. Exit 1 when a
limit is broken.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from statistics import median

from sqlalchemy import select

from app import clock, config, create_app, db
from app.models import Client, User
from app.services import attachments
from app.services.attachments import Sent
from app.services.quotas import Quotas
from bench.browser import Wire
from bench.figures import PROMISED_AT, Figure
from bench.report import table_of
from bench.seed import NAME, PASSWORD, seed
from bench.server import BIN, Server, free_port, started

MIB = 1024 * 1024
REPORT = Path(__file__).parents[1] / "docs" / "operate" / "performance-files.md"
TODAY = "/"
SETTLED = 40  # requests before the usual time of a page is taken


@dataclass(frozen=True)
class Plan:
    """`size` is what all files take together, in bytes; `large` of them are of 25 MiB."""

    entries: int = PROMISED_AT
    files: int = 10_000
    size: int = 1024 * MIB
    large: int = 20


@dataclass(frozen=True)
class Ran:
    """A command: seconds of the wall clock, the most memory it held at any moment in MiB, what it printed."""

    seconds: float
    peak_mib: float
    said: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.safekeeping", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it, to try the bench itself")
    plan = Plan() if not parser.parse_args().quick else Plan(1_000, 100, 30 * MIB, 1)
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(plan, {"DATA_DIR": f"{folder}/data", "TZ": "Europe/Berlin", "BACKUP_TIME": "off"})
    print(table_of(figures))
    if plan == Plan():
        REPORT.write_text(_report(figures), "utf-8")
    return 0 if all(figure.holds for figure in figures) else 1


def _measure(plan: Plan, environment: dict[str, str]) -> list[Figure]:
    settings = config.load(environment)
    seed(settings, plan.entries)
    _store(environment, plan)
    port = free_port()
    with started([str(BIN / "timetracker"), "serve", "--port", str(port)], port, environment) as server:
        browser = Wire(port)
        browser.sign_in(NAME, PASSWORD)
        growth = _large_attachment(server, browser)
        usual = _walls_ms(browser, count=SETTLED)
        archive = settings.data_dir / "backup.tar.gz"
        backup, meanwhile = _while_asking(["backup", "create", "--to", str(archive)], environment, browser)
    verify = _run(["backup", "verify", str(archive)], environment)
    doctor = _run(["doctor"], environment)
    restore = _run(["backup", "restore", str(archive)], environment | {"DATA_DIR": f"{settings.data_dir}-restored"})
    return [
        Figure("a backup", backup.seconds, 90, "s"),
        Figure("a backup: peak of its process", backup.peak_mib, 200, "MiB"),
        Figure(
            "Today while a backup is made: median",
            median(meanwhile),
            2 * median(usual),
            "ms",
            f"otherwise {median(usual):.1f} ms",
        ),
        Figure("verifying it", verify.seconds, 45, "s"),
        Figure("restoring it into an empty installation", restore.seconds, 180, "s", "our own limit"),
        Figure("the doctor over all files and rows", doctor.seconds, 20, "s"),
        Figure("an attachment of 25 MiB, sent and fetched: growth of the server", growth, 40, "MiB"),
    ]


def _store(environment: dict[str, str], plan: Plan) -> None:
    """Through the same verb as a person's, ten at once."""
    small = (plan.size - plan.large * attachments.MAX_BYTES) // (plan.files - plan.large)
    sizes = [attachments.MAX_BYTES] * plan.large + [small] * (plan.files - plan.large)
    app = create_app(config.load(environment))
    for first in range(0, len(sizes), attachments.AT_ONCE):
        with db.transaction(app.engine) as session:
            user, client = session.scalars(select(User)).first(), session.scalars(select(Client)).first()
            assert user is not None
            assert client is not None
            sent = [
                Sent(BytesIO(os.urandom(size)), "receipt.pdf") for size in sizes[first : first + attachments.AT_ONCE]
            ]
            attachments.add(session, user, client, sent, quotas=Quotas(), now=clock.now())
    app.engine.dispose()


def _large_attachment(server: Server, browser: Wire) -> float:
    """MiB by which the largest process grew, after a small one went the same way."""
    _there_and_back(browser, os.urandom(MIB // 4), "small.bin")
    server.forget_peak()
    before = server.peak_mib()
    _there_and_back(browser, os.urandom(attachments.MAX_BYTES), "large.bin")
    return server.peak_mib() - before


def _there_and_back(browser: Wire, content: bytes, name: str) -> None:
    line = b"--edge\r\nContent-Disposition: form-data; name="
    body = line + b'"csrf_token"\r\n\r\n' + browser.token.encode() + b"\r\n"
    body += line + f'"files"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n--edge--\r\n"
    sent = browser.request(
        "POST", "/clients/1/attachments", body, {"Content-Type": "multipart/form-data; boundary=edge"}
    )
    assert sent.status == 303, sent.status
    found = re.search(rf'href="(/attachments/\d+/{name})"'.encode(), browser.get("/clients/1/attachments"))
    assert found, f"{name} is not on the page"
    assert browser.get(found[1].decode()) == content


def _while_asking(command: list[str], environment: dict[str, str], browser: Wire) -> tuple[Ran, list[float]]:
    """Runs the command and asks for a page again and again until it ends."""
    began = time.perf_counter()
    process = _begun(command, environment)
    walls = []
    while process.poll() is None:
        walls += _walls_ms(browser, count=1)
        time.sleep(0.05)  # a person, not a load
    seconds = time.perf_counter() - began
    return replace(_ended(process), seconds=seconds), walls


def _walls_ms(browser: Wire, *, count: int) -> list[float]:
    walls = []
    for _ in range(count):
        began = time.perf_counter()
        browser.get(TODAY)
        walls.append(1000 * (time.perf_counter() - began))
    return walls


def _run(command: list[str], environment: dict[str, str]) -> Ran:
    began = time.perf_counter()
    process = _begun(command, environment)
    process.wait()
    return replace(_ended(process), seconds=time.perf_counter() - began)


def _begun(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Its peak is told by a small process around it, which has no other child."""
    around = (
        "import resource, subprocess, sys; s = subprocess.call(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(s)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", around, str(BIN / "timetracker"), *command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _ended(process: "subprocess.Popen[bytes]") -> Ran:
    said = (process.communicate()[0] or b"").decode()
    assert process.returncode == 0, said
    return Ran(0, int(said.strip().splitlines()[-1]) / 1024, said)


def _report(figures: list[Figure]) -> str:
    date = datetime.now(UTC).date().isoformat()
    return (
        "# Performance of safekeeping\n\n"
        f"Measured by `make bench-files` on {date}, on 2 cores: SQLite, {Plan.entries:,} time entries and "
        f"{Plan.files:,} files of together 1 GiB, {Plan.large} of them of 25 MiB, all of random bytes.\n\n"
        f"{table_of(figures)}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
