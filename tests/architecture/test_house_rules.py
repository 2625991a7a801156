"""The house rules a machine can hold. Each message says what to do instead."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
CODE = sorted(APP.rglob("*.py"))
TEMPLATES = sorted((APP / "templates").rglob("*.html"))


def here(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """What git knows of; where there is no git (an unpacked archive) nothing can be said."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return []
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """Nothing for what is no text."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8"), str(path)))


def places(pattern: str, paths: list[Path]) -> list[str]:
    """`file:line` of each match."""
    found = re.compile(pattern)
    return [
        f"{here(path)}:{number}"
        for path in paths
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if found.search(line)
    ]


# Python


def test_only_config_reads_the_environment() -> None:
    found = places(r"\bos\.environ|\bgetenv\b|\bimport environ", [path for path in CODE if path.name != "config.py"])

    assert not found, f"{found}: add a field to app.config.Settings and take the settings as an argument"


def test_only_the_edge_commits() -> None:
    # The schema's own transaction ends in services/schema.py: it is on a bare connection, before there are sessions.
    allowed = {"app/db.py", "app/services/schema.py"}
    found = [
        f"{here(path)}:{node.lineno}"
        for path in CODE
        if here(path) not in allowed
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]

    assert not found, f"{found}: the request commits at its edge and a command by db.transaction(); flush instead"


def test_nothing_is_caught_broadly() -> None:
    # Pillow's decoders raise whatever hostile bytes make them raise, and it becomes a refusal.
    allowed = {"app/services/pictures.py"}
    found = [
        f"{here(path)}:{node.lineno}"
        for path in CODE
        if here(path) not in allowed
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type)
    ]

    assert not found, f"{found}: name the error you can do something about, and let all others reach routes/errors.py"


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or (isinstance(name, ast.Name) and name.id == "Exception") for name in names)


def test_an_import_inside_a_function_has_a_reason() -> None:
    found = [
        f"{here(path)}:{node.lineno}"
        for path in CODE
        for function in nodes(path)
        if isinstance(function, ast.FunctionDef)
        for group in [[node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]]
        for node in group
        if not _has_reason(path, group[0].lineno) or "noqa: PLC0415" not in _line(path, node.lineno)
    ]

    assert not found, f"{found}: import at the top, or write `# noqa: PLC0415 - why` where a heavy library is rare"


def _line(path: Path, number: int) -> str:
    return path.read_text("utf-8").splitlines()[number - 1]


def _has_reason(path: Path, number: int) -> bool:
    return re.search(r"noqa: PLC0415 - \w+", _line(path, number)) is not None


BARE = [
    APP / "__init__.py",
    APP / "config.py",
    APP / "storage" / "__init__.py",
    *sorted((APP / "storage" / "relocate").rglob("*.py")),
]
OWN = {"app", "app.config", "app.storage", "app.storage.durable"}


@pytest.mark.parametrize("path", BARE, ids=here)
def test_what_a_bare_python_runs_imports_the_standard_library_alone(path: Path) -> None:
    top = ast.parse(path.read_text("utf-8")).body
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    foreign = [
        name
        for name in names
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name not in OWN
        and not name.startswith("app.storage.relocate")
    ]

    assert not foreign, f"{foreign}: this file runs before anything is installed; do without, or move the code"


def test_a_bare_python_can_load_configuration_and_storage(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app.config, app.storage, app.storage.relocate"

    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_thing_has_a_home() -> None:
    found = [here(path) for path in APP.rglob("*") if re.match(r"(utils?|helpers?|common|misc)(\.|$)", path.name)]

    assert not found, f"{found}: see the table in docs of where a thing lives; one without a home is not yet understood"


def test_a_blueprint_and_its_templates_have_one_name() -> None:
    without_pages = {"health", "pulse"}
    blueprints = {path.stem for path in (APP / "routes").glob("*.py") if "Blueprint(" in path.read_text("utf-8")}
    folders = {path.name for path in (APP / "templates").iterdir() if path.is_dir()}

    assert blueprints - without_pages == folders, "name the folder of templates like the module in routes/"


# Templates


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them, of a template without its Jinja."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[int, str, dict[str, str | None]]] = []
        self.texts: list[tuple[int, str]] = []
        source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", _blank, path.read_text("utf-8"), flags=re.DOTALL)
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((self.getpos()[0], tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.getpos()[0], data))


def _blank(match: re.Match[str]) -> str:
    """As many lines as before, and nothing in them."""
    return "\n" * match[0].count("\n")


@pytest.mark.parametrize("path", TEMPLATES, ids=here)
class TestATemplate:
    def test_holds_no_script_and_no_style(self, path: Path) -> None:
        found = [
            f"{here(path)}:{line} {tag}"
            for line, tag, attributes in Elements(path).tags
            if tag == "style" or (tag == "script" and "src" not in attributes)
        ]

        assert not found, f"{found}: put it in a file of app/static; the content-security policy blocks it here"

    def test_holds_no_handler_and_no_inline_style(self, path: Path) -> None:
        found = [
            f"{here(path)}:{line} {name}"
            for line, _tag, attributes in Elements(path).tags
            for name in attributes
            if name == "style" or re.fullmatch(r"on[a-z]+", name)
        ]

        assert not found, f"{found}: use a class, or data-controller and a behaviour in app/static/js"

    def test_speaks_through_gettext(self, path: Path) -> None:
        words = [
            f"{here(path)}:{line} {text.strip()!r}"
            for line, text in Elements(path).texts
            if re.search(r"[^\W\d_]", text)
        ]
        attributes = [
            f"{here(path)}:{line} {name}={value!r}"
            for line, _tag, found in Elements(path).tags
            for name, value in found.items()
            if name in {"title", "alt", "placeholder", "aria-label"} and re.search(r"[^\W\d_]", value or "")
        ]

        assert not words + attributes, f"{words + attributes}: write {{{{ _('…') }}}}, so that it can be translated"


# All files

REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry" + ".npmjs",
    "npmjs" + ".org",
    "npmmirror" + ".com",
    "yarnpkg" + ".com",
    "deb" + ".debian.org",
    "archive" + ".ubuntu.com",
    "dl-cdn" + ".alpinelinux",
]


def test_no_file_names_a_package_registry() -> None:
    found = places("|".join(map(re.escape, REGISTRIES)), tracked())

    assert not found, f"{found}: leave the address away; which registry is used is the operator's choice"


def test_no_lock_holds_an_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    found = places("://", locks) + places('"resolved"', [ROOT / "package-lock.json"])

    assert not found, f"{found}: locks hold names, versions and hashes; see `make lock`"


def test_no_file_names_a_folder_of_one_machine() -> None:
    folders = "|".join(f"/{name}/" for name in ("work", "root", "home"))
    found = places(rf"(?<![\w.}})\"'])(?:{folders})", [path for path in tracked() if "vendor" not in path.parts])

    assert not found, f"{found}: write a path from the root of the checkout, or an example such as /srv"


def test_make_clean_keeps_data(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [tmp_path / "data" / name for name in ("timetracker.db", "uploads/avatars/a.webp", "__pycache__/x")]
    made = [tmp_path / name for name in (".venv/bin/x", "app/__pycache__/x.pyc", ".pytest_cache/x")]
    for path in kept + made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")

    subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, check=True)

    assert all(path.exists() for path in kept), "`make clean` removes what was made, never data"
    assert not any(path.exists() for path in made)
