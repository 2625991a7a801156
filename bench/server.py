"""The real server as a process, and what the kernel says of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A started process tree that answers on `port`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, started_in: float) -> None:
        self.process, self.port, self.started_in = process, port, started_in

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def cpu_ms(self) -> float:
        """User and system time of the tree so far, by the clock the kernel keeps of each process (to the ns)."""
        return 1000 * sum(time.clock_gettime(_cpu_clock(pid)) for pid in self.pids())

    def pss_mib(self) -> float:
        """Proportional memory of the tree: what is shared counts once."""
        return sum(self._kib(pid, "smaps_rollup", "Pss") for pid in self.pids()) / 1024

    def peak_mib(self) -> float:
        """The most any one process of the tree ever held."""
        return max(self._kib(pid, "status", "VmHWM") for pid in self.pids()) / 1024

    def forget_peak(self) -> None:
        """From here on the peak is what is held from now."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _kib(self, pid: int, file: str, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0


def _cpu_clock(pid: int) -> int:
    """What clock_getcpuclockid(3) answers, which Python does not offer."""
    return ~pid << 3 | 2


@contextmanager
def started(command: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """Runs until /_health answers 200; `started_in` is in seconds of the wall clock."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(f"http://127.0.0.1:{port}/_health", process)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise RuntimeError("the server ended before it answered")
