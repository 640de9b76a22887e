"""Show what the demo shows, over several seeds: S4Former against supervised-only from the same few labels.

    python benchmarks/demo.py --seeds 0,1,2

A seed names the run's draws and first head weights as well as the world: other labeled, unlabeled and
validation scenes. Both runs of a seed share all of that, the augmentation of labeled
scenes, the optimizer and the number of steps. ``--lrs`` also trains the baseline with other learning rates,
so that it is seen at its best and not only at the one that suits S4Former.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from s4former.config import versions
from s4former.config.record import hardware
from s4former.curation import open_source
from s4former.engine import Run, read_lines, train
from s4former.inference import wording
from s4former.methods.supervised import SupervisedConfig
from s4former.recipes._demo import run_demo
from s4former.recipes.demo import recipe

RESULTS = Path(__file__).parent / "results"


def demo_of(seed: int) -> Run:
    """Return the demo's S4Former run in the world of a seed."""
    run = recipe()
    return run.model_copy(update={"seed": seed, "data": run.data.model_copy(update={"root": str(seed)})})


def measure(seed: int, lrs: list[float]) -> dict[str, Any]:
    """Run the demo once, and the baseline at other learning rates."""
    run = demo_of(seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        started = time.perf_counter()
        result = run_demo(out, run)
        seconds = time.perf_counter() - started
        record: dict[str, Any] = {
            "seed": seed,
            "seconds": round(seconds, 1),
            "gain": result.gain,
            "caption": wording.caption(result.scores[0].lines[0]["protocol"]),
            "remarks": [
                f"seed {seed}, {score.run}, {score.network}: {remark}"
                for score in result.scores
                for remark in score.lines[0]["remarks"]
            ],
            "supervised": _scores(out / "supervised"),
            "s4former": _scores(out / "s4former"),
            "supervised_at_lr": {},
        }
        for lr in lrs:
            optimizer = run.optimizer.model_copy(update={"lr": lr})
            baseline = run.model_copy(update={"method": SupervisedConfig(), "optimizer": optimizer})
            train(baseline, Path(folder) / f"lr_{lr:g}")
            record["supervised_at_lr"][f"{lr:g}"] = _scores(Path(folder) / f"lr_{lr:g}")["student"]
    return record


def _scores(folder: Path) -> dict[str, Any]:
    """Return, by network, the mean IoU of each evaluation and the last IoU of each class."""
    networks: dict[str, Any] = {}
    for line in read_lines(folder / "scores.jsonl"):
        entry = networks.setdefault(line["network"], {"miou": {}})
        entry["miou"][str(line["step"])] = line["miou"]
        entry["last"], entry["best"] = line["miou"], max(entry["miou"].values())
        entry["iou"] = line["iou"]
    return networks


def table(records: list[dict[str, Any]], run: Run, machine: str) -> str:
    """Return the results as Markdown."""
    rows = [("supervised", "student"), ("s4former", "student"), ("s4former", "teacher")]
    seeds = [str(record["seed"]) for record in records]
    source = open_source(run.data)
    lines = [
        f"# The demo over {len(records)} seeds",
        "",
        f"{run.steps} steps, {run.data.labeled_batch_size} + {run.data.unlabeled_batch_size} crops of "
        f"{run.data.crop[0]} pixels, {len(source.labeled)} labeled and {len(source.unlabeled)} unlabeled "
        f"scenes; mean IoU in percent on {len(source.val)} validation scenes. A seed is also a world: other "
        f"labeled, unlabeled and validation scenes; {records[0]['caption']}. {machine}",
        "",
        *(f"- {remark}" for record in records for remark in record["remarks"]),
        "| trained with | network | "
        + " | ".join(f"seed {seed}" for seed in seeds)
        + " | mean | spread | best |",
        "|---|---|" + "---:|" * (len(seeds) + 3),
    ]
    for method, network in rows:
        values = [100 * record[method][network]["last"] for record in records]
        best = [100 * record[method][network]["best"] for record in records]
        lines.append(_row((method, network), values, statistics.mean(best)))
    for lr in records[0]["supervised_at_lr"]:
        values = [100 * record["supervised_at_lr"][lr]["last"] for record in records]
        best = [100 * record["supervised_at_lr"][lr]["best"] for record in records]
        lines.append(_row((f"supervised, lr {lr}", "student"), values, statistics.mean(best)))
    gains = [100 * record["gain"] for record in records]
    lines += [
        "",
        f"**S4Former's model (the teacher) minus supervised, after the last step: "
        f"{statistics.mean(gains):+.1f} points** (per seed {', '.join(f'{gain:+.1f}' for gain in gains)}). "
        "The columns of seeds, mean and spread (standard deviation) are after the last step; `best` is the "
        "mean of each run's highest evaluation, chosen on the scenes it is measured on.",
        "",
        "| class | supervised | s4former teacher |",
        "|---|---:|---:|",
    ]
    for name in records[0]["supervised"]["student"]["iou"]:
        means = [
            100 * statistics.mean(record[method][network]["iou"][name] for record in records)
            for method, network in (rows[0], rows[2])
        ]
        lines.append(f"| {name} | {means[0]:.1f} | {means[1]:.1f} |")
    return "\n".join(lines) + "\n"


def _row(names: tuple[str, str], values: list[float], best: float) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    numbers = [*values, statistics.mean(values), spread, best]
    return f"| {names[0]} | {names[1]} | " + " | ".join(f"{number:.1f}" for number in numbers) + " |"


def main() -> None:
    """Measure, print and write ``results/demo_<hardware>_<date>.json`` and ``.md``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--lrs", default="", help="more learning rates of the baseline, as in 2e-4,1e-3")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    lrs = [float(lr) for lr in options.lrs.split(",") if lr]
    records = [measure(int(seed), lrs) for seed in options.seeds.split(",")]

    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    seconds = statistics.mean(record["seconds"] for record in records)
    threads = torch.get_num_threads()
    machine = f"One demo took {seconds:.0f} s on {threads} CPU threads; {peak_gb:.1f} GB at the peak."
    text = table(records, recipe(), machine)
    print(text)
    name = f"demo_cpu{threads}_{datetime.now(UTC):%Y-%m-%d}"
    content = {
        "run": recipe().model_dump(mode="json"),
        "seeds": records,
        "mean_gain": statistics.mean(record["gain"] for record in records),
        "mean_seconds": seconds,
        "peak_gb": peak_gb,
        "versions": versions(),
        "hardware": {**hardware(), "threads": threads},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    (options.out / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main()
