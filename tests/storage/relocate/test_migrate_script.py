"""The script that operators run: on a bare Python, from anywhere, and what it says and answers."""

import io
import json
import os
import pty
import runpy
import shutil
import subprocess
import sys
import tarfile
import types
from collections.abc import Sequence
from pathlib import Path

import pytest

from app import config
from app.storage import relocate

CHECKOUT = Path(__file__).resolve().parents[3]
SCRIPT = CHECKOUT / "docker" / "migrate-avatar-storage.py"
BARE = "The database was not consulted: this Python does not have TimeTracker's dependencies."


def script(
    *arguments: object, data: bytes = b"", bare: bool = True, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *(["-I", "-S"] if bare else []), SCRIPT, *map(str, arguments)],
        input=data,
        cwd="/",
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "avatars"
    folder.mkdir()
    (folder / "a.png").write_text("picture")
    return folder


def stream_of(folder: Path, name: str = "avatars") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(folder, name)
    return buffer.getvalue()


def test_it_runs_on_a_bare_python_from_anywhere_and_says_so(old: Path, tmp_path: Path) -> None:
    result = script("--from", old, "--to", tmp_path / "up")
    assert result.stdout.decode().splitlines() == [f"Moved 1 picture to {tmp_path}/up/avatars.", BARE]
    assert (result.returncode, result.stderr) == (0, b"")
    assert (tmp_path / "up" / "avatars" / "a.png").read_text() == "picture"


def test_a_relative_folder_is_meant_from_where_one_stands(old: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, "--from", "avatars", "--to", "up"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert f"Moved 1 picture to {tmp_path}/up/avatars.".encode() in result.stdout


def test_it_reads_a_stream(old: Path, tmp_path: Path) -> None:
    result = script("--from", "-", "--to", tmp_path / "up", data=stream_of(old))
    assert result.returncode == 0
    assert (tmp_path / "up" / "avatars" / "a.png").read_text() == "picture"


def test_nothing_coming_in_is_an_error(tmp_path: Path) -> None:
    result = script("--from", "-", "--to", tmp_path / "up")
    assert result.returncode == 1
    assert b"The stream is empty" in result.stdout


def test_nothing_piped_in_is_a_wrong_usage(tmp_path: Path) -> None:
    here, there = pty.openpty()
    try:
        result = subprocess.run(
            [sys.executable, "-I", "-S", SCRIPT, "--from", "-", "--to", tmp_path],
            stdin=there,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(here)
        os.close(there)
    assert result.returncode == 2
    assert b"nothing is piped in" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "-", "--remove-old"),
        ("--from", ""),
        ("--to", ""),
        ("--unknown",),
        ("--from",),
        ("surplus",),
        ("--dry",),
    ],
)
def test_a_wrong_usage_is_status_2_with_a_sentence(arguments: Sequence[str]) -> None:
    result = script(*arguments)
    assert result.returncode == 2
    assert b"error:" in result.stderr
    assert result.stdout == b""


def test_upload_folder_is_the_default_and_a_wrong_setting_one_sentence(old: Path, tmp_path: Path) -> None:
    assert script("--from", old, UPLOAD_FOLDER=str(tmp_path / "up")).returncode == 0
    assert (tmp_path / "up" / "avatars" / "a.png").exists()
    wrong = script("--from", old, UPLOAD_FOLDER="relative")
    assert wrong.returncode == 2
    assert wrong.stderr.decode().splitlines() == [
        "UPLOAD_FOLDER is 'relative', but must be an absolute path, such as /data."
    ]
    assert script("--from", old, "--to", tmp_path / "up", UPLOAD_FOLDER="relative").returncode == 0


def test_without_from_it_looks_beside_the_code_and_says_where(tmp_path: Path) -> None:
    if any(place.exists() for place in relocate.old_places()):
        pytest.skip("this machine has an old place")
    result = script("--to", tmp_path / "up")
    assert result.returncode == 0
    for place in relocate.old_places():
        assert str(place).encode() in result.stdout
    assert not (tmp_path / "up").exists()


def test_without_from_it_moves_what_lies_beside_the_code(old: Path, tmp_path: Path) -> None:
    if any(place.exists() for place in relocate.old_places()):
        pytest.skip("this machine has an old place")
    checkout = tmp_path / "checkout"
    for name in ("docker", "app/storage"):
        shutil.copytree(CHECKOUT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "config.py"):
        shutil.copy(CHECKOUT / "app" / name, checkout / "app")
    (checkout / "app" / "static" / "uploads").mkdir(parents=True)
    old.rename(checkout / "app" / "static" / "uploads" / "avatars")
    before = set(checkout.rglob("*"))
    command: list[str | Path] = [sys.executable, "-I", "-S", checkout / "docker" / SCRIPT.name, "--to", tmp_path / "up"]
    subprocess.run(command, check=True, capture_output=True, cwd="/")
    assert (tmp_path / "up" / "avatars" / "a.png").read_text() == "picture"
    assert set(checkout.rglob("*")) == before  # not even compiled code is written beside the code


def test_a_conflict_is_status_1_and_named(old: Path, tmp_path: Path) -> None:
    (tmp_path / "up" / "avatars").mkdir(parents=True)
    (tmp_path / "up" / "avatars" / "a.png").write_text("another")
    for more in ((), ("--dry-run",), ("--remove-old",)):
        result = script("--from", old, "--to", tmp_path / "up", *more)
        assert result.returncode == 1
        assert b'"a.png": the files differ (old: 7 bytes' in result.stdout
    assert (old / "a.png").exists()


def test_remove_old_removes(old: Path, tmp_path: Path) -> None:
    assert script("--from", old, "--to", tmp_path / "up", "--remove-old").returncode == 0
    assert list(old.iterdir()) == []


def test_a_dry_run_writes_nothing(old: Path, tmp_path: Path) -> None:
    result = script("--from", old, "--to", tmp_path / "up", "--dry-run", "--remove-old")
    assert result.returncode == 0
    assert b"Would move 1 picture" in result.stdout
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("as_json", [False, True])
def test_wild_names_reach_the_terminal_as_plain_text(old: Path, tmp_path: Path, as_json: bool) -> None:
    wild = [b"a\xff", b"a\xfe", b"a\x1b[31m", b"a\n", b"a\\n", b"a\r", b"\xc2\x9b2J"]
    for name in wild:
        (old / os.fsdecode(name)).symlink_to("x")
    result = script("--from", old, "--to", tmp_path / "up", *(["--json"] if as_json else []))
    text = result.stdout.decode()
    assert all(line.isprintable() for line in text.split("\n"))
    named = (
        [one["name"] for one in json.loads(text)["left"]]
        if as_json
        else [line for line in text.splitlines() if line.startswith('  "')]
    )
    assert len(set(named)) == len(wild)


def test_a_terminal_without_unicode_is_no_obstacle(old: Path, tmp_path: Path) -> None:
    (old / "ö.png").symlink_to("x")
    environment = {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-S", SCRIPT, "--from", old, "--to", tmp_path / "up"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1
    assert b'"\\xf6.png"' in result.stdout


def test_json_says_everything(old: Path, tmp_path: Path) -> None:
    (old / "link").symlink_to("x")
    result = script("--from", old, "--to", tmp_path / "up", "--json")
    assert json.loads(result.stdout) == {
        "to": f"{tmp_path}/up/avatars",
        "dry_run": False,
        "complete": False,
        "looked_in": [{"place": str(old), "found": True}],
        "moved": ["a.png"],
        "repaired": [],
        "already_there": [],
        "conflicts": [],
        "left": [{"name": "link", "reason": "it is a link, and links are not followed"}],
        "removed": 0,
        "troubles": [],
        "warnings": [BARE],
    }


def test_progress_is_shown_on_a_terminal_and_nowhere_else(old: Path, tmp_path: Path) -> None:
    for number in range(50):
        (old / f"{number}.png").write_text("x")
    here, there = pty.openpty()
    command: list[str | Path] = [sys.executable, "-I", "-S", SCRIPT, "--from", str(old), "--to", str(tmp_path / "up")]
    try:
        result = subprocess.run(command, stderr=there, stdout=subprocess.PIPE, timeout=60, check=False)
        shown = os.read(here, 100_000)
    finally:
        os.close(here)
        os.close(there)
    assert b"\r[" in shown
    assert b" of 51" in shown
    assert shown.endswith(b" \r")
    assert b"\r" not in result.stdout
    assert script("--from", old, "--to", tmp_path / "up").stderr == b""


def test_with_the_dependencies_the_database_is_not_created(old: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = script("--from", old, "--to", tmp_path / "up", bare=False, DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 0
    assert b"The database was not consulted: there is none to ask." in result.stdout
    assert list((tmp_path / "data").iterdir()) == []


def test_an_interrupt_is_a_sentence_and_not_a_success(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(relocate.command, "run", interrupted)
    assert relocate.main(["--from", str(old), "--to", str(tmp_path)], default_upload_folder=Path) == 1
    assert "run it again to move the rest" in capsys.readouterr().err


def test_what_is_asked_afterwards_is_a_warning_only(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[relocate.Tally] = []

    def after(tally: relocate.Tally) -> list[str]:
        told.append(tally)
        return relocate.about_database(["a.png", "lost.png"], tally)

    arguments = ["--from", str(old), "--to", str(tmp_path / "up")]
    assert relocate.main(arguments, default_upload_folder=Path, after=after) == 0
    assert told[0].standing == {"a.png"}
    assert capsys.readouterr().out.splitlines()[1:] == [
        "The database names 1 picture found neither at the old nor at the new place:",
        '  "lost.png"',
    ]


@pytest.mark.parametrize("known", [None, [], ["a.png", "lost.png"]])
def test_the_script_asks_the_database_about_the_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: list[str] | None
) -> None:
    asked: list[tuple[Path, Path]] = []

    def answer(settings: config.Settings, upload_root: Path) -> list[str] | None:
        asked.append((settings.data_dir, upload_root))
        return known

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(
        "app.services.uploads", types.SimpleNamespace(pictures_only_the_database_knows=answer), raising=False
    )
    tally = relocate.Tally(tmp_path / "up" / "avatars", (), (relocate.Item("a.png", relocate.Outcome.MOVED),))
    lines = runpy.run_path(str(SCRIPT))["database"](tally)
    assert asked == [(tmp_path, tmp_path / "up")]
    assert list(lines) == relocate.about_database(known, tally)
    monkeypatch.setenv("DATA_DIR", "relative")
    assert "DATA_DIR is 'relative'" in runpy.run_path(str(SCRIPT))["database"](tally)[0]


# Kinds


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The old `uploads` folder."""
    for name in ("avatars/a.png", "logos/company_logo_1.png", "receipts/1.pdf"):
        (tmp_path / "uploads" / name).parent.mkdir(parents=True)
        (tmp_path / "uploads" / name).write_text(name)
    return tmp_path / "uploads"


@pytest.mark.parametrize(
    ("kind", "said", "moved"),
    [
        ("logos", "Moved 1 logo to {up}/logos.", {"logos/company_logo_1.png"}),
        ("attachments", "Moved 1 attachment to {up}/legacy.", {"legacy/receipts/1.pdf"}),
        (
            "all",
            "Moved 3 files to {up}.",
            {"avatars/a.png", "logos/company_logo_1.png", "legacy/receipts/1.pdf"},
        ),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["folder", "stream"])
def test_it_moves_a_kind_and_asks_the_database_of_pictures_only(
    before: Path, tmp_path: Path, kind: str, said: str, moved: set[str], streamed: bool
) -> None:
    up = tmp_path / "up"
    options = ("--kind", kind, "--from", "-" if streamed else before, "--to", up)
    result = script(*options, data=stream_of(before, "uploads") if streamed else b"")
    assert result.returncode == 0
    assert result.stdout.decode().splitlines() == [said.format(up=up), *([BARE] if kind == "all" else [])]
    assert {str(path.relative_to(up)) for path in up.rglob("*") if path.is_file()} == moved


def test_the_kind_is_pictures_unless_another_is_named(old: Path, tmp_path: Path) -> None:
    options = ("--from", old, "--to", tmp_path / "up", "--dry-run")
    result = script(*options)
    assert b"Would move 1 picture to" in result.stdout
    assert script("--kind", "avatars", *options).stdout == result.stdout


@pytest.mark.parametrize("kind", ["", "pictures", "logo", "Avatars"])
def test_a_kind_nobody_knows_is_a_wrong_usage(tmp_path: Path, kind: str) -> None:
    result = script("--kind", kind, "--from", tmp_path, "--to", tmp_path / "up")
    assert result.returncode == 2
    assert b"avatars" in result.stderr
    assert not (tmp_path / "up").exists()


def test_json_names_files_of_several_folders_from_the_upload_folder(before: Path, tmp_path: Path) -> None:
    (before / "logos" / "notes.txt").write_text("x")
    result = script("--kind", "all", "--from", before, "--to", tmp_path / "up", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 1
    assert told["to"] == str(tmp_path / "up")
    assert told["moved"] == ["avatars/a.png", "logos/company_logo_1.png", "legacy/receipts/1.pdf"]
    assert [one["name"] for one in told["left"]] == ["logos/notes.txt"]
    assert {"place": str(before / "editor"), "found": False} in told["looked_in"]


def test_of_all_kinds_the_database_is_asked_about_the_pictures(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[relocate.Tally] = []

    def after(tally: relocate.Tally) -> list[str]:
        told.append(tally)
        return relocate.about_database(["a.png", "company_logo_1.png"], tally)

    arguments = ["--kind", "all", "--from", str(before), "--to", str(tmp_path / "up")]
    assert relocate.main(arguments, default_upload_folder=Path, after=after) == 0
    assert told[0].pictures == {"a.png"}
    assert told[0].upload_root == tmp_path / "up"
    assert capsys.readouterr().out.splitlines()[1:] == [
        "The database names 1 picture found neither at the old nor at the new place:",
        '  "company_logo_1.png"',
    ]


@pytest.mark.parametrize("kind", ["logos", "attachments"])
def test_of_other_kinds_the_database_is_not_asked(before: Path, tmp_path: Path, kind: str) -> None:
    def after(_tally: relocate.Tally) -> list[str]:
        raise AssertionError

    arguments = ["--kind", kind, "--from", str(before), "--to", str(tmp_path / "up")]
    assert relocate.main(arguments, default_upload_folder=Path, after=after) == 0


def test_the_command_of_timetracker_knows_kinds_too(before: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("timetracker")
    result = subprocess.run(
        [command, "uploads", "migrate", "--kind", "logos", "--from", before],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"Moved 1 logo to {tmp_path}/data/uploads/logos.\n"
