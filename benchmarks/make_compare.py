"""Write ``docs/compare.md`` from the result files in ``benchmarks/results``.

python benchmarks/make_compare.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from s4former.config import read_json
from s4former.config.record import write_text
from s4former.studies.comparison import markdown, score_table

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "compare.md"
INTRODUCTION = """# Methods compared

Made by `benchmarks/make_compare.py` from the result files that each section names; do not edit it.

Rows of a section have equal steps, views, labels and scoring. A *cell* is a label count, a draw of the
labeled images and a seed: in a cell all rows start from the same weights and see the same labeled crops, so
differences are taken pair by pair, and their 95 % intervals are those of Student's t over the pairs. Cells of
one draw share their labeled images, so where draws are few an interval tells more of seeds than of draws.
*Last* is the score after the last step, of the network that is saved (\\*) and of the other one; *best* is
the highest score on the way, chosen on the very images that are scored, and shows how much such a choice
flatters. `s4former compare` makes such tables for your own data."""
EARLIER = "## Before `s4former compare`\n\nmIoU in percent after the last step, mean over seeds."


def page() -> str:
    """Return the page."""
    found = {path: read_json(path) for path in sorted(RESULTS.glob("*.json"))}
    studies = [_study(path, content) for path, content in found.items() if "lines" in content]
    earlier = [_earlier(path, content) for path, content in found.items() if _is_earlier(content)]
    if earlier:
        earlier.insert(0, EARLIER)
    return "\n\n".join([INTRODUCTION, *studies, *earlier]) + "\n"


def _study(path: Path, content: dict[str, Any]) -> str:
    common = _common(content["rows"])
    short = _short_names(content["rows"], common)
    lines = [
        {**line, "row": short.get(line["row"], line["row"]), "minus": _renamed(line["minus"], short)}
        for line in content["lines"]
    ]
    against = [short[reference] for reference in content["against"]]
    name = f"benchmarks/results/{path.name}"
    parts = [
        f"## {_what(path, content['part'])}",
        f"{content['title']}; {content['date']}, [{path.name}](../{name}).",
    ]
    parts.append(markdown(score_table(lines, against, content["title"], content["part"])))
    notes = [f"(a): {', '.join(common)}"] if common else []
    notes += [_protocol(content), *_verdicts(lines, against)]
    notes += [note for note in content["notes"] if note not in content["verdicts"]]
    parts.append("\n".join(f"- {note}" for note in notes))
    figure = path.with_suffix(".png")
    if figure.is_file():
        parts.append(f"![Score over label count](../benchmarks/results/{figure.name})")
    return "\n\n".join(parts)


def _what(path: Path, part: str) -> str:
    """Return what a file's name says of its rows: ``msrc_21_methods_val_HARDWARE_DATE`` of 21 labels."""
    data, labels, *rows = path.stem.partition(f"_{part}_")[0].split("_")
    return f"{data.upper()}, {labels} labels" + (f": {' '.join(rows)}" if rows else "")


def _common(rows: Iterable[str]) -> list[str]:
    """Return the settings that all rows with three or more of them share."""
    settings = [row.partition(":")[2].split(",") for row in rows]
    several = [each for each in settings if len(each) > 2]
    return [each for each in several[0] if all(each in row for row in several)] if len(several) > 1 else []


def _short_names(rows: Iterable[str], common: Sequence[str]) -> dict[str, str]:
    """Return a name for each row that fits into a table: ``common`` settings become "(a)"."""
    short = {}
    for row in rows:
        method, _, settings = row.partition(":")
        own = [each for each in settings.split(",") if each not in common]
        has_all = bool(common) and set(common) <= set(settings.split(","))
        short[row] = f"{':'.join(filter(None, (method, ','.join(own))))} (a)" if has_all else row
    return short


def _renamed(minus: Mapping[str, Any], short: Mapping[str, str]) -> dict[str, Any]:
    return {short[reference]: difference for reference, difference in minus.items()}


def _verdicts(lines: Sequence[dict[str, Any]], against: Sequence[str]) -> Iterator[str]:
    """Yield which deployed networks are shown to gain or lose, by reference: a 95 % interval without 0."""
    for reference in against:
        found: dict[str, list[str]] = {"a gain": [], "a loss": [], "no difference": []}
        for line in lines:
            difference = line["minus"].get(reference)
            if not line["deployed"] or line["row"] == "(first part)" or not difference:
                continue
            low, high = difference["interval"] or (0, 0)
            verdict = "a gain" if low > 0 else "a loss" if high < 0 else "no difference"
            found[verdict].append(line["row"])
        said = [f"{verdict} of {', '.join(rows)}" for verdict, rows in found.items() if rows]
        if said:
            yield f"against {reference} is shown {'; '.join(said)}"


def _protocol(content: dict[str, Any]) -> str:
    hardware = {run["hardware"]["processor"] for run in content["runs"]}
    # A method with its settings says by itself what it is.
    named = {name: changes for name, changes in content["rows"].items() if " " in name and changes}
    rows = "; ".join(f"{name}: `{' '.join(changes)}`" for name, changes in named.items())
    return f"on {', '.join(sorted(hardware))}" + (f"; {rows}" if rows else "")


def _is_earlier(content: Any) -> bool:
    return isinstance(content, dict) and {"title", "summary", "runs"} <= content.keys()


def _earlier(path: Path, content: dict[str, Any]) -> str:
    lines = [f"{content['title']} ([{path.name}](../benchmarks/results/{path.name}))", ""]
    lines += ["| row | network | last |", "|---|---|---:|"]
    for row, networks in content["summary"].items():
        for network, values in networks.items():
            mean, spread = values["last"]
            lines.append(f"| {row} | {network} | {mean:.1f}{'' if spread is None else f' ± {spread:.1f}'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write_text(PAGE, page())
    print(PAGE)
