"""packaging/systemd/timetracker.service: what systemd says of it, and what it starts."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_server import Running, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
UNIT = CHECKOUT / "packaging" / "systemd" / "timetracker.service"
EXPOSURE = 2.0  # of 10; systemd calls up to 2.9 "OK"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")


def setting(name: str) -> list[str]:
    """Each value the unit gives it."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit for a program that is here."""
    program = setting("ExecStart")[0].split()[0]
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text("utf-8").replace(program, str(Path(sys.executable).with_name("timetracker"))))
    return here


@needs_systemd
def test_systemd_understands_every_line(unit: Path) -> None:
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    assert [line for line in verified.stderr.splitlines() if UNIT.name in line] == []
    assert verified.returncode == 0


@needs_systemd
def test_hardly_anything_is_exposed(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]

    run = subprocess.run(command, capture_output=True, text=True, check=False)

    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
    if level is None:
        pytest.skip(f"this systemd-analyze cannot judge a file: {run.stderr}")
    assert float(level[1]) <= EXPOSURE, run.stdout


class Started:
    """The program of the unit with the unit's own environment, its folders replaced by ones below `folder`."""

    def __init__(self, folder: Path, file: str = "") -> None:
        self.data = folder / "data"
        self.port = free_port()
        (folder / "timetracker.env").write_text(f"PORT={self.port}\n{file}")
        command = shlex.split(setting("ExecStart")[0])
        assert command[0] == "/opt/timetracker/.venv/bin/timetracker"
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("timetracker")), *command[1:]],
            env=self.environment(folder),
            cwd="/",
            umask=int(setting("UMask")[0], 8),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environment(self, folder: Path) -> dict[str, str]:
        """As systemd would give it: little of its own, then Environment, then the file."""
        assert setting("StateDirectory") == ["timetracker"]
        assert setting("EnvironmentFile") == ["-/etc/timetracker.env"]
        lines = [*setting("Environment"), *(folder / "timetracker.env").read_text().split()]
        given = dict(line.split("=", 1) for line in lines)
        assert given["DATA_DIR"] == "/var/lib/timetracker"
        return {"PATH": os.defpath, "LANG": "C.UTF-8"} | given | {"DATA_DIR": str(self.data)}


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    if started.process.poll() is None:
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.communicate()


def test_it_starts_a_server_that_keeps_its_data_to_itself_and_ends_when_told(started: Started) -> None:
    running = Running(started.process, started.port)
    running.wait_until_ready()
    assert running.status("/_health") == 200
    assert {path.stat().st_mode & 0o077 for path in started.data.rglob("*")} == {0}

    before = time.monotonic()
    assert running.stop() == 0, "systemd would call it failed, and Restart=on-failure would start it again"
    assert time.monotonic() - before < int(setting("TimeoutStopSec")[0]), "systemd would have killed it"


def test_a_refused_start_is_not_tried_again_and_again(tmp_path: Path) -> None:
    refused = Started(tmp_path, "CURRENCY=money\n").process

    said = refused.communicate(timeout=30)[0]

    assert "CURRENCY" in said
    assert setting("RestartPreventExitStatus") == [str(refused.returncode)] == ["78"]
    assert setting("Restart") == ["on-failure"]
