"""An S3-compatible store on this machine: moto's server, and a wire to it that can be cut."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.error import URLError

KEYS = {"AWS_ACCESS_KEY_ID": "key-of-tests", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}


class S3Server:
    """One server a test process; each test has a bucket of its own. It takes any key, but for `letting_nobody_in`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["S3Server"]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server = cls(process, port)
        try:
            server._wait_until_ready()
            yield server
        finally:
            process.kill()
            process.wait()

    def fresh_bucket(self) -> str:
        name = f"bucket-{uuid.uuid4().hex}"
        self._ask("PUT", f"/{name}")
        return name

    def environment(
        self, bucket: str | None = None, prefix: str = "some/prefix", port: int | None = None
    ) -> dict[str, str]:
        """What an installation is told that keeps its files in the bucket, by default a fresh one."""
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return KEYS | {"STORAGE_URL": f"s3://{bucket or self.fresh_bucket()}/{prefix}?endpoint={endpoint}"}

    def unfinished_uploads(self, bucket: str) -> int:
        """Of how many uploads parts lie hidden in the bucket."""
        return self._ask("GET", f"/{bucket}?uploads").count(b"<Upload>")

    @contextmanager
    def letting_nobody_in(self) -> Iterator[None]:
        self._ask("POST", "/moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._ask("POST", "/moto-api/reset-auth", b"inf")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and never answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            self.endpoint + path, data, {"Content-Type": "text/plain"} if data else {}, method=method
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=20) as answer:
            return bytes(answer.read())

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self._ask("GET", "/moto-api/data.json")
            except (URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return
        raise AssertionError("moto's server did not start")


class Wire:
    """A port that leads to the server until it is cut; then nothing listens there until it is mended."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self._open: list[socket.socket] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Ends every connection, and takes no new one."""
        for end in [self._listener, *self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._server.port))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
