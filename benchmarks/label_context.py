"""How right pseudo-labels are, by how much of an image the network sees that gives them.

    python benchmarks/label_context.py --data DIR --runs RUN RUN --contexts 0,1.5,2,3 --steps 30 \
        --out benchmarks/results/label_context.json

The networks of finished runs of MSRC-21 label crops of the images that they had without masks, drawn as
training draws them. With a context they see a window around each crop, at the image's own size, and what
they say of it is carried to the crop's pixels (`method.views.context`). The masks, which no run has seen,
score it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from s4former.augment import Views
from s4former.config import versions, write_json
from s4former.config.record import hardware, write_text
from s4former.curation import open_source
from s4former.data import TrainBatches
from s4former.data.hidden_masks import HiddenMasks
from s4former.inference import Model
from s4former.methods.parts import labels_by
from s4former.ops.confusion import Scores, confusion_matrix
from s4former.recipes import load_run
from s4former.types import IGNORE

SURE = 0.95
SPLITS = "labeled", "unlabeled"


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the MSRC-21 folder")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="finished runs")
    parser.add_argument("--contexts", default="0,1.5,2,3", help="sides of the window in crops; 0: the crop")
    parser.add_argument("--steps", type=int, default=30, help="batches of four crops")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


@torch.no_grad()
def measured(folder: Path, data: Path, contexts: list[float], steps: int) -> list[dict[str, Any]]:
    """Return, for each context, how right the pseudo-labels of a run's network are."""
    lists = folder / "splits"
    changes = [
        f"data.root={data}",
        *(f"data.{split}_split={(lists / split).resolve()}.txt" for split in SPLITS),
    ]
    config = load_run("msrc", changes)[0].data
    source = open_source(config)
    truth, network = HiddenMasks(source, "masks/train"), Model.load(folder, "cpu").network
    found = []
    for context in contexts:
        batches = TrainBatches(config, source, Views(context=context), seed=0)
        counts = torch.zeros((network.num_classes,) * 2, dtype=torch.int64)
        sure = torch.zeros(3)
        for step in track(range(steps), f"{folder.name}, context {context:g}"):
            unlabeled = batches.batch(step).unlabeled
            assert unlabeled is not None
            pseudo, labels = labels_by(network, unlabeled), truth.at(batches, step).long()
            known = labels != IGNORE
            counts += confusion_matrix(pseudo.labels, labels, network.num_classes)
            kept = known & (pseudo.confidence >= SURE)
            sure += torch.stack([known.sum(), kept.sum(), (kept & (pseudo.labels == labels)).sum()])
        scores = Scores.from_matrix(counts)
        found.append(
            {
                "run": str(folder),
                "context": context,
                "miou": 100 * scores.miou,
                "accuracy": 100 * scores.aacc,
                "sure": float(100 * sure[1] / sure[0]),
                "right_where_sure": float(100 * sure[2] / sure[1].clamp(min=1)),
            }
        )
    return found


def main() -> None:
    """Measure what the command line asks for; write JSON and a table."""
    chosen = options()
    torch.set_num_threads(1)
    contexts = [float(context) for context in chosen.contexts.split(",")]
    rows = [row for run in chosen.runs for row in measured(run, chosen.data, contexts, chosen.steps)]
    write_json(
        chosen.out, {"versions": versions(), "hardware": hardware(), "steps": chosen.steps, "rows": rows}
    )
    header = "| run | context, in crops | mIoU | pixels right | sure (0.95) | right where sure |"
    lines = [header, "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in rows:
        shares = (row[name] for name in ("miou", "accuracy", "sure", "right_where_sure"))
        lines.append(f"| {row['run']} | {row['context']:g} | {' | '.join(f'{x:.1f}' for x in shares)} |")
    note = f"in percent, of {4 * chosen.steps} crops of unlabeled images, the same ones in each row"
    write_text(chosen.out.with_suffix(".md"), "\n".join([*lines, "", note, ""]))
    Console().print("\n".join(lines), markup=False)


if __name__ == "__main__":
    main()
