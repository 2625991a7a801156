#!/usr/bin/env python3
"""Brings the third-party files of the pages into app/static, from package.json and its lock.

    tools/vendor.py            fetch and write app/static/vendor and app/static/icons.svg
    tools/vendor.py --check    fetch, and fail if what is committed differs

It needs npm and node; running TimeTracker does not. See docs/develop/vendored-files.md.
"""

import argparse
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "app" / "static"
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True)
class Package:
    name: str
    """What we call it: its folder is vendor/<name>@<version>."""
    npm: str
    licence: str = "LICENSE"
    """A file of the package, or nothing where it ships none."""
    take: tuple[tuple[str, str], ...] = ()
    """A file of the package, and our name for it."""


PACKAGES = (
    Package("htmx", "htmx.org", take=(("dist/htmx.min.js", "htmx.min.js"),)),
    Package("stimulus", "@hotwired/stimulus", "LICENSE.md", (("dist/stimulus.umd.js", "stimulus.js"),)),
    Package("tabler", "@tabler/core", "", (("dist/css/tabler.min.css", "tabler.min.css"),)),
    Package("tabler-icons", "@tabler/icons"),
)

# A name that ends in -filled is cut from the filled set, all others from the outlines.
ICONS = """
    alert-circle alert-triangle archive archive-off arrow-back-up building calendar calendar-week chart-bar check
    chevron-down chevron-left chevron-right circle-check clock copy currency-euro dots dots-vertical download
    external-link file filter folder history home info-circle key language link list lock logout menu-2 moon pencil
    photo player-pause player-play player-play-filled player-stop player-stop-filled plus receipt restore search
    settings shield star star-filled sun tag tags trash upload user user-circle users world x
""".split()  # noqa: SIM905 - a list would be sixty quoted lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring the third-party files of the pages into app/static.")
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if the files differ")
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        fresh = build(Path(scratch))
        if arguments.check:
            return report(differences(fresh, STATIC))
        replace(STATIC, fresh)
    return 0


def build(scratch: Path) -> Path:
    """A whole static folder made from the packages, and nothing else in it."""
    modules = install(scratch)
    static = scratch / "static"
    manifest = [copy_package(package, modules, static) for package in PACKAGES]
    text = json.dumps({"packages": manifest}, indent=2, ensure_ascii=False)
    compress(static)
    (static / "vendor" / "manifest.json").write_text(f"{text}\n", encoding="utf-8")
    return static


def install(scratch: Path) -> Path:
    for name in NPM_FILES:
        shutil.copy(ROOT / name, scratch)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--loglevel=error"], cwd=scratch, check=True)
    return scratch / "node_modules"


def copy_package(package: Package, modules: Path, static: Path) -> dict[str, object]:
    """Write what we take from a package; its line in the manifest."""
    source = modules / package.npm
    about = json.loads((source / "package.json").read_text(encoding="utf-8"))
    folder = static / "vendor" / f"{package.name}@{about['version']}"
    made = {folder / ours: without_source_map((source / theirs).read_text("utf-8")) for theirs, ours in package.take}
    if package.name == "tabler":
        css = made[folder / "tabler.min.css"]
        made[folder / "tabler.dark.css"] = system_dark(css)
        made[folder / "LICENSE"] = tabler_licence(css, modules)
    else:
        made[folder / "LICENSE"] = (source / package.licence).read_text("utf-8")
    if package.name == "tabler-icons":
        made[static / "icons.svg"] = sprite(source / "icons")
    return {
        "name": package.name,
        "package": package.npm,
        "version": about["version"],
        "licence": about["license"],
        "files": [write(path, text, static) for path, text in sorted(made.items())],
    }


def write(path: Path, text: str, static: Path) -> dict[str, object]:
    data = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {
        "path": path.relative_to(static).as_posix(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }


def without_source_map(text: str) -> str:
    """Without the last comment that sends a browser's tools after a file we do not ship: a 404 at each look."""
    return re.sub(r"\s*(/\*# sourceMappingURL=[^*]*\*/|//# sourceMappingURL=\S*)\s*$", "", text).rstrip() + "\n"


def tabler_licence(css: str, modules: Path) -> str:
    """@tabler/core ships no text of its licence: the copyright stands in its banner, the terms beside its icons."""
    copyrights = re.findall(r"^ \* (Copyright .*)$", css, re.MULTILINE)
    icons = (modules / "@tabler/icons/LICENSE").read_text("utf-8")
    terms = icons[icons.index("Permission is hereby granted") :]
    bootstrap = "Copyright 2011 onwards The Bootstrap Authors (Tabler contains Bootstrap, under the same terms)"
    return "\n".join(["MIT License", "", *copyrights, bootstrap, "", terms])


# --- Icons ----------------------------------------------------------------------------------------------------------

OUTLINE = 'fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
"""No stroke-width: Tabler's .icon decides it, and an attribute here would win."""
FILLED = 'fill="currentColor" stroke="none"'


def sprite(icons: Path) -> str:
    symbols = "".join(symbol(name, icons) for name in sorted(ICONS))
    note = "<!-- From Tabler Icons (MIT): see vendor/tabler-icons@*/LICENSE. Made by tools/vendor.py. -->"
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{note}\n{symbols}</svg>\n'


def symbol(name: str, icons: Path) -> str:
    filled = name.endswith("-filled")
    file = icons / "filled" / f"{name.removesuffix('-filled')}.svg" if filled else icons / "outline" / f"{name}.svg"
    shapes = re.findall(r"<(?!svg|/)[^>]*/>", file.read_text("utf-8"))
    visible = [re.sub(r"\s*/>$", "/>", shape) for shape in shapes if "M0 0h24v24H0z" not in shape]
    return f'<symbol id="{name}" viewBox="0 0 24 24" {FILLED if filled else OUTLINE}>{"".join(visible)}</symbol>\n'


# --- The dark theme without a script ---------------------------------------------------------------------------------
#
# Tabler turns dark where an element says data-bs-theme=dark, and never asks the system. A script would ask too late,
# after a first light paint. So the same rules are written once more for a root that does not say "light", in a sheet
# that holds for dark systems only. :where() counts nothing, so each rule keeps the weight it had.

DARK = "[data-bs-theme=dark]"
DARK_ROOT = ":where(:root):not([data-bs-theme=light])"
NOT_OURS = re.compile(
    r"""^body\[            # a theme on <body>: ours stands on <html>
      | \.navbar\[data-bs  # one dark bar in a light page
      | \.hide-theme- | \.img-(?:dark|light)$  # they ask for the attribute itself; use <picture> instead
    """,
    re.VERBOSE,
)
TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|/\*.*?\*/|[{};/]|[^"'{};/]+""", re.DOTALL)


def system_dark(css: str) -> str:
    banner = "/* The dark rules of tabler.min.css for a dark system, made by tools/vendor.py. */"
    return f"{banner}\n@media screen and (prefers-color-scheme:dark){{\n{dark_rules(css)}}}\n"


def dark_rules(css: str) -> str:
    return "".join(dark_rule(prelude, block) for prelude, block in rules(css))


def dark_rule(prelude: str, block: str) -> str:
    if prelude.startswith("@"):
        inner = dark_rules(block)
        return f"{prelude}{{\n{inner}}}\n" if inner else ""
    if DARK in block:
        raise SystemExit(f"Tabler nests rules now, which tools/vendor.py cannot read: {prelude}")
    selectors = split_selectors(prelude)
    if ":root" in selectors:
        return ""
    dark = [follow(selector) for selector in selectors if DARK in selector and not NOT_OURS.search(selector)]
    return f"{','.join(dark)}{{{block}}}\n" if dark else ""


def follow(selector: str) -> str:
    rest = selector.removeprefix(DARK)
    if rest == selector or not re.match(r"$|[\s>+~]", rest) or DARK in rest:
        raise SystemExit(f"Tabler has a dark rule of a new kind; teach tools/vendor.py to follow it: {selector}")
    return DARK_ROOT + rest


def rules(css: str) -> Iterator[tuple[str, str]]:
    """What stands before and between the outermost braces, pair by pair."""
    prelude, block, depth = "", "", 0
    for token in TOKEN.findall(css):
        depth -= token == "}"
        if depth:
            block += token
        elif token == "}":
            yield prelude.strip(), block
            prelude, block = "", ""
        elif token == ";":
            prelude = ""
        elif token != "{" and not token.startswith("/*"):
            prelude += token
        depth += token == "{"


def split_selectors(prelude: str) -> list[str]:
    """Cut at the commas, but not at those inside :not(…) or :is(…)."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", prelude)]


# --- Compressed twins, replacing, comparing --------------------------------------------------------------------------

BROTLI = """
const fs = require("node:fs"), zlib = require("node:zlib"), c = zlib.constants;
for (const file of process.argv.slice(1)) {
  const data = fs.readFileSync(file);
  const params = { [c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_MODE]: c.BROTLI_MODE_TEXT,
                   [c.BROTLI_PARAM_SIZE_HINT]: data.length };
  fs.writeFileSync(file + ".br", zlib.brotliCompressSync(data, { params }));
}
"""
UNBROTLI = 'process.stdout.write(require("node:zlib").brotliDecompressSync(require("node:fs").readFileSync(0)))'


def compress(static: Path) -> None:
    plain = sorted(path for path in static.rglob("*") if path.suffix in {".css", ".js", ".svg"})
    for path in plain:
        twin = path.with_name(f"{path.name}.gz")
        twin.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    subprocess.run(["node", "-e", BROTLI, *map(str, plain)], check=True)


def replace(static: Path, fresh: Path) -> None:
    for name in files(static):
        (static / name).unlink()
    for folder in sorted((static / "vendor").glob("**/"), reverse=True):
        folder.rmdir()
    shutil.copytree(fresh, static, dirs_exist_ok=True)


def differences(fresh: Path, static: Path) -> list[str]:
    """Twins are compared by what they unpack to: another zlib packs the same text into other bytes."""
    ours, theirs = files(static), files(fresh)
    changed = {name for name in ours & theirs if unpacked(static / name) != unpacked(fresh / name)}
    return sorted((ours ^ theirs) | changed)


def files(static: Path) -> set[str]:
    """All that this tool owns in a static folder."""
    owned = [*(static / "vendor").rglob("*"), *static.glob("icons.svg*")]
    return {path.relative_to(static).as_posix() for path in owned if path.is_file()}


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".br":
        return subprocess.run(["node", "-e", UNBROTLI], input=data, capture_output=True, check=True).stdout
    return data


def report(names: list[str]) -> int:
    for name in names:
        print(f"app/static/{name} is not what package-lock.json and tools/vendor.py make.")
    if names:
        print("Run make vendor, look at the difference, and commit it.")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
