"""Write the losses that test_reference.py compares with: those of today's code."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

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
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(found)} different runs of {sum(len(each['recipes']) for each in found.values())} recipes")


if __name__ == "__main__":
    main()
