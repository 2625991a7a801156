"""A person at the pages: over the wire, as a load, or straight into the application, where statements are counted."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import NamedTuple
from urllib.parse import urlencode

from flask.testing import FlaskClient

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    """The names of `headers` are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]


class Browser(ABC):
    """Reads answers whole, follows nothing, and sends the token of the pages with each form."""

    token = ""

    @abstractmethod
    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer: ...

    def get(self, path: str) -> bytes:
        answer = self.request("GET", path)
        assert answer.status == 200, f"{path}: {answer.status}"
        return answer.body

    def post(self, path: str, fields: Mapping[str, str]) -> int:
        body = urlencode({"csrf_token": self.token, **fields}).encode()
        return self.request("POST", path, body, FORM).status

    def sign_in(self, name: str, password: str) -> None:
        self.token = self._token("/login")
        assert self.post("/login", {"username": name, "password": password}) == 303
        self.token = self._token("/profile/password")

    def upload(self, picture: bytes) -> int:
        """Sends a JPEG as the person's face."""
        line = b"--edge\r\nContent-Disposition: form-data; name="
        body = line + b'"csrf_token"\r\n\r\n' + self.token.encode() + b"\r\n"
        body += line + b'"avatar"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture + b"\r\n--edge--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        return self.request("POST", "/profile/edit", body, headers).status

    def _token(self, path: str) -> str:
        return found(rb'name="csrf_token" value="([^"]+)"', self.get(path))


def found(pattern: bytes, page: bytes) -> str:
    match = re.search(pattern, page)
    assert match, f"the page has no {pattern!r}"
    return match[1].decode()


class Wire(Browser):
    """One kept connection to a server on this machine."""

    def __init__(self, port: int, *, timeout: float = 60) -> None:
        self.port = port
        self.connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.cookies: dict[str, str] = {}

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.connection.request(method, path, body, {"Cookie": self.cookie, **(headers or {})})
        response = self.connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(response.status, response.read(), {k.lower(): v for k, v in response.headers.items()})

    def another(self, *, timeout: float = 60) -> "Wire":
        """The same person on a connection of its own."""
        other = Wire(self.port, timeout=timeout)
        other.cookies, other.token = dict(self.cookies), self.token
        return other


class Inside(Browser):
    """The application in this process, without a server."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self.client.open(path, method=method, data=body, headers=headers)
        return Answer(answer.status_code, answer.data, {k.lower(): v for k, v in answer.headers.items()})
