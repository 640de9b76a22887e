"""Comparing rows: train what is missing, and write what came out as JSON, Markdown and a figure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from s4former.config.invocation import invocation
from s4former.config.outputs import Outputs, claim
from s4former.config.record import json_text, now, versions
from s4former.engine.callbacks import Callback
from s4former.engine.progress import progress_for
from s4former.engine.tables import print_table, table_of, tell
from s4former.inference.config import FEW_IMAGES
from s4former.report.figures import label_curves
from s4former.studies.plan import ALL, Study, plan
from s4former.studies.results import read_configs, read_results
from s4former.studies.scores import by_group, label_efficiency, verdicts
from s4former.studies.work import require_same, state_of, work

Line = Mapping[str, Any]
_FOLDS_ARE_ALIKE = (
    "folds share most of the images that they learn from, so intervals over them are rather too narrow, and "
    "each score is of few images"
)


def score_table(lines: Sequence[Line], against: Sequence[str], title: str, part: str) -> Table:
    """Return the table of a comparison: a line for each label count, row and network.

    Args:
        lines: As `s4former.studies.scores.by_group` returns them.
        against: The reference rows.
        title: What stands above it.
        part: What was scored, on which the best step was chosen.
    """
    shown = [reference for reference in against if any(reference in line["minus"] for line in lines)]
    headers = [
        "last",
        *(f"minus {reference} [95 %]" for reference in shown),
        f"best (chosen on {part})",
        "images/s",
        "MiB",
        "minutes",
    ]
    table = table_of(
        ("labels", "", "network"),
        headers,
        title=title,
        title_justify="left",
        caption="* deployed",
        caption_justify="left",
    )
    before = None
    for line in lines:
        if before not in (None, line["group"]):
            table.add_section()
        before = line["group"]
        table.add_row(*_cells(line, shown), style="bold" if line["deployed"] else None)
    return table


def _cells(line: Line, against: Sequence[str]) -> list[str]:
    labels = f"all ({line['labeled']})" if line["group"] == ALL else str(line["labeled"])
    return [
        labels,
        line["row"],
        f"{line['network']} *" if line["deployed"] else line["network"],
        _spread(line["last"]),
        *(difference_text(line["minus"].get(reference)) for reference in against),
        _spread(line["best"]),
        _number(line["images_per_second"], 1),
        _number(line["peak_memory_mib"], 0),
        _number(line["minutes"], 1),
    ]


def _spread(summary: Line) -> str:
    spread = "" if summary["spread"] is None else f" ± {summary['spread']:.1f}"
    return f"{summary['mean']:.1f}{spread} ({summary['cells']})"


def difference_text(summary: Line | None) -> str:
    """Return a paired difference with its 95 % interval, if one is known."""
    if summary is None:
        return ""
    if summary["interval"] is None:
        return f"{summary['mean']:+.1f}"
    low, high = summary["interval"]
    return f"{summary['mean']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    columns = [list(map(str, column.cells)) for column in table.columns]
    header = [str(column.header) for column in table.columns]
    rules = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = [header, rules, *map(list, zip(*columns, strict=True))]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def compare(
    study: Study,
    out: Path,
    against: Sequence[str],
    title: str,
    part: tuple[int, int] = (0, 1),
    train: bool = True,
    console: Console | None = None,
    progress: Callable[[], Callback] | None = None,
) -> dict[str, Any] | None:
    """Train what a study lacks, and write what its finished runs say; None if there is none yet.

    Args:
        study: The study.
        out: The JSON file to write; Markdown and figures are written beside it.
        against: Reference rows, chosen before looking; the first is the baseline of the sentences.
        title: What it is called.
        part: Which cells to train, see `plan`; what is written is about all of them.
        train: Whether to train; else what is finished is read.
        console: Where to write; the terminal by default.
        progress: Makes who hears of the training of a run; by default what suits the console.

    Raises:
        UserError: If changes do not fit, folders hold other runs, or somebody's own file is in the way.
        Interrupted: If a signal asked to stop.
    """
    console = console or Console()
    # All of it, so that a mistake in the last row is told before the first one is trained.
    planned = plan(study)
    require_same(planned, study.runs)
    table, figure = out.with_suffix(".md"), out.with_suffix(".png")
    outputs = claim(
        [(out, "the results"), (table, "the table"), (figure, "the figure")],
        "comparison",
        instead=f"give another {invocation().out}",
        edited=True,
    )

    say = partial(tell, console)
    if train:
        left = work(plan(study, part), study.runs, say, progress or (lambda: progress_for(console)))
        for each in left:
            say(f"left to another process: {each.place}")
    records = read_results(planned, study.runs)
    if not records:
        say("no run is finished yet")
        return None
    found = _summary(study, records, read_configs(planned, study.runs), against, title, len(planned))
    found["notes"] = [*found["verdicts"], *_worth(found), *_remarks(study, found)]
    outputs.write_text(out, json_text(found))
    _write(found, out, outputs, console, against)
    return found


def describe(study: Study, part: tuple[int, int] = (0, 1)) -> list[str]:
    """Return a sentence for each run of a study: where it is, and how far."""
    return [f"{each.place}: {state_of(each, study.runs)}" for each in plan(study, part)]


def _summary(
    study: Study,
    records: list[dict[str, Any]],
    configs: dict[str, Any],
    against: Sequence[str],
    title: str,
    planned: int,
) -> dict[str, Any]:
    rows = [row.name for row in study.rows]
    lines = by_group(records, rows, against)
    scored = next((record for record in records if record["part"]), None)
    return {
        "title": title,
        "date": now()[:10],
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions(),
        "rows": {row.name: list(row.changes) for row in study.rows},
        "against": list(against),
        "steps": study.base_of(study.cells[0]).steps,
        "first_steps": study.first_steps,
        "first": list(study.first),
        "second": list(study.second),
        "part": scored["part"] if scored else "nothing",
        "images": scored["images"] if scored else 0,
        "protocol": scored["protocol"] if scored else "not scored",
        "finished": len(records),
        "planned": planned,
        "lines": lines,
        "verdicts": [text for reference in against for text in verdicts(lines, reference)],
        "label_efficiency": label_efficiency(lines, against[0]),
        "runs": records,
        "configs": configs,
    }


def _write(
    found: dict[str, Any], out: Path, outputs: Outputs, console: Console, against: Sequence[str]
) -> None:
    """Print the table and the sentences, and write Markdown and the figure."""
    table = score_table(found["lines"], against, found["title"], found["part"])
    print_table(console, table)
    for note in found["notes"]:
        tell(console, note)
    text = [f"# {found['title']}", "", markdown(table), "", *(f"- {note}" for note in found["notes"])]
    outputs.write_text(out.with_suffix(".md"), "\n".join(text) + "\n")
    curves: dict[str, list[tuple[int, float, float | None]]] = {}
    for line in found["lines"]:
        if line["deployed"]:
            spread = line["last"]["spread"]
            curves.setdefault(line["row"], []).append((line["labeled"], line["last"]["mean"], spread))
    if len({count for points in curves.values() for count, _, _ in points}) > 1:
        label_curves(curves, out.with_suffix(".png"), f"mIoU on {found['part']}", outputs)
    tell(console, f"written: {out}")


def _worth(found: dict[str, Any]) -> list[str]:
    """Return what the unlabeled images are worth in labels, a sentence each."""
    baseline = found["against"][0]
    sentences = []
    for each in found["label_efficiency"]:
        side = {"above": "more than ", "below": "fewer than ", None: ""}[each["beyond"]]
        sentences.append(
            f"{each['row']} from {each['labeled']} labels reaches {each['score']:.1f}, for which {baseline} "
            f"needs {side}{each['worth']} labels"
        )
    return sentences


def _remarks(study: Study, found: dict[str, Any]) -> list[str]:
    """Return what a reader has to know of the numbers."""
    first = (
        f"every row takes {found['steps']} steps, the first {found['first_steps']} of them supervised and "
        "shared by the rows of a cell"
        if found["first_steps"]
        else f"every row takes {found['steps']} steps"
    )
    few = found["images"] < FEW_IMAGES and not study.folds
    scored = f"{found['images']} {found['part']} images"
    if study.folds:
        scored = f"the held-out images of each of {study.folds} folds ({found['images']} in the first)"
    missing = found["planned"] - found["finished"]
    return [
        f"mIoU in percent on {scored}, {found['protocol']}; last: after the "
        "last step, mean ± standard deviation (cells); best: the highest score on the way, chosen on "
        f"{found['part']} itself",
        f"{first}; differences are to the deployed network after the last step, paired by cell (labels, draw "
        "and seed: same first weights, same labeled crops), with intervals by Student's t",
        *([f"{scored} are few: --folds 3 scores each labeled image once"] if few else []),
        *([_FOLDS_ARE_ALIKE] if study.folds else []),
        *_weighted(study, found),
        *([f"{missing} of {found['planned']} runs are not finished"] if missing else []),
    ]


def _weighted(study: Study, found: dict[str, Any]) -> list[str]:
    """Return what is to be said of rows on labels alone that have weights made for pseudo-labels."""
    methods = {row: config["method"] for row, config in found["configs"].items()}
    own = [row.name for row in study.rows if methods.get(row.name, {}).get("class_balance")]
    alone = [name for name in own if "weak" not in methods[name]["views"]]
    if not alone:
        return []
    return [
        f"{', '.join(alone)} weighs classes by rarity, which is made for pseudo-labels; without, as in "
        f"--methods {alone[0]}:class_balance=0, labels alone may do better"
    ]
