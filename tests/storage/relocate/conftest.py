from pathlib import Path

import pytest


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old" / "avatars"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def new(uploads: Path) -> Path:
    folder = uploads / "avatars"
    folder.mkdir(parents=True)
    return folder
