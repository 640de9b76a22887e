"""Score the runs of ``docs/your_own_data.md`` on photographs that neither training nor validation has seen.

    python docs/images/make_your_own_data.py practice --pretrained FILE
    s4former train practice/dataset.yaml method=supervised steps=300 evaluate_every=100 \
        model.pretrained=FILE --out practice/runs/cells_supervised
    python benchmarks/cells.py practice/runs/cells practice/runs/cells_supervised

writes ``results/cells_*.md``: the IoU of both classes on 60 further photographs.
"""

from __future__ import annotations

import argparse
import runpy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

import s4former
from s4former.config import read_json

RESULTS = Path(__file__).parent / "results"
MAKER = Path(__file__).parents[1] / "docs" / "images" / "make_cells.py"
UNSEEN = range(101, 161)


def intersections_over_unions(run: Path) -> tuple[float, float]:
    """Return the IoU of background and cells over all unseen photographs together, in percent."""
    draw = runpy.run_path(str(MAKER))["draw_dish"]
    model = s4former.load(run)
    shared, either = np.zeros(2), np.zeros(2)
    for number in UNSEEN:
        photo, mask = draw(number)
        said, truth = model.predict(photo).mask, mask > 0
        for index in (0, 1):
            shared[index] += ((said == index) & (truth == index)).sum()
            either[index] += ((said == index) | (truth == index)).sum()
    background, cell = (100 * shared / either).tolist()
    return background, cell


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description="Score runs on further made-up photographs of cells.")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    rows = []
    for run in parser.parse_args().runs:
        record, result = read_json(run / "run.json"), read_json(run / "result.json")
        data = record["data"]
        background, cell = intersections_over_unions(run)
        rows.append(
            f"| {record['run']['method']['name']} | {data['labeled']} | {data['unlabeled']} | "
            f"{result['steps']} | {background:.1f} | {cell:.1f} |"
        )
    lines = [
        "# Cells of docs/your_own_data.md",
        "",
        f"IoU in percent on {len(UNSEEN)} further made-up photographs of 192 x 256 pixels, after the last "
        "step; one seed; "
        f"ViT-S/14 with DINOv2-derived weights; CPU threads: {torch.get_num_threads()}. Made by "
        "`benchmarks/cells.py`. Supervised-only does not look at the unlabeled photographs.",
        "",
        "| method | labeled | unlabeled | steps | background | cell |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
    ]
    path = RESULTS / f"cells_cpu{torch.get_num_threads()}_{datetime.now(UTC):%Y-%m-%d}.md"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
