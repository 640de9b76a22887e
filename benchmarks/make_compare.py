"""Write ``docs/compare.md`` and its figure from the result files in ``benchmarks/results``.

    python benchmarks/make_compare.py

What is asked, in which order, is in ``compare_sections.yaml``, which lists each result of a comparison once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from s4former.config import read_json
from s4former.config.record import write_text
from s4former.report.figures import label_curves
from s4former.studies.comparison import difference_text, markdown, score_table
from s4former.studies.scores import FIRST

RESULTS = Path(__file__).parent / "results"
SECTIONS = Path(__file__).with_name("compare_sections.yaml")
DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURE = DOCS / "compare.md", DOCS / "images" / "compare.png"
INTRODUCTION = """# Methods compared

Made by `benchmarks/make_compare.py` from the result files that each table names; do not edit it.

Rows of a table have equal steps, views, labels and scoring. A *cell* is a label count, a draw of the
labeled images and a seed: in a cell all rows start from the same weights and see the same labeled crops, so
differences are taken pair by pair, and their 95 % intervals are those of Student's t over the pairs. Cells of
one draw share their labeled images, so where draws are few an interval tells more of seeds than of draws.
*Last* is the score after the last step, of the network that is saved (\\*) and of the other one; *best* is
the highest score on the way, chosen on the very images that are scored, and shows how much such a choice
flatters. `s4former compare` makes such tables for your own data."""

Content = Mapping[str, Any]
Section = Mapping[str, Any]


def sections() -> list[Section]:
    """Return what the page is made of.

    Raises:
        SystemExit: If a result file of a comparison is in no section, or one that is listed is not there.
    """
    found: list[Section] = yaml.safe_load(SECTIONS.read_text())
    listed = [name for section in found for name in section["files"]]
    there = [path.name for path in sorted(RESULTS.glob("*.json")) if _is_comparison(read_json(path))]
    if sorted(listed) != there:
        raise SystemExit(
            f"{SECTIONS.name} has to list each comparison once; not listed: "
            f"{sorted(set(there) - set(listed))}; listed and not there, or twice: "
            f"{sorted(name for name in set(listed) if name not in there or listed.count(name) > 1)}"
        )
    return found


def page() -> str:
    """Return the page."""
    parts, asked = [INTRODUCTION], sections()
    summary = [
        (section, read_json(RESULTS / name))
        for section in asked
        if section.get("summary")
        for name in section["files"]
    ]
    parts += ["## In short", _summary(summary), f"![mIoU over labeled images]({FIGURE.relative_to(DOCS)})"]
    for section in asked:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def draw() -> None:
    """Save the figure: mIoU of deployed networks over the number of labels."""
    curves: dict[str, list[tuple[int, float, float | None]]] = {}
    for section in sections():
        for name in section["files"] if section.get("summary") else []:
            for row, line in _deployed(section, read_json(RESULTS / name)):
                curves.setdefault(row, []).append(
                    (line["labeled"], line["last"]["mean"], line["last"]["spread"])
                )
    label_curves(curves, FIGURE, "mIoU on val")


def _deployed(section: Section, content: Content) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what a row is called, and the line of its deployed network."""
    short = _names(section, content)
    for line in content["lines"]:
        if line["deployed"] and line["row"] != FIRST:
            yield short[line["row"]], line


def _summary(found: Sequence[tuple[Section, Content]]) -> str:
    """Return a table of deployed networks after the last step, with differences to reference rows."""
    against = list(
        dict.fromkeys(
            _names(section, content)[each] for section, content in found for each in content["against"]
        )
    )
    header = ["labels", "", "mIoU", "cells", *(f"minus {reference}" for reference in against)]
    rows = [header, ["---", "---", "---:", "---:", *["---:"] * len(against)]]
    for section, content in found:
        for row, line in _deployed(section, content):
            minus = _renamed(line["minus"], _names(section, content))
            spread = "" if line["last"]["spread"] is None else f" ± {line['last']['spread']:.1f}"
            rows.append(
                [
                    str(line["labeled"]),
                    row,
                    f"{line['last']['mean']:.1f}{spread}",
                    str(line["last"]["cells"]),
                    *(difference_text(minus.get(reference)) for reference in against),
                ]
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _section(section: Section) -> Iterator[str]:
    """Yield heading, text, what all tables have in common, and the tables."""
    contents = {name: read_json(RESULTS / name) for name in section["files"]}
    yield f"## {section['heading']}"
    if "text" in section:
        yield section["text"].strip()
    notes = [_notes(content) for content in contents.values()]
    shared = [note for note in notes[0] if len(notes) > 1 and all(note in each for each in notes)]
    if shared:
        yield "\n".join(f"- {note}" for note in shared)
    for (name, content), own in zip(contents.items(), notes, strict=True):
        yield f"### {section['files'][name]}"
        left = [note for note in own if note not in shared]
        yield from _study(section, name, content, left) if "lines" in content else _earlier(name, content)


def _notes(content: Content) -> list[str]:
    """Return what a reader has to know of the numbers of a file."""
    if "lines" not in content:
        return []
    hardware = {run["hardware"]["processor"] for run in content["runs"]}
    # A method with its settings says by itself what it is.
    named = {name: changes for name, changes in content["rows"].items() if " " in name and changes}
    rows = "; ".join(f"{name}: `{' '.join(changes)}`" for name, changes in named.items())
    own = [note for note in content["notes"] if note not in content["verdicts"]]
    return [f"on {', '.join(sorted(hardware))}" + (f"; {rows}" if rows else ""), *own]


def _study(section: Section, name: str, content: Content, notes: Sequence[str]) -> Iterator[str]:
    short, common = _names(section, content), _common(content["rows"])
    lines = [
        {**line, "row": short.get(line["row"], line["row"]), "minus": _renamed(line["minus"], short)}
        for line in content["lines"]
    ]
    against = [short[reference] for reference in content["against"]]
    yield f"{content['title']}; {content['date']}, {_link(name)}."
    yield markdown(score_table(lines, against, content["title"], content["part"]))
    named = [
        f"{shown} is `{row}`" for row, shown in section.get("names", {}).items() if row in content["rows"]
    ]
    said = [f"(a): {', '.join(common)}"] if common else []
    said += [*(["; ".join(named)] if named else []), *_verdicts(lines, against), *notes]
    yield "\n".join(f"- {note}" for note in said)


def _link(name: str) -> str:
    return f"[{name}](../benchmarks/results/{name})"


def _names(section: Section, content: Content) -> dict[str, str]:
    """Return how each row of a file is called on the page."""
    return _short_names(content["rows"], _common(content["rows"])) | section.get("names", {})


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
    several = len({line["labeled"] for line in lines if line["minus"]}) > 1
    for reference in against:
        found: dict[str, list[str]] = {"a gain": [], "a loss": [], "no difference": []}
        for line in lines:
            difference = line["minus"].get(reference)
            if not line["deployed"] or line["row"] == "(first part)" or not difference:
                continue
            low, high = difference["interval"] or (0, 0)
            verdict = "a gain" if low > 0 else "a loss" if high < 0 else "no difference"
            found[verdict].append(f"{line['row']} ({line['labeled']} labels)" if several else line["row"])
        said = [f"{verdict} of {', '.join(rows)}" for verdict, rows in found.items() if rows]
        if said:
            yield f"against {reference} is shown {'; '.join(said)}"


def _is_comparison(content: Any) -> bool:
    return isinstance(content, dict) and (
        "lines" in content or {"title", "summary", "runs"} <= content.keys()
    )


def _earlier(name: str, content: Content) -> Iterator[str]:
    """Yield the table of a file from before `s4former compare`."""
    yield f"{content['title']}, after the last step; {_link(name)}."
    lines = ["| row | network | last |", "|---|---|---:|"]
    for row, networks in content["summary"].items():
        for network, values in networks.items():
            mean, spread = values["last"]
            lines.append(f"| {row} | {network} | {mean:.1f}{'' if spread is None else f' ± {spread:.1f}'} |")
    yield "\n".join(lines)


if __name__ == "__main__":
    write_text(PAGE, page())
    draw()
    print(PAGE)
