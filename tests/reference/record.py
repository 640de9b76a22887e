"""Write the losses that test_reference.py compares with: those of today's code."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import shrunk  # noqa: E402

from tiny_run import make_data  # noqa: E402

RECORDED = Path(__file__).parent / "losses.json"


def main() -> None:
    """Train every shrunk recipe and write its losses."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = make_data(folder / "data", train=6, val=1, labeled=2)
        found = {
            name: {"recipes": recipes, "losses": shrunk.losses(run, folder / name)}
            for name, (run, recipes) in shrunk.subjects(data).items()
        }
    RECORDED.write_text(as_text(found))
    print(f"{len(found)} different runs of {sum(len(each['recipes']) for each in found.values())} recipes")


def as_text(found: dict[str, dict[str, Any]]) -> str:
    """Return the record as JSON with one line a list, so that a change is read at a glance."""
    runs = []
    for name, each in found.items():
        rows = [f"   {json.dumps(what)}: {json.dumps(numbers)}" for what, numbers in each["losses"].items()]
        recipes = f'  "recipes": {json.dumps(each["recipes"])}'
        losses = '  "losses": {\n' + ",\n".join(rows) + "\n  }"
        runs.append(f" {json.dumps(name)}: {{\n{recipes},\n{losses}\n }}")
    return "{\n" + ",\n".join(runs) + "\n}\n"


if __name__ == "__main__":
    main()
