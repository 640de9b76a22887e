"""The report of one run, or of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from s4former.config.errors import S4FormerError
from s4former.report import charts, summary
from s4former.report.gallery import WRONG, chosen, pseudo_labels
from s4former.report.measuring import Measured, measure
from s4former.report.records import RunRecord, read_runs
from s4former.report.rendering import render

_SUPERVISED = ("supervised", "supervised_averaged")


def make_report(
    paths: Sequence[Path],
    baseline: Path | None = None,
    predict: bool = True,
    on_image: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> str:
    """Return the report as a page of HTML.

    Args:
        paths: Run folders.
        baseline: The run that the others are compared with; by default the first supervised one, else the
            first one.
        predict: Whether to look at the scored images again, for pictures and intervals.
        on_image: Told the run, and how many of how many images of it are done.

    Raises:
        UserError: If one of them holds no run.
    """
    runs = read_runs([*paths, *([baseline] if baseline else [])])
    base = _baseline(runs, baseline)
    found: dict[str, Measured] = {}
    problems: dict[str, str] = {}
    for run in runs if predict else ():
        try:
            found[run.name] = measure(run, lambda done, total, name=run.name: on_image(name, done, total))  # type: ignore[misc]
        except S4FormerError as error:
            problems[run.name] = str(error)
    return render("report.html.jinja", _content(runs, base, found, problems, predict))


def _baseline(runs: Sequence[RunRecord], asked: Path | None) -> RunRecord | None:
    if asked:
        return next(run for run in runs if run.path.resolve() == asked.resolve())
    supervised = [run for run in runs if run.method in _SUPERVISED]
    return next(iter([*supervised, *runs])) if len(runs) > 1 else None


def _content(
    runs: Sequence[RunRecord],
    base: RunRecord | None,
    found: Mapping[str, Measured],
    problems: Mapping[str, str],
    predicted: bool,
) -> dict[str, Any]:
    others = [run for run in runs if run is not base]
    first = (others or runs)[0]
    own = found.get(first.name)
    ordered = [first, *(run for run in runs if run is not first)]
    seen = [found[run.name] for run in ordered if run.name in found]
    seen = [each for each in seen if own and summary.comparable(each, own)]
    compared = next((each for each in seen if each.run is base), None)
    return {
        "runs": runs,
        "base": base,
        "first": first,
        "measured": {name: each.evaluation.record() for name, each in found.items()},
        "problems": problems,
        "predicted": predicted,
        "classes": dict(zip(first.names, first.record["data"]["classes"]["colors"], strict=True)),
        "facts": summary.facts(runs),
        "charts": charts.run_charts(runs),
        "left": charts.LEFT,
        "right": charts.RIGHT,
        "notes": summary.notes(runs, found),
        "differences": [summary.difference(run, base, found) for run in others] if base else [],
        "class_rows": summary.class_rows(runs, base, found),
        "confusion": summary.confusion(first, own),
        "pictures": chosen(seen, compared) if own else {},
        "wrong": WRONG,
        "pseudo": {run.name: shown for run in runs if (shown := pseudo_labels(run.path))},
        "changed": summary.changed(runs),
        "configs": {run.name: yaml.safe_dump(dict(run.run), sort_keys=False) for run in runs},
    }
