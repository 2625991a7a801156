"""A person at the pages of a running server, over the network."""

import io
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import Cookie, CookieJar
from urllib.parse import urlencode

from PIL import Image

PASSWORD = "correct horse battery"


def picture(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return buffer.getvalue()


def refused(act: Callable[[], object]) -> int | None:
    """The status with which the server refused it, or None where it did not."""
    try:
        act()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return None


class Visitor:
    """A browser that follows redirects and keeps cookies; refusals are raised as urllib's HTTPError."""

    def __init__(self, url: str, trusting: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.jar = CookieJar()
        secure = urllib.request.HTTPSHandler(context=trusting)
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.jar), urllib.request.ProxyHandler({}), secure
        )

    def cookies(self) -> dict[str, Cookie]:
        return {cookie.name: cookie for cookie in self.jar}

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))

    def post(self, page: str, path: str, fields: dict[str, str]) -> str:
        body = urlencode({"csrf_token": self._token(page), **fields}).encode()
        with self.opener.open(self.url + path, body, timeout=30) as answer:
            return str(answer.read().decode())

    def _token(self, page: str) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page))
        assert token
        return token[1]

    def set_up(self, link: str) -> None:
        words = {"username": "anna", "password": PASSWORD, "password_confirm": PASSWORD}
        self.post(link, "/setup", words | {"company_name": "", "time_zone": "Europe/Berlin", "currency": "EUR"})

    def sign_in(self, password: str = PASSWORD) -> None:
        self.post("/login", "/login", {"username": "anna", "password": password})

    def record(self, description: str) -> None:
        words = {"description": description, "date": "2026-11-17", "time": "9-10"}
        self.post("/time-entries/new", "/time-entries", words)

    def upload(self, content: bytes) -> str:
        """The address of the face, once it is on the profile."""
        line = b"--edge\r\nContent-Disposition: form-data; name="
        body = line + b'"csrf_token"\r\n\r\n' + self._token("/profile/edit").encode() + b"\r\n"
        body += line + b'"avatar"; filename="a.png"\r\n\r\n' + content + b"\r\n--edge--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        with self.opener.open(urllib.request.Request(f"{self.url}/profile/edit", body, kind), timeout=20) as answer:
            found = re.search(r"/uploads/avatars/[^\"]+", answer.read().decode())
        assert found
        return found[0]
