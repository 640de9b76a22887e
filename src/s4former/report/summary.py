"""The tables of a report: what was trained, scores of classes, differences, confusions, configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s4former.config import changed_fields
from s4former.inference import wording
from s4former.inference.config import LEAST_IMAGES
from s4former.ops.confusion import bootstrap_difference
from s4former.report.measuring import Measured
from s4former.report.records import RunRecord

_MOST_CLASSES = 40
_CONFUSIONS = 8
_SAME = 0.0005


def facts(runs: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Return what was trained on what: a line for each thing, with a cell for each run."""
    columns = [_facts(run) for run in runs]
    return [(name, [column[name] for column in columns]) for name in columns[0]]


def _facts(run: RunRecord) -> dict[str, str]:
    config, data, machine = run.run, run.record["data"], run.record["hardware"]
    batch, steps, network = config["data"], config["steps"], config["model"]
    device = machine.get("accelerator", config["device"])
    seconds = run.result.get("seconds") or next((line["seconds"] for line in run.journal[-1:]), 0)
    unlabeled = "unlabeled" in str(config["method"]) or "strong" in config["method"].get("views", {})
    taken = f" + {batch['unlabeled_batch_size']} unlabeled" if unlabeled else ""
    return {
        "method": run.method,
        "network": f"{network['backbone']['name']}, {network['head']['name']} head",
        "first weights": str(config.get("load_from") or network["pretrained"]),
        "images": f"{data['labeled']:,} labeled, {data['unlabeled']:,} unlabeled, {data['val']:,} val",
        "data": f"{batch['root']} ({batch['source']})",
        "steps": f"{steps:,}" if run.result else f"{run.step:,} of {steps:,}: not finished",
        "a step": f"{batch['labeled_batch_size']} labeled{taken}, crop {batch['crop_size']}",
        "learning rate": f"{config['optimizer']['lr']:g}, {config['optimizer']['name']}",
        "seed": str(config["seed"]),
        "time": f"{seconds / 60:.1f} min, {device}, {config['precision']}",
        "started": f"{run.record['started']}{', resumed' if run.record['resumed'] else ''}",
        "s4former": f"{run.record['versions']['s4former']} {(run.record.get('commit') or '')[:10]}",
    }


def scores_of(run: RunRecord, found: Mapping[str, Measured]) -> Mapping[str, Any] | None:
    """Return the scores of a run's model: as measured for the report, else as it wrote them."""
    return found[run.name].evaluation.record() if run.name in found else run.last


def notes(runs: Sequence[RunRecord], found: Mapping[str, Measured]) -> list[str]:
    """Return what is to be known of scores, each said once, after the runs that it is true of."""
    said: dict[str, list[str]] = {}
    for run in runs:
        if not run.last:
            continue
        part, how = run.last["part"], wording.caption(run.last["protocol"])
        again, fall_back = (scores_of(run, found) or {}).get("miou"), run.result.get("fall_back") or {}
        texts = [
            f"percent on {run.last['images']} {part} images, {how}; the best step is chosen on {part} itself",
            *wording.all_remarks([last for last, _ in run.networks.values()]),
            fall_back.get("message", ""),
        ]
        if abs((again or 0) - (run.last["miou"] or 0)) > _SAME and not run.fell_back:
            texts.append(f"scored again for this page, on this machine, model/ has {wording.percent(again)}")
        for text in filter(None, texts):
            said.setdefault(text, []).append(run.name)
    return [
        text if len(names) == len(runs) else f"{', '.join(names)}: {text}" for text, names in said.items()
    ]


def comparable(one: Measured, other: Measured) -> bool:
    """Whether two models were looked at on the same images, for the same classes."""
    return one.ids == other.ids and one.model.card.names == other.model.card.names


def difference(run: RunRecord, base: RunRecord, found: Mapping[str, Measured]) -> dict[str, Any]:
    """Return by how much a run's model is better than another's, with an interval if images are paired."""
    low = high = None
    one, other = found.get(run.name), found.get(base.name)
    if one and other and comparable(one, other) and len(one.ids) >= LEAST_IMAGES:
        low, high = bootstrap_difference(one.areas, other.areas)
    end, start = ((scores_of(each, found) or {}).get("miou") for each in (run, base))
    mean = None if end is None or start is None else end - start
    verdict = "no difference is shown" if low is not None else "no interval"
    if low is not None and high is not None and (low > 0 or high < 0):
        verdict = "a gain is shown" if low > 0 else "a loss is shown"
    return {"run": run.name, "mean": mean, "low": low, "high": high, "verdict": verdict}


def class_rows(
    runs: Sequence[RunRecord], base: RunRecord | None, found: Mapping[str, Measured]
) -> list[dict[str, Any]]:
    """Return a row for each class: its IoU in each run, and how much that is above the baseline's."""
    classes = runs[0].record["data"]["classes"]
    ious = {run.name: (scores_of(run, found) or {}).get("iou", {}) for run in runs}
    matrix = _matrix(runs[0], found.get(runs[0].name))
    shares = [None] * len(classes["names"]) if matrix is None else matrix.sum(1) / max(1, matrix.sum())
    rows = []
    for name, color, share in zip(classes["names"], classes["colors"], shares, strict=True):
        own = {run: iou.get(name) for run, iou in ious.items()}
        before = own[base.name] if base else None
        gains = {run: None if None in (iou, before) else iou - before for run, iou in own.items()}
        rows.append({"name": name, "color": color, "share": share, "iou": own, "gain": gains})
    return rows


def _matrix(run: RunRecord, measured: Measured | None) -> np.ndarray | None:
    if measured and measured.evaluation.matrix is not None:
        return np.asarray(measured.evaluation.matrix)
    matrix = np.array(run.confusion.get("matrix", []))
    return matrix if matrix.shape == (len(run.names),) * 2 else None


def confusion(run: RunRecord, measured: Measured | None) -> dict[str, Any] | None:
    """Return the shares of each class's pixels by prediction, and the largest confusions; None if unknown.

    Of many classes those with the most confused pixels are in the table.
    """
    matrix = _matrix(run, measured)
    if matrix is None:
        return None
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    worst = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:_MOST_CLASSES]
    kept = sorted(int(index) for index in worst)
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    pairs = np.dstack(np.unravel_index(np.argsort(-wrong, axis=None)[:_CONFUSIONS], wrong.shape))[0]
    total = max(1, int(matrix.sum()))
    return {
        "names": [run.names[index] for index in kept],
        "rows": [(run.names[i], [float(shares[i, j]) for j in kept]) for i in kept],
        "left_out": len(matrix) - len(kept),
        "pairs": [
            (run.names[i], run.names[j], float(shares[i, j]), float(wrong[i, j] / total))
            for i, j in pairs.tolist()
            if wrong[i, j]
        ],
    }


def changed(runs: Sequence[RunRecord]) -> list[tuple[str, list[Any]]]:
    """Return the fields in which runs differ, with a value for each run."""
    fields = dict.fromkeys(field for run in runs[1:] for field in changed_fields(runs[0].run, run.run))

    def value(run: RunRecord, field: str) -> Any:
        found: Any = run.run
        for part in field.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    return [(field, [value(run, field) for run in runs]) for field in fields]
