"""The third-party files of the pages are the ones package.json names, whole, licensed and packed for sending."""

import gzip
import hashlib
import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "app" / "static"
VENDOR = STATIC / "vendor"
PACKAGES: list[dict[str, Any]] = json.loads((VENDOR / "manifest.json").read_text("utf-8"))["packages"]
FILES: list[dict[str, Any]] = [file for package in PACKAGES for file in package["files"]]
SENT = sorted(file["path"] for file in FILES if file["path"].endswith((".css", ".js", ".svg")))
TOOL = runpy.run_path(str(ROOT / "tools" / "vendor.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file["path"]))
def test_a_vendored_file_is_the_one_the_manifest_describes(file: dict[str, Any]) -> None:
    data = (STATIC / file["path"]).read_bytes()

    assert (len(data), hashlib.sha256(data).hexdigest()) == (file["size"], file["sha256"])


def test_the_manifest_names_every_vendored_file_and_its_twins() -> None:
    named = {file["path"] for file in FILES} | {f"{path}.{twin}" for path in SENT for twin in ("br", "gz")}

    assert TOOL["files"](STATIC) == named | {"vendor/manifest.json"}


@pytest.mark.parametrize("path", SENT)
def test_the_gzip_twin_unpacks_to_the_plain_file(path: str) -> None:
    assert gzip.decompress((STATIC / f"{path}.gz").read_bytes()) == (STATIC / path).read_bytes()


@pytest.mark.skipif(not shutil.which("node"), reason="Python has no brotli of its own, and there is no node here")
def test_the_brotli_twins_unpack_to_the_plain_files() -> None:
    script = """
        const fs = require("node:fs"), zlib = require("node:zlib");
        const whole = (file) => zlib.brotliDecompressSync(fs.readFileSync(file + ".br")).equals(fs.readFileSync(file));
        console.log(process.argv.slice(1).filter((file) => !whole(file)).join());
    """
    files = [str(STATIC / path) for path in SENT]

    run = subprocess.run(["node", "-e", script, *files], capture_output=True, text=True, check=True)

    assert not run.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package["name"]))
def test_a_vendored_folder_carries_a_licence(package: dict[str, Any]) -> None:
    text = (VENDOR / f"{package['name']}@{package['version']}" / "LICENSE").read_text("utf-8")

    assert package["licence"] in {"MIT", "0BSD"}
    assert "Permission" in text
    assert "Copyright" in text or package["licence"] == "0BSD"


def test_folders_and_package_json_name_the_same_versions() -> None:
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]

    assert {package["package"]: package["version"] for package in PACKAGES} == wanted
    assert {path.name for path in VENDOR.iterdir() if path.is_dir()} == {
        f"{package['name']}@{package['version']}" for package in PACKAGES
    }


def test_the_lock_names_versions_and_hashes_but_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    locked = {name: entry for name, entry in lock["packages"].items() if name}

    assert all("resolved" not in entry and entry["integrity"].startswith("sha512-") for entry in locked.values())


@pytest.mark.parametrize("path", SENT)
def test_no_vendored_file_asks_for_another(path: str) -> None:
    text = (STATIC / path).read_text("utf-8")

    assert "sourceMappingURL" not in text
    assert not path.endswith(".css") or not re.findall(r"@import|@font-face|url\((?!\"data:image/svg\+xml,)", text)


def test_every_icon_of_the_list_is_in_the_sprite_once() -> None:
    sprite = (STATIC / "icons.svg").read_text("utf-8")

    assert re.findall(r'<symbol id="([^"]+)"', sprite) == sorted(TOOL["ICONS"])


def test_the_dark_sheet_is_what_the_tool_makes_of_the_vendored_css() -> None:
    folder = next(VENDOR.glob("tabler@*"))

    assert (folder / "tabler.dark.css").read_text("utf-8") == TOOL["system_dark"](
        (folder / "tabler.min.css").read_text("utf-8")
    )


@pytest.mark.parametrize(
    ("tabler", "followed"),
    [
        ("[data-bs-theme=dark]{color:red}", "R{color:red}\n"),
        (".theme-dark .a,[data-bs-theme=dark] .a{b:c}", "R .a{b:c}\n"),
        ("[data-bs-theme=dark]>.a:not(.b,.c),[data-bs-theme=dark] .d{b:c}", "R>.a:not(.b,.c),R .d{b:c}\n"),
        ("@media (width>1px){.a{b:c}[data-bs-theme=dark] .a{b:d}}.e{f:g}", "@media (width>1px){\nR .a{b:d}\n}\n"),
        ('[data-bs-theme=dark] .a{b:url("data:x;{}\'/*")}', 'R .a{b:url("data:x;{}\'/*")}\n'),
        ("/* [data-bs-theme=dark] */.a{b:c}", ""),
        (":root,[data-bs-theme=dark]{color-scheme:light!important}", ""),
        ("body[data-bs-theme=dark] [data-bs-theme=light]{b:c}", ""),
        (".navbar[data-bs-theme=dark]{b:c}", ""),
        (":root:not([data-bs-theme=dark]) .hide-theme-light{b:c}", ""),
        ('@charset "UTF-8";[data-bs-theme=dark]{b:c}', "R{b:c}\n"),
    ],
)
def test_a_dark_rule_follows_the_system_unless_the_root_says_light(tabler: str, followed: str) -> None:
    assert TOOL["dark_rules"](tabler) == followed.replace("R", ":where(:root):not([data-bs-theme=light])")


@pytest.mark.parametrize("css", [".card[data-bs-theme=dark]{b:c}", ".card{[data-bs-theme=dark] &{b:c}}"])
def test_a_dark_rule_of_an_unknown_kind_stops_the_tool(css: str) -> None:
    with pytest.raises(SystemExit, match=r"tools/vendor\.py"):
        TOOL["dark_rules"](css)


@pytest.mark.parametrize("comment", ["/*# sourceMappingURL=a.css.map */", "\n//# sourceMappingURL=a.js.map\n"])
def test_the_comment_that_points_to_a_source_map_is_cut(comment: str) -> None:
    assert TOOL["without_source_map"](f"a{{}}{comment}") == "a{}\n"
