"""The last full run, stored beside the code, so that the next one can be held against it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figure, Size

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Former:
    """What a former run found; None for what it did not measure."""

    date: str
    stored: dict[str, Any]

    @classmethod
    def load(cls) -> "Former | None":
        if not FILE.exists():
            return None
        stored = json.loads(FILE.read_text())
        return cls(stored["date"], stored)

    def figure(self, what: str) -> float | None:
        found: float | None = self.stored["figures"].get(what)
        return found

    def to_empty(self, entries: int, name: str) -> float | None:
        """CPU in empty pages: machines differ, this hardly does."""
        cost = self.stored["sizes"].get(str(entries), {}).get("costs", {}).get(name)
        return cost["to_empty"] if cost else None


def store(date: str, sizes: list[Size], figures: list[Figure]) -> None:
    kept = {
        "date": date,
        "figures": {figure.what: figure.value for figure in figures},
        "sizes": {str(size.entries): asdict(size) for size in sizes},
    }
    FILE.write_text(json.dumps(_rounded(kept), indent=1, sort_keys=True) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 2) if isinstance(value, float) else value
