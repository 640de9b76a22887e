"""What came out of the runs of a study, read from their folders."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from s4former.config.record import read_json
from s4former.engine.journal import read_lines
from s4former.inference import wording
from s4former.studies.plan import PlannedRun
from s4former.studies.work import COST, finished


def read_results(planned: Iterable[PlannedRun], runs: Path) -> list[dict[str, Any]]:
    """Return a record of each run that is finished; scores are percent."""
    return [_record(each, runs / each.place) for each in planned if finished(runs / each.place)]


def read_configs(planned: Iterable[PlannedRun], runs: Path) -> dict[str, Any]:
    """Return the whole config of a finished run of each row, as of its first cell."""
    found: dict[str, Any] = {}
    for each in planned:
        name = each.row or each.place.rpartition("/")[2]
        if name not in found and finished(runs / each.place):
            found[name] = read_json(runs / each.place / "run.json")["run"]
    return found


def _record(each: PlannedRun, folder: Path) -> dict[str, Any]:
    result, run = read_json(folder / "result.json"), read_json(folder / "run.json")
    last = result["last"]
    any_line: dict[str, Any] = next(iter(last.values()), {})
    cost = folder / COST
    return {
        "row": each.row,
        "cell": asdict(each.cell),
        "group": each.cell.group,
        "folder": each.place,
        "first": each.first,
        "labeled": run["data"]["labeled"],
        "unlabeled": run["data"]["unlabeled"],
        "method": run["run"]["method"]["name"],
        "steps": result["steps"],
        "seconds": result["seconds"],
        "images_per_second": _speed(folder),
        "peak_memory_mib": read_json(cost)["peak_memory_mib"] if cost.is_file() else None,
        "deployed": result["deployed"],
        "networks": _networks(folder, last),
        "part": any_line.get("part"),
        "images": any_line.get("images"),
        "protocol": wording.caption(any_line["protocol"]) if any_line else "not scored",
        "remarks": wording.all_remarks(list(last.values())),
        "hardware": run["hardware"],
        "commit": run["commit"],
    }


def _networks(folder: Path, last: dict[str, Any]) -> dict[str, Any]:
    """Return curve, last and best score and the scores by class of each network."""
    found: dict[str, Any] = {}
    lines = read_lines(folder / "scores.jsonl")
    for name, line in last.items():
        own = [each for each in lines if each["network"] == name and each["miou"] is not None]
        best = max(own, key=lambda each: each["miou"], default=None)
        found[name] = {
            "last": _percent(line["miou"]),
            "best": best and _percent(best["miou"]),
            "best_step": best and best["step"],
            "curve": [[each["step"], _percent(each["miou"])] for each in own],
            "iou": {label: _percent(value) for label, value in line["iou"].items()},
            "acc": {label: _percent(value) for label, value in line["acc"].items()},
        }
    return found


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 3)


def _speed(folder: Path) -> float | None:
    """Return images a second: the median of the journal's lines, as other programs compute too."""
    speeds = [line["images_per_second"] for line in read_lines(folder / "journal.jsonl")]
    return round(statistics.median(speeds), 2) if speeds else None
