"""What docs/operate/reverse-proxy.md promises, of the real server behind a real nginx and a real Caddy."""

import http.client
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.operate.proxies import CADDY, NGINX, Kind, Place, environment, prepared, program, running
from tests.test_server import COMMAND, free_port, serving
from tests.visitor import PASSWORD, Visitor, picture, refused

LIMIT = 1024 * 1024 * 16  # the default of MAX_CONTENT_LENGTH
SLOW_SENDERS = 100


@pytest.fixture(scope="module", params=[NGINX, CADDY], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    program(kind.name)
    return kind


@pytest.fixture(scope="module")
def place(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The proxy, and behind it an installation where anna administers, which trusts the proxy."""
    data, behind = tmp_path_factory.mktemp("data"), free_port()
    place = prepared(data / "proxy", behind=behind)
    add_anna(data)
    trust = {"BASE_URL": place.url, "TRUSTED_PROXIES": "127.0.0.1"}
    with serving(data, behind, **trust), running(kind, place):
        yield place


def add_anna(data: Path) -> None:
    words = [COMMAND, "user", "create", "anna", "--role", "admin", "--password-stdin"]
    subprocess.run(words, env={"DATA_DIR": str(data)}, input=PASSWORD, text=True, check=True, capture_output=True)


@pytest.fixture
def anna(place: Place) -> Visitor:
    visitor = Visitor(place.url, place.trusting())
    visitor.sign_in()
    return visitor


def test_the_program_finds_nothing_wrong_with_its_file(kind: Kind, place: Place) -> None:
    command = [program(kind.name), *kind.command(kind.check, place)[1:]]
    checked = subprocess.run(command, env=environment(place), capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_people_sign_in_over_https_with_a_cookie_that_only_https_carries(place: Place, anna: Visitor) -> None:
    cookie = anna.cookies()["__Host-session"]

    assert cookie.secure
    assert cookie.path == "/"
    assert "session" not in anna.cookies()
    assert "anna" in anna.get("/profile")


def test_http_leads_to_https(place: Place) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", place.http)) as connection:
        connection.request("GET", "/time-entries", headers={"Host": "localhost"})
        answer = connection.getresponse()

        assert answer.status in {301, 308}
        assert answer.headers["Location"] in {"https://localhost/time-entries", f"{place.url}/time-entries"}


def test_a_picture_arrives(anna: Visitor) -> None:
    assert anna.get(anna.upload(picture()))


def test_a_body_over_the_limit_is_refused_with_a_page(place: Place) -> None:
    status, page = send(place, b"\0" * (LIMIT + 1))

    assert status == 413
    assert "<h1" in page


def test_a_body_a_little_below_the_limit_is_looked_at(anna: Visitor) -> None:
    assert refused(lambda: anna.upload(b"\0" * (LIMIT - 4096))) == 422, "it is no picture"


def send(place: Place, body: bytes) -> tuple[int, str]:
    """As browsers do: whoever is refused while still sending stops, and reads why."""
    with closing(http.client.HTTPSConnection("localhost", place.https, context=place.trusting())) as connection:
        connection.putrequest("POST", "/login")
        connection.putheader("Content-Type", "multipart/form-data; boundary=edge")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        with suppress(OSError):
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class TestTheAddressOfTheVisitor:
    @pytest.mark.parametrize("claim", ["X-Forwarded-For", "Forwarded"])
    def test_is_what_the_proxy_saw_and_not_what_the_browser_claims(self, place: Place, claim: str) -> None:
        refuse_a_sign_in(place, source="127.0.0.2", headers={claim: "192.0.2.66", "X-Real-IP": "192.0.2.66"})

        assert last_address(place) == "127.0.0.2"

    def test_is_the_proxy_where_the_proxy_is_not_trusted(self, kind: Kind, tmp_path: Path) -> None:
        place = prepared(tmp_path / "proxy", behind=free_port())
        add_anna(tmp_path)
        with serving(tmp_path, place.behind, BASE_URL=place.url), running(kind, place):
            refuse_a_sign_in(place, source="127.0.0.2")

            assert last_address(place) == "127.0.0.1"

    def test_is_not_believed_from_whoever_passes_the_proxy_by(self, place: Place) -> None:
        """127.0.0.2 is not the proxy."""
        connection = http.client.HTTPConnection("127.0.0.1", place.behind, source_address=("127.0.0.2", 0))
        refuse(connection, {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "https"})

        assert last_address(place) == "127.0.0.2"


def refuse_a_sign_in(place: Place, *, source: str, headers: dict[str, str] | None = None) -> None:
    connection = http.client.HTTPSConnection(
        "localhost", place.https, context=place.trusting(), source_address=(source, 0)
    )
    refuse(connection, headers or {})


def refuse(connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
    """One sign-in with a wrong password, on a connection of the test's own making."""
    with closing(connection):
        connection.request("GET", "/login", headers=headers)
        answer = connection.getresponse()
        token = answer.read().decode().partition('name="csrf_token" value="')[2].partition('"')[0]
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
        kind = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        body = f"csrf_token={token}&username=anna&password=wrong"
        connection.request("POST", "/login", body, headers | kind)
        assert connection.getresponse().status == 422


def last_address(place: Place) -> str:
    with closing(sqlite3.connect(place.folder.parent / "timetracker.db")) as database:
        return str(database.execute("SELECT address FROM sign_in_attempts ORDER BY id DESC").fetchone()[0])


def test_slow_senders_keep_nobody_else_waiting(kind: Kind, place: Place, anna: Visitor) -> None:
    with slow_senders(place):
        assert "anna" in anna.get("/profile")
        anna.record("while they hang")
        assert "while they hang" in anna.get("/time-entries?range=all")
        if kind is NGINX:
            assert connections_to(place.behind) < SLOW_SENDERS, "nginx should wait for the whole request"


@contextmanager
def slow_senders(place: Place) -> Iterator[None]:
    """Connections that have sent the head of a form, one byte of its body, and nothing more."""
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    trusting = place.trusting()
    with ExitStack() as stack:
        for _ in range(SLOW_SENDERS):
            plain = socket.create_connection(("127.0.0.1", place.https))
            sender = stack.enter_context(trusting.wrap_socket(plain, server_hostname="localhost"))
            sender.sendall(head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nu")
        yield


def connections_to(port: int) -> int:
    """Established ones, as the kernel counts them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)
