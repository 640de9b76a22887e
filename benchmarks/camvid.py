"""Train and score methods on CamVid with few labels: same data, backbone, augmentation, steps and optimizer.

    python benchmarks/camvid.py --data DIR --weights FILE --methods supervised,mean_teacher_cutmix,s4former \
        --split 1_16 --seeds 0,1,2 --steps 600 --eval-split val --out benchmarks/results/camvid_1_16.json
    python benchmarks/camvid.py --data DIR --weights FILE --split 1_64 --ablation --out ...
    python benchmarks/camvid.py --recipe camvid.long ...     on a GPU

``mean_teacher_cutmix`` is mean teacher with S4Former's CutMix, as the ablation's row "mean teacher + CutMix";
settings that two methods share keep the recipe's values.

Each run lives in its own folder under --runs: a benchmark that was stopped goes on where it was, and finished
runs are read, not repeated. ``last`` is the score after the last step; ``best`` is the highest score of the
curve, chosen on the very images that are scored, and is printed to show how much such a choice flatters.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ablation import ABLATION
from s4former.config.record import read_json, write_json
from s4former.curation.sources import open_source
from s4former.engine.loop import train
from s4former.engine.run import Run
from s4former.inference import wording
from s4former.recipes import load_run
from s4former.report.figures import learning_curves


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the CamVid folder")
    parser.add_argument("--weights", required=True, help="the backbone's weights")
    parser.add_argument("--recipe", default="camvid", help="camvid, or camvid.long for a GPU")
    parser.add_argument("--methods", default="supervised,mean_teacher_cutmix,s4former")
    parser.add_argument("--ablation", action="store_true", help="compare S4Former's parts instead of methods")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="only these rows of the ablation")
    parser.add_argument("--split", default="1_16", help="1_64, 1_32, 1_16, 1_8 or 1_4")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--eval-split", default="val", choices=["val", "test"])
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c", help="overrides for every run")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark_camvid"))
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def rows(chosen: argparse.Namespace) -> dict[str, list[str]]:
    """Return the overrides of each row of the table."""
    if not chosen.ablation:
        return {name: _changes(name) for name in chosen.methods.split(",")}
    return {name: ABLATION[name] for name in chosen.rows or ABLATION}


def _changes(method: str) -> list[str]:
    name = method.removesuffix("_cutmix")
    return [f"method.name={name}", *(["method.cutmix_probability=0.5"] if name != method else [])]


def configured(chosen: argparse.Namespace, overrides: list[str], seed: int) -> Run:
    """Return the run of one row and seed."""
    common = [
        f"data.root={chosen.data}",
        f"model.pretrained={chosen.weights}",
        f"data.labeled_split=splits/{chosen.split}/labeled.txt",
        f"data.unlabeled_split=splits/{chosen.split}/unlabeled.txt",
        f"evaluate.part={chosen.eval_split}",
        f"seed={seed}",
        *([f"steps={chosen.steps}"] if chosen.steps else []),
    ]
    run, _ = load_run(chosen.recipe, [*common, *overrides, *chosen.set])
    return run


def result_of(run: Run, folder: Path) -> dict[str, Any]:
    """Train a run, or read it if it is finished; return its curve and scores in percent."""
    if not (folder / "result.json").exists():
        train(run, folder, resume=folder.exists())
    result = read_json(folder / "result.json")
    curve = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    networks: dict[str, Any] = {}
    for line in curve:
        of_network = networks.setdefault(line["network"], {"curve": []})
        of_network["curve"].append([line["step"], round(100 * line["miou"], 2)])
    for name, of_network in networks.items():
        of_network["last"] = of_network["curve"][-1][1]
        of_network["best"] = max(score for _, score in of_network["curve"])
        of_network["iou"] = {c: v and round(100 * v, 2) for c, v in result["last"][name]["iou"].items()}
    record = read_json(folder / "run.json")
    return {
        "seed": run.seed,
        "seconds": result["seconds"],
        "hardware": record["hardware"],
        "networks": networks,
        "caption": wording.caption(next(iter(result["last"].values()))["protocol"]),
        "remarks": wording.all_remarks(list(result["last"].values())),
    }


def mean_and_spread(values: list[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation over seeds (None for one seed)."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and spread over seeds, for each network."""
    found: dict[str, Any] = {}
    for network in results[0]["networks"]:
        of_network = [result["networks"][network] for result in results]
        found[network] = {
            "last": mean_and_spread([one["last"] for one in of_network]),
            "best": mean_and_spread([one["best"] for one in of_network]),
            "iou": {
                name: mean_and_spread([one["iou"][name] for one in of_network])
                for name in of_network[0]["iou"]
                if all(one["iou"][name] is not None for one in of_network)
            },
        }
    return found


def shown(value: tuple[float, float | None]) -> str:
    """Print a mean with its spread."""
    mean, spread = value
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def tables(summaries: dict[str, Any], title: str) -> list[Table]:
    """Return the table of scores and the table of classes."""
    scores = Table(title=title)
    for column in ("", "network", "last", "best"):
        scores.add_column(column, justify="left" if column in {"", "network"} else "right")
    names = list(next(iter(next(iter(summaries.values())).values()))["iou"])
    classes = Table(title=f"{title}: IoU by class after the last step")
    for column in ("", "network", *names):
        classes.add_column(column, justify="left" if column in {"", "network"} else "right")
    for row, networks in summaries.items():
        for network, values in networks.items():
            scores.add_row(row, network, shown(values["last"]), shown(values["best"]))
            classes.add_row(row, network, *(f"{values['iou'][name][0]:.1f}" for name in names))
    return [scores, classes]


def curves(collected: dict[str, list[dict[str, Any]]]) -> dict[str, list[tuple[int, float]]]:
    """Return the mean curve over seeds of each row and network, as fractions."""
    found = {}
    for row, results in collected.items():
        for network in results[0]["networks"]:
            of_seeds = [result["networks"][network]["curve"] for result in results]
            found[f"{row}, {network}"] = [
                (points[0][0], statistics.mean(score for _, score in points) / 100)
                for points in zip(*of_seeds, strict=True)
            ]
    return found


def markdown(table: Table) -> str:
    """Return a rich table as Markdown."""
    columns = [list(column.cells) for column in table.columns]
    header = [str(column.header) for column in table.columns]
    lines = [header, ["---"] * len(header), *(list(map(str, row)) for row in zip(*columns, strict=True))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Run what was asked for, and write JSON and Markdown."""
    chosen, console = options(), Console(width=160)
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    collected: dict[str, list[dict[str, Any]]] = {}
    configs: dict[str, Any] = {}
    for seed in seeds:  # seed by seed, so that an interrupted benchmark has whole comparisons
        for row, overrides in rows(chosen).items():
            run = configured(chosen, overrides, seed)
            name = row.replace(" ", "_").replace(",", "").replace("(", "").replace(")", "")
            folder = chosen.runs / f"{chosen.split}_{chosen.eval_split}_{run.steps}" / f"{name}_seed{seed}"
            start = time.time()
            collected.setdefault(row, []).append(result_of(run, folder))
            configs[row] = read_json(folder / "run.json")["run"]
            # As typed here: a run that is read again may have been made from another folder.
            configs[row]["data"]["root"], configs[row]["model"]["pretrained"] = chosen.data, chosen.weights
            last = {net: scores["last"] for net, scores in collected[row][-1]["networks"].items()}
            console.print(f"{row}, seed {seed}: {last}  ({time.time() - start:.0f} s)")
    summaries = {row: summary(results) for row, results in collected.items()}
    steps = next(iter(configs.values()))["steps"]
    labeled = len(open_source(configured(chosen, [], 0).data).labeled)
    title = (
        f"CamVid {chosen.split.replace('_', '/')} ({labeled} labels), {steps} steps, "
        f"mIoU on {chosen.eval_split}, "
        f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    )
    found = tables(summaries, title)
    for table in found:
        console.print(table)
    protocol = (
        "mIoU in percent from one confusion matrix over all images at their own size; "
        f"{next(iter(collected.values()))[0]['caption']}; 'best' is the highest point of the curve, chosen "
        f"on {chosen.eval_split} itself"
    )
    remarks = {
        f"{row}, seed {result['seed']}: {remark}": None
        for row, results in collected.items()
        for result in results
        for remark in result["remarks"]
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        chosen.out,
        {
            "title": title,
            "date": time.strftime("%Y-%m-%d"),
            "torch": torch.__version__,
            "protocol": protocol,
            "remarks": list(remarks),
            "summary": summaries,
            "runs": collected,
            "configs": configs,
        },
    )
    if not chosen.ablation:  # two lines a row would cover each other
        learning_curves(curves(collected), chosen.out.with_suffix(".png"), f"mIoU on {chosen.eval_split}")
    text = "\n\n".join(f"{table.title}\n\n{markdown(table)}" for table in found)
    notes = "".join(f"\n- {remark}" for remark in remarks)
    chosen.out.with_suffix(".md").write_text(f"{text}\n\nScores: {protocol}.\n{notes and notes + chr(10)}")


if __name__ == "__main__":
    main()
