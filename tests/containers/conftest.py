"""An engine, the image, and names that no other container has. Everything is skipped where no engine answers."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose import Project
from tests.containers.house import IMAGE, run


@pytest.fixture(scope="session")
def image() -> str:
    """Built once."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no container engine answers")
    run("docker", "build", "--quiet", "--tag", IMAGE, ".")
    return IMAGE


@pytest.fixture
def name(image: str) -> Iterator[str]:
    """A name for one test's containers, volumes and network, removed with all they held."""
    name = f"tt-{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run(["docker", "rm", "--force", "--volumes", name, f"{name}-old"], capture_output=True, check=False)
    subprocess.run(["docker", "volume", "rm", "--force", name], capture_output=True, check=False)
    subprocess.run(["docker", "network", "rm", "--force", f"{name}_default"], capture_output=True, check=False)


@pytest.fixture
def project(name: str, tmp_path: Path) -> Iterator[Project]:
    """The compose file under that name; its containers, network and volumes go with the test."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("the engine has no docker compose")
    project = Project(name, tmp_path)
    yield project
    project.compose("--profile=postgres", "down", "--volumes", "--timeout=1")
