"""nginx and Caddy with the files of packaging/, on ports of their own and with a certificate made for the test."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.test_server import free_port

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
NAME = "time.example.org"
PORT_OF_TIMETRACKER = "127.0.0.1:8080"


@dataclass(frozen=True)
class Place:
    """Where a proxy of a test lives, and whom it stands in front of."""

    folder: Path
    http: int
    https: int
    behind: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https}"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)


@dataclass(frozen=True)
class Kind:
    """A proxy program: how its file is put into a place (giving the whole configuration), checked and started."""

    name: str
    written: Callable[[Place], Path]
    check: tuple[str, ...]
    start: tuple[str, ...]

    def command(self, words: tuple[str, ...], place: Place) -> list[str]:
        return [word.format(config=self.written(place), folder=place.folder) for word in words]


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Each must be there: a test of a file that says something else would say nothing."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    return text


def write_nginx(place: Place) -> Path:
    site = replaced(
        (PACKAGING / "nginx" / "timetracker.conf").read_text("utf-8"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{place.http};"),
        ("listen 443 ", f"listen 127.0.0.1:{place.https} "),
        ("/etc/letsencrypt/live/time.example.org/fullchain.pem", str(place.certificate)),
        ("/etc/letsencrypt/live/time.example.org/privkey.pem", str(place.key)),
        (NAME, "localhost"),
        (PORT_OF_TIMETRACKER, f"127.0.0.1:{place.behind}"),
    )
    (place.folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    config = place.folder / "nginx.conf"
    config.write_text(
        ("user root;\n" if os.geteuid() == 0 else "")
        + f"daemon off; pid {place.folder}/nginx.pid; error_log stderr; events {{}}\n"
        + "http { access_log off; include site.conf;\n"
        + "".join(f"{kind}_temp_path {place.folder}/{kind};\n" for kind in kinds)
        + "}\n"
    )
    return config


def write_caddy(place: Place) -> Path:
    config = place.folder / "Caddyfile"
    ports = f"\thttp_port {place.http}\n\thttps_port {place.https}\n"
    config.write_text(
        replaced(
            (PACKAGING / "caddy" / "Caddyfile").read_text("utf-8"),
            ("{\n\tservers", f"{{\n\tadmin off\n\tskip_install_trust\n{ports}\tservers"),
            (f"\n{NAME} {{\n", f"\nlocalhost {{\n\tbind 127.0.0.1\n\ttls {place.certificate} {place.key}\n"),
            (PORT_OF_TIMETRACKER, f"127.0.0.1:{place.behind}"),
        )
    )
    return config


NGINX = Kind(
    "nginx",
    write_nginx,
    ("nginx", "-t", "-q", "-p", "{folder}", "-c", "{config}"),
    ("nginx", "-p", "{folder}", "-c", "{config}"),
)
CADDY = Kind(
    "caddy",
    write_caddy,
    ("caddy", "validate", "--adapter", "caddyfile", "--config", "{config}"),
    ("caddy", "run", "--adapter", "caddyfile", "--config", "{config}"),
)


def program(name: str) -> str:
    """The path of a program, which Debian may keep where only the administrator looks."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def environment(place: Place) -> dict[str, str]:
    folder = str(place.folder)
    return {"PATH": os.environ["PATH"], "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}


def prepared(folder: Path, *, behind: int) -> Place:
    """A place with a certificate for localhost."""
    folder.mkdir()
    place = Place(folder, free_port(), free_port(), behind)
    words = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    names = ("-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(place.key), "-out", str(place.certificate))
    subprocess.run([program("openssl"), *words.split(), *names, *files], check=True, capture_output=True)
    return place


@contextmanager
def running(kind: Kind, place: Place) -> Iterator[None]:
    command = kind.command(kind.start, place)
    with (place.folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [program(kind.name), *command[1:]], env=environment(place), stdout=said, stderr=said, start_new_session=True
        )
    try:
        wait_for(process, place)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_for(process: subprocess.Popen[bytes], place: Place) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", place.https), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError((place.folder / "said").read_text())
