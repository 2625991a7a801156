"""Each setting stands in the documentation, and nothing stands there that does not exist (law 11)."""

import re
from pathlib import Path

from app import config

PAGE = config.CHECKOUT / "docs" / "operate" / "settings.md"


def documented() -> list[str]:
    return re.findall(r"^\| `([A-Z_]+)`", PAGE.read_text("utf-8"), re.MULTILINE)


def test_every_setting_is_documented_and_nothing_documented_is_missing() -> None:
    assert sorted(documented()) == sorted(config.SETTINGS), (
        "docs/operate/settings.md and app/config.py name different settings: write a row for the new one, "
        "or remove the row of one that is gone"
    )


def test_the_documentation_marks_the_secrets_that_may_come_from_a_file() -> None:
    page = PAGE.read_text("utf-8")
    code = Path(config.__file__).read_text("utf-8")

    marked = re.findall(r"^\| `([A-Z_]+)` \(`_FILE`\)", page, re.MULTILINE)

    assert sorted(marked) == sorted(re.findall(r'_secret\(env, "([A-Z_]+)"\)', code))
